"""When an alert goes out: tries, quiet hours, throttles and digests, each on its clock."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from conftest import Clock
from receiving import (
    counted,
    hook,
    issue,
    receiving,
    sending,
)

from consumers.delivery.schedule import USUAL
from dateline.wiring import Newsroom

HOUR = 3_600_000


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
async def test_retries_keep_to_the_schedule(
    room: Newsroom, tmp_path: Path, clock: Clock, chance: float
) -> None:
    """What fails is tried ten times, at exactly the times of the schedule, and then has failed."""
    async with receiving() as receiver, sending(room, tmp_path, chance=chance) as out:
        receiver.status = 500
        await hook(out, receiver.url)
        began = clock.now
        await issue(room)
        for number in range(1, 11):
            await receiver.wait(number)
            await out.sender.quiet()
            if number < 10:
                await counted(out, retry=1)
                assert len(receiver.got) == number
                clock.move(int(USUAL[number] * (0.8 + 0.4 * chance) * 1000) - 1)
                await out.sender.look()
                await out.sender.quiet()
                assert len(receiver.got) == number, "tried before its time"
                clock.move(1)
                await out.sender.look()
        await counted(out, failed=1)
        tries = await out.deliveries.attempts(None, None)
        assert [one.number for one in tries] == list(range(1, 11))
        waited = [one.began_ms - began for one in tries if one.began_ms is not None]
        assert waited == [
            sum(int(wait * (0.8 + 0.4 * chance) * 1000) for wait in USUAL[: n + 1])
            for n in range(10)
        ]
        assert {one.status for one in tries} == {500}


async def test_retry_after_is_kept_to(room: Newsroom, tmp_path: Path, clock: Clock) -> None:
    """A receiver that asks for an hour gets it."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        receiver.status, receiver.headers = 429, {"retry-after": "3600"}
        await hook(out, receiver.url)
        await issue(room)
        await receiver.wait(1)
        await counted(out, retry=1)
        clock.move(HOUR - 1_000)
        await out.sender.look()
        await out.sender.quiet()
        assert len(receiver.got) == 1
        clock.move(1_000)
        await receiver.wait(2)


async def test_quiet_hours_hold_and_then_it_is_decided_again(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """What comes in quiet hours is sent when they end; a flash passes for those who said so."""
    day = datetime.fromtimestamp(clock.now / 1000, timezone(timedelta()))
    until_ms = int((day.replace(hour=7, minute=0, second=0, microsecond=0)).timestamp() * 1000)
    clock.now = until_ms - HOUR
    async with receiving() as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url, quiet=["22:00-07:00"], passes_quiet=["flash"])
        await issue(room)
        await issue(room, ref="A2", level="flash")
        await receiver.wait(1)
        await counted(out, held=1, delivered=1)
        assert receiver.got[0].event["data"]["alert"]["ref"] == "A2"
        clock.move(HOUR)
        await out.reaction.decide_held()
        await receiver.wait(2)
        await counted(out, delivered=2)


async def test_a_correction_passes_quiet_hours_and_throttles(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """A correction reaches who got the alert by night, and past what a target takes in a while."""
    day = datetime.fromtimestamp(clock.now / 1000, timezone(timedelta()))
    clock.now = int(day.replace(hour=21, minute=0).timestamp() * 1000)
    async with receiving() as receiver, sending(room, tmp_path) as out:
        throttle = {"regular": {"most": 1, "seconds": 24 * 3600}}
        await hook(out, receiver.url, quiet=["22:00-07:00"], throttle=throttle)
        await issue(room)
        await counted(out, delivered=1)
        clock.move(2 * HOUR)
        await issue(room, kind="alert-corrected", ref="A2", msg_type="Update", references=["A1"])
        await counted(out, delivered=2)
        await issue(room, kind="alert-retracted", ref="A3", msg_type="Cancel", references=["A1"])
        await counted(out, delivered=3)
        await issue(room, "b-story", ref="B1")
        await counted(out, delivered=3, held=1)


async def test_what_is_too_much_comes_in_a_digest(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """Beyond what a target takes one by one, alerts come together, each of them once."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url, throttle={"regular": {"most": 2, "seconds": 600}})
        for number in range(1, 6):
            await issue(room, f"story-{number}", ref=f"A{number}")
        await receiver.wait(2)
        await counted(out, delivered=2, held=3)
        clock.move(601_000)
        await out.reaction.decide_held()
        await receiver.wait(3)
        await counted(out, delivered=6)
        told = receiver.got[2].event["data"]["alerts"]
        assert [each["data"]["alert"]["ref"] for each in told] == ["A3", "A4", "A5"]
        # Who was told in a digest got the alert, and is chased.
        await issue(
            room, "story-4", kind="alert-corrected", ref="B4", msg_type="Update", references=["A4"]
        )
        await receiver.wait(4)
        assert receiver.got[3].event["data"]["alert"]["references"] == ["A4"]


async def test_what_is_old_news_by_now_is_not_sent(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """A flash that nobody could send for a day is not sent; a correction is, however late."""
    async with receiving() as receiver:
        async with sending(room, tmp_path) as out:
            await hook(out, receiver.url)
            await issue(room, level="flash")
            await receiver.wait(1)
            await counted(out, delivered=1)
        await issue(room, ref="A2", level="flash")
        await issue(room, kind="alert-corrected", ref="A3", msg_type="Update", references=["A1"])
        clock.move(25 * HOUR)
        async with sending(room, tmp_path) as out:
            await receiver.wait(2)
            await counted(out, delivered=2, expired=1)
    assert receiver.got[1].event["data"]["alert"]["ref"] == "A3"
