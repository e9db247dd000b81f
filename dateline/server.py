"""The server: both sides' routes on one port, errors as problem documents, an orderly end."""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import FrameType
from typing import Final, NamedTuple

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consumers.alerts import routes as alerts
from consumers.audit import routes as audit
from consumers.audit.duty import Duty, Schedule
from consumers.audit.export import Export, Parts
from consumers.delivery import routes as subscribing
from consumers.delivery.guard import Guard
from consumers.feed.live import Feed, Limits
from consumers.feed.websub import Patience, WebSub
from consumers.outputs import routes as outputs
from consumers.outputs.place import Place
from consumers.pages import routes as pages
from consumers.stories import routes as reading
from dateline.api import docs
from dateline.commands.auditing import recorded_export
from dateline.entrance import Entrance
from dateline.operations import Operations
from dateline.outbox import Outbox
from dateline.problems import fault, http_problem, nobody, problem
from dateline.receipt import Receipt
from dateline.roles import ALL, Roles
from dateline.turns import Work, one_at_a_time, together
from dateline.wiring import Newsroom
from events.errors import DatelineError, Refused
from producers import routes as filing
from producers.keys import Keys

__all__ = ["Outside", "Server", "application", "settle"]

FEED = "/v1/feed"
DRAIN_SECONDS = 10  # that requests under way have to end when the server is stopped
PARTING_SECONDS = 2  # of these for subscribers: whoever takes nothing comes back with its cursor
KEEP_ALIVE_SECONDS = 75  # until the next request: proxies give one up sooner, by themselves
YOUNG = 10_000  # objects made before the collector looks at them; some hundred requests
# What decides who asks, where, and what is done: of two that differ, each layer would take its own.
_SAID_ONCE: Final = frozenset(
    {b"authorization", b"host", b"idempotency-key", b"if-match", b"last-event-id"}
)
_READING: Final = frozenset({"GET", "HEAD"})
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"cross-origin"),
)

log = structlog.get_logger()


class Outside(NamedTuple):
    """What the server is outside: its URL there, the WebSub hub that is told of changes, its roles.

    `guard` says which addresses the hub may be at.

    Without a URL every request is told the one that it went to; a hub needs one.
    """

    public_url: str | None = None
    hub: str | None = None
    patience: Patience = Patience()
    schedule: Schedule = Schedule()
    roles: Roles = ALL
    guard: Guard = Guard()


def application(
    room: Newsroom,
    keys: Keys,
    limits: Limits = Limits(),  # noqa: B008 - it cannot change
    outside: Outside = Outside(),  # noqa: B008 - it cannot change
    outbox: Outbox | None = None,
) -> tuple[ASGIApp, Feed]:
    """Give the ASGI application of a newsroom, and its feed.

    Args:
        room: the newsroom.
        keys: who may file and look inside.
        limits: what every subscriber of the feed is given.
        outside: how the server is known outside.
        outbox: sends alerts, where that is this server's work.
    """
    auditor = room.auditor
    feed = Feed(room.log, room.stories, room.subscription, room.clock, limits, lambda: auditor.note)

    entrance = Entrance(keys)
    operations = Operations(room, feed, outbox)
    app = Starlette(
        routes=[*operations.routes(), *_routes(room, entrance, outside, outbox)],
        exception_handlers={
            DatelineError: problem,
            HTTPException: http_problem,
            ClientDisconnect: nobody,
            Exception: fault,
        },
        lifespan=lambda _app: _at_work(room, feed, outside, operations, outbox),
    )
    app.router.redirect_slashes = False  # it would send whoever asks to the host that it named
    whole = live = file = _guarded(app)
    if "feed" in outside.roles:
        live = reading.live(room, feed, entrance.who)
    if "desk" in outside.roles:
        observe = operations.metrics.append_seconds.observe
        file = _guarded(_answered(filing.filing(room.publisher, entrance.filer, observe)))
    return _beside(live, file, whole), feed


@asynccontextmanager
async def _at_work(
    room: Newsroom, feed: Feed, outside: Outside, operations: Operations, outbox: Outbox | None
) -> AsyncIterator[None]:
    """Do what a server does by itself, from its beginning to its end."""
    duty = Duty(room.auditor, room.clock, outside.schedule)
    audited = {
        "checkpoints": duty.sign,
        "proofs": duty.prove,
        "erasures": room.cleaning.run,
    }
    await feed.begin()
    await duty.begin()
    reactions = _reactions(room, feed, outside, operations, outbox)
    async with operations.at_work(audited | reactions):
        yield
    await duty.sign_at_last()


def _routes(
    room: Newsroom, entrance: Entrance, outside: Outside, outbox: Outbox | None
) -> list[Route]:
    """Give what this server's roles let it answer, besides how it is."""

    def sends(request: Request) -> None:
        entrance.expect(request, {"alert"}, "scope")

    found = [*docs.routes(), *reading.routes(room, entrance.insider)]
    found += alerts.routes(room, entrance.insider, room.policy)
    if "feed" in outside.roles:
        auditor = room.auditor
        found += outputs.routes(room, outside.public_url, outside.hub, lambda: auditor.header)
        found += pages.routes(room, outside.public_url)
        found += audit.routes(auditor, _exports(room, entrance))
    if "alerts" in outside.roles and outbox is not None:
        found += subscribing.routes(outbox, sends)
    return found


def _reactions(
    room: Newsroom, feed: Feed, outside: Outside, operations: Operations, outbox: Outbox | None
) -> dict[str, Work]:
    """Give what this server's roles let it do by itself."""
    found = _pings(room, feed, outside)
    if "clock" in outside.roles:
        found["embargo clock"] = operations.embargo_clock.run
    if "alerts" in outside.roles:
        dispatch = room.dispatch
        if dispatch is not None and outbox is None:
            found["alert decisions"] = dispatch.run
        if dispatch is not None and outbox is not None:
            found["alert decisions"] = lambda: outbox.decide(dispatch)
        if outbox is not None:
            found |= together("alerts", outbox.work(), shared=room.shared)
    return one_at_a_time(room, found, {"alerts": outbox.targeted} if outbox is not None else {})


def _pings(room: Newsroom, feed: Feed, outside: Outside) -> dict[str, Work]:
    """Give the work of telling the hub, where there is one."""
    if not (outside.public_url and outside.hub and "hub" in outside.roles):
        return {}
    place = Place(outside.public_url, outside.hub)
    hub = WebSub(place, room.log, room.stories, room.subscription, outside.guard, outside.patience)
    return {"hub": lambda: hub.run(feed.position)}


def _exports(room: Newsroom, entrance: Entrance) -> audit.Wanted:
    """Put exports together for those who hold the key to them."""

    async def export(request: Request, story: str | None, parts: Parts) -> Export:
        needed = {"audit", "read:internal"} if parts == "private" else {"audit"}
        entrance.expect(request, needed, "parts")
        key = entrance.holder(request.headers.get("authorization"))
        name = key.actor.name
        return await recorded_export(room, story, parts, name, f"over HTTP to {name}")

    return export


def _beside(live: ASGIApp, file: ASGIApp, rest: ASGIApp) -> ASGIApp:
    """Give the live feed and filing their paths, and everything else to the rest."""
    live = _answered(live)

    async def any_of(scope: Scope, receive: Receive, send: Send) -> None:
        app = rest
        if scope["type"] == "http":
            _said_once(scope)
            if scope["path"] == FEED:
                app = live
            elif scope["method"] not in _READING and filing.PATH.fullmatch(scope["path"]):
                app = file
        await app(scope, receive, send)

    return _answered(any_of)


def _said_once(scope: Scope) -> None:
    said = [name for name, _ in scope["headers"] if name in _SAID_ONCE]
    for name in said:
        if (times := said.count(name)) > 1:
            raise Refused("header", name.decode(), "it once", f"it {times} times")
    if b"host" not in said and scope["http_version"] == "1.1":
        raise Refused("header", "host", "it once", "none")  # RFC 9112, section 3.2
    coded = [value.lower() for name, value in scope["headers"] if name == b"transfer-encoding"]
    if coded not in ([], [b"chunked"]):
        raise HTTPException(501)  # a body in another coding is not what was sent; section 6.1


def _answered(app: ASGIApp) -> ASGIApp:
    """Answer the errors of an application that stands outside of Starlette."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except DatelineError as error:
            if scope["type"] != "http":  # nobody asks who could be answered
                raise
            await _guarded(problem(Request(scope), error))(scope, receive, send)
        except HTTPException as error:
            await _guarded(http_problem(Request(scope), error))(scope, receive, send)

    return answered


def _guarded(app: ASGIApp) -> ASGIApp:
    """Add to every answer what keeps browsers from making more of it than it is."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = {name for name, _ in message["headers"]}
                guards = (guard for guard in _HEADERS if guard[0] not in told)
                message["headers"] = [*message["headers"], *guards]
            await send(message)

        await app(scope, receive, answer if scope["type"] == "http" else send)

    return guarded


class Server(uvicorn.Server):
    """Serves a newsroom until told to stop; what was acknowledged is kept whatever happens.

    Args:
        room: the newsroom.
        keys: who may file and look inside.
        ready: called when it serves.
        limits: what every subscriber of the feed is given.
        outside: how the server is known outside.
        outbox: sends alerts, where that is this server's work.
    """

    def __init__(  # noqa: PLR0917 - it ties together what it is made of
        self,
        room: Newsroom,
        keys: Keys,
        ready: Callable[[], None],
        limits: Limits = Limits(),  # noqa: B008 - it cannot change
        outside: Outside = Outside(),  # noqa: B008 - it cannot change
        outbox: Outbox | None = None,
    ) -> None:
        app, self._feed = application(room, keys, limits, outside, outbox)
        # It would call every reader that was cut an error; faults are told by `_fault`.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._ready = ready
        self._failure: Exception | None = None

        async def heeded(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await app(scope, receive, send)
            except Exception as error:
                if scope["type"] == "lifespan":
                    self._failure = error
                raise

        super().__init__(
            uvicorn.Config(
                heeded,
                http=Receipt,
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=DRAIN_SECONDS,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
            )
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in order; asked a second time by Ctrl-C, end at once."""
        # As uvicorn does, but for raising the signal again afterwards: the log is still open then.
        del frame
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, then say so.

        Raises:
            Exception: what kept the application from starting, such as a log that is out of reach.
        """
        try:
            await super().startup(sockets)
        except SystemExit:  # uvicorn tells its log alone, and ends the process
            if self._failure is not None:
                raise self._failure from None
            raise
        if self.started:
            try:
                self._ready()
            except Exception:  # such as a standard output that takes nothing
                await self.shutdown(sockets)
                raise

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the feed's connections, which would not end by themselves, then all others."""
        await self._feed.close()
        asyncio.get_running_loop().call_later(PARTING_SECONDS, self._part)
        await super().shutdown(sockets)

    def _part(self) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, Receipt) and connection.asked(FEED):
                connection.transport.abort()


def settle() -> None:
    """Keep the garbage collector from what a serving process has for as long as it runs.

    Modules, models and routes are a million objects that are never garbage; looking through them
    again and again took a sixth of the time of a busy server.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)
