"""What is tied to what: a URL becomes a log, a log gets its publisher and its views."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import apsw

from consumers.stories import Stories
from consumers.subscription import Subscription
from consumers.views import Views
from events.envelope import instant
from events.errors import LogUnavailable, NotFound
from events.log import Clock, Log
from events.memory_log import MemoryLog, wall_clock
from events.sqlite_log import SqliteLog
from producers.publisher import Publisher

__all__ = ["BadUrl", "Newsroom", "newsroom", "open_log", "sqlite_path"]

SQLITE = "sqlite:///"


class BadUrl(ValueError):
    """A log URL of no known form."""

    def __init__(self, url: str) -> None:
        super().__init__(f"expected a log as sqlite:///FILE or memory:; found {url!r}")


class Newsroom(NamedTuple):
    """A log with all that works on it."""

    log: Log
    publisher: Publisher
    views: Views
    stories: Stories
    subscription: Subscription
    clock: Clock

    def now(self) -> datetime:
        """Give the time by the newsroom's clock."""
        return datetime.fromtimestamp(self.clock() / 1000, UTC)

    async def state(self, story: str, *, public: bool = False) -> bytes:
        """Give the current state of a story, all that was recorded before included.

        Raises:
            NotFound: there is no such story, or none for this reader.
        """
        await self.subscription.catch_up()
        found = await asyncio.to_thread(
            self.stories.state, story, instant(self.clock()), public=public
        )
        if found is None:
            raise NotFound("story", story)
        return found


def sqlite_path(url: str) -> str | None:
    """Give the file that a URL names, None when it names no SQLite log."""
    path = url.removeprefix(SQLITE)
    return path if url.startswith(SQLITE) and path else None


def open_log(url: str, clock: Clock = wall_clock) -> Log:
    """Turn a URL into a log.

    Raises:
        BadUrl: it has no known form.
        LogError: the log cannot be opened.
    """
    path = sqlite_path(url)
    if path is not None:
        return SqliteLog(path, clock)
    if url == "memory:":
        return MemoryLog(clock)
    raise BadUrl(url)


def views_path(url: str) -> str:
    """Give the file that the views of a log live in: beside the log, so that they move together."""
    path = sqlite_path(url)
    return f"{Path(path).with_suffix('')}.views.db" if path is not None else ":memory:"


@asynccontextmanager
async def newsroom(url: str, clock: Clock = wall_clock) -> AsyncIterator[Newsroom]:
    """Open a log with all that works on it, and close it in the end.

    Raises:
        BadUrl: the URL has no known form.
        LogError: the log, or its views, cannot be opened.
    """
    log = open_log(url, clock)
    try:
        try:
            views = Views(views_path(url), clock)
        except apsw.Error as error:
            raise LogUnavailable(url, f"its views cannot be opened ({error})") from error
        try:
            stories = Stories(views)
            subscription = Subscription(log, views, stories)
            yield Newsroom(log, Publisher(log, clock), views, stories, subscription, clock)
        finally:
            views.close()
    finally:
        await log.close()
