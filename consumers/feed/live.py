"""The live feed: Server-Sent Events (WHATWG HTML, section 9.2), one CloudEvent each.

Every event carries a cursor that names the log and a position. Who comes back with one gets what
was missed from the view, then goes on live from the ring, with no seam between the two. A cursor
that this log never gave is answered with `reset`; nobody ever joins live in silence.
"""

import asyncio
import contextlib
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, NamedTuple

import orjson
import structlog

from consumers.feed.bulletin import Wanted
from consumers.feed.ring import Frame, Ring
from consumers.feed.updates import TAKES_BACK, Update
from consumers.stories.projection import Stories
from consumers.subscription import Subscription
from events.envelope import instant
from events.errors import DatelineError, Refused
from events.log import Log
from events.tree import leaf_hash

__all__ = ["Feed", "Limits", "turn_away"]

PAGE = 256  # updates read at a time for somebody who catches up
STRETCH = 2_048  # positions looked through at a time for it: a filter may let none of them pass
BREATH = 0.004  # seconds between looks while much is filed: what comes meanwhile is read together
RETRY_MS = (2_000, 8_000)  # when a browser comes back, spread so that not all come at once
BUSY_MS = (30_000, 90_000)  # the same for who is turned away: later, for others have to go first

NAMELESS = "0" * 12  # in the cursor of a log that has no event yet

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Tell = Callable[[bytes], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]

log = structlog.get_logger()

_CURSOR: Final = re.compile(r"([0-9a-f]{12})\.([0-9]{1,18})")
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
    (b"access-control-allow-origin", b"*"),  # pages of others may read what everybody may read
]


class Limits(NamedTuple):
    """What the feed gives everybody; times in seconds.

    `heartbeat` is the silence after which a connection is told that it lives; `rotation` how long
    one lasts, give or take a fifth; `send_within` what a reader has to take what is sent;
    `from_one` how many connections one key has, or one address without a key; `behind` how long
    this server may be behind another of the same log, which told a subscriber more.
    """

    heartbeat: float = 15.0
    rotation: float = 600.0
    send_within: float = 10.0
    clients: int = 5_000
    from_one: int = 100
    behind: float = 2.0


class Start(NamedTuple):
    """Where a subscriber begins: past `position`; `asked` is the cursor or moment it named."""

    position: int
    asked: str | None = None
    unknown: bool = False


class Feed:
    """All subscribers of one log.

    Args:
        source: the log.
        stories: the projection that keeps what readers are told.
        subscription: keeps that projection current.
        clock: milliseconds since 1970 UTC.
        limits: what everybody is given.
        signed: gives the last signed checkpoint of the audit tree, which every greeting carries.
    """

    def __init__(  # noqa: PLR0917 - what a feed is made of
        self,
        source: Log,
        stories: Stories,
        subscription: Subscription,
        clock: Callable[[], int],
        limits: Limits = Limits(),  # noqa: B008 - it cannot change
        signed: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._signed = signed
        self._log = source
        self._stories = stories
        self._subscription = subscription
        self._clock = clock
        self._limits = limits
        self._from: Counter[str] = Counter()
        self._listeners: set[_Listener] = set()
        self._name = ""
        self._closing = False
        self.ring = Ring()
        self.position = 0
        self.told = 0

    @property
    def clients(self) -> int:
        """How many connections there are."""
        return self._from.total()

    def has_room(self, who: str) -> bool:
        """Whether one more connection of this key or address is taken."""
        return self.clients < self._limits.clients and self._from[who] < self._limits.from_one

    async def begin(self) -> None:
        """Bring the view up to the log, so that who joins now joins where the log is."""
        self.position = await self._subscription.catch_up()
        self.ring = Ring(self.position)

    async def run(self) -> None:
        """Keep the ring current and the silent awake, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow())
            group.create_task(self._beat())
            group.create_task(self._watch())

    async def _follow(self) -> None:
        while True:
            before = self.position
            await self._read_on(await self._log.grown(before))
            if self.position > before + 1:
                await asyncio.sleep(BREATH)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._limits.heartbeat)
            self.ring.wake()

    async def _watch(self) -> None:
        """Cut who does not take what is sent; a timer for each would cost more than sending."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._limits.send_within / 4)
            late = loop.time() - self._limits.send_within
            for listener in [one for one in self._listeners if one.waits_since(late)]:
                listener.cut()

    async def _read_on(self, size: int) -> None:
        """Bring the view up to the log, and the ring up to the view."""
        checkpoint = await self._subscription.catch_up(size)
        while self.position < checkpoint:
            page = await self._updates(self.position, checkpoint, Wanted())
            if any(update.kind in TAKES_BACK for update in page):
                self.ring.forget()  # who lags behind it is told by the view, as it stands now
            self.ring.publish([await self._frame(update) for update in page])
            self.told += len(page)
            self.position = page[-1].position if len(page) == PAGE else checkpoint

    async def _updates(self, after: int, upto: int, wanted: Wanted) -> list[Update]:
        return await asyncio.to_thread(self._stories.updates, after, upto, PAGE, wanted)

    async def close(self) -> None:
        """Let every connection end after what it has been sent."""
        self._closing = True
        self.ring.wake()

    async def start(self, cursor: str | None, since: int | None) -> Start:
        """Find where a subscriber begins.

        Args:
            cursor: the last one it saw.
            since: a position to begin past, where there is no cursor.

        Raises:
            Refused: the cursor is none.
        """
        if cursor is None:
            if since is None:
                return Start(self.position)
            await self._reached(since)
            return Start(since)
        found = _CURSOR.fullmatch(cursor)
        if found is None:
            raise Refused("cursor", "last_event_id", "a cursor that this feed gave", repr(cursor))
        position = int(found[2])
        ours = (await self.name(), NAMELESS if position == 0 else "")
        known = found[1] in ours and await self._reached(position)
        return Start(position if known else self.position, cursor, unknown=not known)

    async def _reached(self, position: int) -> bool:
        """Say whether a position is told here by now, or soon: another server may be ahead."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.behind):
                while self.position < position:
                    await self.ring.wait()
        return self.position >= position

    async def name(self) -> str:
        """Give the name of the log: twelve digits of its first event's leaf hash."""
        if not self._name:
            async for event in self._log.read(0, upto=1):
                self._name = leaf_hash(event.envelope).hex()[:12]
        return self._name or NAMELESS

    async def cursor(self, position: int) -> str:
        """Give the cursor of a position."""
        return f"{await self.name()}.{position}"

    async def _frame(self, update: Update) -> Frame:
        cursor = await self.cursor(update.position)
        return Frame(update, b"id: %b\ndata: %b\n\n" % (cursor.encode(), update.event))

    async def serve(
        self, who: str, start: Start, wanted: Wanted, receive: Receive, send: Send
    ) -> None:
        """Serve one subscriber until it leaves, lags, or its time is up.

        Args:
            who: its key or address, by which connections are counted.
            start: where it begins.
            wanted: what it wants.
            receive: the connection, see ASGI.
            send: the connection, see ASGI.
        """
        listener = _Listener(asyncio.current_task())
        self._from[who] += 1
        self._listeners.add(listener)
        leaving = asyncio.create_task(_gone(receive))
        leaving.add_done_callback(lambda _: listener.cut())
        try:
            await self._serve(listener, start, wanted, send)
        except asyncio.CancelledError:
            if not listener.is_cut:
                raise
        except DatelineError as error:
            log.warning("listener let go", error=type(error).__name__)
        finally:
            listener.is_cut = True
            leaving.cancel()
            self._listeners.discard(listener)
            self._from[who] -= 1
            if not self._from[who]:
                del self._from[who]

    async def _serve(self, listener: "_Listener", start: Start, wanted: Wanted, send: Send) -> None:
        loop = asyncio.get_running_loop()

        async def tell(wire: bytes) -> None:
            listener.sending_since = loop.time()
            await send({"type": "http.response.body", "body": wire, "more_body": True})
            listener.sending_since = None

        ends = loop.time() + self._limits.rotation * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        retry = random.randint(*RETRY_MS)  # noqa: S311 - spreads load
        opening = b"retry: %d\n\n" % retry + await self._greeting(start)
        await tell(opening)
        number, position = await self._catch_up(start.position, wanted, tell)
        some = wanted != Wanted()
        # What it was told may be long ago, and what it went through since is not to be read again.
        told, sent_at = start.position if some else position, loop.time()
        while not self._closing and loop.time() < ends:
            if self.ring.end == number:
                await self.ring.wait()
            if self.ring.lags(number):
                return  # its cursor brings it back, to be told by the view
            if not self.ring.holds(number):
                number, position = await self._catch_up(position, wanted, tell)
            portion = self.ring.joined(number)
            wire = portion.wire
            if some and wire:
                frames = self.ring.frames(number)
                wire = b"".join(frame.wire for frame in frames if wanted.includes(frame.update))
            number, position = portion.end, portion.position or position
            if not wire:
                if loop.time() - sent_at < self._limits.heartbeat / 2:
                    continue
                wire = await self._still_here(position, told)
            told, sent_at, some = position, loop.time(), wanted != Wanted()
            await tell(wire)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _catch_up(self, position: int, wanted: Wanted, tell: Tell) -> tuple[int, int]:
        """Send what was missed from the view; returns where to go on in the ring."""
        while (number := self.ring.number_after(position)) is None:
            # The ring holds what comes after `self.position`, so that nothing is told twice.
            upto = min(self.position, position + STRETCH)
            page = await self._updates(position, upto, wanted)
            if page:
                await tell(b"".join([(await self._frame(update)).wire for update in page]))
            position = page[-1].position if len(page) == PAGE else upto
        return number, position

    async def _still_here(self, position: int, told: int) -> bytes:
        """Move the cursor of who wanted nothing of late; to all others, a comment."""
        if position == told:
            return b": so far\n\n"
        return await self._control("checkpoint", position, {"position": position})

    async def _greeting(self, start: Start) -> bytes:
        facts = {
            "log": await self.name(),
            "position": self.position,
            "time": instant(self._clock()),
            "signed": self._signed(),
        }
        if start.unknown:
            reason = "this log never gave that cursor; read the stories anew"
            # Only the reset has a cursor: who is cut off before it comes back to be told again.
            hello = b"event: hello\ndata: %b\n\n" % orjson.dumps(facts)
            return hello + await self._control(
                "reset", start.position, {"requested": start.asked, "reason": reason}
            )
        greeting = await self._control("hello", start.position, facts)
        if start.asked is not None:
            actual = await self.cursor(start.position)
            resumed = {"requested": start.asked, "actual": actual, "gap": False}
            greeting += await self._control("resume", start.position, resumed)
        return greeting

    async def _control(self, name: str, position: int, data: object) -> bytes:
        cursor = (await self.cursor(position)).encode()
        return b"id: %b\nevent: %b\ndata: %b\n\n" % (cursor, name.encode(), orjson.dumps(data))


class _Listener:
    """A connection: the task that serves it, and since when it is being sent something."""

    __slots__ = ("_task", "is_cut", "sending_since")

    def __init__(self, task: asyncio.Task[Any] | None) -> None:
        self._task = task
        self.is_cut = False
        self.sending_since: float | None = None

    def waits_since(self, moment: float) -> bool:
        """Whether it has not taken what was sent at a moment or before."""
        return self.sending_since is not None and self.sending_since <= moment

    def cut(self) -> None:
        """End it; it may come back with its cursor."""
        if not self.is_cut and self._task is not None:
            self.is_cut = True
            self._task.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def turn_away(send: Send, *, browser: bool) -> None:
    """Tell a subscriber to come back later.

    A browser gives up for good on any status but 200, so it is told in the stream.
    """
    if not browser:
        seconds = random.randint(*BUSY_MS) // 1000  # noqa: S311 - spreads load
        headers = [
            (b"retry-after", b"%d" % seconds),
            (b"content-type", b"application/problem+json"),
        ]
        await send({"type": "http.response.start", "status": 429, "headers": headers})
        about = {"type": "about:blank", "title": "too many connections", "status": 429}
        body = orjson.dumps(about, option=orjson.OPT_APPEND_NEWLINE)
        await send({"type": "http.response.body", "body": body})
        return
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    retry = random.randint(*BUSY_MS)  # noqa: S311 - spreads load
    wire = b'retry: %d\nevent: busy\ndata: {"retry_ms":%d}\n\n' % (retry, retry)
    await send({"type": "http.response.body", "body": wire, "more_body": False})
