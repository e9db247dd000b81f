"""The story projection made anew from a million events, and the memory that it takes.

`python -m benchmarks.rebuild FILE` rebuilds the view of a log and prints the seconds it took.
"""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.measuring import Effort, Finding
from benchmarks.million import log_of
from consumers.rebuild import rebuild
from dateline.wiring import newsroom

__all__ = ["measure"]

NAME = "story projection rebuilt"
MANY, FEW = 1_000_000, 10_000
BOUND_MB = 50.0
LOOKS_PER_SECOND = 50


class Rebuilt(NamedTuple):
    """What a rebuild took: seconds, and the most memory it held, in MB."""

    seconds: float
    peak: float


def measure(effort: Effort) -> list[Finding]:
    """Rebuild a large and a small log, each in a process of its own."""
    many = effort.events(MANY)
    large, small = _rebuilt(log_of(many)), _rebuilt(log_of(FEW))
    return [
        Finding(
            NAME,
            f"memory past that of {FEW:,} events, with {many:,}",
            large.peak - small.peak,
            "MB",
            BOUND_MB,
            at_most=True,
        ),
        Finding(NAME, f"of {many:,} events", many / large.seconds, "events/s"),
        Finding(NAME, f"of {FEW:,} events", FEW / small.seconds, "events/s"),
        Finding(NAME, f"memory with {many:,} events, all in all", large.peak, "MB"),
    ]


def _rebuilt(log: Path) -> Rebuilt:
    command = [sys.executable, "-m", "benchmarks.rebuild", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        process = psutil.Process(running.pid)
        peak = 0
        while running.poll() is None:
            peak = max(peak, process.memory_info().rss)
            time.sleep(1 / LOOKS_PER_SECOND)
        assert running.returncode == 0, "the rebuild failed; its reason stands above"
        assert running.stdout is not None
        return Rebuilt(float(running.stdout.read()), peak / 1_000_000)


async def _rebuild(path: Path) -> float:
    async with newsroom(f"sqlite:///{path}") as room:
        start = time.perf_counter()
        await rebuild(room.log, room.views, room.stories, lambda _done, _size: None)
        return time.perf_counter() - start


if __name__ == "__main__":
    print(asyncio.run(_rebuild(Path(sys.argv[1]))))
