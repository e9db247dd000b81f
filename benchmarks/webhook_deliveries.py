"""Webhooks to two hundred endpoints, every decision and every end synced to the disk."""

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import aiohttp
import uuid_utils
import uvloop

from benchmarks.measuring import Contender, Effort, Finding, Stopwatch, alternate, costs, ratio
from benchmarks.receiver import receiving
from consumers.delivery.channels.webhook import STRUCTURED
from consumers.delivery.message import message_of
from consumers.delivery.signing import headers, new_secret
from consumers.delivery.wishes import Wishes
from dateline.outbox import Sending, outbox
from dateline.server import settle
from dateline.wiring import newsroom
from events.alerts import Alert, AlertIssued
from events.envelope import Filed

__all__ = ["alert", "measure"]

NAME = "Webhooks to 200 endpoints, ledger durable"
ENDPOINTS = 200
ALERTS = 40  # for each endpoint
STORIES = 1  # so that each endpoint is posted to serially, on both sides
TARGET = 0.5
ROUNDS: Final = 5  # at most; each takes some ten seconds


def measure(effort: Effort) -> list[Finding]:
    """Hold deliveries against a bare client that posts the same bodies, signed beforehand."""
    count = max(5, int(ALERTS * effort.share))
    with receiving() as port:
        contenders: dict[str, Contender] = {
            "ours": lambda folder, watch: uvloop.run(_ours(folder, watch, port, count)),
            "bare aiohttp": lambda folder, watch: uvloop.run(_bare(folder, watch, port, count)),
        }
        with settled():
            times = alternate(contenders, min(effort.rounds, ROUNDS))
    sent = dict.fromkeys(times, ENDPOINTS * count)
    return [
        Finding(NAME, "ours ÷ bare aiohttp", ratio(times, "ours", "bare aiohttp"), "x", TARGET),
        *costs(NAME, times, sent),
    ]


@contextmanager
def settled() -> Iterator[None]:
    """Treat garbage as a server does, for both sides."""
    before = gc.get_threshold()
    settle()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def alert(number: int) -> Filed:
    """Give the decision to alert, as the policy files it."""
    ref = f"A{number}"
    what = Alert(ref=ref, level="flash", derived_from=("E1",), reason="a drill")
    development = AlertIssued(ref=ref, headline=f"Drill: alert {number}", alert=what)
    return Filed(str(uuid_utils.uuid7()), "policy", development)


async def _ours(folder: Path, watch: Stopwatch, port: int, count: int) -> None:
    url = f"sqlite:///{folder}/news.db"
    async with newsroom(url) as room, outbox(room, url, Sending(allow_loopback=True)) as out:
        for number in range(ENDPOINTS):
            await out.endpoints.register(f"http://127.0.0.1:{port}/{number}", Wishes())
        await out.reaction.place()
        work = [asyncio.ensure_future(each()) for each in out.work().values()]
        await asyncio.sleep(0.2)
        with watch.running():
            for number in range(count):
                await room.log.append(f"story-{number % STORIES}", [alert(number)])
            # Counted when nothing is on its way, for counting takes the ledger's time.
            while (await out.deliveries.totals())[1].get("delivered", 0) < ENDPOINTS * count:
                await asyncio.sleep(0.02)
                await out.sender.quiet()
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)


async def _bare(folder: Path, watch: Stopwatch, port: int, count: int) -> None:
    url = f"sqlite:///{folder}/news.db"
    secret, now = new_secret(), int(time.time() * 1000)
    async with newsroom(url) as room:
        for number in range(count):
            await room.log.append(f"story-{number % STORIES}", [alert(number)])
        messages = [message_of(event, None, "alert-issued") async for event in room.log.read()]
    bodies = [message.body for message in messages if message is not None]
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def post(endpoint: int, requests: list[tuple[bytes, dict[str, str]]]) -> None:
            for body, held in requests:
                where = f"http://127.0.0.1:{port}/{endpoint}"
                async with session.post(where, data=body, headers=held) as response:
                    await response.read()

        signed = [
            [
                (body, headers(f"msg_{e}_{n}", now, body, [secret]) | {"content-type": STRUCTURED})
                for n, body in enumerate(bodies)
            ]
            for e in range(ENDPOINTS)
        ]
        with watch.running():
            await asyncio.gather(*(post(e, requests) for e, requests in enumerate(signed)))
