"""Outgoing calls reach public addresses alone, by whatever trick somebody tries to lead them."""

import asyncio
import smtplib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import requests
from aiohttp.abc import AbstractResolver, ResolveResult
from receiving import receiving

from consumers.delivery.guard import Guard, NotPublic
from consumers.delivery.outgoing import Unanswered, call
from events.errors import Refused

ADDRESSES: Final = Path(__file__).parent / "addresses"
# Hosts as they stand in a URL. Each leads, or might lead, to this machine, to its neighbours, to
# a cloud's metadata, or to a protocol that carries such an address within.
TRICKS: Final = (ADDRESSES / "refused.txt").read_text(encoding="utf-8").split()
MOST_SHARED = 64  # threads that a loop shares at most, on any machine
PUBLIC: Final = (ADDRESSES / "public.txt").read_text(encoding="utf-8").split()


class Listener:
    """Counts whoever connects, on every address of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.seen = 0

    async def greet(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen += 1
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    listener = Listener(0)
    if socket.has_dualstack_ipv6():
        door = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    else:
        door = socket.create_server(("0.0.0.0", 0))  # noqa: S104 - it must see whatever comes in
    listener.port = door.getsockname()[1]
    server = await asyncio.start_server(listener.greet, sock=door)
    try:
        yield listener
    finally:
        server.close()


class Answers(AbstractResolver):
    """A name server that answers something else each time."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del family
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


async def refusal_of(url: str, guard: Guard, resolver: AbstractResolver | None = None) -> str:
    async with guard.session(seconds=5, resolver=resolver) as session:
        with pytest.raises(Unanswered) as refused:
            await call(session, "POST", url, b"{}")
    return refused.value.error


async def test_no_trick_reaches_what_is_not_public() -> None:
    """However an address is written or wrapped, a call to one that is not public opens nothing."""
    assert len(TRICKS) >= 100
    assert len(set(TRICKS)) == len(TRICKS)
    async with listening() as listener:
        for host in TRICKS:
            refused = await refusal_of(f"http://{host}:{listener.port}/", Guard())
            # What this machine's resolver cannot read leads nowhere either.
            assert refused in {"not-public", "no-connection", "bad-url"}, host
        assert listener.seen == 0


@pytest.mark.parametrize("address", [host.strip("[]") for host in TRICKS if host[0] == "["])
def test_an_address_that_holds_another_is_not_public(address: str) -> None:
    """Addresses that carry another within, or lead to no public host, are refused."""
    assert not Guard().allows(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    """Whatever is public can be called: its socket is made."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = Guard().socket((family, socket.SOCK_STREAM, 0, "", (address, 443)))
    made.close()


async def test_a_name_that_changes_its_answer_is_refused() -> None:
    """A name that was public when it was registered is looked at again where the socket opens."""
    guard = Guard()
    assert guard.check("https://hooks.example/") == "https://hooks.example/"
    async with listening() as listener:
        for answer in (
            *(["127.0.0.1"], ["::1"], ["169.254.169.254"], ["10.0.0.1", "127.0.0.1"]),
            *(["::ffff:127.0.0.1"], ["fe80::1%lo"], ["0.0.0.0"], ["127.0.0.1", "203.0.113.1"]),  # noqa: S104 - answered, not bound
        ):
            resolver = Answers(answer)
            url = f"http://hooks.example:{listener.port}/"
            assert await refusal_of(url, guard, resolver) == "not-public"
        assert listener.seen == 0


async def test_a_redirect_is_not_followed() -> None:
    """An endpoint that sends us elsewhere has answered, and elsewhere hears nothing."""
    async with listening() as listener, receiving() as receiver:
        receiver.status = 307
        receiver.headers = {"location": f"http://127.0.0.1:{listener.port}/"}
        async with Guard(allow_loopback=True).session() as session:
            answer = await call(session, "POST", receiver.url, b"{}")
        assert answer.status == 307
        assert listener.seen == 0


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls go where they are to go, not through a proxy that the environment names."""
    async with listening() as listener, receiving() as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{listener.port}")
        async with Guard(allow_loopback=True).session() as session:
            assert (await call(session, "POST", receiver.url, b"{}")).status == 204
        assert listener.seen == 0
        assert len(receiver.got) == 1


def test_loopback_is_open_only_where_it_is_allowed() -> None:
    """The switch for tests and demonstrations opens this machine, and nothing else."""
    open_to_us = Guard(allow_loopback=True)
    assert open_to_us.allows("127.0.0.1")
    assert open_to_us.allows("::1")
    for address in ("10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "0.0.0.0", "fe80::1"):  # noqa: S104 - an address to refuse
        assert not open_to_us.allows(address)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "https://user:secret@hooks.example/",
        "https:///nobody",
        "http://hooks.example/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://hooks.example/#there",
        "https://hooks.example/\r\nhost: other",
        f"https://hooks.example/{'a' * 3000}",
        "",
    ],
)
def test_a_url_that_cannot_be_meant_is_refused(url: str) -> None:
    """A target's URL is https, names a host that may be public, and carries no password."""
    with pytest.raises(Refused, match="target-url"):
        Guard().check(url)


@pytest.fixture
def door() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(0)
        yield made


def test_libraries_with_sockets_of_their_own_are_held_to_the_same(
    door: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTP and mail libraries that know nothing of the guard reach nothing that is not public."""
    port = door.getsockname()[1]
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    with Guard().blocking():
        for work in (
            lambda: requests.post(f"http://127.0.0.1:{port}/", timeout=5),
            lambda: requests.post(f"http://localhost:{port}/", timeout=5),
            lambda: smtplib.SMTP("127.0.0.1", port, timeout=5),
            lambda: by_name(port),
            by_path,
        ):
            with pytest.raises((NotPublic, requests.ConnectionError)):
                work()
    with pytest.raises(BlockingIOError):
        door.accept()


def by_path() -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.connect("/nowhere")


def by_name(port: int) -> Any:
    with socket.socket() as made:
        made.connect(("localhost", port))


async def test_names_are_looked_up_whatever_else_waits() -> None:
    """A call to a name gets through while every thread that the loop shares is kept waiting."""
    go_on = threading.Event()
    loop = asyncio.get_running_loop()
    kept = [loop.run_in_executor(None, go_on.wait, 20) for _ in range(MOST_SHARED)]
    try:
        async with receiving() as receiver, Guard(allow_loopback=True).session(5) as session:
            answer = await call(session, "GET", receiver.url.replace("127.0.0.1", "localhost"))
            assert answer.status == 204
    finally:
        go_on.set()
        await asyncio.gather(*kept)


@pytest.mark.parametrize(("number", "answered"), [(3, True), (1_000, False)])
async def test_who_announces_an_answer_without_end_is_cut_off(
    number: int,
    answered: bool,  # noqa: FBT001 - of the table above
) -> None:
    """A few early hints may come before an answer; a flood of them ends the call."""

    async def announce(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * number)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(announce, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, Guard(allow_loopback=True).session(5) as session:
        if answered:
            assert (await call(session, "GET", url)).status == 200
        else:
            with pytest.raises(Unanswered, match="dropped"):
                await call(session, "GET", url)


@pytest.mark.parametrize("host", ["\u2024", "a" * 300, "a..b"])
async def test_what_is_no_name_of_a_host_gets_nothing(host: str) -> None:
    """A host that no name server can be asked for surely got nothing."""
    async with Guard().session(5) as session:
        with pytest.raises(Unanswered, match="no-connection") as refused:
            await call(session, "GET", f"https://{host}/")
        assert not refused.value.may_have
