"""What cannot be decided, learned or appended keeps no other alert waiting."""

from typing import Any

from dispatching import POLICY, Wire
from filings import filed, opening
from structlog.testing import capture_logs

from consumers.alerts.dispatch import Dispatch
from consumers.alerts.policy import load
from consumers.alerts.watching import Watching
from consumers.subscription import Subscription


async def test_alerts_go_on_past_what_is_not_understood(wire: Wire) -> None:
    """An event that a consumer cannot handle is parked, and its story goes on to alert."""
    evolve, watching = Watching.project, wire.dispatch.watching

    def choke(generation: int, events: Any) -> None:
        if any(event.development.ref == "E2" for event in events):
            raise ValueError("indigestible")
        evolve(watching, generation, events)

    watching.project = choke  # type: ignore[method-assign]  # - a fault has to be put inside
    await wire.file("background-added", ref="E2")
    await wire.file("quote-added", ref="E3")
    await wire.dispatch.decide_due()
    assert await wire.said() == ["alert-issued"]
    assert [parked.position for parked in wire.views.parked("alerts")] == [2]


async def test_a_story_that_cannot_be_decided_keeps_no_other_waiting(
    wire: Wire,
) -> None:
    """Where what is known of one story is damaged, alerts of every other go out all the same."""
    await wire.opened("b-story")
    await wire.file("quote-added")
    await wire.file("quote-added", "b-story")
    anew = Dispatch(wire.log, wire.views, load(POLICY), wire.clock)
    await Subscription(wire.log, wire.views, anew.watching).catch_up()
    generation = wire.views.position("alerts").generation
    wire.views.connection.execute(
        f"UPDATE alert_parts_{generation} SET content = '{{}}' WHERE story = 'a-story' AND key > ''"
    )
    await Dispatch(wire.log, wire.views, load(POLICY), wire.clock).decide_due()
    assert [event.story for event in await wire.decisions()] == ["b-story"]


async def test_what_can_never_be_appended_keeps_no_other_waiting(wire: Wire) -> None:
    """Where the id of a decision stands for something else, its story is named, and others go on.

    That another worker decided is no such case: nothing is named then.
    """
    await wire.opened("b-story")
    await wire.file("quote-added", ref="E2")
    await wire.file("quote-added", "b-story")
    checkpoint = await Subscription(wire.log, wire.views, wire.dispatch.watching).catch_up()
    ((one,), _) = wire.dispatch._judge("a-story", ["E2"])
    await wire.log.append("c-story", [filed(opening(), event_id=one.id)])
    with capture_logs() as said:
        assert await wire.dispatch.decide_due() > checkpoint
        await wire.dispatch.decide_due()
    assert [event.story for event in await wire.decisions()] == ["b-story"]
    named = [(each["story"], each["error"]) for each in said if each["event"] == "not decided"]
    assert named == [("a-story", "IdReused")]
    assert wire.dispatch.undecided == 1


async def test_a_story_that_cannot_be_learned_keeps_no_other_waiting(wire: Wire) -> None:
    """Where a story cannot be gone through again, alerts of every other go out all the same."""
    refold, watch = Watching.refold, wire.dispatch.watching

    def choke(story: str, events: Any) -> None:
        if story == "a-story":
            raise ValueError("indigestible")
        refold(watch, story, events)

    watch.refold = choke  # type: ignore[method-assign]  # - a fault has to be put inside
    await wire.file("statement-issued", ref="E2")
    alert = {"ref": "A1", "level": "urgent", "derived_from": ["E2"], "reason": "it is big"}
    await wire.file("alert-issued", alert=alert)
    await wire.opened("b-story")
    await wire.file("quote-added", "b-story")
    with capture_logs() as said:
        await wire.dispatch.decide_due()
        await wire.dispatch.decide_due()
    assert [event.story for event in await wire.decisions()] == ["a-story", "b-story"]
    assert [each["story"] for each in said if each["event"] == "not decided"] == ["a-story"]


async def test_a_story_with_much_that_cannot_be_decided_hides_no_other(wire: Wire) -> None:
    """However much is due in a story that cannot be decided on, others have their turn."""
    await wire.file("quote-added")
    await Subscription(wire.log, wire.views, wire.dispatch.watching).catch_up()
    generation = wire.views.position("alerts").generation
    undecidable = [(f"E{number}", "Behind", 1, "[]") for number in range(1_001)]
    wire.views.connection.executemany(
        f"INSERT INTO alert_parts_{generation} VALUES ('c-story', ?, ?, ?, ?)",
        [("", "Known", None, "[1]"), *undecidable],
    )
    await wire.dispatch.decide_due()
    assert await wire.said() == ["alert-issued"]
