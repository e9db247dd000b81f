"""One durable append at a time: each is awaited, and on the disk, before the next one starts."""

import asyncio
from functools import partial
from pathlib import Path

from benchmarks.limit import Plain
from benchmarks.measuring import Effort, Finding, Stopwatch, alternate, best, costs, ratio
from benchmarks.peer import MANNERS, Manner, Peer
from benchmarks.sample import filed, rows
from events.sqlite.log import SqliteLog

__all__ = ["measure"]

NAME = "one durable append at a time"
EVENTS = 1_500
OURS, LIMIT = "ours", "limit: raw SQLite FULL, one per commit"


def measure(effort: Effort) -> list[Finding]:
    """Hold it against the peer's `save` of one and against raw SQLite."""
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
        Finding(NAME, f"ours ÷ {peer}", ratio(times, OURS, peer), "x", 1.0),
        Finding(NAME, f"ours ÷ {LIMIT}", ratio(times, OURS, LIMIT), "x", 0.6),
        *costs(NAME, times, dict.fromkeys(times, count)),
    ]


def _ours(count: int, folder: Path, stopwatch: Stopwatch) -> None:
    asyncio.run(_append(count, folder, stopwatch))


async def _append(count: int, folder: Path, stopwatch: Stopwatch) -> None:
    log = SqliteLog(folder / "log.db")
    wanted = [
        (story, filed((story, version, what)), version) for story, version, what in rows(count)
    ]
    with stopwatch.running():
        for story, event, version in wanted:
            await log.append(story, [event], version - 1)
    await log.close()


def _peer(manner: Manner, count: int, folder: Path, stopwatch: Stopwatch) -> None:
    peer = Peer(folder / "peer.db", manner)
    events = list(peer.events(rows(count)))
    with stopwatch.running():
        for event in events:
            peer.save([event])
    peer.close()


def _limit(count: int, folder: Path, stopwatch: Stopwatch) -> None:
    table = Plain(folder / "plain.db")
    wanted = rows(count)
    with stopwatch.running():
        for row in wanted:
            table.insert_one(row)
    table.close()
