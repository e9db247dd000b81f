"""Opening a log of a million events, and the state of one story in it."""

import asyncio
import time
from pathlib import Path
from statistics import median

from benchmarks.measuring import Effort, Finding
from benchmarks.million import LONGEST, ORDINARY, log_of
from dateline.wiring import newsroom

__all__ = ["measure"]

NAME = "a log of a million events"
EVENTS = 1_000_000
OPEN_MS, STATE_MS = 250.0, 10.0


def measure(effort: Effort) -> list[Finding]:
    """Open the log anew in each round and ask for the same stories."""
    events = effort.events(EVENTS)
    path = log_of(events)
    asyncio.run(_look(path))  # makes the view, when no rebuild has made it before
    rounds = [asyncio.run(_look(path)) for _ in range(effort.rounds)]
    opened, ordinary, longest = (median(taken) for taken in zip(*rounds, strict=True))
    return [
        Finding(NAME, f"opening, {events:,} events", opened, "ms", OPEN_MS, at_most=True),
        Finding(NAME, "state of an ordinary story", ordinary, "ms", STATE_MS, at_most=True),
        Finding(NAME, "state of the longest story", longest, "ms", STATE_MS, at_most=True),
    ]


async def _look(path: Path) -> tuple[float, float, float]:
    """Open, and look at two stories; milliseconds for each."""
    start = time.perf_counter()
    async with newsroom(f"sqlite:///{path}") as room:
        await room.log.head()
        opened = time.perf_counter()
        await room.state(ORDINARY)
        ordinary = time.perf_counter()
        await room.state(LONGEST)
        longest = time.perf_counter()
    return (opened - start) * 1000, (ordinary - opened) * 1000, (longest - ordinary) * 1000
