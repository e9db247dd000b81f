"""What goes wrong on the way of an alert is written down, made good, and told to nobody twice."""

import asyncio
from pathlib import Path

import apsw
import pytest
from aiohttp import web
from conftest import Clock
from receiving import counted, hook, issue, receiving, sending, until

from dateline.outbox import Outbox
from dateline.wiring import Newsroom, deliveries_path

HOUR = 3_600_000


async def test_a_time_that_cannot_be_read_asks_for_nothing(room: Newsroom, tmp_path: Path) -> None:
    """Whatever nonsense stands in Retry-After, an alert is tried again on schedule."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url)
        year, zone = "Jan +0000 99999999999999999999 00:00:00", f"1 Jan 2024 00:00:00 +{'9' * 22}"
        for number, asked in enumerate((year, zone, "-1", "soon"), 1):
            receiver.status, receiver.headers = 503, {"retry-after": asked}
            await issue(room, f"story-{number}")
            await receiver.wait(number)
            await counted(out, retry=number)


async def test_who_is_removed_while_it_says_that_it_is_gone(room: Newsroom, tmp_path: Path) -> None:
    """A target that is removed while it is called leaves nothing under way for ever."""
    go_on = asyncio.Event()

    async def slowly(_request: web.Request) -> web.Response:
        await go_on.wait()
        return web.Response(status=410)

    async with receiving(slowly) as receiver, sending(room, tmp_path) as out:
        target, _ = await hook(out, receiver.url)
        await issue(room)
        await receiver.wait(1)
        await out.endpoints.remove(target)
        go_on.set()
        await counted(out, failed=1)


async def test_what_came_of_a_try_is_kept_until_it_can_be_written(
    room: Newsroom, tmp_path: Path
) -> None:
    """Where the ledger takes nothing just now, what an endpoint answered is written down later."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url)
        receiver.status = 503
        ledger = apsw.Connection(deliveries_path(f"sqlite:///{tmp_path}/news.db"))
        ledger.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON targets BEGIN SELECT RAISE(FAIL, 'full'); END"
        )
        for number in range(5):
            await issue(room, f"story-{number}")
        await until(lambda: is_left_in_peace(out))  # all five have answered
        await counted(out, in_flight=5)
        ledger.execute("DROP TRIGGER full")
        ledger.close()
        await counted(out, retry=5)


async def is_left_in_peace(out: Outbox) -> bool:
    return out.sender.open_breakers == 1


@pytest.mark.parametrize(("kind", "how"), [("corrected", "Update"), ("retracted", "Cancel")])
async def test_no_correction_comes_after_one_that_stands_for_it(
    room: Newsroom, tmp_path: Path, clock: Clock, kind: str, how: str
) -> None:
    """A correction that did not get through is not tried again once a later one has gone out."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url)
        await issue(room)
        await counted(out, delivered=1)
        receiver.status = 503
        await issue(room, kind="alert-corrected", ref="A2", msg_type="Update", references=["A1"])
        await counted(out, delivered=1, retry=1)
        receiver.status = 204
        both = ["A1", "A2"]
        await issue(room, kind=f"alert-{kind}", ref="A3", msg_type=how, references=both)
        await counted(out, delivered=2, superseded=1)
        clock.move(100 * HOUR)
        await out.sender.look()
        await out.sender.quiet()
        assert [got.event["data"]["alert"]["ref"] for got in receiver.got] == ["A1", "A2", "A3"]
