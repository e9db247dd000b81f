"""The desk's rules, each as what a reporter or editor would meet."""

from functools import partial
from typing import Any, cast

import pytest
from filings import ADA, BEN, NOW, TOMORROW, Story, development, opened, refused

from events.errors import Refused
from producers.case import Actor
from producers.decide import decide
from producers.desk import Desk

DAY = 86_400_000
FIGURE = {"ref": "F1", "measure": "children", "value": 8, "source": "person:a"}


def test_a_story_begins_with_its_opening_once() -> None:
    """The first event of a story is story-opened, and there is one."""
    refused("story-opened-first", lambda: Story().file("quote-added"))
    refused("story-opened-once", lambda: opened().file("story-opened", title="Again"))


def test_no_story_is_named_all() -> None:
    """A story cannot take the name by which the feed of all stories is asked for."""
    opens = development("story-opened", title="A story", headline="It opens")
    refused("story-slug", lambda: decide("all", opens, Desk(), ADA, NOW))


def test_the_desk_gives_refs() -> None:
    """A development without a ref gets the next free one, d and its version."""
    story = opened()
    assert story.file("quote-added") == "d2"
    story.file("quote-added", ref="d4")
    assert story.file("quote-added", claims=[{"ref": "d5", "text": "x"}]) == "d6"


def test_a_ref_names_one_thing() -> None:
    """A ref is used once in a story, whatever it names, also within a filing."""
    story = opened()
    story.file("quote-added", ref="Q1", claims=[{"ref": "C1", "text": "said"}])
    refused("ref-free", lambda: story.file("quote-added", ref="C1"))
    refused("ref-free", lambda: story.file("quote-added", claims=[{"ref": "Q1", "text": "x"}]))
    twice = [{"ref": "C2", "text": "x"}, {"ref": "C2", "text": "y"}]
    refused("ref-free", lambda: story.file("quote-added", claims=twice))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("quote-added", {"attribution": {"speaker": "outlet", "at": "R9"}}),
        ("figure-reported", {"figures": [FIGURE | {"part_of": "F9"}]}),
        ("response-awaited", {"response": {"ref": "P1", "awaited_from": "org:k", "about": ["C9"]}}),
        ("response-received", {"resolves": "P9"}),
        ("withdrawn", {"target": "E1", "reason": "r", "replacement": "E9"}),
        ("verification-asserted", {"verification": {"of": ["C9"], "verifier": "org:g"}}),
        ("conflict-noted", {"conflict": {"between": ["F8", "F9"], "nature": "quantity"}}),
        ("corrected", {"target": "E9", "field": "headline", "old": "a", "new": "b", "note": "n"}),
        ("refiled", {"target": "E9", "headline": "b", "note": "n"}),
        ("held", {"target": "E9", "reason": "r"}),
        ("withdrawn", {"target": "E9", "reason": "r"}),
        ("redacted", {"target": "E9", "fields": ["body"], "reason_code": "r", "legal_basis": "l",
                      "ordered_by": "o"}),
        ("alert-issued", {"alert": {"ref": "A1", "level": "urgent", "derived_from": ["E9"],
                                    "reason": "r"}}),
    ],
)  # fmt: skip
def test_what_is_pointed_at_exists(kind: str, fields: dict[str, Any]) -> None:
    """A filing points only at what is in its story, or in itself."""
    refused("ref-known", lambda: opened().file(kind, **fields))


def test_an_answer_ends_one_wait() -> None:
    """A response is answered once; a relayed position does not answer it."""
    story = opened()
    story.file("response-awaited", ref="W", response={"ref": "P1", "awaited_from": "org:kremlin"})
    story.file(
        "position-relayed", claims=[{"ref": "C1", "text": "x", "position_of": "org:kremlin"}]
    )
    assert [wait["ref"] for wait in story.state()["pending"]] == ["P1"]
    refused("shape", lambda: story.file("position-relayed", resolves="P1"))
    story.file("response-received", ref="A", resolves="P1")
    refused("still-awaited", lambda: story.file("response-declined", resolves="P1"))
    story.file("withdrawn", target="A", reason="a hoax")
    story.file("response-declined", resolves="P1")
    assert story.state()["resolved"][0]["how"] == "declined"


def test_a_withdrawn_question_awaits_nothing() -> None:
    """When the awaiting development is withdrawn, nobody can answer it."""
    story = opened()
    story.file("response-awaited", ref="W", response={"ref": "P1", "awaited_from": "org:kremlin"})
    story.file("withdrawn", target="W", reason="nobody was expected to answer")
    refused("still-awaited", lambda: story.file("response-received", resolves="P1"))
    assert story.state()["pending"] == []


def test_a_closed_story_takes_only_what_puts_it_right() -> None:
    """After closing, only corrections, refilings, holds, withdrawals and reopening remain."""
    story = opened()
    story.file("quote-added", ref="Q", headline="One says so")
    story.file("story-closed", reason="over")
    refused("story-closed", lambda: story.file("quote-added"))
    refused("story-closed", lambda: story.file("story-closed", reason="again"))
    story.file("corrected", target="Q", field="headline", old="One says so", new="Two", note="n")
    story.file("held", target="Q", reason="r")
    story.file("story-reopened", reason="news")
    story.file("quote-added")
    refused("story-closed", lambda: story.file("story-reopened", reason="open already"))


def test_a_conflict_is_between_claims_or_figures() -> None:
    """What does not agree is what somebody said: a development, a letter or a wait is neither."""
    story = opened()
    story.file("quote-added", ref="Q", claims=[{"ref": "C1", "text": "x"}])
    refused(
        "ref-known",
        lambda: story.file(
            "conflict-noted", conflict={"between": ["C1", "Q"], "nature": "quantity"}
        ),
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("embargo_until", TOMORROW),
        ("needs_approval", True),
        ("claims", [{"ref": "C1", "text": "a claim"}]),
    ],
)
def test_acts_take_effect_at_once(field: str, value: Any) -> None:
    """An embargo that an act would not keep is refused, as is what nobody would be shown."""
    story = opened()
    fixed: dict[str, Any] = {
        "target": "E1",
        "field": "headline",
        "old": "A story-opened happens",
        "new": "B",
    }
    refused("act-at-once", lambda: story.file("corrected", **fixed, note="n", **{field: value}))


def test_nothing_points_at_itself() -> None:
    """A conflict has two sides, a replacement is another one, a response is not about itself."""
    story = opened()
    story.file("statement-issued", ref="D", headline="h", claims=[{"ref": "C1", "text": "t"}])
    twice = {"between": ["C1", "C1"], "nature": "quantity"}
    refused("ref-other", lambda: story.file("conflict-noted", conflict=twice))
    same: dict[str, Any] = {"target": "D", "replacement": "D", "reason": "error"}
    refused("ref-other", lambda: story.file("withdrawn", **same))
    asked = {"ref": "P1", "awaited_from": "org:a", "about": ["P1"]}
    refused("ref-other", lambda: story.file("response-awaited", headline="h", response=asked))
    said = {"speaker": "outlet", "at": "S"}
    refused("ref-other", lambda: story.file("quote-added", ref="S", attribution=said))
    of = {"of": ["V"], "verifier": "org:g"}
    refused("ref-other", lambda: story.file("verification-asserted", ref="V", verification=of))


def test_anyone_holds_and_an_editor_releases() -> None:
    """Holding takes no more than filing; releasing takes the right to publish."""
    reporter = Actor("desk:rae", frozenset({"file"}))
    story = opened()
    story.file("quote-added", ref="Q")
    story.file("held", by=reporter, target="Q", reason="call the lawyer")
    refused("state", lambda: story.file("held", target="Q", reason="twice"))
    refused("scope", lambda: story.file("hold-released", by=reporter, target="Q", reason="ok"))
    story.file("hold-released", target="Q", reason="cleared")
    refused("state", lambda: story.file("hold-released", target="Q", reason="twice"))


@pytest.mark.parametrize(
    "kind", ["corrected", "withdrawn", "published", "redacted", "alert-issued"]
)
def test_rights_are_asked_for(kind: str) -> None:
    """Each kind needs its scope, and the refusal names it."""
    fields: dict[str, dict[str, Any]] = {
        "corrected": {"target": "E1", "field": "title", "old": "A story", "new": "B", "note": "n"},
        "withdrawn": {"target": "E1", "reason": "r"},
        "published": {"target": "E1"},
        "redacted": {"target": "E1", "fields": ["body"], "reason_code": "r", "legal_basis": "l",
                     "ordered_by": "o"},
        "alert-issued": {"alert": {"ref": "A", "level": "urgent", "derived_from": ["E1"],
                                   "reason": "r"}},
    }  # fmt: skip
    story = opened()
    refused("scope", lambda: story.file(kind, by=Actor("x", frozenset({"file"})), **fields[kind]))


def test_two_people_publish_where_the_desk_wants_two() -> None:
    """What a reporter filed is seen once somebody else has published it."""
    story = opened()
    story.file("quote-added", by=Actor("desk:ada", needs_second=True), ref="Q")
    assert story.state()["timeline"][0]["status"] == "filed"
    assert story.state(public=True)["timeline"] == []
    refused("second-person", lambda: story.file("published", target="Q"))
    story.file("published", by=BEN, target="Q")
    refused("state", lambda: story.file("published", by=BEN, target="Q"))
    assert len(story.state(public=True)["timeline"]) == 1
    story.file("held", by=Actor("desk:ada", needs_second=True), target="Q", reason="at once")
    assert story.state(public=True)["timeline"] == []


def test_an_embargo_ends_by_the_clock_or_with_a_reason() -> None:
    """An embargo lies in the future, is lifted when it is over and broken only with a reason."""
    story = opened()
    refused(
        "embargo-future", lambda: story.file("quote-added", embargo_until="2025-10-01T00:00:00Z")
    )
    story.file("quote-added", ref="Q", embargo_until=TOMORROW)
    assert story.state(public=True)["timeline"] == []
    refused("embargo-over", lambda: story.file("embargo-lifted", target="Q"))
    refused("shape", lambda: story.file("embargo-broken", target="Q"))
    story.now += 2 * DAY
    story.file("embargo-lifted", target="Q")
    assert story.state(public=True)["timeline"][0]["ref"] == "Q"
    refused("state", lambda: story.file("embargo-broken", target="Q", reason="late"))


def test_trust_moves_by_steps_and_by_two() -> None:
    """Verification starts where it is, takes known steps, and needs a second person."""
    story = opened()
    story.file("quote-added", claims=[{"ref": "C1", "text": "x"}])

    def change(before: str, after: str, second: str = "desk:ben") -> str:
        return story.file(
            "verification-changed",
            of="C1",
            basis="two documents",
            seconded_by=second,
            **cast("dict[str, Any]", {"from": before, "to": after}),
        )

    refused("verification-step", lambda: change("attributed", "confirmed"))
    refused("second-person", lambda: change("attributed", "corroborated", ADA.name))
    refused("old-matches", lambda: change("disputed", "attributed"))
    change("attributed", "corroborated")
    change("corroborated", "confirmed")
    assert story.state()["claims"]["C1"]["status"] == "confirmed"


def test_asserting_verification_confirms_nothing() -> None:
    """That somebody says it was verified is a claim of theirs."""
    story = opened()
    story.file("quote-added", claims=[{"ref": "C1", "text": "x"}])
    asserted = {"of": ["C1"], "verifier": "org:government"}
    story.file("verification-asserted", verification=asserted)
    assert story.state()["claims"]["C1"]["status"] == "attributed"


def test_a_flash_takes_two_people() -> None:
    """A flash names a second person; an update names the alert that it updates."""
    story = opened()
    flash = {"ref": "A1", "level": "flash", "derived_from": ["E1"], "reason": "r"}
    refused("second-person", lambda: story.file("alert-issued", alert=flash))
    for same in (ADA.name, f"{ADA.name} ", ADA.name.upper()):
        refused("second-person", lambda: story.file("alert-issued", alert=flash, seconded_by=same))  # noqa: B023 - called at once
    story.file("alert-issued", alert=flash, seconded_by=BEN.name)
    update = flash | {"ref": "A2", "msg_type": "Update"}
    refused("alert-type", lambda: story.file("alert-corrected", alert=flash | {"ref": "A2"}))
    refused("alert-refers", lambda: story.file("alert-corrected", alert=update))
    story.file("alert-corrected", alert=update | {"references": ["A1"]})
    assert [(a["ref"], a["state"]) for a in story.state()["alerts"]] == [
        ("A1", "corrected"),
        ("A2", "corrected"),
    ]


def test_a_legal_hold_blocks_erasure() -> None:
    """Nothing under a legal hold, on it or on its story, is redacted."""
    story = opened()
    story.file("quote-added", ref="Q", body="words")
    redaction: dict[str, Any] = {
        "target": "Q",
        "fields": ["body"],
        "reason_code": "privacy",
        "legal_basis": "court order",
        "ordered_by": "the court",
    }
    targets: list[dict[str, Any]] = [{"target": "Q"}, {}]
    for target in targets:
        story.file("legal-hold-placed", reason="lawsuit", **target)
        again = partial(story.file, "legal-hold-placed", reason="x", **target)
        refused("legal-hold", again)
        with pytest.raises(Refused, match=f"found one on {target.get('target', 'the story')}$"):
            story.file("redacted", **redaction)
        story.file("legal-hold-lifted", reason="settled", **target)
    story.file("redacted", **redaction)
    assert "body" not in story.state()["timeline"][0]


def test_clocks_are_not_mixed_up() -> None:
    """Imported history is past, and an answer is due after it was asked for."""
    past: dict[str, Any] = {"filed_at": "2025-01-01T00:00:00Z"}
    opened().file("quote-added", **past, embargo_until="2025-01-02T00:00:00Z")
    refused("filed-at-past", lambda: opened().file("quote-added", filed_at="2031-01-01T00:00:00Z"))
    asked = {
        "ref": "P1",
        "awaited_from": "org:k",
        "asked_at": "2025-10-10T12:00:00Z",
        "due_at": "2025-10-10T11:00:00Z",
    }
    refused("due-after-asked", lambda: opened().file("response-awaited", response=asked))
    assert NOW > 0


@pytest.mark.parametrize(
    "due_at", ["2025-10-10", "2025-10-10T12:00", "2016-12-31T23:59:60Z", "noon", ["2025"]]
)
def test_what_is_no_time_is_refused_with_one_that_is(due_at: Any) -> None:
    """A day, a time of nowhere and a leap second are refused, and the refusal shows a time."""
    wait = {"ref": "P1", "awaited_from": "org:k", "due_at": due_at}
    error = refused("shape", lambda: opened().file("response-awaited", response=wait))
    assert error.field == "response.due_at"
    assert "2025-10-10T18:00:00Z" in error.expected


def test_a_withdrawn_development_is_left_alone() -> None:
    """What was withdrawn is not corrected, held or withdrawn again, and the opening stays."""
    story = opened()
    story.file("quote-added", ref="Q", headline="x")
    story.file("withdrawn", target="Q", reason="a hoax")
    refused("state", lambda: story.file("withdrawn", target="Q", reason="again"))
    refused("state", lambda: story.file("held", target="Q", reason="again"))
    refused(
        "stands",
        lambda: story.file("corrected", target="Q", field="headline", old="x", new="y", note="n"),
    )
    refused("opening-stays", lambda: story.file("withdrawn", target="E1", reason="r"))
