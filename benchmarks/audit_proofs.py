"""Proofs and looking back in a log of a million events."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

from benchmarks.measuring import Effort, Finding
from benchmarks.million import log_of
from consumers.stories.moments import as_of
from dateline.wiring import newsroom
from events.log import Log

__all__ = ["measure"]

NAME = "proofs and looking back in a log of a million events"
EVENTS = 1_000_000
TIMES = 200
PROOF_MS, STATE_MS = 5.0, 20.0
STORY_EVENTS = 500


def measure(effort: Effort) -> list[Finding]:
    """Ask for proofs and states at positions by chance, everything warm."""
    events = effort.events(EVENTS)
    included, consistent, seen, length = asyncio.run(_ask(log_of(events), events))
    return [
        Finding(NAME, "inclusion proof", included, "ms", PROOF_MS, at_most=True),
        Finding(NAME, "consistency proof", consistent, "ms", PROOF_MS, at_most=True),
        Finding(
            NAME, f"state as of any position, {length} events", seen, "ms", STATE_MS, at_most=True
        ),
    ]


async def _ask(path: Path, events: int) -> tuple[float, float, float, int]:
    chance = random.Random(events)  # noqa: S311 - every run asks for the same
    async with newsroom(f"sqlite:///{path}") as room:
        auditor = room.auditor
        await auditor.checkpoint()
        story, length = await _story(room.log)

        async def included() -> None:
            await auditor.inclusion(chance.randint(1, events))

        async def consistent() -> None:
            await auditor.consistency(chance.randint(1, events), events)

        async def seen() -> None:
            await as_of(room.log, story, chance.randint(1, events))

        return await _typical(included), await _typical(consistent), await _typical(seen), length


async def _story(log: Log) -> tuple[str, int]:
    """Give the story whose length is nearest to 500 events."""
    lengths: dict[str, int] = {}
    async for event in log.read_sealed():
        lengths[event.story] = event.version
    story = min(lengths, key=lambda name: abs(lengths[name] - STORY_EVENTS))
    return story, lengths[story]


async def _typical(ask: Callable[[], Awaitable[None]]) -> float:
    """Give the median of many tries in milliseconds, the first tenth left out."""
    taken = []
    for _ in range(TIMES):
        start = time.perf_counter()
        await ask()
        taken.append((time.perf_counter() - start) * 1000)
    return median(taken[TIMES // 10 :])
