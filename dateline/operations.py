"""What runs beside the requests of a server, and what it tells of itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import structlog
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consumers.answers import said
from consumers.feed.live import Feed
from consumers.views import Position
from dateline.metrics import Lag, Metrics, Moment, Sent
from dateline.outbox import Outbox
from dateline.wiring import Newsroom
from events.errors import BookDamaged, DatelineError, LogMoved
from events.log import Head
from producers.embargo_clock import Embargo, EmbargoClock

__all__ = ["Operations", "pause_after"]

AGAIN_AFTER = (1.0, 30.0)  # seconds after which work that failed is taken up, at first and at most
MOST_LAG = 10_000  # events behind which a server is not ready: what it tells is old

Work = Callable[[], Awaitable[None]]

log = structlog.get_logger()


def pause_after(ran: float, pause: float) -> float:
    """Say how long to wait before work that failed is taken up again.

    Args:
        ran: for how many seconds it was at work; after a good while this is another failure.
        pause: seconds that were waited before it, 0 at first.
    """
    first, longest = AGAIN_AFTER
    return first if ran > longest else min(max(first, pause * 2), longest)


class Operations:
    """Keeps the feed and reactions at work, and says how they are.

    Args:
        room: the newsroom.
        feed: its feed.
        outbox: what sends its alerts, where that is this server's work.
    """

    def __init__(self, room: Newsroom, feed: Feed, outbox: Outbox | None = None) -> None:
        self._room = room
        self._outbox = outbox
        self._feed = feed
        self._failing: dict[str, str] = {}
        self.metrics = Metrics()
        self.embargo_clock = EmbargoClock(
            room.publisher, self._earliest, room.clock, time.monotonic
        )

    @asynccontextmanager
    async def at_work(self, more: Mapping[str, Work]) -> AsyncIterator[None]:
        """Keep the feed and what else there is at work within."""
        all_work = {"feed": self._feed.run, **more}
        work = [asyncio.create_task(self._keep(name, each)) for name, each in all_work.items()]
        yield
        for task in work:
            task.cancel()
        for task in work:
            with suppress(asyncio.CancelledError):
                await task

    async def _keep(self, name: str, work: Work) -> None:
        """Do some work for ever: when it fails, say so and take it up again."""
        pause = 0.0
        while True:
            began = time.monotonic()
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - whatever it is, the server goes on and says so
                pause = pause_after(time.monotonic() - began, pause)
                self._failing[name] = type(error).__name__
                log.error(  # noqa: TRY400 - no traceback: it may hold what was filed
                    "work failed", work=name, error=type(error).__name__, again_in=pause
                )
            else:
                return
            await asyncio.sleep(pause)
            self._failing.pop(name, None)

    async def _earliest(self) -> list[Embargo]:
        found = await asyncio.to_thread(self._room.stories.embargoes)
        return [Embargo(*embargo) for embargo in found]

    def routes(self) -> list[Route]:
        """Give the routes by which a server is watched."""
        return [
            Route("/healthz", self._healthz),
            Route("/readyz", self._readyz),
            Route("/metrics", self._tell),
        ]

    async def _healthz(self, _request: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    async def _readyz(self, _request: Request) -> Response:
        """Say whether requests are answered with what is so now, and if not, why."""
        wrong = [f"{name}: {error}" for name, error in self._failing.items()]
        if self.embargo_clock.stopped:
            wrong.append(f"embargo clock: {self.embargo_clock.stopped}")
        try:
            now = await self._look()
        except LogMoved as error:
            wrong.append(f"log: {error.why}")
        except DatelineError as error:
            wrong.append(f"log: {type(error).__name__}")
        else:
            wrong += [
                f"{lag.consumer}: {lag.events} events behind"
                for lag in now.lags
                if lag.events > MOST_LAG
            ]
        return said({"ready": not wrong, "wrong": wrong}, 503 if wrong else 200)

    async def _tell(self, _request: Request) -> Response:
        try:
            self.metrics.now = await self._look()
        except DatelineError:  # whoever watches is told so, rather than nothing
            self.metrics.now = self.metrics.now._replace(answers=False)
        if self._outbox is not None:
            tally, states = await self._outbox.deliveries.totals()
            sender = self._outbox.sender
            counts = tuple(sorted(states.items()))
            self.metrics.sent = Sent(*tally, counts, sender.open_breakers, sender.sending)
        return Response(self.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def _look(self) -> Moment:
        head = await self._room.log.head()
        room = self._room
        names = [room.stories.name]
        if room.dispatch is not None:
            names.append(room.dispatch.watching.name)
        positions, parked = await asyncio.to_thread(
            lambda: ([room.views.position(name) for name in names], len(room.views.parked()))
        )
        lags = tuple(
            self._lag(name, head, position) for name, position in zip(names, positions, strict=True)
        )
        runs = self.embargo_clock.stopped is None
        undecided = room.dispatch.undecided if room.dispatch is not None else 0
        now = Moment(head.size, lags, parked, undecided, self._feed.clients, self._feed.told, runs)
        now = now._replace(mirror=await room.mirror_lag())
        return await asyncio.to_thread(self._audited, now)

    def _lag(self, consumer: str, head: Head, position: Position) -> Lag:
        behind = head.size - position.checkpoint
        return Lag(
            consumer,
            behind,
            max(0, head.recorded_ms - position.recorded_ms) / 1000 if behind else 0.0,
            max(0, self._room.clock() - position.heartbeat_ms) / 1000,
        )

    def _audited(self, now: Moment) -> Moment:
        """Add how far the log is signed and proved."""
        book = self._room.auditor.book
        try:
            signed, proved, failed = book.signed(), book.proved(), book.failed()
        except BookDamaged:  # news goes on; that nobody knows of a proof is told
            return now._replace(sound=False)
        now = now._replace(signed=signed.size if signed else 0, sound=failed is None)
        if proved is None:
            return now
        ago = max(0, self._room.clock() - proved.proved_ms) / 1000
        return now._replace(proved=proved.size, proved_seconds_ago=ago)
