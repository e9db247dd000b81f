"""A long log is read by several processes at once, and what they find is what one would find."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import psutil
import pytest
from conftest import Clock
from filings import filed, note, opening
from tampering import unguarded

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
    monkeypatch.setattr(processes, "processors", lambda: 3)


def readers() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if is_reader(each)]


def is_reader(process: psutil.Process) -> bool:
    try:
        return processes.__name__ in process.cmdline()
    except psutil.ZombieProcess:  # it was killed, and nobody has taken leave of it yet
        return True
    except psutil.NoSuchProcess:
        return False


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
    raw = unguarded(log.url.removeprefix("sqlite:///"))
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
    seen: list[int] = []
    with pytest.raises(LogDamaged, match=words) as raised:
        await verify(log, lambda done, _total: seen.append(done))
    assert raised.value.position == first
    assert seen == [16 * number for number in range(1, 19)], "several read"
    await log.close()


async def test_a_reader_that_ends_leaves_the_rest_to_us(log: SqliteLog, several: None) -> None:
    """When a process that helps to read is killed, the log is proved all the same."""
    killed = []

    def progress(_done: int, _total: int) -> None:
        for reader in readers():
            os.kill(reader.pid, signal.SIGKILL)
            killed.append(reader.pid)

    assert (await verify(log, progress)).events == EVENTS
    assert killed
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


VERIFYING = """
import asyncio, sys
import psutil
from consumers.audit import processes
from consumers.audit.verify import verify
from events.sqlite.log import SqliteLog

processes.LONG, processes.STRETCH, processes.processors = 1, 16, lambda: 3

def progress(done, total):
    print(*(each.pid for each in psutil.Process().children()), flush=True)
    sys.stdin.read()  # until we are killed

asyncio.run(verify(SqliteLog(sys.argv[1]), progress))
"""


async def test_a_reader_ends_with_whoever_began_it(log: SqliteLog) -> None:
    """However the one ends for whom processes read, they end with it."""
    path = log.url.removeprefix("sqlite:///")
    command = [sys.executable, "-c", VERIFYING, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as begun:
        assert begun.stdout is not None
        reading = [psutil.Process(int(pid)) for pid in begun.stdout.readline().split()]
        assert len(reading) == 3
        begun.kill()
        assert not psutil.wait_procs(reading, timeout=60)[1]
    await log.close()


async def test_a_reader_that_never_answers_is_given_up(
    log: SqliteLog, several: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is stopped while it reads is not waited for for ever."""
    stopped = []

    def progress(_done: int, _total: int) -> None:
        monkeypatch.setattr(processes, "PATIENCE", 0.2)
        for reader in readers():
            os.kill(reader.pid, signal.SIGSTOP)
            stopped.append(reader.pid)

    assert (await verify(log, progress)).events == EVENTS
    assert stopped
    assert not readers()
    await log.close()


@pytest.mark.parametrize(("first", "last"), [(16, 16), (15, 20), (17, 32), (100, 112), (288, 288)])
async def test_a_hole_is_reported_where_it_begins(
    log: SqliteLog, several: None, first: int, last: int
) -> None:
    """Events that are missing at the end of a part, or a whole part, are missed where they were."""
    await log.close()
    raw = unguarded(log.url.removeprefix("sqlite:///"))
    raw.execute("DELETE FROM events WHERE position BETWEEN ? AND ?", (first, last))
    tree = Frontier()
    tree.extend(row[0] for row in raw.execute("SELECT envelope FROM events ORDER BY position"))
    if tree.size.bit_count() == EVENTS.bit_count():  # else the tree's own row is refused
        raw.execute("UPDATE tree SET hashes = ?", (tree.hashes,))
    raw.close()
    again = SqliteLog(log.url.removeprefix("sqlite:///"))
    with pytest.raises(LogDamaged, match="expected an event; found") as raised:
        await verify(again, lambda *_: None)
    assert raised.value.position == first
    await again.close()
