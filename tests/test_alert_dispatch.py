"""Alerts at work on a log: decided once, by whoever is first, and never of history."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from conftest import Clock
from dispatching import POLICY, Wire
from viewing import watched

from consumers.alerts.dispatch import Dispatch
from consumers.alerts.explain import explain
from consumers.alerts.policy import load
from consumers.alerts.watching import Watching
from consumers.subscription import Subscription
from consumers.views import Views
from events.alerts import AlertDecision
from events.memory_log import MemoryLog


async def test_news_alerts_as_it_comes(wire: Wire) -> None:
    """While alerts are at work news alerts without anybody asking, and in its own time."""
    work = asyncio.create_task(wire.dispatch.run())
    await wire.file("quote-added")
    await wire.file("outcome-reported")
    async with asyncio.timeout(10):
        await wire.log.grown(4)
        assert await wire.said() == ["alert-issued", "alert-deferred"]
        wire.clock.move(30_000)
        await wire.log.grown(5)
    assert (await wire.said())[2:] == ["alert-issued"]
    work.cancel()


async def test_news_alerts_whatever_time_the_log_has(wire: Wire) -> None:
    """After a clock was hours ahead news alerts at once, and what waits goes out after its wait."""
    passed = [0.0]
    late = wire.another()
    late.dispatch = Dispatch(
        wire.log, late.views, load(POLICY), wire.clock, monotonic=lambda: passed[0]
    )
    await late.dispatch.decide_due()
    wire.clock.move(36_000_000)
    await wire.file("background-added")
    wire.clock.move(-36_000_000)  # set right; the log's time does not go back
    await wire.file("quote-added")
    await wire.file("outcome-reported")
    await late.dispatch.decide_due()
    assert await wire.said() == ["alert-issued", "alert-deferred"]
    await late.dispatch.decide_due()
    passed[0] += 29
    await late.dispatch.decide_due()
    assert len(await wire.said()) == 2
    passed[0] += 2
    await late.dispatch.decide_due()
    assert (await wire.said())[2:] == ["alert-issued"]


async def test_what_was_there_before_is_history(wire: Wire) -> None:
    """Alerts that are set to work on a log decide nothing about what it holds already."""
    await wire.file("quote-added")
    late = wire.another()
    await late.dispatch.decide_due()
    assert await wire.said() == []
    await wire.file("quote-added")
    await late.dispatch.decide_due()
    assert await wire.said() == ["alert-issued"]


async def test_a_watch_that_was_lost_decides_nothing_twice(wire: Wire) -> None:
    """With its views gone a worker begins anew: nothing is sent again, corrections still follow."""
    await wire.file("quote-added", ref="E2", headline="One")
    await wire.dispatch.decide_due()
    anew = wire.another()
    await anew.dispatch.decide_due()
    assert await wire.said() == ["alert-issued"]
    fix = {"field": "headline", "old": "One", "new": "Two", "note": "a slip"}
    await wire.file("corrected", target="E2", **fix)
    await anew.dispatch.decide_due()
    assert await wire.said() == ["alert-issued", "alert-corrected"]


async def test_what_waits_is_not_forgotten_with_the_watch(wire: Wire) -> None:
    """What waited for its time when the watch was lost goes out at that time all the same."""
    await wire.file("outcome-reported", ref="E2")
    await wire.file("outcome-reported", ref="E3")
    await wire.dispatch.decide_due()
    anew = wire.another()
    await anew.dispatch.decide_due()
    wire.clock.move(31_000)
    await anew.dispatch.decide_due()
    assert await wire.said() == ["alert-deferred", "alert-deferred", "alert-issued"]
    issued = (await wire.decisions())[-1].development
    assert isinstance(issued, AlertDecision)
    assert issued.alert.derived_from == ("E2", "E3")


async def test_news_of_an_upgrade_alerts(wire: Wire, tmp_path: Path) -> None:
    """What is filed while a server is made a newer one alerts as if the watch had been kept."""
    old = wire.another(f"{tmp_path}/v.db")
    await old.dispatch.decide_due()
    await wire.file("quote-added", ref="E2")
    await old.dispatch.decide_due()
    old.views.connection.pragma("user_version", 1)  # another format: all of it is made anew
    old.views.close()
    await wire.file("quote-added", ref="E3")
    await wire.opened("b-story")
    await wire.file("outcome-reported", "b-story", ref="E4")
    new = wire.another(f"{tmp_path}/v.db")
    await new.dispatch.decide_due()
    wire.clock.move(31_000)
    await new.dispatch.decide_due()
    assert await wire.said() == ["alert-issued", "alert-issued", "alert-deferred", "alert-issued"]
    new.views.close()


async def test_another_policy_alerts_on_nothing_old(wire: Wire) -> None:
    """What the policy took no notice of, before it last decided, is history under any other."""
    await wire.file("statement-issued", ref="E2")
    await wire.file("quote-added", ref="E3")
    await wire.dispatch.decide_due()
    anew = Views(":memory:", wire.clock)
    policy = load(POLICY.replace("quote-added", "statement-issued"))
    await Dispatch(wire.log, anew, policy, wire.clock).decide_due()
    assert await wire.said() == ["alert-issued"]
    anew.close()


async def test_two_workers_decide_once(wire: Wire, tmp_path: Path) -> None:
    """Any number of workers at once decide each thing once."""
    others = [wire.another() for _ in range(2)] + [wire.another(f"{tmp_path}/v.db") for _ in "ab"]
    for other in others:
        await other.dispatch.decide_due()
    workers = [wire, *others]
    for n in range(6):
        await wire.file("quote-added" if n % 2 else "outcome-reported", ref=f"Q{n}")
        await asyncio.gather(*(worker.dispatch.decide_due() for worker in workers))
    wire.clock.move(31_000)
    await asyncio.gather(*(worker.dispatch.decide_due() for worker in workers))
    issued = [
        ref
        for event in await wire.decisions()
        if isinstance(event.development, AlertDecision) and event.development.kind == "alert-issued"
        for ref in event.development.alert.derived_from
    ]
    assert sorted(issued) == [f"Q{n}" for n in range(6)]


async def test_a_worker_sees_what_another_did(wire: Wire, clock: Clock, tmp_path: Path) -> None:
    """Of two workers that share a watch each judges by what the other has learned."""
    one, other = wire.another(f"{tmp_path}/v.db"), wire.another(f"{tmp_path}/v.db")
    for worker in (one, other):
        await worker.dispatch.decide_due()
    for number, worker in enumerate((other, one, one)):
        await wire.file("outcome-reported", ref=f"Q{number}")
        await worker.dispatch.decide_due()
    await wire.file("outcome-reported", ref="Q3")
    await Subscription(wire.log, one.views, one.dispatch.watching).catch_up()
    await other.dispatch.decide_due()
    last = (await wire.decisions())[-1].development
    assert isinstance(last, AlertDecision)
    assert last.alert.derived_from == ("Q0", "Q1", "Q2", "Q3")


async def test_a_withdrawal_is_known_before_anything_goes_out(wire: Wire) -> None:
    """What is withdrawn while a worker judges does not go out: the story has moved."""
    await wire.file("outcome-reported", ref="E2")
    await wire.dispatch.decide_due()
    wire.clock.move(30_000)
    append = wire.log.append

    async def overtaken(*args: Any) -> Any:
        wire.log.append = append  # type: ignore[method-assign]  # - only the first is overtaken
        await wire.file("withdrawn", target="E2", reason="not so", headline=None)
        return await append(*args)

    wire.log.append = overtaken  # type: ignore[method-assign, assignment]  # - as a story that moves meanwhile
    await wire.dispatch.decide_due()
    assert await wire.said() == ["alert-deferred", "alert-suppressed"]


async def test_an_explanation_begins_with_what_is_so_now(wire: Wire) -> None:
    """What was held and let go again waits for its alert, whatever became of the one before."""

    async def outcome() -> str:
        await wire.dispatch.decide_due()
        events = [event async for event in wire.log.read_versions("a-story")]
        found = explain(events, "E2", load(POLICY))
        return found.outcome if found else ""

    await wire.file("outcome-reported", ref="E2")
    assert await outcome() == "deferred"
    await wire.file("held", target="E2", reason="is it so?", headline=None)
    assert await outcome() == "suppressed"
    await wire.file("hold-released", target="E2", reason="it is", headline=None)
    assert await outcome() == "deferred"
    wire.clock.move(31_000)
    assert await outcome() == "issued"


async def test_an_explanation_writes_all_times_alike(wire: Wire) -> None:
    """Until when an alert waits is written as when that was decided: to the thousandth second."""
    wire.clock.move(123)
    await wire.file("outcome-reported", ref="E2")
    await wire.dispatch.decide_due()
    events = [event async for event in wire.log.read_versions("a-story")]
    found = explain(events, "E2", load(POLICY))
    assert found is not None
    (step,) = found.steps
    assert step.until is not None
    assert (step.recorded_at[-5:], step.until[-5:]) == (".123Z", ".123Z")


async def test_an_alert_of_the_desk_is_learned(wire: Wire) -> None:
    """A person may alert on what no route takes; a correction of it follows all the same."""
    figure = {"ref": "F1", "measure": "children", "value": 9, "source": "person:a"}
    await wire.file("figure-reported", ref="E2", figures=[figure])
    alert = {"ref": "A1", "level": "urgent", "derived_from": ["E2"], "reason": "it is big"}
    await wire.file("alert-issued", alert=alert)
    await wire.dispatch.decide_due()
    fix: dict[str, Any] = {"field": "value", "old": 9, "new": 8, "note": "miscounted"}
    await wire.file("corrected", target="F1", **fix)
    await wire.dispatch.decide_due()
    assert await wire.said() == ["alert-issued", "alert-corrected"]


async def test_erased_words_are_not_remembered(wire: Wire) -> None:
    """When words are erased for a legal reason, alerts have no memory of them any more."""
    words = "A witness who was promised not to be named"
    await wire.file("quote-added", ref="E2", headline=words)
    await wire.file("outcome-reported", ref="E3", headline=words)
    await wire.dispatch.decide_due()
    assert words in str(watched(wire.views))
    order = {"reason_code": "privacy", "legal_basis": "court order", "ordered_by": "the court"}
    await wire.file("redacted", target="E2", fields=["headline"], headline=None, **order)
    await wire.dispatch.decide_due()
    assert words not in str(watched(wire.views))
    wire.clock.move(31_000)
    await wire.dispatch.decide_due()
    assert words not in str([event.development for event in await wire.decisions()])
    assert await wire.said() == ["alert-issued", "alert-deferred", "alert-issued"]


async def test_the_watch_is_the_fold(wire: Wire) -> None:
    """What stands in the watch on disk is what all events of a story give, folded afresh."""
    for n in range(4):
        await wire.file("quote-added" if n % 2 else "outcome-reported", ref=f"Q{n}")
        await wire.dispatch.decide_due()
    stored = watched(wire.views)
    fresh = Views(":memory:", wire.clock)
    anew = Watching(fresh, load(POLICY))
    anew.begin(0)
    begun = wire.dispatch.watching.begun()
    assert begun == 1
    await Subscription(wire.log, fresh, anew).catch_up()
    assert watched(fresh) == stored
    fresh.close()


async def test_a_watch_with_little_memory_decides_the_same(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more stories than are kept in memory, each is decided on as it stands on disk."""
    monkeypatch.setattr(wire.dispatch.watching._remembered, "_most", 3)
    stories = [f"story-{number}" for number in range(4)]
    for story in stories:
        await wire.opened(story)
        await wire.file("outcome-reported", story, ref="E2")
    await wire.dispatch.decide_due()
    for story in stories:
        await wire.file("outcome-reported", story, ref="E4")
    await wire.dispatch.decide_due()
    wire.clock.move(31_000)
    await wire.dispatch.decide_due()
    told = {
        event.story: event.development.alert.derived_from
        for event in await wire.decisions()
        if isinstance(event.development, AlertDecision)
    }
    assert told == dict.fromkeys(stories, ("E2", "E4"))


async def test_a_replay_gives_the_same_decisions(clock: Clock) -> None:
    """The same news at the same times is decided alike: the same ids, the same bytes."""

    async def day() -> list[tuple[str, Any]]:
        clock.now = 1_760_120_000_000
        ids = (f"01999999-0000-7000-8000-{n:012x}" for n in range(100))
        wire = Wire(MemoryLog(clock), clock)

        async def file(kind: str, **fields: Any) -> None:
            await wire.file(kind, id=next(ids), **fields)
            await wire.dispatch.decide_due()

        await file("story-opened", title="A story")
        await file("quote-added", ref="E2", headline="One")
        await file("outcome-reported", ref="E3")
        clock.move(31_000)
        fix = {"field": "headline", "old": "One", "new": "Two", "note": "a slip"}
        await file("corrected", target="E2", **fix)
        await file("withdrawn", target="E3", reason="not so")
        wire.views.close()
        return [(e.provenance["id"], e.development) for e in await wire.decisions()]

    first = await day()
    assert [d.kind for _, d in first] == [
        "alert-issued", "alert-deferred", "alert-issued", "alert-corrected", "alert-retracted",
    ]  # fmt: skip
    assert await day() == first
