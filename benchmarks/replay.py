"""A typed replay of the whole log: every event read from the disk and validated."""

import asyncio
from functools import partial
from pathlib import Path

from benchmarks.limit import Plain
from benchmarks.measuring import Effort, Finding, Stopwatch, alternate, best, costs, ratio
from benchmarks.peer import MANNERS, Manner, Peer
from benchmarks.sample import filed, rows
from events.sqlite.log import SqliteLog

__all__ = ["measure"]

NAME = "typed replay of the whole log"
EVENTS = 20_000
BATCH = 100
OURS, LIMIT = "ours", "limit: rows read and validated by pydantic"


def measure(effort: Effort) -> list[Finding]:
    """Hold it against the peer's typed replay and against rows validated by the kind's model."""
    count = effort.events(EVENTS)
    typed = [manner.name for manner in MANNERS if manner.typed]
    times = alternate(
        {
            OURS: partial(_ours, count),
            **{manner.name: partial(_peer, manner, count) for manner in MANNERS},
            LIMIT: partial(_limit, count),
        },
        effort.rounds,
    )
    peer = best(times, typed)
    return [
        Finding(NAME, f"ours ÷ {peer}", ratio(times, OURS, peer), "x", 2.0),
        Finding(NAME, f"ours ÷ {LIMIT}", ratio(times, OURS, LIMIT), "x", 0.8),
        *costs(NAME, times, dict.fromkeys(times, count)),
    ]


def _ours(count: int, folder: Path, stopwatch: Stopwatch) -> None:
    asyncio.run(_replay(count, folder, stopwatch))


async def _replay(count: int, folder: Path, stopwatch: Stopwatch) -> None:
    log = SqliteLog(folder / "log.db")
    wanted = rows(count, BATCH)
    for start in range(0, count, BATCH):
        batch = wanted[start : start + BATCH]
        await log.append(batch[0][0], [filed(row) for row in batch])
    del wanted, batch
    await log.close()
    log = SqliteLog(folder / "log.db")
    found = 0
    with stopwatch.running():
        async for _event in log.read():
            found += 1
    assert found == count, f"{count} events were appended and {found} read"
    await log.close()


def _peer(manner: Manner, count: int, folder: Path, stopwatch: Stopwatch) -> None:
    peer = Peer(folder / "peer.db", manner)
    wanted = rows(count, BATCH)
    for start in range(0, count, BATCH):
        peer.save(list(peer.events(wanted[start : start + BATCH])))
    del wanted
    with stopwatch.running():
        found = peer.replay()
    assert found == count, f"{count} events were saved and {found} read"
    peer.close()


def _limit(count: int, folder: Path, stopwatch: Stopwatch) -> None:
    table = Plain(folder / "plain.db")
    wanted = rows(count, BATCH)
    for start in range(0, count, BATCH):
        table.insert_many(wanted[start : start + BATCH])
    del wanted
    with stopwatch.running():
        found = table.replay()
    assert found == count, f"{count} events were inserted and {found} read"
    table.close()
