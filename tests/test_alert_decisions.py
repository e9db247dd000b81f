"""What of the news alerts, when, at which level, and what follows it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from alerting import Alerting
from filings import ADA, BEN

POLICY = """
[levels.urgent]
wait = "30s"
interval = "5m"

[[inhibit]]
by = "flash"
mutes = ["urgent", "regular"]
for = "10m"

[overdue]
level = "regular"
after = "1m"

[[route]]
name = "deaths"
level = "flash"
kinds = ["figure-reported"]
urgency = 1

[[route]]
name = "outcomes"
level = "urgent"
kinds = ["outcome-reported", "response-received"]

[[route]]
name = "remarks"
level = "regular"
kinds = ["remarks-delivered", "quote-added"]
"""
COUNT = {"ref": "F1", "measure": "children", "value": 9, "source": "person:a"}


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


def flashed(story: Alerting, ref: str = "E2") -> None:
    """File something that goes out as a flash at once: one files it, another publishes it."""
    reporter = ADA._replace(needs_second=True)
    story.file("figure-reported", by=reporter, ref=ref, figures=[COUNT], urgency=1)
    story.file("published", by=BEN, target=ref)


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


def test_a_correction_follows_the_alert() -> None:
    """A corrected figure behind an alert makes an update that names the alert and the change."""
    story = Alerting(POLICY)
    flashed(story)
    first = story.said[0][1]
    fixed: dict[str, Any] = {
        "target": "F1",
        "field": "value",
        "old": 9,
        "new": 8,
        "note": "miscounted",
    }
    story.file("corrected", ref="K1", **fixed)
    assert story.said[-1][0] == "corrected"
    assert (story.last.alert.msg_type, story.last.alert.references) == ("Update", (first,))
    assert story.last.alert.reason == "F1 value: 9 is now 8: miscounted"
    assert story.alerted(first).state == "corrected"


def test_a_later_correction_stands_for_those_before_it() -> None:
    """A second correction names the first beside the alert and says what both corrected."""
    story = Alerting(POLICY)
    flashed(story)
    first = story.said[0][1]
    fixed: dict[str, Any] = {"target": "F1", "field": "value", "note": "miscounted"}
    story.file("corrected", **fixed, old=9, new=8)
    second = story.said[-1][1]
    story.file("corrected", **fixed, old=8, new=7)
    assert story.last.alert.references == (first, second)
    assert story.last.alert.reason == (
        "F1 value: 9 is now 8: miscounted; F1 value: 8 is now 7: miscounted"
    )


def test_a_correction_of_several_alerts_is_left_to_itself() -> None:
    """What a person corrected of two alerts at once is not taken back for a correction of one."""
    story = Alerting(POLICY)
    story.file("quote-added", ref="E2", headline="One")
    story.file("quote-added", ref="E3", headline="Two")
    one, two = (alert for _, alert, _ in story.said)
    both = {"ref": "K1", "level": "regular", "derived_from": ["E2"], "msg_type": "Update"}
    both |= {"references": [one, two], "reason": "neither was said today"}
    story.file("alert-corrected", alert=both)
    story.file("corrected", target="E2", field="headline", old="One", new="Won", note="a slip")
    assert story.last.alert.references == (one,)


def test_a_correction_of_what_alerted_nobody_follows_nothing() -> None:
    """Where no alert went out a correction alerts nobody."""
    story = Alerting(POLICY)
    story.file("statement-issued", ref="E2", headline="Nine are well")
    fix: dict[str, Any] = {
        "field": "headline",
        "old": "Nine are well",
        "new": "Eight are well",
        "note": "a slip",
    }
    story.file("corrected", target="E2", **fix)
    story.file("outcome-reported", ref="E4", headline="Nine are well")
    story.file("corrected", target="E4", **fix)
    assert [kind for kind, _, _ in story.said] == ["deferred"]
    story.move(31)
    assert (story.said[-1][0], story.last.headline) == ("issued", "Eight are well")


def test_a_withdrawal_retracts_the_alert() -> None:
    """When what is behind an alert is withdrawn, the alert is cancelled; nothing follows that."""
    story = Alerting(POLICY)
    story.file("quote-added", ref="E2")
    story.file("withdrawn", target="E2", reason="nobody said so")
    assert story.said[-1] == ("retracted", "alert-4", ("E2",))
    assert (story.last.alert.msg_type, story.last.alert.references) == ("Cancel", ("alert-2",))
    assert story.alerted("alert-2").state == "retracted"
    assert story.last.alert.reason == "E2 is withdrawn: nobody said so"


def test_an_alert_of_which_something_stands_is_updated() -> None:
    """When one of two developments behind an alert is withdrawn, the other still stands."""
    story = Alerting(POLICY)
    story.file("outcome-reported", ref="E2", headline="One")
    story.file("outcome-reported", ref="E3", headline="Two")
    story.move(31)
    story.file("withdrawn", target="E2", reason="not so")
    assert (story.said[-1][0], story.last.alert.msg_type) == ("corrected", "Update")
    assert story.last.headline == "Two"
    story.file("withdrawn", target="E3", reason="not so either")
    assert (story.said[-1][0], story.last.alert.msg_type) == ("retracted", "Cancel")


def test_what_is_withdrawn_in_time_never_goes_out() -> None:
    """What is withdrawn while it waits does not go out, and it is said why."""
    story = Alerting(POLICY)
    story.file("outcome-reported", ref="E2")
    story.file("withdrawn", target="E2", reason="not so")
    assert story.said[-1] == ("suppressed", "alert-2", ("E2",))
    assert story.last.alert.reason == "withdrawn before it went out"
    story.move(3_600)
    assert len(story.said) == 2


def test_what_is_held_waits_for_its_release() -> None:
    """What is held while it waits goes out when it is released, in a group of its own."""
    story = Alerting(POLICY)
    story.file("outcome-reported", ref="E2")
    story.file("held", target="E2", reason="is it so?")
    assert story.last.alert.reason == "held before it went out"
    story.move(60)
    story.file("hold-released", target="E2", reason="it is")
    story.move(31)
    assert story.said[-1][::2] == ("issued", ("E2",))


def test_a_correction_waits_while_its_development_is_held() -> None:
    """Nobody is told a correction of something that is held; it follows on the release."""
    story = Alerting(POLICY)
    story.file("quote-added", ref="E2", headline="One")
    story.file("held", target="E2", reason="is it so?")
    fix: dict[str, Any] = {"field": "headline", "old": "One", "new": "Two", "note": "a slip"}
    story.file("corrected", target="E2", **fix)
    assert [kind for kind, _, _ in story.said] == ["issued"]
    story.file("hold-released", target="E2", reason="it is")
    assert story.said[-1][0] == "corrected"


def test_the_last_of_several_corrections_is_told() -> None:
    """Where there is no room for all that was corrected meanwhile, the last of it is told whole."""
    story = Alerting(POLICY)
    story.file("quote-added", ref="E2", headline="One")
    story.file("held", target="E2", reason="is it so?")
    fix: dict[str, Any] = {"target": "E2", "field": "headline"}
    story.file("corrected", **fix, old="One", new="Two", note="a slip " * 120)
    story.file("corrected", **fix, old="Two", new="Three", note="two slips")
    story.file("hold-released", target="E2", reason="it is")
    assert story.last.alert.reason.endswith("a slip ; E2 headline: Two is now Three: two slips")


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


def test_an_alert_of_the_desk_is_followed_too() -> None:
    """Where a person decided to alert, corrections follow just the same, and it is not repeated."""
    story = Alerting(POLICY)
    story.file("outcome-reported", ref="E2", headline="One")
    alert = {"ref": "A1", "level": "flash", "derived_from": ["E2"], "reason": "it is big"}
    story.file("alert-issued", by=BEN, alert=alert, seconded_by=ADA.name)
    story.move(3_600)
    assert [kind for kind, _, _ in story.said] == ["deferred", "issued"]
    fix: dict[str, Any] = {"field": "headline", "old": "One", "new": "Two", "note": "a slip"}
    story.file("corrected", target="E2", **fix)
    assert story.last.alert.references == ("A1",)


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


@pytest.mark.parametrize("source", ["F1", "C1", "alert-3"])
def test_corrections_follow_what_a_person_alerted_of(source: str) -> None:
    """An alert that a person makes of a figure, a claim or an alert is corrected and retracted."""
    story = Alerting(f"{POLICY}\n[[route]]\nname = 'rest'\nlevel = 'regular'")
    claim = {"ref": "C1", "text": "All are home", "speaker": "org:a"}
    story.file("statement-issued", ref="E2", figures=[COUNT], claims=[claim])
    alert = {"ref": "A1", "level": "urgent", "derived_from": [source], "reason": "it is big"}
    story.file("alert-issued", alert=alert)
    story.file("corrected", BEN, target="F1", field="value", old=9, new=8, note="counted twice")
    assert sorted(story.followed_by("corrected")) == ["A1", "alert-3"]
    story.file("withdrawn", BEN, target="E2", reason="it was not so")
    assert sorted(story.followed_by("retracted")) == ["A1", "alert-3"]


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
