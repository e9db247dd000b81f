"""Exports as tests write them, take them apart and put them together again."""

import gzip
import json
from pathlib import Path
from typing import Any

from consumers.audit import export as exporting
from dateline.commands.auditing import wanted_export
from dateline.wiring import Newsroom

__all__ = ["Lines", "lines_of", "rewritten", "written"]

Lines = list[dict[str, Any]]


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
