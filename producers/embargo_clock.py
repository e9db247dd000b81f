"""The clock that lifts embargoes: when their time has come it files `embargo-lifted`.

It trusts no clock that has jumped. A machine whose time is set forward by mistake must not publish
what others keep, and that cannot be taken back; so when the time of day and the time since start
no longer agree, the clock stops and says so, and an editor looks.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import structlog

from events.errors import DatelineError, Refused
from events.identity import id_of
from events.log import Clock
from producers.case import Actor
from producers.intake import take
from producers.publisher import Publisher

__all__ = ["Embargo", "EmbargoClock"]

LOOK_AGAIN = 1.0  # seconds between looks at what is due: an embargo ends as late as that
MOST_APART = 60.0  # seconds that the two clocks may disagree; setting a clock right takes less
CLOCK: Final = Actor("clock:embargo", frozenset({"file"}))

log = structlog.get_logger()


class Embargo(NamedTuple):
    """A development that readers may not see before a time, RFC 3339 in UTC."""

    story: str
    ref: str
    until: str


class EmbargoClock:
    """Lifts embargoes.

    Args:
        publisher: takes what is filed.
        earliest: gives the embargoes that end first, in order.
        wall: the time of day, milliseconds since 1970 UTC.
        monotonic: seconds that only pass.
    """

    def __init__(
        self,
        publisher: Publisher,
        earliest: Callable[[], Awaitable[Sequence[Embargo]]],
        wall: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self._publisher = publisher
        self._earliest = earliest
        self._wall = wall
        self._monotonic = monotonic
        self._started = (wall() / 1000, monotonic())
        self.stopped: str | None = None

    async def run(self) -> None:
        """Lift what is due, for ever; ends only when the clocks disagree."""
        while self.stopped is None:
            try:
                await self.lift_due()
            except DatelineError as error:  # the log is away; what is due stays due
                log.warning("embargoes wait", error=type(error).__name__)
            await asyncio.sleep(LOOK_AGAIN)

    async def lift_due(self) -> int:
        """Lift every embargo whose time has come; returns how many."""
        lifted = 0
        if not self._clocks_agree():
            return 0
        for embargo in await self._earliest():
            until_ms = int(datetime.fromisoformat(embargo.until).timestamp() * 1000)
            if until_ms > self._wall():
                break
            lifted += await self._lift(embargo, until_ms)
        return lifted

    async def _lift(self, embargo: Embargo, until_ms: int) -> bool:
        act = {
            # Any node that lifts it gives the act this id, so that it is recorded once.
            "id": id_of(until_ms, "embargo-lifted", embargo.story, embargo.ref),
            "story": embargo.story,
            "kind": "embargo-lifted",
            "target": embargo.ref,
        }
        try:
            await self._publisher.file(take(act), CLOCK)
        except Refused as error:  # an editor was faster, or withdrew it
            log.info("embargo not lifted", story=embargo.story, ref=embargo.ref, rule=error.rule)
            return False
        return True

    def _clocks_agree(self) -> bool:
        wall, monotonic = self._wall() / 1000, self._monotonic()
        apart = (wall - self._started[0]) - (monotonic - self._started[1])
        if abs(apart) > MOST_APART:
            now = datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds")
            self.stopped = (
                f"expected the time of day to pass as time does; found {apart:+.0f} s apart at "
                f"{now}: no embargo is lifted until the server is started again"
            )
            log.error("embargo clock stopped", reason=self.stopped)
        return self.stopped is None
