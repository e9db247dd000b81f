"""What the audit tree and its signed checkpoints cost appends in batches of a hundred."""

import asyncio
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from statistics import median
from unittest import mock

from benchmarks.measuring import Effort, Finding, Stopwatch, alternate, costs
from benchmarks.sample import filed, rows
from consumers.audit.auditor import Auditor
from consumers.audit.book import Book
from consumers.audit.duty import Duty
from consumers.audit.signing import Keyring
from events.memory_log import wall_clock
from events.sqlite.log import SqliteLog
from events.tree import Frontier
from producers.importing import BATCH, IN_FLIGHT

__all__ = ["measure"]

NAME = "the cost of tree and checkpoints"
EVENTS = 20_000
MOST_PERCENT = 25.0
WITHOUT, WITH = "neither tree nor checkpoints", "tree, and checkpoints on schedule"


def measure(effort: Effort) -> list[Finding]:
    """Append with both and with neither, in turns."""
    count = effort.events(EVENTS)
    times = alternate(
        {WITHOUT: partial(_without, count), WITH: partial(_with, count)}, effort.rounds
    )
    more = median(own / bare - 1 for own, bare in zip(times[WITH], times[WITHOUT], strict=True))
    return [
        Finding(NAME, "more time for an append", more * 100, "%", MOST_PERCENT, at_most=True),
        *costs(NAME, times, dict.fromkeys(times, count)),
    ]


def _without(count: int, folder: Path, stopwatch: Stopwatch) -> None:
    def extend(self: Frontier, leaves: Iterable[bytes]) -> None:
        """Count the leaves, so that positions are given, and hash none."""
        self.size += len(list(leaves))

    with mock.patch.object(Frontier, "extend", extend):
        asyncio.run(_append(count, folder, stopwatch, audited=False))


def _with(count: int, folder: Path, stopwatch: Stopwatch) -> None:
    asyncio.run(_append(count, folder, stopwatch, audited=True))


async def _append(count: int, folder: Path, stopwatch: Stopwatch, *, audited: bool) -> None:
    log = SqliteLog(folder / "log.db")
    wanted = rows(count, BATCH)
    batches = [wanted[start : start + BATCH] for start in range(0, count, BATCH)]
    ready = [(batch[0][0], batch[0][1], [filed(row) for row in batch]) for batch in batches]
    room = asyncio.Semaphore(IN_FLIGHT)
    book = Book(str(folder / "audit.db"))
    auditor = Auditor(log, book, Keyring(str(folder / "signing.key")), wall_clock)
    signing = asyncio.create_task(Duty(auditor, wall_clock).sign()) if audited else None

    async def append(story: str, version: int, events: list[object]) -> None:
        await log.append(story, events, version - 1)  # type: ignore[arg-type]  # - Filed
        room.release()

    with stopwatch.running():
        async with asyncio.TaskGroup() as group:
            for story, version, events in ready:
                await room.acquire()
                group.create_task(append(story, version, list(events)))
                await asyncio.sleep(0)
    if signing is not None:
        signing.cancel()
    await log.close()
    book.close()
