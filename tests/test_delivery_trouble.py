"""What goes wrong on the way of an alert is written down, made good, and told to nobody twice."""

import asyncio
from pathlib import Path
from typing import Any

import apsw
import pytest
from aiohttp import web
from asking import eventually
from conftest import Clock
from receiving import at_hour, counted, hook, issue, receiving, sending

from consumers.delivery.deliveries import WINDOW
from consumers.delivery.rows import Planned
from dateline.outbox import Outbox
from dateline.urls import deliveries_path
from dateline.wiring import Newsroom

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
        await eventually(lambda: is_left_in_peace(out))  # all five have answered
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


async def test_a_throttle_holds_when_quiet_hours_end(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """What was held overnight does not come all at once in the morning to who takes two an hour."""
    at_hour(clock, 2)
    async with receiving() as receiver, sending(room, tmp_path) as out:
        throttle = {"regular": {"most": 2, "seconds": 3600}}
        await hook(out, receiver.url, quiet=["22:00-07:00"], throttle=throttle)
        for number in range(6):
            await issue(room, f"story-{number}")
        await counted(out, held=6)
        at_hour(clock, 7)
        await out.reaction.decide_held()
        await counted(out, delivered=2, held=4)
        at_hour(clock, 8.01)
        await out.reaction.decide_held()
        await counted(out, delivered=7)
        assert len(receiver.got[2].event["data"]["alerts"]) == 4


async def test_a_digest_waits_for_quiet_hours_to_end(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """A digest that is due in quiet hours comes when they are over."""
    at_hour(clock, 21.5)
    async with receiving() as receiver, sending(room, tmp_path) as out:
        throttle = {"regular": {"most": 1, "seconds": 3600}}
        await hook(out, receiver.url, quiet=["22:00-07:00"], throttle=throttle)
        for number in range(3):
            await issue(room, f"story-{number}")
        await counted(out, delivered=1, held=2)
        at_hour(clock, 22.6)
        await out.reaction.decide_held()
        await out.sender.quiet()
        await counted(out, delivered=1, held=2)
        at_hour(clock, 31)
        await out.reaction.decide_held()
        await counted(out, delivered=4)
        assert len(receiver.got) == 2


async def test_what_a_correction_overtook_is_not_sent_by_hand(
    room: Newsroom, tmp_path: Path
) -> None:
    """Nobody can be sent an alert whose correction would not follow."""
    async with sending(room, tmp_path) as out:
        target, _ = await hook(out, "http://127.0.0.1:9/")
        await issue(room)
        await counted(out, retry=1)
        await issue(room, kind="alert-corrected", ref="A2", msg_type="Update", references=["A1"])
        await counted(out, superseded=1, pending=1)
        _, tried = await out.deliveries.attempts(target, None)
        assert not await out.deliveries.resend(tried.webhook_id, room.clock())


async def digested(room: Newsroom, out: Outbox, url: str, clock: Clock) -> str:
    """Have two alerts gathered in a digest for a target, which is given."""
    target, _ = await hook(out, url, throttle={"regular": {"most": 1, "seconds": 600}})
    for number in range(3):
        await issue(room, f"story-{number}")
    await counted(out, delivered=1, held=2)
    clock.move(601_000)
    await out.reaction.decide_held()
    return target


async def test_a_digest_can_be_sent_again(room: Newsroom, tmp_path: Path, clock: Clock) -> None:
    """A digest that is sent again by hand tells what it told, under its id."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        await digested(room, out, receiver.url, clock)
        await counted(out, delivered=4)
        assert await out.deliveries.resend(receiver.got[1].id, room.clock())
        _, first, second = await receiver.wait(3)
        assert (first.id, first.body) == (second.id, second.body)
        await counted(out, delivered=4)


async def test_a_digest_that_was_missed_comes_as_one(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """Who is enabled again gets the digest that it missed, and none of its alerts beside it."""
    async with receiving() as receiver, sending(room, tmp_path) as out:

        async def picky(request: web.Request) -> web.Response:
            found: Any = await request.json()
            return web.Response(status=503 if found["subject"] == "digest" else 204)

        async with receiving(picky) as refusing:
            target = await digested(room, out, refusing.url, clock)
            await counted(out, delivered=1, held=2, retry=1)
            await out.endpoints.disable(target, "a drill")
            await out.endpoints.renew(
                target, receiver.url, (await out.endpoints.get(target)).wishes
            )
            await out.endpoints.enable(target)
            assert await out.deliveries.recover(target, 0, room.clock()) == 1
            (digest,) = await receiver.wait(1)
            assert len(digest.event["data"]["alerts"]) == 2
            await counted(out, delivered=4)


async def test_a_story_that_an_endpoint_chokes_on_holds_up_no_other(
    room: Newsroom, tmp_path: Path
) -> None:
    """However much of one story waits, what comes of another goes out beside it."""
    go_on = asyncio.Event()

    async def slowly(request: web.Request) -> web.Response:
        found: Any = await request.json()
        if found["subject"] == "one":
            await go_on.wait()
        return web.Response()

    async with receiving(slowly) as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url)
        for number in range(WINDOW + 2):
            await issue(room, "one", ref=f"A{number}")
        await issue(room, "another")
        await receiver.wait(2)
        assert [got.event["subject"] for got in receiver.got] == ["one", "another"]
        go_on.set()


async def test_another_alert_in_the_place_of_one_is_not_sent(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """Where the log was put back from a copy, nobody is sent what stands now where an alert was."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        target, _ = await hook(out, receiver.url, stories=["no-story"])
        await issue(room, kind="alert-suppressed")
        size = (await room.log.head()).size
        lost = Planned(
            *("an-event-that-is-lost", target, size, "a-story", "A1", "alert-issued", "regular"),
            fast=False,
            state="pending",
            reason="it wants this",
            due_ms=clock.now,
        )
        beyond = lost._replace(event="one-of-later", position=size + 9, state="held")
        await out.deliveries.add([lost, beyond], clock.now)
        await out.reaction.decide_held()
        await out.sender.look()
        await counted(out, failed=1, suppressed=1)
        assert receiver.got == []


async def test_a_throttle_looks_back_as_far_as_it_says(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """Who takes one alert in ten minutes gets the next after ten minutes, and not before."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url, throttle={"regular": {"most": 1, "seconds": 600}})
        await issue(room, "one")
        await counted(out, delivered=1)
        clock.move(599_000)
        await issue(room, "two")
        await counted(out, delivered=1, held=1)
        clock.move(1_000)
        await issue(room, "three")
        await counted(out, delivered=2, held=1)


async def test_what_waited_alone_keeps_to_the_throttle(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """What waited for a digest and is alone in it waits on, where another took its place."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url, throttle={"regular": {"most": 1, "seconds": 600}})
        await issue(room, "one")
        await counted(out, delivered=1)
        clock.move(100_000)
        await issue(room, "two")
        await counted(out, delivered=1, held=1)
        clock.move(500_500)
        await issue(room, "three")
        await counted(out, delivered=2, held=1)
        clock.move(300)
        await out.reaction.decide_held()
        await counted(out, delivered=2, held=1)
        clock.move(600_000)
        await out.reaction.decide_held()
        await counted(out, delivered=3)


async def keep_writing(out: Outbox, clock: Clock) -> None:
    """Keep a ledger at work."""
    while True:
        await out.deliveries.add([], clock.now)


async def test_what_is_decided_at_the_same_moment_keeps_to_the_throttle(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """Of a new alert and one that was held, decided at one moment, who takes one is sent one."""
    at_hour(clock, 6)
    async with sending(room, tmp_path, at_work=False) as out:
        begin = await out.reaction.place()
        throttle = {"regular": {"most": 1, "seconds": 600}}
        for _ in range(20):
            await hook(out, "http://127.0.0.1:9/", quiet=["22:00-07:00"], throttle=throttle)
        await issue(room, "one")
        begin = await out.reaction.catch_up(begin, (await room.log.head()).size)
        await counted(out, held=20)
        at_hour(clock, 7)
        await issue(room, "two")
        size = (await room.log.head()).size
        # While the ledger is written to, whoever asks it and writes then waits twice.
        writing = asyncio.ensure_future(keep_writing(out, clock))
        await asyncio.gather(out.reaction.catch_up(begin, size), out.reaction.decide_held())
        writing.cancel()
        await counted(out, pending=20, held=20)


async def correct(room: Newsroom, story: str) -> None:
    """Correct the alert of a story."""
    fields = {"msg_type": "Update", "references": ["A1"]}
    await issue(room, story, "alert-corrected", ref="B1", **fields)


async def test_a_correction_waits_for_the_digest_that_it_corrects(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """What is on its way in a digest is chased, and not overtaken by its correction."""
    go_on = asyncio.Event()

    async def slowly(request: web.Request) -> web.Response:
        found: Any = await request.json()
        if found["subject"] == "digest":
            await go_on.wait()
        return web.Response()

    async with receiving(slowly) as receiver, sending(room, tmp_path) as out:
        target = await digested(room, out, receiver.url, clock)
        await receiver.wait(2)
        await correct(room, "story-1")
        await counted(out, delivered=1, in_flight=1, held=1, superseded=1, pending=1)
        assert not await out.deliveries.claim({target: 8}, 8, clock.now), "it would go out now"
        await counted(out, delivered=1, in_flight=1, held=1, superseded=1, pending=1)
        go_on.set()
        await counted(out, delivered=4, superseded=1)
        assert receiver.got[2].event["subject"] == "story-1"


async def test_a_digest_that_may_have_come_is_corrected(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """Who may have got an alert in a digest gets its correction, and no more of the alert."""

    async def picky(request: web.Request) -> web.Response:
        found: Any = await request.json()
        return web.Response(status=500 if found["subject"] == "digest" else 204)

    async with receiving(picky) as receiver, sending(room, tmp_path) as out:
        await digested(room, out, receiver.url, clock)
        await counted(out, delivered=1, held=2, retry=1)
        await correct(room, "story-1")
        await counted(out, delivered=2, held=1, retry=1, superseded=1)
        assert receiver.got[2].event["data"]["alert"]["references"] == ["A1"]
        clock.move(6_000)
        digest = (await receiver.wait(4))[3]
        assert [each["subject"] for each in digest.event["data"]["alerts"]] == ["story-2"]


async def test_an_owner_is_told_each_time(room: Newsroom, tmp_path: Path, clock: Clock) -> None:
    """Who was told of a failing target, and saw it recover, is told again when it fails again."""
    async with receiving() as receiver, receiving() as owners, sending(room, tmp_path) as out:
        owner, _ = await hook(out, owners.url, stories=["no-story"])
        wishes = (await out.endpoints.get(owner)).wishes.model_copy(update={"stories": frozenset()})
        await out.endpoints.register(receiver.url, wishes, owner=owner)
        for number, (status, hours, told) in enumerate(
            [
                *((500, 0, 0), (500, 30, 0), (500, 30, 0), (500, 13, 1), (204, 1, 1)),
                *((500, 1, 1), (500, 30, 1), (500, 30, 1), (500, 13, 2)),
            ]
        ):
            receiver.status = status
            clock.move(hours * HOUR)
            had = len(receiver.got)
            await issue(room, f"story-{number}")
            await receiver.wait(had + 1)
            await out.sender.quiet()
            await owners.wait(told)
            assert len(owners.got) == told
