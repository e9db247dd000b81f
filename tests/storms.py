"""People who file through several nodes while the broker is disturbed, and what must hold."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from asking import eventually
from filings import note

from consumers.audit.verify import verify
from events.envelope import Recorded
from events.errors import LogUnavailable, WrongVersion
from events.kafka.address import Address
from events.kafka.log import KafkaLog
from events.kafka.node import APPEND_SECONDS
from events.log import Expect, ExpectedVersion, Log, follow

STORIES = 5
APPENDERS = 8
UNDER_WAY = 20 * APPENDERS  # events; each of those who file has sent a few appends by then
RECOVERY_SECONDS = 30.0
GRACE_SECONDS = 2.0  # for a loop that is busy


@dataclass
class History:
    """What everybody was told."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    winners: dict[tuple[str, int], str] = field(default_factory=dict)
    lost: int = 0
    unknown: list[float] = field(default_factory=list)
    """Seconds that each append took of which nobody knew what became of it."""
    last: float = 0.0
    """Seconds of the clock at which somebody was acknowledged last."""
    followed: dict[str, list[int]] = field(default_factory=dict)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of what was told; whoever is told more looks again."""
        async with asyncio.timeout(RECOVERY_SECONDS):
            while not holds():
                self.more.clear()
                await self.more.wait()

    async def goes_on(self) -> None:
        """Wait until so much more was acknowledged that appends are under way everywhere."""
        enough = len(self.acknowledged) + UNDER_WAY
        await self.until(lambda: len(self.acknowledged) >= enough)


async def file_until(stop: asyncio.Event, log: Log, number: int, history: History) -> None:
    """File without end, every other time at the version that was seen last; retry what is unknown.

    The same ids are sent again until it is known what became of them.
    """
    story = f"story-{number % STORIES}"
    version = 0
    turn = 0
    while not stop.is_set():
        turn += 1
        events = [note(f"{number}.{turn}.{part}") for part in range(1 + turn % 3)]
        expected: ExpectedVersion = version if turn % 2 else Expect.ANY
        while True:
            started = time.monotonic()
            try:
                places = await log.append(story, events, expected)
            except LogUnavailable:
                history.unknown.append(time.monotonic() - started)
                continue
            except WrongVersion as error:
                history.lost += 1
                version = error.found
                break
            version = places.versions[-1]
            history.last = time.monotonic()
            for event, position, at in zip(events, places.positions, places.versions, strict=True):
                assert event.id not in history.acknowledged
                history.acknowledged[event.id] = position
                assert (story, at) not in history.winners, f"two winners of {story} {at}"
                history.winners[story, at] = event.id
            history.more.set()
            break


async def watch(name: str, log: Log, history: History) -> None:
    """Follow a node from the beginning."""
    seen = history.followed.setdefault(name, [])
    async for event in follow(log):
        seen.append(event.position)
        history.more.set()


@asynccontextmanager
async def storm(address: Address, folder: Path, nodes: int = 2) -> AsyncIterator[History]:
    """Have people file through several nodes during the block, then check what they were told."""
    history = History()
    logs = [
        KafkaLog(address._replace(mirror=str(folder / f"node-{number}.db")))
        for number in range(nodes)
    ]
    stop = asyncio.Event()
    await asyncio.gather(*(log.head() for log in logs))
    work = [
        asyncio.create_task(file_until(stop, logs[number % nodes], number, history))
        for number in range(APPENDERS)
    ]
    watchers = [
        asyncio.create_task(watch(f"node-{number}", log, history))
        for number, log in enumerate(logs)
    ]
    try:
        yield history
        stop.set()
        async with asyncio.timeout(2 * RECOVERY_SECONDS):
            await asyncio.gather(*work)
        await check(address, folder, logs, history)
    finally:
        for task in (*work, *watchers):
            task.cancel()
        for task in (*work, *watchers):
            with suppress(asyncio.CancelledError):
                await task
        for log in logs:
            await log.close()


async def check(address: Address, folder: Path, logs: list[KafkaLog], history: History) -> None:
    """Nothing acknowledged is lost, doubled or elsewhere; no follower skipped; all nodes agree."""
    fresh = KafkaLog(address._replace(mirror=str(folder / "fresh.db")))
    try:
        head = await fresh.head()

        async def agreed() -> bool:
            return all([await log.head() == head for log in logs])

        await eventually(agreed, RECOVERY_SECONDS)
        stored: dict[str, Recorded] = {}
        async for event in fresh.read():
            identity = event.provenance["id"]
            assert identity not in stored, "an event is in the log twice"
            stored[identity] = event
        for identity, position in history.acknowledged.items():
            assert stored[identity].position == position, "an acknowledged event is elsewhere"
        assert (await verify(fresh, lambda _done, _all: None)).events == head.size

        everybody = history.followed.values()
        await history.until(lambda: all(len(seen) >= head.size for seen in everybody))
        for seen in history.followed.values():
            assert seen == list(range(1, head.size + 1)), "a follower skipped or repeated"
        assert max(history.unknown, default=0) < APPEND_SECONDS + GRACE_SECONDS
    finally:
        await fresh.close()


async def recovered(history: History, act: Callable[[], Awaitable[None]]) -> float:
    """Disturb, then wait until somebody is acknowledged again; gives the seconds it took."""
    await act()
    started = time.monotonic()
    await history.until(lambda: history.last > started)
    return time.monotonic() - started
