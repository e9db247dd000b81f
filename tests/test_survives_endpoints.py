"""Endpoints that hang, drip, fail or flood cost the others nothing."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from aiohttp import web
from asking import eventually
from conftest import Clock
from receiving import Answering, Receiver, hook, issue, receiving, sending, states

from consumers.delivery.schedule import USUAL
from dateline.outbox import Outbox
from dateline.wiring import Newsroom, newsroom

EACH = 10  # endpoints of a kind
ALERTS = 12
FLOOD = 100 * 1024 * 1024  # bytes
MOST_GROWTH = 50 * 1024 * 1024  # bytes
MOST_WAIT = 2.0  # seconds


@pytest.fixture
async def room(tmp_path: Path, clock: Clock) -> AsyncIterator[Newsroom]:
    clock.now = int(datetime.now(UTC).timestamp() * 1000)
    async with newsroom(f"sqlite:///{tmp_path}/news.db", clock) as made:
        yield made


async def hangs(_request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def drips(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b".")
            await asyncio.sleep(1)  # it is slow by itself, which is what is tried
    return response


async def fails(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=500)


async def floods(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        for _ in range(FLOOD // 65536):
            await response.write(b"x" * 65536)
    return response


async def test_bad_endpoints_cost_good_ones_nothing(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """Of fifty endpoints forty misbehave, and the good ten are told in time all the same."""
    kinds: list[Answering | None] = [None, hangs, drips, fails, floods]
    async with contextlib.AsyncExitStack() as stack:
        out = await stack.enter_async_context(sending(room, tmp_path))
        receivers = [await stack.enter_async_context(receiving(kind)) for kind in kinds]
        good = receivers[0]
        targets: dict[Receiver, list[str]] = {receiver: [] for receiver in receivers}
        for receiver in receivers:
            for number in range(EACH):
                target, _ = await hook(out, f"{receiver.url}/{number}")
                targets[receiver].append(target)
        before = psutil.Process().memory_info().rss
        waits: list[float] = []
        for number in range(ALERTS):
            began, had = time.monotonic(), len(good.got)
            await issue(room, f"story-{number}")
            for count in range(EACH):
                await good.wait(had + count + 1)
                waits.append(time.monotonic() - began)
        await eventually(lambda: enough(out, 3 * EACH))
        assert psutil.Process().memory_info().rss - before < MOST_GROWTH
        assert sorted(waits)[int(len(waits) * 0.99)] < MOST_WAIT
        # The clock stands still: what failed once is due by the schedule exactly.
        for target in targets[receivers[3]]:
            due = await due_of(out, target)
            assert due
            assert {(state, wait) for state, wait in due if state == "retry"} == {
                ("retry", USUAL[1] * 1000)
            }


async def enough(out: Outbox, delivered: int) -> bool:
    return (await states(out)).get("delivered", 0) >= delivered


async def due_of(out: Outbox, target: str) -> list[tuple[str, int]]:
    """The state of each delivery to a target, and for how long it waits, in milliseconds."""
    query = "SELECT state, due_ms - made_ms FROM deliveries WHERE target = ?"
    return await out.deliveries._ledger.read(
        lambda c: [(str(row[0]), int(row[1] or 0)) for row in c.execute(query, (target,))]
    )
