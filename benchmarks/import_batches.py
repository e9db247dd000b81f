"""An import in batches of a hundred: each one append, some under way at once as in `import`."""

import asyncio
from functools import partial
from pathlib import Path

from benchmarks.limit import Plain
from benchmarks.measuring import Effort, Finding, Stopwatch, alternate, best, costs, ratio
from benchmarks.peer import MANNERS, Manner, Peer
from benchmarks.sample import filed, rows
from events.envelope import Filed
from events.sqlite.log import SqliteLog
from producers.importing import BATCH, IN_FLIGHT

__all__ = ["measure"]

NAME = "import in batches of 100"
EVENTS = 20_000
OURS, LIMIT = "ours", "limit: raw SQLite FULL, 100 per commit"


def measure(effort: Effort) -> list[Finding]:
    """Hold it against the peer's `save` of a hundred and against raw SQLite."""
    count = effort.events(EVENTS)
    peers = [manner.name for manner in MANNERS]
    times = alternate(
        {
            OURS: partial(_ours, count),
            **{manner.name: partial(_peer, manner, count) for manner in MANNERS},
            LIMIT: partial(_limit, count),
        },
        effort.rounds,
    )
    peer = best(times, peers)
    return [
        Finding(NAME, f"ours ÷ {peer}", ratio(times, OURS, peer), "x", 1.5),
        Finding(NAME, f"ours ÷ {LIMIT}", ratio(times, OURS, LIMIT), "x", 0.6),
        *costs(NAME, times, dict.fromkeys(times, count)),
    ]


def _ours(count: int, folder: Path, stopwatch: Stopwatch) -> None:
    asyncio.run(_append(count, folder, stopwatch))


async def _append(count: int, folder: Path, stopwatch: Stopwatch) -> None:
    log = SqliteLog(folder / "log.db")
    wanted = rows(count, BATCH)
    batches = [
        (wanted[start][0], wanted[start][1], [filed(row) for row in wanted[start : start + BATCH]])
        for start in range(0, count, BATCH)
    ]
    room = asyncio.Semaphore(IN_FLIGHT)

    async def append(story: str, version: int, events: list[Filed]) -> None:
        await log.append(story, events, version - 1)
        room.release()

    with stopwatch.running():
        async with asyncio.TaskGroup() as group:
            for batch in batches:
                await room.acquire()
                group.create_task(append(*batch))
                await asyncio.sleep(0)
    await log.close()


def _peer(manner: Manner, count: int, folder: Path, stopwatch: Stopwatch) -> None:
    peer = Peer(folder / "peer.db", manner)
    events = list(peer.events(rows(count, BATCH)))
    with stopwatch.running():
        for start in range(0, count, BATCH):
            peer.save(events[start : start + BATCH])
    peer.close()


def _limit(count: int, folder: Path, stopwatch: Stopwatch) -> None:
    table = Plain(folder / "plain.db")
    wanted = rows(count, BATCH)
    with stopwatch.running():
        for start in range(0, count, BATCH):
            table.insert_many(wanted[start : start + BATCH])
    table.close()
