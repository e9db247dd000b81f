"""What is tied to what: a URL becomes a log, a log gets its publisher and its views."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import apsw
import structlog

from consumers.alerts.dispatch import Dispatch
from consumers.alerts.policy import Policy
from consumers.audit.auditor import Auditor
from consumers.audit.book import Book
from consumers.audit.cleaning import Cleaning
from consumers.audit.signing import Keyring
from consumers.delivery.reach import Reach, reached, with_reach
from consumers.stories.moments import as_of
from consumers.stories.projection import Stories
from consumers.subscription import Subscription
from consumers.views import DAMAGE, Views, set_aside
from dateline.urls import (
    BadUrl,
    book_path,
    deliveries_path,
    kafka_address,
    signing_key_path,
    sqlite_path,
    views_path,
)
from events.envelope import instant
from events.errors import NotFound, ViewsUnavailable
from events.kafka.address import SCHEME
from events.log import Clock, Log
from events.memory_log import MemoryLog, wall_clock
from events.sqlite.erasure import scrub
from events.sqlite.log import SqliteLog
from producers.publisher import Publisher

__all__ = [
    "Newsroom",
    "expect_log",
    "expect_there",
    "newsroom",
    "open_log",
]

if TYPE_CHECKING:
    from events.kafka.log import KafkaLog

NO_ALERTS: Final = b',"alerts":[]'
NO_ROOM: Final = (apsw.FullError, apsw.ReadOnlyError, apsw.CantOpenError, apsw.IOError)

telemetry = structlog.get_logger()


CatchingUp = Callable[[str, int, int], None]
"""Takes what it is that catches up, how far it is, and how far it has to go."""


class Newsroom:
    """A log with all that works on it. Views are opened when something first looks at them.

    Args:
        log: the log.
        clock: milliseconds since 1970 UTC.
        views: the file that views live in.
        book: the file of the auditor's book.
        signing_key: the file of the key that signs checkpoints; None keeps it in memory.
        told: is told how what a command waits for catches up.

    `policy` is that by which news alerts; without one nothing does.
    """

    policy: Policy | None = None

    def __init__(
        self,
        log: Log,
        clock: Clock,
        views: str,
        book: str = ":memory:",
        signing_key: str | None = None,
        *,
        told: CatchingUp | None = None,
    ) -> None:
        self.log = log
        self._told = told
        self.clock = clock
        self.publisher = Publisher(log, clock)
        self.views_file = views
        self._book_file = book
        self._signing_key = signing_key
        self.reach: Reach | None = None  # who was reached by alerts, where that is on a disk

    @cached_property
    def views(self) -> Views:
        """The database of views."""
        return Views(self.views_file, self.clock)

    @cached_property
    def stories(self) -> Stories:
        """The projection of stories."""
        return Stories(self.views)

    @cached_property
    def subscription(self) -> Subscription:
        """The projection of stories at work."""
        told = self._told and partial(self._told, self.stories.name)
        return Subscription(self.log, self.views, self.stories, told=told)

    @cached_property
    def dispatch(self) -> Dispatch | None:
        """Alerts at work, None where there is no policy."""
        if self.policy is None:
            return None
        return Dispatch(self.log, self.views, self.policy, self.clock)

    @cached_property
    def auditor(self) -> Auditor:
        """The auditor of the log, with the book."""
        keyring = Keyring(self._signing_key)
        return Auditor(self.log, Book(self._book_file), keyring, self.clock)

    @cached_property
    def mirrored(self) -> "KafkaLog | None":
        """The log, where it is on Kafka and this node has a mirror of it."""
        if not self.log.url.startswith(SCHEME):
            return None
        from events.kafka.log import KafkaLog  # noqa: PLC0415 - as in `open_log`

        return self.log if isinstance(self.log, KafkaLog) else None

    @property
    def shared(self) -> bool:
        """Whether other machines work on the same log."""
        return self.mirrored is not None

    async def mirror_lag(self) -> tuple[int, float, int, int] | None:
        """Say how this node's mirror stands to the topic, None where a log has no mirror."""
        return None if self.mirrored is None else await self.mirrored.lag()

    async def one_at_a_time(self, duty: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do some work on this node only while it is its turn, where a log has many nodes."""
        if self.mirrored is None:
            await work()
            return
        from events.kafka.duty import on_duty  # noqa: PLC0415 - as in `open_log`

        await on_duty(self.mirrored.address, duty, work)

    @cached_property
    def cleaning(self) -> Cleaning:
        """What follows up redactions in the files beside the log."""
        return Cleaning(
            source=self.log,
            auditor=self.auditor,
            stories=self.stories,
            subscription=self.subscription,
            views=self.views,
            clock=self.clock,
            others=[self.dispatch.watching] if self.dispatch is not None else [],
            scrub=self._scrub,
        )

    async def _scrub(self) -> None:
        """Erase from what the log keeps beside its table: old pages, or keys on the broker."""
        path = sqlite_path(self.log.url)
        if self.mirrored is not None:
            await self.mirrored.erased()
        if path is not None:
            await asyncio.to_thread(scrub, path)

    def now(self) -> datetime:
        """Give the time by the newsroom's clock."""
        return datetime.fromtimestamp(self.clock() / 1000, UTC)

    async def state(self, story: str, *, public: bool = False) -> bytes:
        """Give the current state of a story, all that was recorded before included.

        Where views cannot be written, the story is told from the log, which takes longer.

        Raises:
            NotFound: there is no such story, or none for this reader.
        """
        now = instant(self.clock())
        try:
            await self.subscription.catch_up()
            found = await asyncio.to_thread(self.stories.state, story, now, public=public)
        except NO_ROOM as error:
            telemetry.warning("told from the log", story=story, reason=str(error))
            size = (await self.log.head()).size
            found = await as_of(self.log, story, size, now=now, public=public)
        if found is None:
            raise NotFound("story", story)
        if self.reach is None or NO_ALERTS in found:
            return found
        return with_reach(found, await asyncio.to_thread(self.reach.of, story))

    async def alerts(
        self,
        limit: int,
        before: int | None = None,
        *,
        story: str | None = None,
        state: str | None = None,
    ) -> list[dict[str, Any]]:
        """Give the newest alerts of all stories, each with how many it reached of how many.

        Args:
            limit: how many at most.
            before: only those that were decided before a position.
            story: only those of one story.
            state: only those of which this became.
        """
        await self.subscription.catch_up()
        found = await asyncio.to_thread(
            self.stories.of_alerts, "alerts", limit, before, story=story, state=state
        )
        if self.reach is not None:
            stories = {alert["story"] for alert in found}
            tallies = {story: await asyncio.to_thread(self.reach.of, story) for story in stories}
            for alert in found:
                alert.update(reached(tallies[alert["story"]], alert["ref"]))
        return found

    def close_views(self) -> None:
        """Let go of the views and the book, if anything looked at them."""
        if "auditor" in self.__dict__:
            self.auditor.book.close()
        if "views" in self.__dict__:
            with self.views.lock:  # a thread that was left behind finishes its batch first
                if "subscription" in self.__dict__ and self.subscription.remade:
                    with suppress(apsw.Error):  # who is at work with them cleans up as well
                        self.views.shred()
                self.views.close()


def open_log(url: str, clock: Clock = wall_clock, told: CatchingUp | None = None) -> Log:
    """Turn a URL into a log.

    Args:
        url: the URL.
        clock: time of recording, where it is not the broker's.
        told: is told how a mirror catches up, while somebody waits for it.

    Raises:
        BadUrl: it has no known form.
        LogError: the log cannot be opened.
    """
    path = sqlite_path(url)
    if path is not None:
        return SqliteLog(path, clock)
    address = kafka_address(url)
    if address is not None:
        from events.kafka.log import KafkaLog  # noqa: PLC0415 - a tenth of a second to import

        # The broker's clock is its own.
        return KafkaLog(address, told=told and partial(told, "mirror"))
    if url == "memory:":
        return MemoryLog(clock)
    raise BadUrl(url)


def expect_log(url: str) -> None:
    """Refuse to look into a log that is not there, as `expect_there` does, outside of a loop."""
    asyncio.run(expect_there(url))


async def expect_there(url: str) -> None:
    """Refuse to look into a log that is not there: a mistyped name must not make an empty one.

    Raises:
        NotFound: there is no such file or topic.
        LogUnavailable: the broker cannot be asked.
    """
    path = sqlite_path(url)
    if path is not None and not await asyncio.to_thread(Path(path).exists):
        raise NotFound("log", f"{path} (the first filing makes one)")
    address = kafka_address(url)
    if address is None:
        return
    from events.kafka.topics import exists  # noqa: PLC0415 - as in `open_log`

    if not await exists(address):
        raise NotFound("log", f"{address.url} (the first filing makes one)")


@asynccontextmanager
async def newsroom(
    url: str, clock: Clock = wall_clock, told: CatchingUp | None = None
) -> AsyncIterator[Newsroom]:
    """Open a log with all that works on it, and close it in the end.

    Args:
        url: the log's URL.
        clock: milliseconds since 1970 UTC.
        told: is told how what a command waits for catches up.

    Raises:
        BadUrl: the URL has no known form.
        LogError: the log cannot be opened.
        ViewsUnavailable: views are needed and cannot be used.
    """
    log = open_log(url, clock, told)
    room = Newsroom(log, clock, views_path(url), book_path(url), signing_key_path(url), told=told)
    room.reach = Reach(deliveries_path(url))
    try:
        yield room
    except DAMAGE as error:
        room.close_views()
        set_aside(room.views_file, error)
        why = "they were damaged and have been set aside, to be made anew"
        raise ViewsUnavailable(room.views_file, why) from error
    except apsw.Error as error:
        raise ViewsUnavailable(room.views_file, str(error)) from error
    finally:
        room.close_views()
        await log.close()
