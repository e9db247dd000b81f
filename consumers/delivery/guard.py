"""Outgoing calls reach public addresses and nothing else, whatever name or trick leads elsewhere.

Whoever registers an endpoint chooses where this server connects to. So the address is looked at
where the socket is made, after every name was resolved and every odd way to write a number was
read by the system itself: there is nothing left between the look and the connection that could
change its answer. RFC 6890 and the IANA special-purpose registries say what is public; the
standard library's `is_global` follows them at some distance, and calls some translations of
private addresses global.
"""

import asyncio
import contextlib
import os
import socket
import sys
import threading
from collections.abc import Iterator
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

from consumers.delivery.aside import Aside
from events.errors import Refused

__all__ = ["Guard", "Line", "NotPublic"]

SECONDS = 15.0  # for a call in all: resolving, connecting, sending, and reading the answer
KEEP_SECONDS = 30.0  # that a connection stays open for the next call
MOST_AHEAD = 16  # answers that wait to be read on a connection; one is asked for at a time
LOOKED_UP = 64  # names at a time: one whose server says nothing keeps a thread for half a minute
MOST_URL = 2048  # characters

# What must not be reached although some of it is routed: IANA IPv4 special-purpose registry, the
# whole of 192.0.0.0/24, the relays of 6to4 (RFC 7526), and a cloud's metadata at a public address.
_NOT_V4: Final = tuple(
    ip_network(each)
    for each in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24"),
        *("192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
        "168.63.129.16/32",
    )
)
# All that IANA has given out; it leaves out the IPv4-mapped and -compatible, NAT64, unique local,
# link-local, multicast and unspecified.
_V6: Final = ip_network("2000::/3")
# Within it: protocol assignments with Teredo and ORCHID, documentation, 6to4, AS112, the 6bone.
_NOT_V6: Final = tuple(
    ip_network(each)
    for each in (
        *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48"),
        *("3ffe::/16", "3fff::/20"),
    )
)
_ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)  # RFC 5214: what follows is an IPv4 address


class NotPublic(OSError):
    """An outgoing call was to reach an address that is not public."""

    def __init__(self, address: str) -> None:
        super().__init__(f"expected a public address; found {address}")
        self.address = address


class _Peer(aiohttp.ClientResponse):
    """An answer that knows the address it came from, also when its connection is given back."""

    address: str | None = None

    async def start(self, connection: Any) -> "_Peer":  # noqa: ANN401 - aiohttp keeps its class to itself
        peer = connection.transport.get_extra_info("peername") if connection.transport else None
        self.address = str(peer[0]) if peer else None
        await super().start(connection)
        return self


class _Answers(ResponseHandler):
    """Takes answers in; who sends more of them than anybody asked for is cut off.

    Before its answer a server may send any number of others that only announce it (RFC 9110,
    section 15.2), and all that come together are read before anything else is done.
    """

    def feed_data(self, data: Any, size: int = 0) -> None:  # noqa: ANN401 - aiohttp's own message
        """Take one answer in."""
        if len(self) < MOST_AHEAD:
            super().feed_data(data, size)
        elif self.transport is not None:
            self.transport.abort()


class _Names(AbstractResolver):
    """Looks names up as the system does, in threads that nothing else waits for.

    Whoever registers an endpoint chooses its name server, and that may say nothing for long; a loop
    has few threads of its own, and all that it does beside its sockets shares them.
    """

    def __init__(self) -> None:
        self._aside = Aside(LOOKED_UP, "dateline-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Give the addresses of a host; where a call may go is asked where its socket is made."""
        kind, flags = socket.SOCK_STREAM, socket.AI_ADDRCONFIG
        look = partial(socket.getaddrinfo, host, port, family, kind, 0, flags)
        try:
            found = await (await self._aside.begin(look))
        except UnicodeError:
            raise OSError("expected the name of a host; found something else") from None
        return [
            ResolveResult(
                hostname=host,
                host=str(where[0]),
                port=int(where[1]),
                family=of,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for of, _, protocol, _, where in found
        ]

    async def close(self) -> None:
        """Hold nothing up: what is under way ends by itself."""


class Guard:
    """Makes sockets for outgoing calls, to public addresses alone.

    Args:
        allow_loopback: let calls reach this machine: for tests, demonstrations and development.
    """

    def __init__(self, *, allow_loopback: bool = False) -> None:
        self._allow_loopback = allow_loopback

    def allows(self, address: str) -> bool:
        """Whether a call may reach a numeric address, as `getaddrinfo` gives it."""
        try:
            found = ip_address(address)
        except ValueError:
            return False
        if self._allow_loopback and found.is_loopback:
            return True
        return _public_v4(found) if isinstance(found, IPv4Address) else _public_v6(found)

    def is_own(self, host: str) -> bool:
        """Whether a host is this machine by its address, and may be called."""
        with contextlib.suppress(ValueError):
            return self._allow_loopback and ip_address(host).is_loopback
        return False

    def socket(self, found: Any) -> socket.socket:  # noqa: ANN401 - as getaddrinfo gives it
        """Make the socket for one address that a name was resolved to.

        Raises:
            NotPublic: nothing may connect there.
        """
        family, kind, protocol, _, where = found
        if not self.allows(where[0]):
            raise NotPublic(str(where[0]))
        return socket.socket(family, kind, protocol)

    def session(
        self, seconds: float = SECONDS, resolver: AbstractResolver | None = None
    ) -> aiohttp.ClientSession:
        """Give a client whose every socket is made here, whatever a resolver answers.

        It keeps no cookies, heeds no proxy of the environment, and ends each call in time.
        Redirects are for each call to leave alone (`allow_redirects=False`).
        """
        connector = aiohttp.TCPConnector(
            limit=0,  # bounded where deliveries are claimed; a hanging one must hold up no other
            keepalive_timeout=KEEP_SECONDS,
            socket_factory=self.socket,
            resolver=resolver or _Names(),
        )
        making = asyncio.get_running_loop()
        connector._factory = partial(_Answers, loop=making)  # type: ignore[assignment]  # noqa: SLF001 - there is no other way to say so
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            response_class=_Peer,
            # Nothing opens what comes compressed: sixteen kilobytes could be gigabytes.
            headers={"user-agent": "dateline", "accept": "*/*", "accept-encoding": "identity"},
            trust_env=False,
            auto_decompress=False,
        )

    def check(self, url: str, field: str = "url") -> str:
        """Give a URL that may be called, refusing what can be refused before anything is resolved.

        Raises:
            Refused: it is none, carries a password, or names an address that is not public.
        """
        from yarl import URL  # noqa: PLC0415 - what aiohttp itself reads URLs with

        wanted = "an https URL of a public host without user, password or fragment"
        try:
            parts = URL(url)
            fine = (
                len(url) <= MOST_URL
                and url.isprintable()
                and parts.scheme in ("https", "http")
                and bool(parts.host)
                and not (parts.user or parts.password or parts.fragment)
            )
        except ValueError:
            fine = False
        if not fine:
            raise Refused("target-url", field, wanted, "something else")
        with contextlib.suppress(ValueError):
            if not self.allows(str(ip_address(parts.host or ""))):
                raise Refused("target-url", field, wanted, f"the address {parts.host}")
        if parts.scheme == "http" and not self._allow_loopback:
            raise Refused("target-url", field, wanted, "an http URL")
        return url

    @contextlib.contextmanager
    def blocking(self, line: "Line | None" = None) -> Iterator[None]:
        """Hold libraries that open sockets of their own to the same rule, in this thread.

        What they open is cut off with `line`.
        """
        _watch_sockets()
        before = _held()
        _thread.held = self, line
        try:
            yield
        finally:
            _thread.held = before


class Line:
    """All that a call in a thread has opened, to be cut off by another thread in time.

    A library's own limit is for each read, and an answer that drips never reaches it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cut = False
        self._open: list[socket.socket] = []

    @staticmethod
    def here() -> "Line | None":
        """Give that of the call which this thread makes."""
        return _held()[1]

    @property
    def is_cut(self) -> bool:
        """Whether the call has had its time."""
        return self._cut

    def take_in(self, opened: socket.socket) -> None:
        """Take in a socket that is about to connect.

        Raises:
            TimeoutError: it is too late.
        """
        with self._lock:
            if self._cut:
                raise TimeoutError("expected a connection in time; found it cut off")
            # By a descriptor of its own, for TLS takes the socket's away.
            self._open.append(socket.socket(fileno=os.dup(opened.fileno())))

    def cut(self) -> None:
        """End all connections, whatever waits for them, and let none be made any more."""
        with self._lock:
            self._cut = True
            for each in self._open:
                with contextlib.suppress(OSError):  # it has ended, or never connected
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
            self._open.clear()


def _public_v4(address: IPv4Address) -> bool:
    return address.is_global and not any(address in network for network in _NOT_V4)


def _public_v6(address: IPv6Address) -> bool:
    return (
        address.is_global
        and address.scope_id is None
        and address in _V6
        and not any(address in network for network in _NOT_V6)
        and (int(address) >> 32) & 0xFFFF_FFFF not in _ISATAP
    )


_thread = threading.local()


def _held() -> tuple[Guard | None, Line | None]:
    """Give what holds this thread."""
    found: tuple[Guard | None, Line | None] = getattr(_thread, "held", (None, None))
    return found


_watching = threading.Lock()
_watched = False


def _watch_sockets() -> None:
    """Have Python ask before any socket connects; threads that are not guarded are let pass."""
    global _watched  # noqa: PLW0603 - an audit hook (PEP 578) is for the life of the process
    with _watching:
        if not _watched:
            # `requests` would take a proxy from the environment, and the address with it.
            os.environ["no_proxy"] = os.environ["NO_PROXY"] = "*"
            sys.addaudithook(_ask)
            _watched = True


def _ask(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in ("socket.connect", "socket.sendto"):
        return
    guard, line = _held()
    if guard is None:
        return
    where = arguments[1]
    # A name would be resolved after this question; a path would be a socket of this machine.
    if not isinstance(where, tuple) or not guard.allows(str(where[0])):
        raise NotPublic(str(where[0] if isinstance(where, tuple) else where))
    if line is not None:
        line.take_in(arguments[0])
