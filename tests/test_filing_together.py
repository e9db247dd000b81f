"""Several people file at once: each filing is judged by the story as it is, and none is lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from filings import ADA, BEN, filed, note, opening

from dateline.wiring import Newsroom, newsroom
from events.envelope import Filed
from events.sqlite_log import SqliteLog
from producers.intake import Filing, take


@pytest.fixture
async def rooms(tmp_path: Path) -> AsyncIterator[list[Newsroom]]:
    """Two programs at work on one log."""
    url = f"sqlite:///{tmp_path}/news.db"
    async with newsroom(url) as one, newsroom(url) as other:
        yield [one, other]


def filing(kind: str = "development-reported", **fields: Any) -> Filing:
    content = {"story": "a-story", "kind": kind, "headline": "A drill", **fields}
    return take(content | ({"label": "drill"} if kind == "development-reported" else {}))


def part(ref: str, value: int) -> Filing:
    figure = {
        "ref": ref,
        "value": value,
        "unit": "children",
        "measure": "returned",
        "source_text": "the desk",
        "part_of": "F1",
    }
    return filing(figures=[figure])


async def test_filing_together_counts_nothing_twice(rooms: list[Newsroom]) -> None:
    """People who file at the same time through one program are judged by the same story."""
    publisher = rooms[0].publisher
    whole = {
        "ref": "F1",
        "value": 8,
        "unit": "children",
        "measure": "returned",
        "source_text": "the desk",
    }
    await publisher.file(filing("story-opened", title="A story", figures=[whole]), ADA)
    await publisher.desk("a-story")
    await publisher.file(part("F2", 5), ADA)
    await asyncio.gather(*(publisher.file(filing(), who) for who in (ADA, BEN, ADA)))
    receipt = await publisher.file(part("F3", 3), BEN)
    assert receipt.version == 6


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
