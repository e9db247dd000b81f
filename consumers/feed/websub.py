"""Telling a WebSub hub which feeds changed, so that their subscribers need not ask.

The hub is told after the fact and beside the live feed: it may be slow, or gone, and nobody waits
for it. What changes while it is being told is told together afterwards.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlencode

import aiohttp
import structlog

from consumers.delivery.guard import Guard
from consumers.delivery.outgoing import Unanswered, call
from consumers.feed.bulletin import Wanted
from consumers.outputs.place import ALL, Place
from consumers.outputs.routes import FORMS, FORMS_OF_ALL
from consumers.stories.projection import Stories
from consumers.subscription import Subscription
from consumers.views import STORAGE
from events.errors import DatelineError
from events.log import Log

__all__ = ["Patience", "WebSub"]

PAGE = 256  # updates read at a time to find which stories changed
DONE: Final = range(200, 300)  # HTTP statuses by which a hub says that it took what it was told

_FORM: Final = {"content-type": "application/x-www-form-urlencoded"}

log = structlog.get_logger()


class Patience(NamedTuple):
    """How a hub is treated; times in seconds.

    `gather` is how long changes are gathered after the first; `answer_within` what the hub has to
    answer; `tries` how often a feed is named to it in all, `again_after` the wait after the first
    failure, which doubles with each.
    """

    gather: float = 1.0
    answer_within: float = 10.0
    tries: int = 5
    again_after: float = 2.0


class WebSub:
    """Tells one hub of all changes that readers can see, from when it begins.

    Args:
        place: where the feeds are, and the hub.
        source: the log.
        stories: the projection that keeps what readers are told.
        subscription: keeps that projection current.
        guard: says which addresses a hub may be at.
        patience: how the hub is treated.
    """

    def __init__(  # noqa: PLR0917 - it ties together what it is made of
        self,
        place: Place,
        source: Log,
        stories: Stories,
        subscription: Subscription,
        guard: Guard,
        patience: Patience = Patience(),  # noqa: B008 - it cannot change
    ) -> None:
        self._place = place
        self._guard = guard
        self._log = source
        self._stories = stories
        self._subscription = subscription
        self._patience = patience
        self._topics: dict[str, None] = {}  # in the order of change; how many, the stories bound
        self._some = asyncio.Event()

    async def run(self, position: int) -> None:
        """Tell of all that changes past a position, until cancelled."""
        if self._place.hub is None:
            return
        within = self._patience.answer_within
        async with self._guard.session(within) as session, asyncio.TaskGroup() as group:
            group.create_task(self._gather(position))
            group.create_task(self._tell(session, self._place.hub))

    async def _gather(self, position: int) -> None:
        """Note which feeds changed."""
        while True:
            size = await self._log.grown(position)
            try:
                position = await self._changed(position, size)
            except (DatelineError, *STORAGE) as error:
                log.warning("changes for the hub not read", error=type(error).__name__)
                await asyncio.sleep(self._patience.again_after)

    async def _changed(self, after: int, size: int) -> int:
        """Note the feeds of the stories that changed past a position; returns how far it read."""
        upto = await self._subscription.catch_up(size)
        while after < upto:
            page = await asyncio.to_thread(self._stories.updates, after, upto, PAGE, Wanted())
            self._note({update.story: None for update in page})
            after = page[-1].position if len(page) == PAGE else upto
        return max(after, size)

    def _note(self, stories: Iterable[str]) -> None:
        topics = [self._place.feed(story, form) for story in stories for form in FORMS]
        if topics:
            topics += [self._place.feed(ALL, form) for form in FORMS_OF_ALL]
            self._topics |= dict.fromkeys(topics)
            self._some.set()

    async def _tell(self, session: aiohttp.ClientSession, hub: str) -> None:
        while True:
            await self._some.wait()
            await asyncio.sleep(self._patience.gather)
            self._some.clear()
            topics, self._topics = self._topics, {}
            await self._tell_of(session, hub, topics)

    async def _tell_of(
        self, session: aiohttp.ClientSession, hub: str, topics: Iterable[str]
    ) -> None:
        """Name feeds to the hub, those again that it did not take, a bounded number of times."""
        left, wait = list(topics), self._patience.again_after
        for attempt in range(1, self._patience.tries + 1):
            left, reason = await _round(session, hub, left)
            if not left:
                return
            last = attempt == self._patience.tries
            log.warning(
                "hub not told",
                hub=hub,
                feeds=len(left),
                reason=reason,
                attempt=attempt,
                given_up=last,
            )
            if not last:
                await asyncio.sleep(wait)
                wait *= 2


async def _round(
    session: aiohttp.ClientSession, hub: str, topics: Sequence[str]
) -> tuple[list[str], str]:
    """Name each feed once; returns those that the hub did not take, and why not.

    One at a time: WebSub leaves publishing to the hubs, and not all of them take several at once.
    """
    left: list[str] = []
    reason = ""
    for done, topic in enumerate(topics):
        form = urlencode({"hub.mode": "publish", "hub.url": topic}).encode()
        try:
            answer = await call(session, "POST", hub, form, _FORM)
        except Unanswered as error:
            # It does not answer: it is not kept waiting for with every feed that is left.
            return [*left, *topics[done:]], error.error
        if answer.status not in DONE:
            left.append(topic)
            reason = f"status {answer.status}"
    return left, reason
