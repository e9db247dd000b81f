"""What was so at a moment, and what became of a development: told the same for ever."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import Clock
from filings import BEN
from publishing import CORRELATION, filed

from consumers.audit.replay import changed, replay
from consumers.audit.report import html, report
from consumers.delivery.deliveries import Deliveries
from consumers.delivery.ledger import Ledger
from consumers.delivery.reach import Reach
from consumers.delivery.rows import Planned
from dateline.commands import auditing, custody
from dateline.urls import deliveries_path
from dateline.wiring import Newsroom
from events.custody import RECORD
from events.envelope import instant
from events.errors import NotFound, Refused
from producers.case import Actor

MINUTE = 60_000


async def lived(room: Newsroom, clock: Clock) -> None:
    """A development's life: filed, approved, alerted, corrected, chased, withdrawn."""
    await filed(room, "story-opened", title="A")
    reporter = Actor("desk:cub", needs_second=True)
    claim = {"ref": "C1", "text": "it rained"}
    await filed(room, "quote-added", reporter, ref="Q", headline="It rains", claims=[claim])
    clock.move(MINUTE)
    await filed(room, "published", BEN, target="Q")
    alert = {"ref": "A1", "level": "urgent", "derived_from": ["Q"], "reason": "a drill"}
    await filed(room, "alert-issued", alert=alert)
    clock.move(MINUTE)
    put_right = {"target": "C1", "field": "text", "old": "it rained", "new": "it snowed"}
    await filed(room, "corrected", BEN, ref="K", note="misheard", **put_right)
    chase = {"ref": "A2", "msg_type": "Update", "references": ["A1"], "derived_from": ["K"]}
    await filed(room, "alert-corrected", alert={**alert, **chase})
    clock.move(MINUTE)
    await filed(room, "withdrawn", target="Q", reason="it never was")


async def reached(
    room: Newsroom, target: str, *, position: int, began: int, got: int, others: Sequence[str] = ()
) -> None:
    """An alert for some targets, sent from one time on, that one of them got at another."""
    planned = Planned(
        event="e",
        target=target,
        position=position,
        story="a",
        alert="A1",
        kind="alert-issued",
        level="urgent",
        fast=False,
        state="pending",
        reason="",
        due_ms=0,
    )
    ledger = Ledger(deliveries_path(room.log.url))
    all_of = [planned, *(planned._replace(target=other) for other in others)]
    await Deliveries(ledger).add(all_of, began)
    ended = "UPDATE deliveries SET state = 'delivered', ended_ms = ? WHERE target = ?"
    await ledger.write(lambda connection: connection.execute(ended, (got, target)))
    ledger.close()


async def test_a_moment_is_run_again(room: Newsroom, clock: Clock) -> None:
    """As of any moment: what readers saw and were told, what the desk knew, who did what."""
    await lived(room, clock)
    hidden, seen, end = [await replay(room.log, "a", position) for position in (2, 4, 7)]
    assert hidden.readers is not None
    assert hidden.readers["timeline"] == []
    assert [item["status"] for item in hidden.desk["timeline"]] == ["filed"]
    assert seen.readers is not None
    assert [item["headline"] for item in seen.readers["timeline"]] == ["It rains"]
    assert seen.readers["claims"]["C1"]["text"] == "it rained"
    assert [update["data"]["position"] for update in seen.told] == [1, 3]
    assert [alert["ref"] for alert in end.alerts] == ["A1", "A2"]
    assert end.readers is not None
    assert end.readers["timeline"][0]["status"] == "withdrawn"
    assert [(act.kind, act.filed_by, act.about) for act in end.acts[1:3]] == [
        ("quote-added", "desk:cub", None),
        ("published", "desk:ben", "Q"),
    ]
    assert {act.correlation for act in end.acts} == {CORRELATION}
    changes = changed(hidden, seen)
    assert ("timeline", "Q", "added") in [one[:3] for one in changes["readers"]]
    assert ("timeline", "Q", "changed") in [one[:3] for one in changes["desk"]]
    with pytest.raises(NotFound):
        await replay(room.log, "a", 0)


async def test_it_is_told_whom_alerts_had_reached(room: Newsroom, clock: Clock) -> None:
    """A replay names who had got which alert by then; a report names all that were sent."""
    await lived(room, clock)
    began, got = clock.now - 2 * MINUTE, clock.now - MINUTE // 2
    await reached(room, "t1", position=4, began=began, got=got, others=("t2",))
    reach = Reach(deliveries_path(room.log.url))
    moments = [await replay(room.log, "a", position, reach) for position in (3, 4, 7)]
    assert [[(one.target, one.state) for one in found.sent] for found in moments] == [
        [],
        [("t1", "under way"), ("t2", "under way")],
        [("t1", "delivered"), ("t2", "under way")],
    ]
    found = await report(room.auditor, "a", "Q", reach)
    assert [(one.alert, one.target) for one in found.sent] == [("A1", "t1"), ("A1", "t2")]
    assert "under way" in html(found)


async def test_a_time_between_two_events_tells_nothing_later(
    room: Newsroom, clock: Clock, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A replay as of a time knows of no alert that was decided or delivered after it."""
    await filed(room, "story-opened", title="A")
    began = clock.now
    await reached(room, "t1", position=1, began=began + 10 * MINUTE, got=began + 20 * MINUTE)
    clock.move(60 * MINUTE)
    await filed(room, "development-reported", label="note")
    clock.move(60 * MINUTE)
    told = []
    for minutes in (5, 15, 25):
        until = instant(began + minutes * MINUTE)
        await auditing.replay(room, until, None, "a", json=True)
        told.append([one["state"] for one in json.loads(capsysbinary.readouterr().out)["sent"]])
    assert told == [[], ["under way"], ["delivered"]]


async def test_the_same_moment_is_the_same_for_ever(room: Newsroom, clock: Clock) -> None:
    """What is filed later changes nothing of what is told of a moment before."""
    await filed(room, "story-opened", title="A")
    await filed(room, "quote-added", ref="Q")
    before = await replay(room.log, "a", 2)
    await filed(room, "withdrawn", target="Q", reason="a drill")
    assert await replay(room.log, "a", 2) == before


async def test_the_life_of_a_development_is_told(room: Newsroom, clock: Clock) -> None:
    """A report names each step, who took it and in which request, and proves each."""
    await lived(room, clock)
    found = await report(room.auditor, "a", "Q")
    assert [(step.what, step.act.filed_by) for step in found.steps] == [
        ("filed, to be approved", "desk:cub"),
        ("approved", "desk:ben"),
        ("alert issued", "desk:ada"),
        ("corrected", "desk:ben"),
        ("alert chased", "desk:ada"),
        ("withdrawn", "desk:ada"),
    ]
    assert found.steps[3].says == "C1.text: it rained → it snowed (misheard)"
    for step in found.steps:
        proof = await room.auditor.inclusion(step.act.position)
        assert proof.leaf.hex() == step.leaf
    assert json.loads(json.dumps(found.shown()))["size"] == 7
    with pytest.raises(NotFound):
        await report(room.auditor, "a", "nothing")
    with pytest.raises(NotFound, match="C1 of a: it is a claim of Q"):
        await report(room.auditor, "a", "C1")
    await custody.record_read(room, "desk:ada", "a drill", None)
    (read,) = (await report(room.auditor, RECORD, "d2")).steps
    assert read.says == "desk:ada was given a drill, 7 events"


async def test_a_report_is_a_page_that_runs_nothing(room: Newsroom) -> None:
    """Whatever was filed, the page shows it as words; it loads and runs nothing."""
    await filed(room, "story-opened", title="A")
    await filed(room, "quote-added", ref="Q", headline="<script>alert(1)</script> & more")
    page = html(await report(room.auditor, "a", "Q"))
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "http" not in page


@pytest.mark.parametrize("jump", [3_600_000, -3_600_000, 86_400_000, -86_400_000])
async def test_a_clock_that_is_moved_changes_no_answer(
    room: Newsroom, clock: Clock, jump: int
) -> None:
    """When the clock jumps an hour or a day either way, recorded time goes on from where it was."""
    await filed(room, "story-opened", title="A")
    await filed(room, "quote-added", ref="Q")
    asked = clock.now
    position = await room.log.position_at(asked)
    before = await replay(room.log, "a", position)
    clock.move(jump)
    for _ in range(3):
        await filed(room, "development-reported", label="note")
        clock.move(-jump // 2)
    times = [event.recorded_ms async for event in room.log.read_versions("a")]
    assert times == sorted(times)
    # Events of the same millisecond belong to the same moment, so only a later one is told apart.
    if jump > 0:
        assert await room.log.position_at(asked) == position
    assert await replay(room.log, "a", position) == before
    assert (await room.auditor.verify(lambda *_: None)).events == 5


@pytest.mark.parametrize(
    ("until", "since", "words"),
    [
        ("99", None, "a position up to 7; found 99"),
        ("2099-01-01T00:00:00Z", None, "a time up to now"),
        ("2099-01-01", None, "a time up to now"),
        ("3", "5", "a moment before 3; found 5"),
    ],
)
async def test_a_moment_that_has_not_been_is_not_shown(
    room: Newsroom, clock: Clock, until: str, since: str | None, words: str
) -> None:
    """Nothing is run again up to a moment that is still to come, or from one that came later."""
    await lived(room, clock)
    with pytest.raises(Refused, match="moment") as refused:
        await auditing.replay(room, until, since, None, json=True)
    assert words in str(refused.value)
    assert await auditing.replay(room, f"{room.now():%Y-%m-%d}", "3", None, json=True) == 0


async def test_a_moment_is_final_once_something_was_recorded_after_it(
    room: Newsroom, clock: Clock
) -> None:
    """What is said of a moment changes no more when an event was recorded after it."""
    await filed(room, "story-opened", title="A")
    began = clock.now
    moment_ = began + 15 * MINUTE
    clock.now = began + 30 * MINUTE
    await filed(room, "quote-added", ref="Q")
    assert await room.log.position_at(moment_) == 1
    for now in (began - 90 * MINUTE, began, began + MINUTE):
        clock.now = now
        await filed(room, "quote-added")
        assert await room.log.position_at(moment_) == 1


async def test_a_report_on_a_page_is_told_in_json_too(
    room: Newsroom, clock: Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever asks for a page and for JSON is told in JSON where the page is."""
    await lived(room, clock)
    page = str(tmp_path / "Q.html")
    assert await auditing.report(room, "a", "Q", page, json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["file"] == page
    assert told["steps"] > 3
