"""The auditor on duty beside a server: signs on schedule, and proves the log again and again."""

import asyncio
import time
from contextlib import suppress
from typing import NamedTuple

import structlog

from consumers.audit.auditor import Auditor
from consumers.audit.book import Failed, Proved
from events.errors import BookDamaged, DatelineError, LogDamaged, LogError
from events.log import Clock

__all__ = ["Duty", "Schedule"]

log = structlog.get_logger()


class Schedule(NamedTuple):
    """When the auditor does what; times in seconds.

    A checkpoint is signed after `events` new ones, or `within` the first that is not in one, and
    looked for every `look`. The log is read whole `again` after it was; after every 5,000 events
    the reading rests for `rest`, so that it takes a few per cent of one core.
    """

    events: int = 256
    within: float = 60.0
    look: float = 0.25
    again: float = 3_600.0
    rest: float = 0.5


class Duty:
    """What the auditor does while a server runs.

    Args:
        auditor: of the log.
        clock: milliseconds since 1970 UTC.
        schedule: when.
    """

    def __init__(
        self,
        auditor: Auditor,
        clock: Clock,
        schedule: Schedule = Schedule(),  # noqa: B008 - it cannot change
    ) -> None:
        self._auditor = auditor
        self._clock = clock
        self._schedule = schedule

    async def begin(self) -> None:
        """Publish the last checkpoint that was signed before the server was started."""
        with suppress(BookDamaged):  # which is noted when it is signed and proved
            await self._auditor.recalled()

    async def sign(self) -> None:
        """Sign checkpoints on schedule, until cancelled.

        Of a log that is not what it was nothing is signed; that is written down, and news goes on.
        """
        while True:
            try:
                await self._sign()
            except (LogDamaged, BookDamaged) as damage:
                await self._note(damage)

    async def _sign(self) -> None:
        auditor, schedule = self._auditor, self._schedule
        last = await asyncio.to_thread(auditor.book.signed)
        size = signed = last.size if last is not None else 0
        since: float | None = None  # when the first event came that is in no checkpoint
        await auditor.catch_up()
        while True:
            left = None if since is None else max(0.0, since + schedule.within - time.monotonic())
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await auditor.log.grown(size)
            noticed = await auditor.catch_up()
            size = noticed.size
            since = time.monotonic() if since is None and size > signed else since
            late = since is not None and time.monotonic() - since >= schedule.within
            enough = noticed.lifted > signed or size - signed >= schedule.events
            if size > signed and (late or enough):
                signed = (await auditor.checkpoint()).size
                since = None if size <= signed else since
            await asyncio.sleep(schedule.look)

    async def _note(self, failure: Exception) -> None:
        """Write down why nothing is proved, where metrics and the doctor find it, and rest."""
        position = failure.position if isinstance(failure, LogDamaged) else 0
        known = isinstance(failure, DatelineError)
        words = str(failure) if known else f"the proof failed: {type(failure).__name__}"
        log.error("not proved", position=position, error=type(failure).__name__)
        with suppress(BookDamaged):  # then the doctor finds that by itself
            found = Failed(position, words, self._clock())
            await asyncio.to_thread(self._auditor.book.note_failure, found)
        await asyncio.sleep(self._schedule.again)

    async def sign_at_last(self) -> None:
        """Sign what is in no checkpoint yet, when the server ends; it ends in any case."""
        try:
            if (await self._auditor.log.head()).size:
                await self._auditor.checkpoint()
        except DatelineError as error:
            log.warning("not signed at the end", error=type(error).__name__)

    async def prove(self) -> None:
        """Prove the log again and again, until cancelled; why it fails is written down, and told.

        Raises:
            LogUnavailable: it cannot be read just now, which says nothing of what is in it.
        """
        while True:
            try:
                proved = await asyncio.to_thread(self._auditor.book.proved)
                if proved is not None:
                    await asyncio.sleep(self._left(proved))
                await self._auditor.verify(lambda _done, _total: None, self._rest)
            except Exception as failure:  # whatever it is, a log that is not proved is not sound
                if isinstance(failure, LogError) and not isinstance(failure, LogDamaged):
                    raise
                await self._note(failure)

    def _left(self, proved: Proved) -> float:
        """Give the seconds until the log is proved again; a proof of tomorrow puts off nothing."""
        since = (self._clock() - proved.proved_ms) / 1000
        return max(0.0, self._schedule.again - since) if since >= 0 else 0.0

    async def _rest(self) -> None:
        await asyncio.sleep(self._schedule.rest)
