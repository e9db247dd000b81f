"""Cleaning up after an erasure: no file beside the log keeps what the log erased."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

import structlog

from consumers.audit.auditor import Auditor
from consumers.stories.projection import Stories
from consumers.subscription import Subscription
from consumers.views import Views
from events.envelope import Recorded
from events.errors import BookDamaged, LogDamaged
from events.log import Clock, Log
from events.vocabulary import Unknown

__all__ = ["Cleaning"]

ALERTS: Final = "alerts"  # the consumer that remembers headlines for alerts
LOOK_AGAIN = 1.0  # seconds between looks, however fast the log grows

log = structlog.get_logger()


class Refolding(Protocol):
    """A projection beside the stories that can make one story anew."""

    name: str

    def refold(self, story: str, events: Sequence[Recorded]) -> None:
        """Make one story anew from all of its events, inside a transaction."""
        ...


class Cleaning:
    """Follows up each redaction in every file beside the log.

    Args:
        source: the log.
        auditor: knows of redactions.
        stories: the projection that has the words.
        subscription: keeps it current.
        views: the file that it is in.
        clock: milliseconds since 1970 UTC.
        others: projections that are at work beside it and may have the words as well.
        scrub: empties what the log keeps of old pages.
    """

    def __init__(
        self,
        *,
        source: Log,
        auditor: Auditor,
        stories: Stories,
        subscription: Subscription,
        views: Views,
        clock: Clock,
        others: Sequence[Refolding],
        scrub: Callable[[], Awaitable[None]],
    ) -> None:
        self._log = source
        self._auditor = auditor
        self._stories = stories
        self._subscription = subscription
        self._views = views
        self._clock = clock
        self._others = others
        self._scrub = scrub

    async def clean(self) -> int:
        """Clean up after what was not cleaned up yet; returns how many redactions that were.

        None are while alerts remember words and are at work elsewhere, under a policy.
        """
        with suppress(
            LogDamaged, BookDamaged
        ):  # that is for the auditor to tell; words are erased all the same
            await self._auditor.catch_up()
        found = await asyncio.to_thread(self._auditor.book.redactions, open_only=True)
        if not found:
            return 0
        await self._subscription.catch_up()
        for story in sorted({redaction.story for redaction in found}):
            await self._remake(story)
        await self._scrub()
        await asyncio.to_thread(self._views.shred)
        self._subscription.remade = False
        if not self._all_here():
            return 0  # whoever runs under a policy does the rest
        for redaction in found:
            self._auditor.book.cleaned(redaction.position, self._clock())
        log.info("cleaned", redactions=len(found))
        return len(found)

    def _all_here(self) -> bool:
        """Whether every projection that may have the words is at work here."""
        here = {other.name for other in self._others}
        return ALERTS in here or not self._views.position(ALERTS).checkpoint

    async def _remake(self, story: str) -> None:
        """Make a story's view anew from what the log still holds."""
        events = [event async for event in self._log.read_versions(story)]
        with self._views.transaction():
            for other in self._others:
                upto = self._views.position(other.name).checkpoint
                known = [event for event in events if event.position <= upto]
                if known:
                    other.refold(story, known)
            at = self._views.position(self._stories.name)
            parked = {event.position for event in self._views.parked(self._stories.name)}
            told = [
                event
                for event in events
                if event.position <= at.checkpoint
                and event.position not in parked
                and not isinstance(event.development, Unknown)
            ]
            self._stories.remake(at.generation, story, told)

    async def run(self) -> None:
        """Clean up after each redaction as it is recorded, until cancelled."""
        size = 0
        while True:
            size = await self._log.grown(size)
            try:
                if not await self.clean() and self._auditor.book.redactions(open_only=True):
                    log.warning("not clean yet", why="alerts have words, and are not at work here")
            except BookDamaged as damage:  # nobody knows what is left to clean; news goes on
                log.error("not clean yet", why=str(damage))  # noqa: TRY400 - the sentence is enough
            await asyncio.sleep(LOOK_AGAIN)
