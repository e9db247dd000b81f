"""What of the news alerts, when, at which level, and what follows it."""

from datetime import UTC, datetime

import pytest
from alerting import COUNT, POLICY, Alerting, flashed
from filings import ADA, BEN


def at(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()


def test_what_no_route_takes_does_not_alert() -> None:
    """News that the policy has no route for alerts nobody, and nothing is kept of it."""
    story = Alerting(POLICY)
    story.file("statement-issued", ref="E2")
    assert story.said == []
    assert list(story.watched) == [""]


def test_a_route_alerts_at_its_level() -> None:
    """News that a route takes goes out at once where its level does not wait."""
    story = Alerting(POLICY)
    story.file("quote-added", ref="E2", headline="They were well", people=["person:a"])
    assert story.said == [("issued", "alert-2", ("E2",))]
    assert (story.last.headline, story.last.people) == ("They were well", ("person:a",))
    assert (story.last.alert.level, story.last.alert.route) == ("regular", "remarks")


def test_a_group_goes_out_once() -> None:
    """What comes within the wait of its level goes out together, once."""
    story = Alerting(POLICY)
    story.file("outcome-reported", ref="E2")
    story.move(10)
    story.file("outcome-reported", ref="E3", urgency=2, headline="All are home")
    story.move(19)
    assert [kind for kind, _, _ in story.said] == ["deferred", "deferred"]
    story.move(2)
    assert story.said[2:] == [("issued", "alert-2", ("E2", "E3"))]
    assert story.last.headline == "All are home"
    story.move(3_600)
    assert len(story.said) == 3


def test_a_full_group_goes_out_at_once() -> None:
    """An alert holds two hundred developments: when another comes it goes out, and a next waits."""
    story = Alerting(POLICY)
    for number in range(201):
        story.file("outcome-reported", ref=f"Q{number}")
    kinds = [kind for kind, _, _ in story.said]
    assert kinds == ["deferred"] * 200 + ["issued", "deferred"]
    assert story.said[-2][2] == tuple(f"Q{number}" for number in range(200))
    assert story.said[-1][2] == ("Q200",)
    assert story.last.alert.ref != story.said[-2][1]
    story.move(301)
    assert story.said[-1][::2] == ("issued", ("Q200",))


def test_what_comes_into_sight_at_once_goes_out_in_alerts_that_hold_it() -> None:
    """When a story with hundreds of developments comes out, each of them goes out once."""
    story = Alerting(POLICY, embargo_until="2031-01-01T00:00:00Z")
    for number in range(230):
        story.file("outcome-reported", ref=f"Q{number}")
        story.file("quote-added", ref=f"W{number}")
    story.file("embargo-broken", target="E1", reason="it is all over town")
    story.move(301)
    issued = [ref for kind, _, refs in story.said if kind == "issued" for ref in refs]
    assert sorted(issued) == sorted(f"{kind}{n}" for n in range(230) for kind in "QW")


def test_a_group_is_left_alone_for_its_interval() -> None:
    """After its alert a group waits for the interval, not only for the wait."""
    story = Alerting(POLICY)
    story.file("outcome-reported", ref="E2")
    story.move(40)
    story.file("outcome-reported", ref="E3")
    story.move(240)
    assert story.said[-1][0] == "deferred"
    story.move(60)
    assert story.said[-1] == ("issued", "alert-5", ("E3",))


def test_a_flash_takes_two_people() -> None:
    """A flash waits for a second person; who publishes what another filed is one."""
    story = Alerting(POLICY)
    story.file("figure-reported", ref="E2", figures=[COUNT], urgency=1)
    assert story.last.alert.level == "flash"
    assert story.said == [("deferred", "alert-2", ("E2",))]
    story.file("held", by=BEN, target="E2", reason="let me look")
    story.file("hold-released", by=BEN, target="E2", reason="it is so")
    assert story.said[-1][0] == "issued"
    assert (story.last.alert.level, story.last.seconded_by) == ("flash", "desk:ben")


def test_a_flash_that_nobody_seconds_is_a_bulletin() -> None:
    """When nobody stands behind a flash in time it goes out one level lower, and says why."""
    story = Alerting(POLICY)
    story.file("figure-reported", ref="E2", figures=[COUNT], urgency=1)
    story.move(121)
    assert story.said[-1] == ("issued", "alert-2", ("E2",))
    assert (story.last.alert.level, story.last.seconded_by) == ("bulletin", None)
    assert "nobody seconded" in story.last.alert.reason


def test_a_flash_mutes_lower_levels_for_a_while() -> None:
    """After a flash lesser alerts of the story are muted, until the time is over."""
    story = Alerting(POLICY)
    flashed(story)
    assert story.said[-1][0] == "issued"
    story.file("quote-added", ref="E3")
    assert story.said[-1][::2] == ("suppressed", ("E3",))
    assert story.last.alert.reason == f"muted by {story.said[0][1]}"
    story.move(600)
    story.file("quote-added", ref="E4")
    assert story.said[-1][::2] == ("issued", ("E4",))


def test_a_flash_of_a_person_mutes_as_well() -> None:
    """Who muted the story is not asked: a flash that a person issued mutes like the policy's."""
    story = Alerting(POLICY)
    story.file("statement-issued", ref="E2")
    alert = {"ref": "A1", "level": "flash", "derived_from": ["E2"], "reason": "it is big"}
    story.file("alert-issued", by=BEN, alert=alert, seconded_by=ADA.name)
    story.file("quote-added", ref="E3")
    assert story.said[-1][::2] == ("suppressed", ("E3",))
    assert story.last.alert.reason == "muted by A1"


def test_nothing_alerts_before_it_is_released() -> None:
    """What is under embargo alerts when the embargo ends, and not before."""
    story = Alerting(POLICY)
    story.file("quote-added", ref="E2", embargo_until=at(story.now + 60_000))
    assert story.said == []
    story.move(60)
    story.file("embargo-lifted", target="E2")
    assert story.said == [("issued", "alert-3", ("E2",))]


def test_nothing_alerts_in_a_story_that_is_not_out() -> None:
    """While the opening of a story is under embargo nothing of the story alerts."""
    story = Alerting(POLICY, embargo_until="2031-01-01T00:00:00Z")
    story.file("quote-added", ref="E2")
    story.file("quote-added", ref="E3")
    assert story.said == []
    story.file("embargo-broken", target="E1", reason="it is all over town")
    assert story.said == [("issued", "alert-4", ("E2", "E3"))]


def test_absence_is_not_news() -> None:
    """That an answer is awaited alerts nobody; the answer does."""
    story = Alerting(POLICY)
    story.file("response-awaited", ref="E2", response={"ref": "P1", "awaited_from": "org:k"})
    assert story.said == []
    story.file("response-received", ref="E3", resolves="P1")
    story.move(31)
    assert story.said[-1][::2] == ("issued", ("E3",))


def test_an_overdue_answer_reminds_the_desk() -> None:
    """An answer that is overdue reminds the desk, once, and nobody else."""
    story = Alerting(POLICY)
    due = {"ref": "P1", "awaited_from": "org:k", "due_at": at(story.now + 60_000)}
    story.file("response-awaited", ref="E2", response=due)
    story.move(119)
    assert story.said == []
    story.move(1)
    assert story.said == [("issued", "alert-2.overdue", ("E2",))]
    assert story.last.alert.audience == "desk"
    story.move(10_000)
    assert len(story.said) == 1


def test_an_answer_in_time_reminds_nobody() -> None:
    """Once the answer is there nobody is reminded; when it is withdrawn, the wait goes on."""
    story = Alerting(POLICY)
    due = {"ref": "P1", "awaited_from": "org:k", "due_at": at(story.now + 60_000)}
    story.file("response-awaited", ref="E2", response=due)
    story.file("response-received", ref="E3", resolves="P1")
    story.move(3_600)
    assert [each for each in story.said if each[2] == ("E2",)] == []
    story.file("withdrawn", target="E3", reason="it was another's")
    story.move(1)
    assert ("issued", "alert-2.overdue", ("E2",)) in story.said


def test_a_silence_keeps_alerts_back_until_it_ends() -> None:
    """While a story is silenced its alerts are kept back, with author, reason and end."""
    story = Alerting(POLICY)
    until = at(story.now + 60_000)
    silence = {"ref": "S1", "until": until, "levels": ["regular"]}
    story.file("silence-added", silence=silence, reason="the family is being told")
    story.file("quote-added", ref="E2")
    assert story.said[-1][::2] == ("suppressed", ("E2",))
    assert story.last.alert.reason.startswith("silenced by desk:ada until 2025-10-10T18:14:20Z")
    story.file("outcome-reported", ref="E3")
    story.move(61)
    assert story.said[-1][::2] == ("issued", ("E3",))
    story.file("quote-added", ref="E4")
    assert story.said[-1][::2] == ("issued", ("E4",))


def test_a_silence_can_be_removed() -> None:
    """A silence that was removed keeps nothing back."""
    story = Alerting(POLICY)
    silence = {"ref": "S1", "until": at(story.now + 60_000)}
    story.file("silence-added", silence=silence, reason="the family is being told")
    story.file("silence-removed", silence="S1", reason="the family knows")
    story.file("quote-added", ref="E2")
    assert story.said[-1][0] == "issued"


def test_history_does_not_alert() -> None:
    """News that was published elsewhere long ago is history when it is imported."""
    story = Alerting(POLICY)
    story.file("quote-added", ref="E2", filed_at=at(story.now - 2 * 3_600_000))
    story.file("quote-added", ref="E3", filed_at=at(story.now - 60_000))
    assert story.said == [("issued", "alert-3", ("E3",))]


def test_what_comes_too_late_is_no_news() -> None:
    """What could not be decided for hours, as the server was down, does not go out any more."""
    story = Alerting(POLICY, settles=False)
    story.file("quote-added", ref="E2")
    story.now += 7 * 3_600_000
    story.settle()
    assert story.said[-1][0] == "suppressed"
    assert "no news any more" in story.last.alert.reason


def test_what_went_out_does_not_go_out_again() -> None:
    """What was held after its alert went out, and is released again, alerts nobody again."""
    story = Alerting(POLICY)
    story.file("quote-added", ref="E2")
    story.file("held", target="E2", reason="is it so?")
    story.file("hold-released", target="E2", reason="it is")
    story.move(3_600)
    assert story.said == [("issued", "alert-2", ("E2",))]


def test_each_decision_has_an_id_of_its_own() -> None:
    """A flash that becomes a bulletin, and waits as one, is decided three times by three ids."""
    wait = '[levels.bulletin]\nwait = "1m"\n'
    story = Alerting(wait + POLICY)
    story.file("figure-reported", ref="E2", figures=[COUNT], urgency=1)
    story.move(200)
    assert [kind for kind, _, _ in story.said] == ["deferred", "deferred", "issued"]
    assert len({decision.id for decision in story.filed_alerts}) == 3
    assert {decision.cause for decision in story.filed_alerts} == {"event-2"}


def test_one_event_may_lead_to_several_alerts() -> None:
    """When a story comes out, each route that takes something of it has an alert of its own."""
    story = Alerting(POLICY, embargo_until="2031-01-01T00:00:00Z")
    story.file("quote-added", ref="E2")
    story.file("outcome-reported", ref="E3")
    story.file("embargo-broken", target="E1", reason="it is all over town")
    story.move(31)
    issued = {refs: alert for kind, alert, refs in story.said if kind == "issued"}
    assert issued.keys() == {("E2",), ("E3",)}
    assert set(issued.values()) == {"alert-4", "alert-4.2"}


@pytest.mark.parametrize(
    ("due", "corrected", "reminded_after"),
    [(None, 600, [659, 660]), (60, 600, [659, 660]), (60, None, [])],
)
def test_the_desk_is_reminded_when_an_answer_is_due_now(
    due: int | None, corrected: int | None, reminded_after: list[int]
) -> None:
    """A time that an answer got later, or lost, by a correction decides when the desk is told."""
    story = Alerting(POLICY)

    def at_second(second: int | None) -> str | None:
        return None if second is None else at(story.now + second * 1000).replace("+00:00", "Z")

    old, new = at_second(due), at_second(corrected)
    response = {"ref": "P1", "awaited_from": "org:k"} | ({"due_at": old} if old else {})
    story.file("response-awaited", ref="E2", response=response)
    story.file("corrected", target="P1", field="due_at", old=old, new=new, note="as they said")
    before, then = reminded_after or (7_000, 7_001)
    story.move(before)
    assert story.said == []
    story.move(then - before)
    assert len(story.said) == bool(reminded_after)


def test_a_flash_mutes_what_the_policy_says_and_no_more() -> None:
    """A level that a rule does not name goes out beside the flash."""
    story = Alerting(POLICY.replace('mutes = ["urgent", "regular"]', 'mutes = ["regular"]'))
    flashed(story)
    story.file("outcome-reported", ref="E8")
    story.file("quote-added", ref="E9")
    story.move(31)
    ended = {refs: kind for kind, _, refs in story.said}
    assert (ended["E8",], ended["E9",]) == ("issued", "suppressed")


def test_nobody_seconds_a_flash_of_their_own() -> None:
    """Who filed a flash may let it go after a hold; it still waits for somebody else."""
    story = Alerting(POLICY)
    story.file("figure-reported", ref="E2", urgency=1, figures=[COUNT])
    story.file("held", target="E2", reason="to be checked")
    story.file("hold-released", target="E2", reason="it is so")
    assert story.said[-1][0] == "deferred"
    story.file("held", target="E2", reason="to be checked")
    story.file("hold-released", BEN, target="E2", reason="it is so")
    assert (story.said[-1][0], story.last.alert.level) == ("issued", "flash")
