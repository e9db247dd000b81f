"""A long log is read by several processes at once, and what they find is what one would find."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import apsw
import orjson
import psutil
import pytest
from conftest import Clock
from filings import filed, note, opening

from consumers.audit import processes
from consumers.audit.verify import Verified, verify
from events.codec import canonical
from events.envelope import instant
from events.errors import LogDamaged
from events.filing import Private
from events.sqlite.log import SqliteLog
from events.tree import Frontier

EVENTS = 300


@pytest.fixture
async def log(tmp_path: Path) -> SqliteLog:
    log = SqliteLog(tmp_path / "news.db", Clock())
    await log.append("a", [filed(opening())])
    for number in range(EVENTS - 1):
        event = note(f"note {number}")._replace(private=Private(notes=f"secret {number}"))
        await log.append("abc"[number % 3], [event])
    return log


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have three processes read even a short log."""
    monkeypatch.setattr(processes, "LONG", 1)
    monkeypatch.setattr(processes, "STRETCH", 16)
    monkeypatch.setattr(processes, "_processors", lambda: 3)


def readers() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if processes.__name__ in each.cmdline()]


async def root_at(log: SqliteLog, size: int) -> bytes:
    tree = Frontier()
    async for event in log.read_sealed(upto=size):
        tree.append(event.envelope)
    return tree.root


async def test_several_find_what_one_finds(log: SqliteLog, several: None) -> None:
    """A log that three processes read together is proved as by one; it must have begun as known."""
    seen: list[int] = []
    most = 0

    def progress(done: int, _total: int) -> None:
        nonlocal most
        seen.append(done)
        most = max(most, len(readers()))

    kept = {size: await root_at(log, size) for size in (1, 16, 17, 100, 299, 300)}
    proved = await verify(log, progress, kept)
    assert proved == Verified(EVENTS, (await log.head()).root.hex(), 3, 0)
    assert most == 3
    assert seen[:3] == [16, 32, 48]
    assert not readers()
    with pytest.raises(LogDamaged, match="over the first 100 events"):
        await verify(log, progress, {**kept, 100: bytes(32)})
    await log.close()


async def forged(log: SqliteLog, position: int, column: str, value: int) -> None:
    """Write one event anew, and the tree over all, so that every hash agrees."""
    found = await anext(log.read_sealed(position - 1, upto=position))
    stated = {"version": ("version", value), "recorded_ms": ("recorded_at", instant(value))}
    name, said = stated[column]
    envelope = canonical({**orjson.loads(found.envelope), name: said})
    raw = apsw.Connection(log.url.removeprefix("sqlite:///"))
    names = raw.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for (trigger,) in names:
        raw.execute(f"DROP TRIGGER {trigger}")
    statement = f"UPDATE events SET envelope = ?, {column} = ? WHERE position = ?"
    raw.execute(statement, (envelope, value, position))
    tree = Frontier()
    tree.extend(row[0] for row in raw.execute("SELECT envelope FROM events ORDER BY position"))
    raw.execute("UPDATE tree SET hashes = ?", (tree.hashes,))
    raw.close()


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("version", 990, "expected version 96; found version 990"),
        ("recorded_ms", 1_000, "expected a time not before .*; found 1970-01-01T00:00:01.000Z"),
    ],
)
async def test_where_stretches_meet_nothing_is_missed(
    log: SqliteLog, several: None, column: str, value: int, words: str
) -> None:
    """A story or a time that does not go on where two processes' parts meet is reported there."""
    first = 18 * 16 + 1  # of the last stretch
    await forged(log, first, column, value)
    with pytest.raises(LogDamaged, match=words) as raised:
        await verify(log, lambda *_: None)
    assert raised.value.position == first
    await log.close()


async def test_a_reader_that_ends_leaves_the_rest_to_us(log: SqliteLog, several: None) -> None:
    """When a process that helps to read is killed, the log is proved all the same."""

    def progress(_done: int, _total: int) -> None:
        for reader in readers():
            os.kill(reader.pid, signal.SIGKILL)

    assert (await verify(log, progress)).events == EVENTS
    assert not readers()
    await log.close()


async def test_who_is_interrupted_leaves_no_reader_behind(log: SqliteLog, several: None) -> None:
    """A verification that is given up ends the processes that it began."""
    begun = asyncio.Event()
    proving = asyncio.create_task(verify(log, lambda *_: begun.set()))
    await begun.wait()
    proving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await proving
    assert not readers()
    await log.close()


def test_a_reader_ends_with_whoever_began_it() -> None:
    """However the one ends for whom a process reads, the process ends with it."""
    command = [sys.executable, "-P", "-m", processes.__name__]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as reader:
        assert reader.stdin is not None
        reader.stdin.close()  # as the kernel does for whoever is killed
        assert reader.wait(timeout=60) == 0
