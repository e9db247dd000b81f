"""Exports as tests write them, take them apart and put them together again."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from filings import filed, note, opening

from consumers.audit import export as exporting
from dateline.commands.auditing import wanted_export
from dateline.wiring import Newsroom
from events.envelope import Filed
from events.filing import Private

__all__ = ["EVENTS", "Lines", "lines_of", "rewritten", "told", "written"]

Lines = list[dict[str, Any]]
EVENTS = 12  # of the newsroom that is told of in exports


def secret(number: int) -> Filed:
    return note(f"note {number}")._replace(private=Private(notes=f"UNSAYABLE {number}"))


@pytest.fixture
async def told(room: Newsroom) -> Newsroom:
    """A newsroom with two stories and private notes in most of their events."""
    await room.log.append("a", [filed(opening())])
    await room.log.append("b", [filed(opening())])
    for number in range(3, EVENTS + 1):
        await room.log.append("ab"[number % 2], [secret(number)])
    return room


async def written(
    room: Newsroom, file: Path, story: str | None = None, parts: str = "private"
) -> Path:
    wanted = await wanted_export(room, story, parts)
    await exporting.write(room.auditor, wanted, str(file), lambda _done, _total: None)
    return file


def lines_of(file: Path) -> Lines:
    return [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]


def rewritten(file: Path, lines: Lines) -> str:
    """Write an export with other lines; not packed, so that nothing but its content is judged."""
    other = file.with_suffix(".changed")
    other.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return str(other)
