"""From an alert's event in the log to the first byte at a receiver on the same machine."""

import asyncio
import time
from pathlib import Path
from statistics import median

import uvloop

from benchmarks.measuring import Effort, Finding, fresh_folder
from benchmarks.receiver import Counting
from benchmarks.webhook_deliveries import alert
from consumers.delivery.wishes import Wishes
from dateline.outbox import Sending, outbox
from dateline.wiring import newsroom

__all__ = ["measure"]

NAME = "A flash, from its append to the first byte at a receiver"
ALERTS = 300
PAUSE = 0.03  # seconds between alerts
P50 = 20.0  # milliseconds
P99 = 100.0


def measure(effort: Effort) -> list[Finding]:
    """Report the median and the ninety-ninth of a hundred."""
    count = max(100, int(ALERTS * effort.share))
    rounds = []
    for _ in range(effort.rounds):
        with fresh_folder() as folder:
            rounds.append(uvloop.run(_latencies(folder, count)))
    p50, p99 = (median(taken[len(taken) * part // 100] for taken in rounds) for part in (50, 99))
    return [
        Finding(NAME, "p50", p50, "ms", P50, at_most=True),
        Finding(NAME, "p99", p99, "ms", P99, at_most=True),
    ]


async def _latencies(folder: Path, count: int) -> list[float]:
    """Give milliseconds from handing the event over to the first byte, in order of length."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[float] = asyncio.Queue()
    server = await loop.create_server(
        lambda: Counting(lambda _: arrived.put_nowait(time.perf_counter())), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    url = f"sqlite:///{folder}/news.db"
    taken: list[float] = []
    async with newsroom(url) as room, outbox(room, url, Sending(allow_loopback=True)) as out:
        await out.endpoints.register(f"http://127.0.0.1:{port}/", Wishes())
        await out.reaction.place()
        work = [asyncio.ensure_future(each()) for each in out.work().values()]
        await asyncio.sleep(0.5)
        for number in range(count):
            began = time.perf_counter()
            await room.log.append("a-drill", [alert(number)])
            taken.append((await arrived.get() - began) * 1000)
            await asyncio.sleep(PAUSE)
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
    server.close()
    return sorted(taken)
