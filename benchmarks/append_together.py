"""Sixty-four appenders at the same time, each awaiting its own append before its next."""

import asyncio
from functools import partial
from pathlib import Path

from benchmarks.limit import Bare, Plain
from benchmarks.measuring import Effort, Finding, Stopwatch, alternate, best, costs, ratio
from benchmarks.peer import MANNERS, Manner, Peer
from benchmarks.sample import filed, rows
from events.codec import encode
from events.sqlite.log import SqliteLog

__all__ = ["appended", "measure"]

NAME = "64 appenders, each awaiting its own"
APPENDERS = 64
EVENTS = 20_000
PEER_SHARE = 20  # the peer saves one at a time, so a twentieth of the events takes as long
PER_COMMIT = 100
OURS = "ours"
LIMIT = "limit: raw SQLite FULL, 100 per commit"
BARE = "bare: blobs, no version, no pydantic, 100 per commit"


def measure(effort: Effort) -> list[Finding]:
    """Hold it against the peer's `save` of one and against raw SQLite a hundred per commit."""
    count = effort.events(EVENTS)
    few = effort.events(count // PEER_SHARE)
    peers = [manner.name for manner in MANNERS]
    times = alternate(
        {
            OURS: partial(appended, count),
            **{manner.name: partial(_peer, manner, few) for manner in MANNERS},
            LIMIT: partial(_limit, count),
            BARE: partial(_bare, count),
        },
        effort.rounds,
    )
    peer = best(times, peers)
    events = {name: few if name in peers else count for name in times}
    return [
        Finding(NAME, f"ours ÷ {peer}", ratio(times, OURS, peer, count / few), "x", 8.0),
        Finding(NAME, f"ours ÷ {LIMIT}", ratio(times, OURS, LIMIT), "x", 0.5),
        *costs(NAME, times, events),
    ]


def appended(count: int, folder: Path, stopwatch: Stopwatch) -> None:
    """Append so many events by sixty-four appenders."""
    asyncio.run(_append(count, folder, stopwatch))


async def _append(count: int, folder: Path, stopwatch: Stopwatch) -> None:
    log = SqliteLog(folder / "log.db")
    waiting = iter([(row[0], filed(row)) for row in rows(count)])

    async def appender() -> None:
        for story, event in waiting:
            await log.append(story, [event])

    with stopwatch.running():
        async with asyncio.TaskGroup() as group:
            for _ in range(APPENDERS):
                group.create_task(appender())
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
        for start in range(0, count, PER_COMMIT):
            table.insert_many(wanted[start : start + PER_COMMIT])
    table.close()


def _bare(count: int, folder: Path, stopwatch: Stopwatch) -> None:
    table = Bare(folder / "bare.db")
    blobs = [encode(what) for _, _, what in rows(count)]
    with stopwatch.running():
        for start in range(0, count, PER_COMMIT):
            table.insert_many(blobs[start : start + PER_COMMIT])
    table.close()
