"""What follows an alert of news that is corrected, withdrawn or held."""

from typing import Any

import pytest
from alerting import COUNT, POLICY, Alerting, flashed
from filings import ADA, BEN


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
