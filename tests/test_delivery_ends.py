"""How deliveries end: none sooner than was promised, none never, a digest with all it tells."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Clock
from receiving import counted, hook, issue, receiving, sending, states

from dateline.wiring import Newsroom, newsroom

HOUR = 3_600_000


@pytest.fixture
async def room(tmp_path: Path, clock: Clock) -> AsyncIterator[Newsroom]:
    async with newsroom(f"sqlite:///{tmp_path}/news.db", clock) as made:
        yield made


@pytest.mark.parametrize("level", ["regular", "bulletin", "flash"])
async def test_a_correction_is_tried_as_long_as_what_it_corrects(
    room: Newsroom, tmp_path: Path, clock: Clock, level: str
) -> None:
    """Who got an alert is sent its correction for three days, whatever level that has."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url)
        await issue(room)
        await counted(out, delivered=1)
        receiver.status, receiver.headers = 503, {"retry-after": "60"}
        fields: dict[str, Any] = {"level": level, "msg_type": "Update", "references": ["A1"]}
        await issue(room, kind="alert-corrected", ref="A2", **fields)
        await counted(out, delivered=1, retry=1)
        for hour in range(75):
            clock.move(HOUR)
            await out.sender.look()
            await out.sender.quiet()
            assert await states(out) == {"delivered": 1, "retry": 1}, f"given up after {hour} h"
        receiver.status = 204
        clock.move(24 * HOUR)
        await counted(out, delivered=2)


async def test_who_asks_for_an_hour_gets_it_before_a_correction_too(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """A receiver that asks to be left alone for an hour is sent no correction within it."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url)
        await issue(room)
        await counted(out, delivered=1)
        receiver.status, receiver.headers = 503, {"retry-after": "3600"}
        fields: dict[str, Any] = {"msg_type": "Update", "references": ["A1"]}
        await issue(room, kind="alert-corrected", ref="A2", **fields)
        await counted(out, delivered=1, retry=1)
        receiver.status = 204
        clock.move(HOUR - 1_000)
        await out.sender.look()
        await out.sender.quiet()
        assert len(receiver.got) == 2
        clock.move(1_000)
        await counted(out, delivered=2)
