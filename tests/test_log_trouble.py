"""What a SQLite log does when something beside it misbehaves."""

import asyncio
import subprocess
import threading
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from conftest import Clock
from disks import needs_root, small_disk
from filings import filed, gathered, note, opening

from events.errors import LogDamaged, LogUnavailable, Refused
from events.sqlite import file as sqlite_file
from events.sqlite import places, writer
from events.sqlite.backup import copy_log, restore_log
from events.sqlite.log import SqliteLog


class StoppedClock(Clock):
    """A clock that gives no time until it is mended."""

    mended = False

    def __call__(self) -> int:
        if not self.mended:
            raise OSError("no time to be had")
        return super().__call__()


async def test_an_unforeseen_failure_leaves_nobody_waiting(tmp_path: Path) -> None:
    """A failure that nobody foresaw is told like any other, and the same ids are taken later."""
    clock = StoppedClock()
    log = SqliteLog(tmp_path / "log.db", clock)
    event = note("1")
    with pytest.raises(LogUnavailable, match="OSError: no time to be had"):
        await log.append("a", [event])
    clock.mended = True
    assert (await log.append("a", [event])).positions == (1,)
    await log.close()


async def test_more_stories_than_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A desk with more stories than fit in memory at once mixes none of them up."""
    monkeypatch.setattr(places, "STORIES_REMEMBERED", 2)
    log = SqliteLog(tmp_path / "log.db")
    stories = "abacadabacad"
    results = await asyncio.gather(*(log.append(story, [note("x")]) for story in stories))
    assert [result.positions for result in results] == [(n,) for n in range(1, 13)]
    assert [result.versions[0] for result in results] == [1, 1, 2, 1, 3, 1, 4, 2, 5, 2, 6, 2]
    await log.close()


@pytest.mark.parametrize(("appends", "together"), [(600, 1), (6, 500)])
async def test_the_write_ahead_log_does_not_grow_with_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, appends: int, together: int
) -> None:
    """However much is filed, and by whom, what stands beside the log stays small."""
    monkeypatch.setattr(writer, "WAL_PAGES", 100)
    monkeypatch.setattr(writer, "LOOK_EVERY", 25)
    monkeypatch.setattr(writer, "LAID_OUT", 100)
    log = SqliteLog(tmp_path / "log.db")
    for number in range(appends):
        await log.append("a", [note(f"{number} {n}") for n in range(together)])
    assert (
        tmp_path / "log.db-wal"
    ).stat().st_size < 600 * 4096  # were it kept: twice that, or more
    await log.close()


def test_an_event_loop_that_ends_early_keeps_nobody_waiting(tmp_path: Path) -> None:
    """A program that stops in the middle of an append can go on with the same log."""
    log = SqliteLog(tmp_path / "log.db")
    stopped = asyncio.new_event_loop()

    started = stopped.create_task(log.append("a", [note("left")]))
    stopped.call_soon(stopped.stop)
    stopped.run_forever()

    async def go_on() -> None:
        async with asyncio.timeout(30):
            await log.append("a", [note("2")])
        await log.close()

    asyncio.run(go_on())
    assert stopped.run_until_complete(started)
    stopped.close()


async def test_a_log_opens_while_another_program_tidies_it(tmp_path: Path) -> None:
    """Whoever opens a log while its file is being tidied up waits a moment, and sees no lock."""
    path = str(tmp_path / "log.db")
    log = SqliteLog(path)
    await log.append("a", [note("1")])
    reader, tidier = apsw.Connection(path), apsw.Connection(path)
    reader.execute("BEGIN")
    for connection in (reader, tidier):
        assert connection.execute("SELECT count(*) FROM events").get == 1
    await log.append("a", [note("2")])
    opened: list[SqliteLog] = []
    visitor = threading.Thread(target=lambda: opened.append(SqliteLog(path)))

    def kept_waiting(times: int) -> bool:
        """Called while tidying waits for the reader, with the lock that an opening needs."""
        if not times:
            visitor.start()
        visitor.join(0.2)
        return False

    tidier.set_busy_handler(kept_waiting)
    with pytest.raises(apsw.BusyError):
        tidier.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_FULL)
    visitor.join()
    assert (await opened[0].append("a", [note("3")], 2)).positions == (3,)
    for each in (*opened, log):
        await each.close()
    reader.close()
    tidier.close()


async def test_a_log_held_by_another_program_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that somebody keeps locked is said to be busy, and goes on when it is let go."""
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.05)
    log = SqliteLog(tmp_path / "log.db")
    event = note("1")
    holder = apsw.Connection(str(tmp_path / "log.db"))
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(LogUnavailable, match="another process kept it busy"):
        await log.append("a", [event])
    assert await gathered(log.read()) == []
    holder.execute("ROLLBACK")
    assert (await log.append("a", [event])).positions == (1,)
    holder.close()
    await log.close()


async def test_a_restored_log_is_as_good_as_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a log that was restored from a copy readers keep nobody from appending."""
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.5)
    first = SqliteLog(tmp_path / "first.db")
    await first.append("a", [note("1")])
    root = (await first.head()).root
    copy_log(str(tmp_path / "first.db"), str(tmp_path / "copy.db"), lambda *_: None)
    await first.close()
    restore_log(str(tmp_path / "copy.db"), str(tmp_path / "again.db"), lambda *_: None)
    again = SqliteLog(tmp_path / "again.db")
    assert (await again.head()).root == root
    reader = apsw.Connection(str(tmp_path / "again.db"))
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM events").get == 1
    assert (await again.append("a", [note("2")], 1)).positions == (2,)
    reader.close()
    await again.close()


@pytest.mark.parametrize("left", ["-wal", "-shm", "-journal"])
async def test_nothing_of_an_old_log_gets_into_a_restored_one(tmp_path: Path, left: str) -> None:
    """Files of an old log beside the place of a restored one are named, and nothing is done."""
    log = SqliteLog(tmp_path / "log.db")
    await log.append("a", [note("1")])
    copy_log(str(tmp_path / "log.db"), str(tmp_path / "copy.db"), lambda *_: None)
    await log.append("a", [note("2")])
    (tmp_path / "wal").write_bytes((tmp_path / "log.db-wal").read_bytes())
    await log.close()
    (tmp_path / "log.db").unlink()
    (tmp_path / "wal").rename(tmp_path / f"log.db{left}")
    with pytest.raises(Refused, match=left):
        restore_log(str(tmp_path / "copy.db"), str(tmp_path / "log.db"), lambda *_: None)
    assert not (tmp_path / "log.db").exists()


async def test_a_restore_overwrites_no_log_made_meanwhile(tmp_path: Path) -> None:
    """A log that is made while a copy is put back stays, and the copy is refused."""
    log = SqliteLog(tmp_path / "log.db")
    await log.append("a", [note("1")])
    copy_log(str(tmp_path / "log.db"), str(tmp_path / "copy.db"), lambda *_: None)
    await log.close()

    def meanwhile(_done: int, _size: int) -> None:
        (tmp_path / "again.db").write_text("somebody's")

    with pytest.raises(Refused, match="does not exist yet"):
        restore_log(str(tmp_path / "copy.db"), str(tmp_path / "again.db"), meanwhile)
    assert (tmp_path / "again.db").read_text() == "somebody's"
    assert not list(tmp_path.glob("*.part*"))


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE tree SET size = 2",
        "UPDATE tree SET size = 9",
        "UPDATE tree SET hashes = x'00'",
        "DELETE FROM tree",
    ],
)
async def test_a_spoilt_tree_is_reported(tmp_path: Path, damage: str) -> None:
    """A log whose audit tree does not fit its events says so and takes nothing more."""
    log = SqliteLog(tmp_path / "log.db")
    await log.append("a", [note("1")])
    raw = apsw.Connection(str(tmp_path / "log.db"))
    raw.execute(damage)
    raw.close()
    for _ in range(2):
        with pytest.raises(LogDamaged):
            await log.append("a", [note("2")])
    assert len(await gathered(log.read(upto=9))) == 1
    await log.close()


async def test_a_backup_takes_no_name_with_something_left_beside_it(tmp_path: Path) -> None:
    """What an old log left behind never becomes part of a copy."""
    log = SqliteLog(tmp_path / "news.db")
    await log.append("a", [filed(opening())])
    (tmp_path / "copy.db-wal").write_bytes(b"left behind")
    with pytest.raises(Refused, match="no file of a log of this name"):
        copy_log(str(tmp_path / "news.db"), str(tmp_path / "copy.db"), lambda *_: None)
    await log.close()


async def test_a_follower_can_be_stopped_at_any_moment(tmp_path: Path) -> None:
    """Whoever stops following at the very moment of an append has stopped."""
    log = SqliteLog(tmp_path / "log.db")
    for _ in range(20):
        size = (await log.head()).size
        waiting = asyncio.ensure_future(follow_on(log, size))
        await asyncio.sleep(0)
        await log.append("a", [note("1")])
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting], timeout=5)
        assert waiting.cancelled()
    await log.close()


async def follow_on(log: SqliteLog, size: int) -> None:
    while True:
        size = await log.grown(size)


@pytest.mark.parametrize("instead", ["nothing", "another log"])
async def test_a_log_that_was_taken_away_takes_nothing(tmp_path: Path, instead: str) -> None:
    """When its file was moved, nothing is appended, for nobody would find it, and nothing read."""
    log = SqliteLog(tmp_path / "news.db")
    await log.append("a", [note("1")])
    (tmp_path / "news.db").rename(tmp_path / "moved.db")
    if instead == "another log":
        other = SqliteLog(tmp_path / "other.db")
        await other.append("b", [note("1")])
        await other.close()
        (tmp_path / "other.db").rename(tmp_path / "news.db")
    for _ in range(2):
        with pytest.raises(LogUnavailable, match="moved or replaced"):
            await log.append("a", [note("2")])
        # Several at once, for which connections are opened that there were not before.
        for found in await asyncio.gather(*(log.head() for _ in range(8)), return_exceptions=True):
            assert "moved or replaced" in str(found)
    (tmp_path / "moved.db").rename(tmp_path / "news.db")
    assert (await log.append("a", [note("2")])).versions == (2,)
    await log.close()


async def test_no_empty_log_takes_the_place_of_one_that_was_taken_away(tmp_path: Path) -> None:
    """A log that opens its file anew after trouble makes none where its file is gone by then."""
    log = SqliteLog(tmp_path / "news.db")
    await log.append("a", [note("1")])
    with closing(apsw.Connection(str(tmp_path / "news.db"))) as other:
        trouble = "BEGIN SELECT RAISE(ABORT, 'a drill'); END"
        other.execute(f"CREATE TRIGGER trouble BEFORE INSERT ON events {trouble}")
        with pytest.raises(LogUnavailable, match="a drill"):
            await log.append("a", [note("2")])
        other.execute("DROP TRIGGER trouble")
    (tmp_path / "news.db").rename(tmp_path / "moved.db")
    with pytest.raises(LogUnavailable, match="moved or replaced"):
        await log.append("a", [note("2")])
    assert not (tmp_path / "news.db").exists()
    (tmp_path / "moved.db").rename(tmp_path / "news.db")
    assert (await log.append("a", [note("2")])).versions == (2,)
    await log.close()


async def test_reading_a_log_that_was_taken_away_makes_none(tmp_path: Path) -> None:
    """Who reads a log whose file is gone is told so, and no empty log takes its place."""
    log = SqliteLog(tmp_path / "news.db")
    await log.append("a", [note("1")])
    for file in tmp_path.glob("news.db*"):
        file.unlink()
    with pytest.raises(LogUnavailable, match="moved or replaced"):
        await log.head()
    assert not (tmp_path / "news.db").exists()
    await log.close()


@needs_root
async def test_a_log_on_a_disk_that_is_only_read_says_what_to_do(tmp_path: Path) -> None:
    """Where nothing can be written beside a log, who opens it is told so and to use a copy."""
    with small_disk(tmp_path / "disk") as disk:
        log = SqliteLog(disk / "news.db")
        await log.append("a", [note("1")])
        await log.close()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(LogUnavailable, match=r"nothing can be written to .* use a copy"):
            SqliteLog(disk / "news.db")
