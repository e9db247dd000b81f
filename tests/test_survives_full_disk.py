"""A disk without room: a clear error, reading goes on, and filing resumes when there is room."""

from pathlib import Path

import pytest
from disks import needs_root, small_disk
from filings import development, filed, gathered
from witness import check

from events.envelope import Filed
from events.errors import LogFull, LogUnavailable
from events.sqlite.log import SqliteLog


def batch() -> list[Filed]:
    words = "A drill that fills the disk. " * 100
    return [filed(development("development-reported", label="drill", body=words)) for _ in range(5)]


@needs_root
async def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """A full disk is named and reading goes on; with room again the same ids are taken."""
    with small_disk(tmp_path / "disk") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(1_500_000))
        log = SqliteLog(disk / "log.db")
        promised: dict[str, int] = {}
        refused: list[Filed] = []
        while not refused:
            events = batch()
            try:
                places = await log.append("a", events)
            except LogFull as error:
                assert "disk is full" in str(error)
                refused = events
            else:
                promised |= dict(zip((e.id for e in events), places.positions, strict=True))
        assert len(await gathered(log.read())) == len(promised)
        with pytest.raises(LogUnavailable):
            await log.append("a", refused)
        ballast.unlink()
        places = await log.append("a", refused)
        promised |= dict(zip((e.id for e in refused), places.positions, strict=True))
        assert await check(log, promised) == len(promised)
        await log.close()
