"""A node that is far behind has a process beside it read the topic, and misses nothing by it."""

import functools
import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import apsw
import psutil
import pytest
from asking import eventually
from brokers import topic_of
from filings import note
from topics import foreign, opened, redaction

from events.filing import Private
from events.kafka import ahead, follower, reading
from events.kafka.address import Address
from events.kafka.log import KafkaLog
from events.kafka.taken import Taken

GARBAGE = 9_000  # records, which are more than a process reads at a time, and not a block of them
MORE = 40_000  # which take a node longer than the two seconds that it has, one at a time


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[list[Taken]]:
    """Have a process read what is behind the first ten records; the batches that it gave."""
    batches: list[list[Taken]] = []

    async def read_ahead(
        stretch: ahead.Stretch, prepare: Callable[[], Awaitable[None]]
    ) -> AsyncGenerator[list[Taken], None]:
        async for batch in ahead.read_ahead(stretch, prepare):
            batches.append(batch)
            yield batch

    monkeypatch.setattr(follower, "read_ahead", read_ahead)
    monkeypatch.setattr(reading, "MOST_RECORDS", 10)
    monkeypatch.setattr(ahead, "FAR", 1)
    monkeypatch.setattr(ahead, "processors", lambda: 2)
    return batches


def readers() -> list[psutil.Process]:
    found = []
    for each in psutil.Process().children():
        try:
            if ahead.__name__ in each.cmdline():
                found.append(each)
        except (psutil.ZombieProcess, psutil.NoSuchProcess):
            continue
    return found


async def _some(given: list[list[Taken]]) -> bool:
    return bool(given)


def stored(address: Address) -> dict[str, list[tuple[object, ...]]]:
    """All that a mirror has; its runs of keys are as long as what was folded at a time."""
    connection = apsw.Connection(address.mirror, flags=apsw.SQLITE_OPEN_READONLY)
    tables = "events", "tree", "remains", "mirror", "void", "keys", "roots"
    found = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables}
    connection.close()
    return found


async def test_a_topic_that_was_read_ahead_is_the_same_log(
    kafka: str, tmp_path: Path, given: list[list[Taken]]
) -> None:
    """Events, voids, erasures and garbage are on a node that was far behind as on any other."""
    address = topic_of(kafka, tmp_path)
    async with opened(address) as log:
        for number in range(20):
            secret = note(str(number))._replace(private=Private(notes=f"secret {number}"))
            placed = await log.append("abc"[number % 3], [secret, note("and")])
        async with foreign(address) as producer:
            for junk in (b"junk", None):
                await producer.send_and_wait(
                    address.topic, junk, key=b"odd", headers=[("odd", None)]
                )
        await log.append("a", [redaction(secret.id, 1)])
        await log.append("a", [note("last")])
        head = await log.grown(placed.positions[-1])
    given.clear()
    late = address._replace(mirror=str(tmp_path / "late.db"))
    async with opened(late) as log:
        assert (await log.head()).size == head
    assert stored(late) == stored(address)
    read = [taken for batch in given for taken in batch]
    assert [each.offset for each in read] == list(range(10, read[-1].offset + 1))
    opened_there = [taken.offer.parcels[0].contents for taken in read if taken.offer is not None]
    assert sum(contents is not None for contents in opened_there) > 10
    assert not readers()


async def test_a_reader_that_is_killed_leaves_the_rest_to_the_node(
    kafka: str, tmp_path: Path, given: list[list[Taken]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the process that reads ahead is killed or stands still, the node reads on by itself."""
    address = topic_of(kafka, tmp_path)
    async with opened(address) as log:
        await log.append("a", [note("first")])
        async with foreign(address, linger_ms=5) as producer:
            sent = [await producer.send(address.topic, b"junk") for _ in range(GARBAGE)]
            await sent[-1]
        await log.append("a", [note("last")])
        assert (await log.head()).size == 2
    monkeypatch.setattr(reading, "MOST_RECORDS", 500)
    for how in (signal.SIGKILL, signal.SIGSTOP):
        given.clear()
        late = address._replace(mirror=str(tmp_path / f"{how.name}.db"))
        monkeypatch.setattr(ahead, "PATIENCE", 30.0)
        async with opened(late) as log:
            await eventually(functools.partial(_some, given))
            for reader in readers():
                os.kill(reader.pid, how)
            monkeypatch.setattr(ahead, "PATIENCE", 0.2)
            assert (await log.head()).size == 2
        assert stored(late) == stored(address)
        assert not readers()


async def test_a_mirror_that_moves_on_is_waited_for(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a node takes to catch up, whoever waits for it does, and sees how far it is."""
    address = topic_of(kafka, tmp_path)
    async with opened(address) as log:
        await log.head()
        async with foreign(address, linger_ms=5) as producer:
            sent = [await producer.send(address.topic, b"junk") for _ in range(MORE)]
            await sent[-1]
        await log.append("a", [note("last")])
    monkeypatch.setattr(reading, "MOST_RECORDS", 1)
    monkeypatch.setattr("events.kafka.log.OPEN_SECONDS", 2)
    seen: list[tuple[int, int]] = []
    late = address._replace(mirror=str(tmp_path / "late.db"))
    log = KafkaLog(late, told=lambda done, total: seen.append((done, total)))
    assert (await log.head()).size == 1
    await log.close()
    assert seen == sorted(seen)
    assert seen[-1] == (MORE + 1, MORE + 1)
    assert any(0 < done < total for done, total in seen)
