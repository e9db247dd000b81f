"""Several people file at once: each filing is judged by the story as it is, and none is lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from filings import ADA, BEN, filed, gathered, note, opening

from dateline.wiring import Newsroom, newsroom
from events.envelope import Filed, Recorded
from events.memory_log import wall_clock
from events.sqlite.log import SqliteLog
from producers.intake import Filing, take
from producers.publisher import Publisher


@pytest.fixture
async def rooms(tmp_path: Path) -> AsyncIterator[list[Newsroom]]:
    """Two programs at work on one log."""
    url = f"sqlite:///{tmp_path}/news.db"
    async with newsroom(url) as one, newsroom(url) as other:
        yield [one, other]


def filing(kind: str = "development-reported", **fields: Any) -> Filing:
    headline = {"headline": "A drill"} if kind != "story-closed" else {}
    content = {"story": "a-story", "kind": kind, **headline, **fields}
    return take(content | ({"label": "drill"} if kind == "development-reported" else {}))


class SlowToRead(SqliteLog):
    """A log of which each story that is read after `hold` arrives only when it is let go."""

    def hold(self) -> None:
        self.reading, self.let_go = asyncio.Event(), asyncio.Event()

    async def read_versions(self, story: str, after: int = 0) -> AsyncIterator[Recorded]:
        found = await gathered(super().read_versions(story, after))
        if hasattr(self, "let_go") and not self.reading.is_set():
            self.reading.set()
            await self.let_go.wait()
        for event in found:
            yield event


async def test_filing_together_counts_nothing_twice(tmp_path: Path) -> None:
    """A story that was read slowly is not taken back to where it was when the reading began."""
    log, others = SlowToRead(tmp_path / "news.db"), SqliteLog(tmp_path / "news.db")
    publisher, other = Publisher(log, wall_clock), Publisher(others, wall_clock)
    await publisher.file(filing("story-opened", title="A story"), ADA)
    await publisher.desk("a-story")
    await other.file(filing(), BEN)
    log.hold()
    slow = asyncio.create_task(publisher.desk("a-story"))
    await log.reading.wait()
    await publisher.file(filing("story-closed", reason="over"), ADA)
    log.let_go.set()
    desk = await slow
    assert (desk.version, desk.story and desk.story.status) == (3, "closed")
    await log.close()
    await others.close()


async def test_nobody_who_expects_nothing_is_turned_away(rooms: list[Newsroom]) -> None:
    """However many file into one story at once, each filing that expects nothing is recorded."""
    await rooms[0].publisher.file(filing("story-opened", title="A story"), ADA)
    receipts = await asyncio.gather(
        *(room.publisher.file(filing(), ADA) for _ in range(160) for room in rooms)
    )
    assert sorted(receipt.version for receipt in receipts) == list(range(2, 322))


async def test_a_small_append_overtakes_nothing(tmp_path: Path) -> None:
    """Appends of one filer are recorded in the order in which it sent them, large or small."""
    log = SqliteLog(tmp_path / "news.db")
    for number in range(60):
        story = f"story-{number}"
        large = asyncio.create_task(log.append(story, [filed(opening()), *notes(99)], 0))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        small = asyncio.create_task(log.append(story, [note("after")], 100))
        assert (await large).versions[-1] == 100
        assert (await small).versions == (101,)
    await log.close()


def notes(count: int) -> list[Filed]:
    return [note(str(number)) for number in range(count)]
