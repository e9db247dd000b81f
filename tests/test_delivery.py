"""An alert reaches each of its targets once, signed, and a correction chases it."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from asking import eventually
from conftest import Clock
from filings import development, filed, opening
from receiving import (
    counted,
    hook,
    issue,
    receiving,
    sending,
    states,
)
from standardwebhooks import Webhook

from consumers.alerts.policy import load
from consumers.delivery.rows import Tally
from consumers.rebuild import rebuild
from dateline.wiring import Newsroom, newsroom

HOUR = 3_600_000


@pytest.fixture
async def room(tmp_path: Path, clock: Clock) -> AsyncIterator[Newsroom]:
    clock.now = int(datetime.now(timezone.utc).timestamp() * 1000)  # noqa: UP017 - beside timezone below
    async with newsroom(f"sqlite:///{tmp_path}/news.db", clock) as made:
        yield made


async def test_an_alert_arrives_signed(room: Newsroom, tmp_path: Path) -> None:
    """A webhook gets the alert as a CloudEvent, signed as Standard Webhooks has it."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        _, secret = await hook(out, receiver.url)
        event = await issue(room)
        (got,) = await receiver.wait(1)
        Webhook(secret).verify(got.body, got.headers)
        assert got.headers["content-type"].startswith("application/cloudevents+json")
        assert (got.event["specversion"], got.event["id"]) == ("1.0", event)
        assert got.event["data"]["alert"]["ref"] == "A1"
        await counted(out, delivered=1)


async def test_whoever_lists_alerts_sees_whom_they_reached(tmp_path: Path) -> None:
    """A list of alerts says how many each reached of how many, as the story does."""
    async with newsroom(f"sqlite:///{tmp_path}/news.db") as room:
        async with receiving() as receiver, sending(room, tmp_path) as out:
            await hook(out, receiver.url)
            await hook(out, f"{receiver.url}/second")
            await issue(room)
            await receiver.wait(2)
            await counted(out, delivered=2)
        (listed,) = await room.alerts(10)
        (shown,) = orjson.loads(await room.state(listed["story"]))["alerts"]
        for alert in (listed, shown):
            assert (alert["reached"], alert["owed"]) == (2, 2)


async def test_a_checkpoint_goes_along(room: Newsroom, tmp_path: Path) -> None:
    """With each webhook goes the last signed checkpoint of the log, for its receiver to keep."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url)
        signed = await room.auditor.checkpoint()
        await issue(room)
        (got,) = await receiver.wait(1)
        assert base64.b64decode(got.headers["dateline-checkpoint"]).decode() == signed.note


async def test_an_alert_goes_to_those_who_want_it(room: Newsroom, tmp_path: Path) -> None:
    """Targets get what they wish for, and nothing else."""
    async with receiving() as all_, receiving() as some, sending(room, tmp_path) as out:
        await hook(out, all_.url)
        await hook(out, some.url, stories=["b-*"], least="urgent")
        await issue(room, "a-story")
        await issue(room, "b-story")
        await issue(room, "b-story", ref="A2", level="urgent")
        await all_.wait(3)
        await counted(out, delivered=4)
        assert [got.event["data"]["alert"]["ref"] for got in some.got] == ["A2"]


async def test_a_retry_is_the_same_under_the_same_id(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """Each try carries the same id and the same body, signed at its own time."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        _, secret = await hook(out, receiver.url)
        receiver.status = 503
        await issue(room)
        await receiver.wait(1)
        await counted(out, retry=1)
        receiver.status = 200
        clock.move(6_000)
        first, second = await receiver.wait(2)
        assert first.id == second.id
        assert first.body == second.body
        assert (
            int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 6
        )
        Webhook(secret).verify(second.body, second.headers)
        await counted(out, delivered=1)


async def test_a_correction_chases_who_got_the_alert(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """Who got the alert, or may have got it, gets its correction; nobody else is told of one."""
    async with (
        receiving() as got_it,
        receiving() as unknown,
        receiving() as refused,
        receiving() as other,
        sending(room, tmp_path) as out,
    ):
        for receiver in (got_it, unknown, refused):
            await hook(out, receiver.url, stories=["a-story"], least="regular")
        gone, _ = await hook(out, "http://127.0.0.1:9/", stories=["a-story"])
        await hook(out, other.url, stories=["b-story"])
        unknown.status, refused.status = 500, 403
        await issue(room)
        await counted(out, delivered=1, retry=3)
        unknown.status = refused.status = 204
        await issue(room, kind="alert-corrected", ref="A2", msg_type="Update", references=["A1"])
        await counted(out, delivered=3, superseded=3, pending=2)
        for receiver in (got_it, unknown):
            first, second = receiver.got
            assert first.event["data"]["alert"]["ref"] == "A1"
            assert second.event["data"]["headline"] == "CORRECTION: A2 happens"
        clock.move(6_000)
        await counted(out, delivered=4, superseded=3, retry=1)
        assert refused.got[1].event["data"]["headline"] == "A2 happens"
        clock.move(130 * HOUR)
        await counted(out, delivered=4, superseded=3, expired=1)
        assert (len(got_it.got), len(unknown.got), len(refused.got)) == (2, 2, 2)
        assert other.got == []
        assert room.reach is not None
        assert room.reach.of("a-story") == {"A1": Tally(1, 1), "A2": Tally(3, 4)}
        kinds = {one.kind for one in await out.deliveries.attempts(gone, None)}
        assert kinds == {"alert-issued"}


async def test_a_correction_waits_for_what_is_on_its_way(room: Newsroom, tmp_path: Path) -> None:
    """A correction never overtakes the alert it corrects, and an alert on its way is chased."""
    go_on = asyncio.Event()

    async def slowly(_request: web.Request) -> web.Response:
        await go_on.wait()
        return web.Response(status=500)

    async with receiving(slowly) as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url)
        await issue(room)
        await receiver.wait(1)
        await issue(room, kind="alert-retracted", ref="A2", msg_type="Cancel", references=["A1"])
        await counted(out, in_flight=1, pending=1)
        assert len(receiver.got) == 1
        go_on.set()
        await receiver.wait(2)
        # The first failed when it was overtaken already: it is not tried again.
        await counted(out, superseded=1, retry=1)
        assert receiver.got[1].event["type"] == "dateline.alert-retracted"
        assert receiver.got[1].event["data"]["headline"].startswith("RETRACTED: ")


async def test_a_retraction_cancels_what_is_unsent(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """What is held for the morning is never sent once it is retracted, and neither is why not."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url, quiet=["00:00-12:00", "12:00-23:59"])
        await issue(room)
        await counted(out, held=1)
        await issue(room, kind="alert-retracted", ref="A2", msg_type="Cancel", references=["A1"])
        await counted(out, superseded=1)
        clock.move(24 * HOUR)
        await out.reaction.decide_held()
        await out.sender.look()
        await out.sender.quiet()
        assert receiver.got == []


async def test_of_each_story_one_is_on_its_way(room: Newsroom, tmp_path: Path) -> None:
    """A target gets the alerts of one story one after the other, those of several side by side."""
    under_way: dict[str, int] = {}
    most = together = 0
    of_each = asyncio.Barrier(3)

    async def watched(request: web.Request) -> web.Response:
        nonlocal most, together
        story = (await request.json())["subject"]
        under_way[story] = under_way.get(story, 0) + 1
        most = max(most, under_way[story])
        together = max(together, sum(under_way.values()))
        async with asyncio.timeout(10):  # three are under way at once, or none is answered
            await of_each.wait()
        under_way[story] -= 1
        return web.Response()

    async with receiving(watched) as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url)
        for number in range(5):
            for story in ("one", "two", "three"):
                await issue(room, story, ref=f"A{number}")
        await counted(out, delivered=15)
        assert most == 1
        assert together == 3
        of_one = [
            got.event["data"]["alert"]["ref"]
            for got in receiver.got
            if got.event["subject"] == "one"
        ]
        assert of_one == [f"A{number}" for number in range(5)]


async def test_replaying_the_whole_log_sends_nothing(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """Neither a rebuild of every projection nor acting on the whole log again sends anything."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url)
        for number in range(3):
            await issue(room, ref=f"A{number}")
        await counted(out, delivered=3)  # what was not sent would not be corrected either
        await issue(room, kind="alert-corrected", ref="B1", msg_type="Update", references=["A1"])
        await receiver.wait(4)
        await counted(out, delivered=4)
        await rebuild(room.log, room.views, room.stories, lambda _done, _total: None)
        size = (await room.log.head()).size
        acted_on = await out.deliveries.checkpoint()
        assert await out.reaction.catch_up(0, size - 1) == size - 1
        assert await out.deliveries.checkpoint() == acted_on
        clock.move(HOUR)
        await out.sender.look()
        await out.sender.quiet()
        await counted(out, delivered=4)
        assert len(receiver.got) == 4


async def test_alerts_begin_at_the_end_of_the_log(room: Newsroom, tmp_path: Path) -> None:
    """A first start sends nothing of what was alerted before, and a restart misses nothing."""
    async with receiving() as receiver:
        await issue(room, ref="A0")
        async with sending(room, tmp_path, at_work=False) as out:
            await hook(out, receiver.url)
        async with sending(room, tmp_path) as out:
            await issue(room, ref="A1")
            await receiver.wait(1)
            await counted(out, delivered=1)
        await issue(room, ref="A2")
        async with sending(room, tmp_path) as out:
            await receiver.wait(2)
            await counted(out, delivered=2)
    refs = [got.event["data"]["alert"]["ref"] for got in receiver.got]
    assert refs == ["A1", "A2"]


async def test_one_process_sends_at_a_time(room: Newsroom, tmp_path: Path) -> None:
    """A second server on the same log stands by, and takes over when the first is gone."""
    async with receiving() as receiver:
        async with sending(room, tmp_path) as first:
            await hook(first, receiver.url)
            async with sending(room, tmp_path, at_work=False) as second:
                standby = asyncio.ensure_future(second.sender.run())
                deciding = asyncio.ensure_future(second.reaction.run())
                for number in range(10):
                    await issue(room, f"story-{number}")
                await receiver.wait(10)
                await counted(first, delivered=10)
                assert not second.sender.sending
                for task in (standby, deciding):
                    task.cancel()
                await asyncio.gather(standby, deciding, return_exceptions=True)
        assert len(set(receiver.ids())) == len(receiver.got) == 10
        async with sending(room, tmp_path) as third:
            await issue(room, "another")
            await receiver.wait(11)
            await counted(third, delivered=11)


async def test_an_old_secret_signs_for_a_day(room: Newsroom, tmp_path: Path, clock: Clock) -> None:
    """After a rotation both secrets verify for 24 hours, then the new one alone."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        target, old = await hook(out, receiver.url)
        new = await out.endpoints.rotate(target)
        await issue(room, ref="A1")
        (both,) = await receiver.wait(1)
        for secret in (old, new):
            Webhook(secret).verify(both.body, both.headers)
        clock.move(24 * HOUR)
        await issue(room, ref="A2")
        alone = (await receiver.wait(2))[1]
        assert len(both.headers["webhook-signature"].split()) == 2
        assert len(alone.headers["webhook-signature"].split()) == 1


async def test_each_secret_of_a_day_signs(room: Newsroom, tmp_path: Path) -> None:
    """However often a secret is changed within a day, each of them verifies what is sent."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        target, first = await hook(out, receiver.url)
        secrets = [first, await out.endpoints.rotate(target), await out.endpoints.rotate(target)]
        await issue(room)
        (got,) = await receiver.wait(1)
        for secret in secrets:
            Webhook(secret).verify(got.body, got.headers)


async def test_resending_is_the_same_delivery(room: Newsroom, tmp_path: Path) -> None:
    """A delivery that is sent again by hand comes under its id."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url)
        await issue(room)
        await receiver.wait(1)
        await counted(out, delivered=1)
        assert await out.deliveries.resend(receiver.got[0].id, room.clock())
        first, second = await receiver.wait(2)
        assert (first.id, first.body) == (second.id, second.body)
        assert not await out.deliveries.resend("msg_none", room.clock())


async def test_an_endpoint_that_chokes_on_one_alert_gets_the_others(
    room: Newsroom, tmp_path: Path
) -> None:
    """An alert that waits for its next try holds up no other."""

    async def picky(request: web.Request) -> web.Response:
        found: Any = await request.json()
        return web.Response(status=500 if found["data"]["alert"]["ref"] == "A1" else 200)

    async with receiving(picky) as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url)
        for number in range(1, 5):
            await issue(room, ref=f"A{number}")
        await receiver.wait(4)
        await counted(out, delivered=3, retry=1)


async def test_the_first_alert_of_all_is_sent(room: Newsroom, tmp_path: Path) -> None:
    """What is decided before the first look at what is to be sent goes out like all else."""
    room.policy = load('[[route]]\nname = "words"\nlevel = "regular"\nkinds = ["quote-added"]\n')
    dispatch = room.dispatch
    assert dispatch is not None

    async def begun() -> bool:
        return dispatch.watching.begun() is not None

    async with receiving() as receiver, sending(room, tmp_path, at_work=False) as out:
        await hook(out, receiver.url)
        deciding = asyncio.ensure_future(out.decide(dispatch))
        await eventually(begun)
        await room.log.append("a-story", [filed(opening()), filed(development("quote-added"))])
        await room.log.grown(2)
        position = await out.reaction.place()
        await out.reaction.catch_up(position, (await room.log.head()).size)
        assert await states(out) == {"pending": 1}
        deciding.cancel()
