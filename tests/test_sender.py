"""The sender at its edges: when it is stopped, has no ledger, or has more to send than sockets."""

import asyncio
import resource
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import apsw
import pytest
import structlog
from aiohttp import web
from asking import eventually
from receiving import Answering, counted, hook, issue, receiving, sending, states

from consumers.delivery import sender
from consumers.delivery.breaker import FAILURES
from consumers.delivery.wishes import Wishes
from dateline.commands import webhooks
from dateline.outbox import Outbox
from dateline.urls import deliveries_path
from dateline.wiring import Newsroom, newsroom


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Newsroom]:
    async with newsroom(f"sqlite:///{tmp_path}/news.db") as made:
        yield made


def gated() -> tuple[asyncio.Event, Answering]:
    """Give how to answer once something has happened, and what that is."""
    go_on = asyncio.Event()

    async def slowly(_request: web.Request) -> web.Response:
        await go_on.wait()
        return web.Response()

    return go_on, slowly


async def decided(out: Outbox, room: Newsroom, stories: int) -> None:
    """Have an alert of each of some stories decided on, while nothing is sent."""
    begin = await out.reaction.place()
    for number in range(stories):
        await issue(room, f"story-{number}")
    await out.reaction.catch_up(begin, (await room.log.head()).size)


async def stop(work: asyncio.Future[None]) -> None:
    """Stop some work and wait for its end."""
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def test_a_sender_that_is_stopped_begins_with_nothing_more(
    room: Newsroom, tmp_path: Path
) -> None:
    """Who stops a server has what is on its way taken, and all that waits left for the next."""
    go_on, slowly = gated()
    async with receiving(slowly) as receiver, sending(room, tmp_path, at_work=False) as out:
        await hook(out, receiver.url)
        await decided(out, room, 20)
        work = asyncio.ensure_future(out.sender.run())
        await receiver.wait(sender.AT_ONCE)
        work.cancel()
        asyncio.get_running_loop().call_soon(go_on.set)
        await asyncio.gather(work, return_exceptions=True)
        assert len(receiver.got) == sender.AT_ONCE
        assert await states(out) == {"delivered": sender.AT_ONCE, "pending": 20 - sender.AT_ONCE}


async def test_a_ledger_that_is_away_stops_no_sending(room: Newsroom, tmp_path: Path) -> None:
    """While the ledger cannot be read, what has been taken is kept in mind and not sent again."""
    go_on, slowly = gated()
    async with receiving(slowly) as receiver, sending(room, tmp_path, at_work=False) as out:
        await hook(out, receiver.url)
        await decided(out, room, 1)
        work = asyncio.ensure_future(out.sender.run())
        await receiver.wait(1)
        ledger = apsw.Connection(deliveries_path(f"sqlite:///{tmp_path}/news.db"))

        async def told_twice() -> bool:
            return work.done() or sum("ledger" in each["event"] for each in logs) > 1

        with structlog.testing.capture_logs() as logs:
            ledger.execute("ALTER TABLE deliveries RENAME TO away")
            go_on.set()
            await eventually(told_twice)
            ledger.execute("ALTER TABLE away RENAME TO deliveries")
        await counted(out, delivered=1)
        assert out.sender.sending
        await stop(work)
        assert len(receiver.got) == 1


async def test_no_more_is_on_its_way_than_there_are_sockets(
    room: Newsroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is sent takes its share of the files that a process may open, and leaves the others."""
    monkeypatch.setattr(sender, "SHARE", 16)
    go_on, slowly = gated()
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, most))
    async with receiving(slowly) as receiver, sending(room, tmp_path, at_work=False) as out:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
        for number in range(20):
            await hook(out, f"{receiver.url}/{number}")
        await decided(out, room, 8)
        work = asyncio.ensure_future(out.sender.run())
        await receiver.wait(32)
        assert (await states(out))["in flight"] <= 64
        go_on.set()
        await counted(out, delivered=160)
        await stop(work)


async def test_a_drill_of_some_is_sent_to_them_alone(room: Newsroom, tmp_path: Path) -> None:
    """Who tries out one target while no server is at work sends others nothing that waits."""
    async with receiving() as receiver, sending(room, tmp_path, at_work=False) as out:
        await hook(out, receiver.url)
        console, _ = await out.endpoints.register("console:", Wishes(stories=frozenset({"none"})))
        await decided(out, room, 5)
        await webhooks.drill(out, [console], json=True)
        assert await states(out) == {"delivered": 1, "pending": 5}
        assert receiver.got == []


@pytest.mark.parametrize("how", ["removed", "disabled"])
async def test_who_is_not_called_any_more_is_not_left_in_peace(
    room: Newsroom, tmp_path: Path, how: str
) -> None:
    """Targets are counted among those left in peace until they are removed or disabled."""
    async with receiving() as receiver, sending(room, tmp_path, at_work=False) as out:
        target, _ = await hook(out, receiver.url)
        receiver.status = 500
        await decided(out, room, FAILURES)
        work = asyncio.ensure_future(out.sender.run())
        await counted(out, retry=FAILURES)
        assert out.sender.open_breakers == 1
        await (
            out.endpoints.remove(target)
            if how == "removed"
            else out.endpoints.disable(target, "a drill")
        )
        await out.sender.look()
        assert out.sender.open_breakers == 0
        await stop(work)


async def test_a_fault_before_anything_was_sent_reached_nobody(
    room: Newsroom, tmp_path: Path
) -> None:
    """Who is a target by a channel that this version does not have is sent no correction either."""
    async with sending(room, tmp_path) as out:
        channel: Any = "pigeon"  # of a later version, which wrote the ledger
        await out.endpoints.register("pigeon:coop", Wishes(), channel=channel)
        await issue(room)
        await counted(out, retry=1)
        await issue(room, kind="alert-corrected", ref="A2", msg_type="Update", references=["A1"])
        await counted(out, superseded=1, pending=1)
        told, _ = await out.deliveries.attempts(None, None)
        assert told.kind == "alert-issued"
