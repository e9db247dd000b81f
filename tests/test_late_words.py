"""Whoever has not got an alert when it is corrected is told once, in the corrected words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import Clock
from filings import development, filed, opening
from receiving import Receiver, at_hour, counted, hook, issue, receiving, sending

from consumers.alerts.policy import load
from consumers.delivery.reach import Told
from consumers.delivery.signing import webhook_id
from dateline.outbox import Outbox
from dateline.wiring import Newsroom

NIGHT: dict[str, Any] = {"quiet": ["22:00-07:00"]}


async def correct(room: Newsroom, ref: str = "A2", *of: str, **fields: Any) -> str:
    """Correct the alert A1, or others; returns the correction's event id."""
    how = {"kind": "alert-corrected", "msg_type": "Update", "references": list(of or ["A1"])}
    return await issue(room, ref=ref, **(how | fields))


async def retract(room: Newsroom, ref: str) -> None:
    await correct(room, ref, kind="alert-retracted", msg_type="Cancel")


@asynccontextmanager
async def corrected_in_the_night(
    room: Newsroom, folder: Path, clock: Clock, **wishes: Any
) -> AsyncIterator[tuple[Receiver, Outbox]]:
    """An alert is issued and corrected while its one target sleeps."""
    at_hour(clock, 2)
    async with receiving() as receiver, sending(room, folder) as out:
        await hook(out, receiver.url, **wishes, **NIGHT)
        await issue(room)
        await correct(room)
        await counted(out, held=1, superseded=1)
        yield receiver, out


async def morning(out: Outbox, clock: Clock) -> None:
    """Let the night end, and what was held for it be decided again and sent."""
    at_hour(clock, 7)
    await out.reaction.decide_held()
    await out.sender.look()
    await out.sender.quiet()


async def test_who_sleeps_through_a_correction_is_told_in_the_morning(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """What is corrected in quiet hours is told when they end, as the alert that it is there."""
    at_hour(clock, 2)
    async with receiving() as receiver, sending(room, tmp_path) as out:
        target, _ = await hook(out, receiver.url, **NIGHT)
        await issue(room)
        await counted(out, held=1)
        event = await correct(room)
        await counted(out, held=1, superseded=1)
        assert room.reach is not None
        (told,) = room.reach.whom("a-story", "A2")
        assert told == Told(target, "held", "in the words of A2, which came before it was sent")
        await morning(out, clock)
        await counted(out, delivered=1, superseded=1)
        (got,) = receiver.got
        assert got.id == webhook_id(event, target)
        assert (got.event["type"], got.event["id"]) == ("dateline.alert-issued", event)
        said = got.event["data"]
        assert (said["headline"], said["alert"]["msg_type"]) == ("A2 happens", "Alert")
        assert (said["alert"]["ref"], said["alert"]["references"]) == ("A2", [])
        assert "a drill" not in said["alert"]["reason"], "what was wrong, to who never heard it"
        reached = {alert: tuple(tally) for alert, tally in room.reach.of("a-story").items()}
        assert reached == {"A1": (0, 0), "A2": (1, 1)}
        assert await out.deliveries.resend(got.id, clock.now)
        again = (await receiver.wait(2))[1]
        assert (again.id, again.body) == (got.id, got.body)


async def test_what_waits_to_be_sent_goes_out_in_the_words_that_stand(
    room: Newsroom, tmp_path: Path
) -> None:
    """An alert that is corrected while nobody sends goes out once somebody does, corrected."""
    async with receiving() as receiver:
        async with sending(room, tmp_path, at_work=False) as out:
            begin = await out.reaction.place()
            await hook(out, receiver.url)
            await issue(room)
            await correct(room)
            await out.reaction.catch_up(begin, (await room.log.head()).size)
            await counted(out, pending=1, superseded=1)
        async with sending(room, tmp_path) as out:
            await counted(out, delivered=1, superseded=1)
        assert [got.event["data"]["headline"] for got in receiver.got] == ["A2 happens"]


@pytest.mark.parametrize("tried", [False, True])
async def test_a_digest_tells_what_was_corrected_meanwhile(
    room: Newsroom, tmp_path: Path, clock: Clock, *, tried: bool
) -> None:
    """What waits for a digest, or in one that was refused, is told there in the corrected words."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url, throttle={"regular": {"most": 1, "seconds": 600}})
        for number in range(3):
            await issue(room, f"story-{number}")
        await counted(out, delivered=1, held=2)
        receiver.status = 403 if tried else 204
        clock.move(601_000 if tried else 0)
        await out.reaction.decide_held()
        await receiver.wait(2 if tried else 1)
        await out.sender.quiet()
        await correct(room, story="story-1")
        await counted(out, delivered=1, held=2, superseded=1, **({"retry": 1} if tried else {}))
        receiver.status = 204
        clock.move(601_000)
        await out.reaction.decide_held()
        await counted(out, delivered=4, superseded=1)
        told = [each["data"] for each in receiver.got[-1].event["data"]["alerts"]]
        assert sorted(each["headline"] for each in told) == ["A1 happens", "A2 happens"]
        assert {each["alert"]["msg_type"] for each in told} == {"Alert"}
        # Who was told so got the alert, and is chased.
        await correct(room, "A3", story="story-1")
        await counted(out, delivered=5, superseded=1)
        assert receiver.got[-1].event["data"]["headline"] == "CORRECTION: A3 happens"


@pytest.mark.parametrize("named", [["A1"], ["A2"], ["A1", "A2"]])
async def test_what_is_corrected_twice_is_told_in_the_last_words(
    room: Newsroom, tmp_path: Path, clock: Clock, named: list[str]
) -> None:
    """Whatever a correction names, nobody hears words that were corrected while they slept."""
    async with corrected_in_the_night(room, tmp_path, clock) as (receiver, out):
        await correct(room, "A3", *named)
        await counted(out, held=1, superseded=2)
        await morning(out, clock)
        assert [got.event["data"]["headline"] for got in receiver.got] == ["A3 happens"]
        # They got the alert in its third words, and hear of the fourth as a correction of those.
        await correct(room, "A4", named[0])
        await counted(out, delivered=2, superseded=2)
        assert receiver.got[1].event["data"]["headline"] == "CORRECTION: A4 happens"
        (target,) = await out.endpoints.all()
        (shown,) = await out.deliveries.earlier("a-story", target.id, [named[0]])
        assert shown.webhook_id == receiver.got[0].id


async def test_what_is_retracted_is_not_told_in_any_words(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """An alert that was corrected and then retracted before it went out never does."""
    async with corrected_in_the_night(room, tmp_path, clock) as (receiver, out):
        await retract(room, "A3")
        await counted(out, superseded=2)
        await morning(out, clock)
        assert receiver.got == []


async def test_who_was_told_in_late_words_is_told_of_the_retraction(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """Who got the alert in the words of its correction learns that it does not hold any more."""
    async with corrected_in_the_night(room, tmp_path, clock) as (receiver, out):
        await morning(out, clock)
        await retract(room, "A3")
        await counted(out, delivered=2, superseded=1)
        said = [got.event["data"]["headline"] for got in receiver.got]
        assert said == ["A2 happens", "RETRACTED: A3 happens"]


async def test_one_got_it_and_another_sleeps(room: Newsroom, tmp_path: Path, clock: Clock) -> None:
    """Of the same correction, who got the alert hears that it is one, and who did not, the news."""
    at_hour(clock, 2)
    async with (
        receiving() as awake,
        receiving() as asleep,
        sending(room, tmp_path) as out,
    ):
        await hook(out, awake.url)
        await hook(out, asleep.url, **NIGHT)
        await issue(room)
        await counted(out, delivered=1, held=1)
        await correct(room)
        await counted(out, delivered=2, held=1, superseded=1)
        await morning(out, clock)
        await correct(room, "A3", "A1", "A2")
        await counted(out, delivered=5, superseded=1)
        said = [[got.event["data"]["headline"] for got in each.got] for each in (awake, asleep)]
        assert said == [
            ["A1 happens", "CORRECTION: A2 happens", "CORRECTION: A3 happens"],
            ["A2 happens", "CORRECTION: A3 happens"],
        ]
        assert room.reach is not None
        reached = {alert: tuple(tally) for alert, tally in room.reach.of("a-story").items()}
        assert reached == {"A1": (1, 1), "A2": (2, 2), "A3": (2, 2)}


async def test_late_words_go_to_who_wanted_the_alert(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """Decided again in the morning is what the target wished for, whatever its correction is of."""
    at_hour(clock, 2)
    async with receiving() as receiver, sending(room, tmp_path) as out:
        target, _ = await hook(out, receiver.url, kinds=["quote-added"], **NIGHT)
        for story in ("a-story", "b-story"):
            await issue(room, story, kinds=["quote-added"])
            await correct(room, story=story)
        await counted(out, held=2, superseded=2)
        endpoint = await out.endpoints.get(target)
        wishes = endpoint.wishes.model_copy(update={"stories": frozenset({"a-story"})})
        await out.endpoints.change(target, wishes)
        await morning(out, clock)
        await counted(out, delivered=1, suppressed=1, superseded=2)
        assert receiver.got[0].event["subject"] == "a-story"


async def test_late_words_count_for_a_throttle(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """What goes out in corrected words is one alert of those that a target takes in a while."""
    throttle = {"regular": {"most": 1, "seconds": 600}}
    async with corrected_in_the_night(room, tmp_path, clock, throttle=throttle) as (_, out):
        await morning(out, clock)
        await issue(room, "b-story")
        await counted(out, delivered=1, held=1, superseded=1)


async def test_what_was_missed_is_recovered_in_the_words_that_stand(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """Who was disabled when an alert went out, and is sent what it missed, gets it corrected."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        target, _ = await hook(out, receiver.url)
        await out.endpoints.disable(target, "a drill")
        await issue(room)
        await correct(room)
        await counted(out, skipped=2)
        await out.endpoints.enable(target)
        assert await out.deliveries.recover(target, 0, clock.now) == 1
        await counted(out, delivered=1, skipped=1)
        assert [got.event["data"]["headline"] for got in receiver.got] == ["A2 happens"]


async def test_a_policys_corrections_find_who_was_told_late(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """News corrected twice in the night and once by day is told once and corrected once."""
    at_hour(clock, 2)
    room.policy = load(
        '[[route]]\nname = "words"\nlevel = "urgent"\nkinds = ["quote-added"]\n'
        '[levels.urgent]\nwait = "0s"\ninterval = "0s"\nlapse = "1d"\n'
    )
    dispatch = room.dispatch
    assert dispatch is not None
    async with receiving() as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url, **NIGHT)
        await dispatch.decide_due()

        async def says(words: str, old: str = "") -> None:
            fix = {"target": "E1", "field": "headline", "old": old, "new": words, "note": "a slip"}
            made = (
                development("corrected", **fix)
                if old
                else development("quote-added", ref="E1", headline=words)
            )
            await room.log.append("a-story", [filed(made)])
            clock.move(1_000)
            await dispatch.decide_due()

        await room.log.append("a-story", [filed(opening())])
        await says("one")
        await counted(out, held=1)
        await says("two", "one")
        await says("three", "two")
        await counted(out, held=1, superseded=2)
        await morning(out, clock)
        await says("four", "three")
        await counted(out, delivered=2, superseded=2)
        said = [got.event["data"]["headline"] for got in receiver.got]
        assert said == ["three", "CORRECTION: four"]
