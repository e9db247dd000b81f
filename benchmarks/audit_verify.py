"""Verifying a million events: the log beside a bare loop of the same hashes, and an export alone.

`python -m benchmarks.audit_verify FILE` verifies a log once, for its memory to be looked at.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

from benchmarks.measuring import Effort, Finding
from benchmarks.million import log_of
from consumers.audit import export as exporting
from consumers.audit import stand_alone
from consumers.audit.verify import verify
from dateline.commands.auditing import wanted_export
from dateline.wiring import newsroom
from events.envelope import Sealed, commit
from events.sqlite.log import SqliteLog
from events.tree import Frontier

__all__ = ["measure"]

NAME = "verifying"
MANY, FEW = 1_000_000, 100_000  # of both, several processes read
ROUNDS = 3  # of a million events each; more would take minutes
RATIO, ALONE, MEMORY_MB = 0.5, 50_000.0, 50.0
LOOKS_PER_SECOND = 50
TOGETHER = 512  # events that the bare loop is given at a time


def measure(effort: Effort) -> list[Finding]:
    """Verify a large log and its export, and look at the memory that it takes."""
    many = effort.events(MANY)
    log = log_of(many)
    rounds = [asyncio.run(_beside_bare(log)) for _ in range(min(ROUNDS, effort.rounds))]
    ours, ratios = median(each for each, _ in rounds), median(bare / own for own, bare in rounds)
    alone = asyncio.run(_alone(log))
    large, small = _peak(log), _peak(log_of(FEW))
    return [
        Finding(NAME, "audit verify ÷ a bare loop of the same hashes", ratios, "x", RATIO),
        Finding(NAME, f"audit verify of {many:,} events", many / ours, "events/s"),
        Finding(NAME, "the stand-alone verifier", many / alone, "events/s", ALONE),
        Finding(
            NAME,
            f"memory past that of {FEW:,} events, with {many:,}",
            large - small,
            "MB",
            MEMORY_MB,
            at_most=True,
        ),
    ]


async def _beside_bare(path: Path) -> tuple[float, float]:
    """Verify, then do the hashes alone over the same events; seconds for each."""
    log = SqliteLog(path)
    start = time.perf_counter()
    await verify(log, lambda _done, _total: None)
    ours = time.perf_counter() - start
    bare, tree, page = 0.0, Frontier(), list[Sealed]()
    async for event in log.read_sealed():
        page.append(event)
        if len(page) == TOGETHER:
            bare += _hash(tree, page)
            page = []
    bare += _hash(tree, page)
    await log.close()
    return ours, bare


def _hash(tree: Frontier, page: list[Sealed]) -> float:
    """Do what must be done for each event: two commitments, a leaf, its share of the tree."""
    start = time.perf_counter()
    for event in page:
        commit(event.body_nonce or b"", b"body", event.body or b"")
        commit(event.private_nonce or b"", b"private", event.private or b"")
        tree.append(event.envelope)
    return time.perf_counter() - start


async def _alone(path: Path) -> float:
    """Export the log and verify the file; seconds that the verifier takes."""
    with tempfile.TemporaryDirectory(prefix="dateline-bench-") as folder:
        file = f"{folder}/log.jsonl.gz"
        async with newsroom(f"sqlite:///{path}") as room:
            wanted = await wanted_export(room, None, "private")
            await exporting.write(room.auditor, wanted, file, lambda _done, _total: None)
        start = time.perf_counter()
        stand_alone.check(file)
        return time.perf_counter() - start


def _peak(log: Path) -> float:
    """Verify in a process of its own; the most memory that it and those it began held, in MB."""
    command = [sys.executable, "-m", "benchmarks.audit_verify", str(log)]
    with subprocess.Popen(command) as running:
        process = psutil.Process(running.pid)
        peak = 0
        while running.poll() is None:
            peak = max(peak, sum(map(_held, (process, *process.children()))))
            time.sleep(1 / LOOKS_PER_SECOND)
        assert running.returncode == 0, "verifying failed; its reason stands above"
        return peak / 1_000_000


def _held(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().uss)
    except psutil.NoSuchProcess:  # it has just ended
        return 0


async def _verify(path: Path) -> None:
    log = SqliteLog(path)
    await verify(log, lambda _done, _total: None)
    await log.close()


if __name__ == "__main__":
    asyncio.run(_verify(Path(sys.argv[1])))
