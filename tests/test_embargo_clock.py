"""Embargoes end when their time has come, once, and only by a clock that can be trusted."""

import orjson
import pytest
from conftest import Clock
from filings import ADA

from dateline.wiring import Newsroom
from events.envelope import instant
from producers.embargo_clock import Embargo, EmbargoClock
from producers.intake import take

HOUR = 3_600_000


class Hands:
    """Both clocks of a machine, moved together or apart."""

    def __init__(self, wall: Clock) -> None:
        self.wall = wall
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def pass_(self, milliseconds: int) -> None:
        self.wall.move(milliseconds)
        self.seconds += milliseconds / 1000


def embargo_clock(room: Newsroom, hands: Hands) -> EmbargoClock:
    async def earliest() -> list[Embargo]:
        await room.subscription.catch_up()
        return [Embargo(*found) for found in room.stories.embargoes()]

    return EmbargoClock(room.publisher, earliest, hands.wall, hands.monotonic)


async def embargoed(room: Newsroom, until: int, ref: str = "N1") -> None:
    story = {"story": "a-drill", "kind": "story-opened", "title": "A drill", "headline": "Opens"}
    if not (await room.log.head()).size:
        await room.publisher.file(take(story), ADA)
    note = {"story": "a-drill", "kind": "development-reported", "label": "note", "ref": ref}
    note |= {"headline": "Zebra", "embargo_until": instant(until)}
    await room.publisher.file(take(note), ADA)


async def shown(room: Newsroom) -> list[str]:
    state = orjson.loads(await room.state("a-drill", public=True))
    return [item["ref"] for item in state["timeline"]]


async def test_an_embargo_ends_on_time(room: Newsroom, clock: Clock) -> None:
    """Readers see a development from its time on and not before, whatever was filed first."""
    hands = Hands(clock)
    at_work = embargo_clock(room, hands)
    await embargoed(room, clock.now + 2 * HOUR, "late")
    await embargoed(room, clock.now + HOUR, "soon")
    hands.pass_(HOUR - 1)
    assert await at_work.lift_due() == 0
    assert await shown(room) == []
    hands.pass_(1)
    assert await at_work.lift_due() == 1
    assert await shown(room) == ["soon"]
    hands.pass_(HOUR)
    assert await at_work.lift_due() == 1
    assert await shown(room) == ["late", "soon"]


async def test_an_embargo_holds_whatever_time_the_log_has(room: Newsroom, clock: Clock) -> None:
    """After a clock was hours ahead, what is filed under embargo is not taken for released."""
    await embargoed(room, clock.now + HOUR, "before")
    clock.move(10 * HOUR)
    note = {"story": "a-drill", "kind": "development-reported", "label": "note", "ref": "wrong"}
    await room.publisher.file(take(note | {"headline": "Filed by a wrong clock"}), ADA)
    clock.move(-10 * HOUR)  # set right; the log's time does not go back
    hands = Hands(clock)
    at_work = embargo_clock(room, hands)
    await embargoed(room, clock.now + 5 * HOUR)
    assert await shown(room) == ["wrong"]
    hands.pass_(5 * HOUR - 1)
    await at_work.lift_due()
    assert await shown(room) == ["before", "wrong"]
    hands.pass_(1)
    assert await at_work.lift_due() == 1
    assert await shown(room) == ["before", "wrong", "N1"]


async def test_imported_history_comes_with_no_embargo_that_is_over(
    room: Newsroom, clock: Clock
) -> None:
    """Of what was published long ago an embargo of those days keeps nothing back."""
    await embargoed(room, clock.now + HOUR)
    old = {"story": "a-drill", "kind": "development-reported", "label": "note", "ref": "old"}
    old |= {"headline": "Long ago", "filed_at": instant(clock.now - 2 * HOUR)}
    await room.publisher.file(take(old | {"embargo_until": instant(clock.now - HOUR)}), ADA)
    assert await shown(room) == ["old"]


async def test_two_clocks_lift_an_embargo_once(room: Newsroom, clock: Clock) -> None:
    """A second machine that lifts the same embargo adds nothing to the log."""
    hands = Hands(clock)
    await embargoed(room, clock.now + HOUR)
    seen = [Embargo("a-drill", "N1", instant(clock.now + HOUR))]

    async def earliest() -> list[Embargo]:
        return seen  # both looked before either had lifted it

    hands.pass_(HOUR)
    for _ in range(2):
        clock_of_a_machine = EmbargoClock(room.publisher, earliest, clock, hands.monotonic)
        await clock_of_a_machine.lift_due()
    assert (await room.log.head()).size == 3


async def test_an_editor_may_be_faster(room: Newsroom, clock: Clock) -> None:
    """What was withdrawn or broken before its time is left alone."""
    hands = Hands(clock)
    at_work = embargo_clock(room, hands)
    await embargoed(room, clock.now + HOUR)
    kill = {"story": "a-drill", "kind": "withdrawn", "target": "N1", "reason": "a hoax"}
    await room.publisher.file(take(kill), ADA)
    hands.pass_(HOUR)
    assert await at_work.lift_due() == 0
    assert await shown(room) == []


async def test_a_closed_story_keeps_its_promise(room: Newsroom, clock: Clock) -> None:
    """An embargo ends on time in a story that was closed meanwhile."""
    hands = Hands(clock)
    at_work = embargo_clock(room, hands)
    await embargoed(room, clock.now + HOUR)
    closed = {"story": "a-drill", "kind": "story-closed", "reason": "it is over"}
    await room.publisher.file(take(closed), ADA)
    hands.pass_(HOUR)
    assert await at_work.lift_due() == 1
    assert await shown(room) == ["N1"]


@pytest.mark.parametrize("jump", [61_000, -61_000, 365 * 24 * HOUR])
async def test_a_clock_that_jumped_lifts_nothing(room: Newsroom, clock: Clock, jump: int) -> None:
    """When time of day and time since start disagree, nothing is published, and it is said."""
    hands = Hands(clock)
    at_work = embargo_clock(room, hands)
    await embargoed(room, clock.now + HOUR)
    clock.move(jump)
    hands.pass_(2 * HOUR)
    assert await at_work.lift_due() == 0
    assert await shown(room) == []
    assert at_work.stopped is not None
    assert "expected the time of day to pass as time does" in at_work.stopped
    await at_work.run()  # ends at once


async def test_a_small_correction_of_the_clock_is_no_jump(room: Newsroom, clock: Clock) -> None:
    """A clock that is put right by less than a minute is trusted."""
    hands = Hands(clock)
    at_work = embargo_clock(room, hands)
    await embargoed(room, clock.now + HOUR)
    clock.move(59_000)
    hands.pass_(HOUR)
    assert await at_work.lift_due() == 1
