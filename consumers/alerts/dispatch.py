"""Dispatch: the reaction that decides on alerts as news comes in and as time passes.

It keeps nothing of its own: what is due stands in the watch, and what was decided in the log. A
decision is appended where the story stands as it was judged, so that of two workers one decides,
and a withdrawal that came in between is known first.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import apsw
import orjson
import structlog

from consumers.alerts.decide import BY, decide
from consumers.alerts.parts import version_of
from consumers.alerts.policy import Policy
from consumers.alerts.watching import Watching
from consumers.subscription import Subscription
from consumers.views import Views
from events.alerts import AlertDecision
from events.envelope import Filed
from events.errors import Conflict, DatelineError
from events.log import Clock, Log
from events.vocabulary import KINDS

__all__ = ["Dispatch"]

TRIES = 100  # times to decide anew when somebody was faster, before others have their turn
LOOK_AGAIN = 1.0  # seconds at most between looks at the clock while something waits for its time
SOON = 0.005  # seconds at least, so that a clock that stands still keeps no processor busy

LOOKED_AT = 10_000  # events at once, from the end, where the last decision is looked for
_DECISIONS: Final = frozenset(
    kind for kind, model in KINDS.items() if issubclass(model, AlertDecision)
)

log = structlog.get_logger()


class Dispatch:
    """Alerts at work on a log.

    Args:
        source: the log.
        views: where the watch is kept.
        policy: what it goes by.
        clock: milliseconds since 1970 UTC.
        monotonic: seconds that only pass.
    """

    def __init__(
        self,
        source: Log,
        views: Views,
        policy: Policy,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = source
        self._views = views
        self._clock = clock
        self._monotonic = monotonic
        self.watching = Watching(views, policy)
        self._subscription = Subscription(source, views, self.watching)
        self._grown = (0, monotonic())  # how far the log was when last looked at, and since when
        self._failing: set[str] = set()  # stories that could not be decided on, when last looked

    async def run(self) -> None:
        """Decide what is due, then again when news comes or its time has come, until cancelled."""
        while True:
            checkpoint = await self.decide_due()
            due_ms = await asyncio.to_thread(self.watching.next_due_ms)
            left = None
            if due_ms is not None:
                soonest = LOOK_AGAIN if self._failing else SOON
                left = min(max((due_ms - self._now()) / 1000, soonest), LOOK_AGAIN)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._log.grown(checkpoint)

    @property
    def undecided(self) -> int:
        """How many stories could not be decided on when last tried; a log line named each."""
        return len(self._failing)

    async def decide_due(self) -> int:
        """Decide all that is due by now; returns the position that it is good for.

        What the log held before alerts began is history and is not decided on.
        """
        failing: set[str] = set()
        for _ in range(TRIES):
            checkpoint = await self._caught_up(failing)
            due = await asyncio.to_thread(self.watching.due, self._now(), failing)
            if not due:
                break
            for story, keys in due.items():
                await self._try(story, self._decide(story, keys, checkpoint), failing)
        self._failing = failing
        return checkpoint

    async def _try(self, story: str, work: Awaitable[None], failing: set[str]) -> None:
        """Work on a story; one that cannot be worked on is failing and keeps no other waiting."""
        try:
            await work
        except Exception as error:
            # The log or the views are away: that is no one story's fault.
            if isinstance(error, DatelineError | apsw.Error) and not isinstance(error, Conflict):
                raise
            failing.add(story)
            if story not in self._failing:
                name = type(error).__name__
                log.error("not decided", story=story, error=name)  # noqa: TRY400 - no traceback: it may hold what was filed

    def _now(self) -> int:
        """Give the moment by which something is due.

        The log's time never goes back: where a clock was once hours ahead, or a broker's is, news
        is of that time. It is not waited for: such news is of now, and time goes on from there.
        """
        now, last = self._clock(), self._views.position(self.watching.name).recorded_ms
        ahead = now < last
        return last + int((self._monotonic() - self._grown[1]) * 1000) if ahead else now

    async def _caught_up(self, failing: set[str]) -> int:
        checkpoint = await self._subscription.catch_up()
        if checkpoint != self._grown[0]:
            self._grown = checkpoint, self._monotonic()
        if await asyncio.to_thread(self.watching.begun) is None:
            begin = await self._history(checkpoint)
            after = self._log.read_leaves(begin, checkpoint)
            later = {leaf.story async for leaves in after for leaf in leaves}
            await asyncio.to_thread(self.watching.begin, begin, later)
        for story in await asyncio.to_thread(self.watching.unlearned):
            if story not in failing:
                await self._try(story, self._learn(story, checkpoint), failing)
        return checkpoint

    async def _history(self, upto: int) -> int:
        """Give the position at which history ends: that of the last decision of a policy, if any.

        Where none was made all that the log holds is history. A watch that was lost, or is another
        node's, so goes on where the last one was.
        """
        end = upto
        while end:
            begin = max(end - LOOKED_AT, 0)
            found = [
                leaf.position
                async for leaves in self._log.read_leaves(begin, end)
                for leaf in leaves
                if leaf.kind in _DECISIONS and orjson.loads(leaf.envelope)["filed_by"] == BY
            ]
            if found:
                return found[-1]
            end = begin
        return upto

    async def _learn(self, story: str, checkpoint: int) -> None:
        """Remember what alerts of a story came from that no route takes: a person decided."""
        events = [
            event async for event in self._log.read_versions(story) if event.position <= checkpoint
        ]

        def refold() -> None:
            with self._views.transaction():
                if self._views.position(self.watching.name).checkpoint == checkpoint:
                    self.watching.refold(story, events)

        await asyncio.to_thread(refold)

    async def _decide(self, story: str, keys: Sequence[str], checkpoint: int) -> None:
        decisions, version = await asyncio.to_thread(self._judge, story, keys)
        if not decisions:
            return
        async for event in self._log.read_versions(story, version):
            if event.position > checkpoint:
                return  # there is news; it is looked at first
            version = event.version  # an event that is parked moved the story all the same
        try:
            places = await self._log.append(story, decisions, version)
        except Conflict as error:
            if not await self._moved_on(story, version):
                raise  # it would be refused again, whatever is looked at first
            log.info("decided by others", story=story, error=type(error).__name__)
            return
        for one, position in zip(decisions, places.positions, strict=True):
            log.info("decided", story=story, kind=one.development.kind, position=position)

    async def _moved_on(self, story: str, version: int) -> bool:
        return bool([event async for event in self._log.read_versions(story, version)])

    def _judge(self, story: str, keys: Sequence[str]) -> tuple[list[Filed], int]:
        now = self._now()
        with self.watching.story(story) as parts:
            made = decide(story, parts, keys, self.watching.rules, now)
            return made, version_of(parts)
