"""The write-ahead log is laid out once for whoever appends much, and nothing depends on it."""

import shutil
from pathlib import Path

import apsw
import pytest
from disks import needs_root, small_disk
from filings import note
from witness import check

from events.sqlite import writer
from events.sqlite.file import connect, identity, writing
from events.sqlite.log import SqliteLog
from events.sqlite.write_ahead import lay_out

APPENDS = writer.MANY + 8


async def append(log: SqliteLog, count: int) -> None:
    for _ in range(count):
        await log.append("a", [note("a drill")])


async def test_many_appends_do_not_lengthen_it(tmp_path: Path) -> None:
    """Whoever appends much finds all the room that is needed; who appends little makes none."""
    log = SqliteLog(tmp_path / "log.db")
    file = tmp_path / "log.db-wal"
    await append(log, writer.MANY - 1)
    short = file.stat().st_size
    await append(log, 3)  # the thread lays it out behind one of these, before the next
    laid_out = file.stat().st_size
    await append(log, 5 * writer.LOOK_EVERY)
    assert short < laid_out == file.stat().st_size
    await log.close()


async def test_what_was_laid_out_is_no_part_of_the_log(tmp_path: Path) -> None:
    """A log whose program ended at once has its events, and none of what was laid out for more."""
    log = SqliteLog(tmp_path / "log.db")
    await append(log, APPENDS)
    (tmp_path / "left").mkdir()
    for name in ("log.db", "log.db-wal"):
        shutil.copy(tmp_path / name, tmp_path / "left" / name)
    await log.close()
    left = SqliteLog(tmp_path / "left" / "log.db")
    assert await check(left, {}) == APPENDS
    await append(left, 1)
    assert await check(left, {}) == APPENDS + 1
    await left.close()


@needs_root
async def test_a_small_disk_is_left_to_the_events(tmp_path: Path) -> None:
    """Where a disk has not many times as much room, none of it is laid out."""
    with small_disk(tmp_path / "small", 32) as disk:
        log = SqliteLog(disk / "log.db")
        await append(log, APPENDS)
        assert (disk / "log.db-wal").stat().st_size < 2 * 1024 * 1024
        await log.close()


def test_nothing_is_laid_out_where_another_writes(tmp_path: Path) -> None:
    """While another process writes, nothing is put where its next pages may go."""
    path = str(tmp_path / "log.db")
    ours, other = connect(path), connect(path)
    ours.pragma("journal_mode", "wal")
    ours.set_busy_handler(None)
    with writing(other):
        with pytest.raises(apsw.BusyError):
            lay_out(ours, 100, identity(path))
        assert (tmp_path / "log.db-wal").stat().st_size == 0
    lay_out(ours, 100, identity(path))
    assert (tmp_path / "log.db-wal").stat().st_size > 100 * 4096
    ours.close()
    other.close()


def test_nothing_is_laid_out_in_a_log_that_was_put_in_its_place(tmp_path: Path) -> None:
    """A log which is put in the place of another, while that one is waited for, is left alone."""
    path = str(tmp_path / "log.db")
    ours, other = connect(path), connect(path)
    ours.pragma("journal_mode", "wal")
    log = identity(path)
    instead: list[apsw.Connection] = []

    def replace(_times: int) -> bool:
        for file in tmp_path.glob("log.db*"):
            file.rename(tmp_path / f"old-{file.name}")
        instead.append(connect(path))
        instead[0].pragma("journal_mode", "wal")
        instead[0].pragma("application_id")  # its write-ahead log is there once it was read
        other.execute("ROLLBACK")
        return True

    other.execute("BEGIN IMMEDIATE")
    ours.set_busy_handler(replace)
    lay_out(ours, 100, log)
    assert instead
    assert (tmp_path / "log.db-wal").stat().st_size == 0
    for connection in (ours, other, *instead):
        connection.close()
