"""What a story looks like after what happened in it."""

import itertools
from typing import Any

from filings import ADA, BEN, opened
from hypothesis import given
from hypothesis import strategies as st

from consumers.stories.parts import Parts
from consumers.stories.state import part_of, row_of
from consumers.stories.story import evolve, fold
from events.errors import Refused
from events.vocabulary import Erased, Unknown

WAIT = {"ref": "P1", "awaited_from": "org:kremlin", "about": []}
FIGURE = {"ref": "F1", "measure": "children", "value": 8, "source": "person:a"}


def test_an_answer_ends_the_wait() -> None:
    """Once the Kremlin answers, the story no longer awaits it."""
    story = opened()
    story.file("response-awaited", response=WAIT)
    story.file("response-received", ref="A", resolves="P1")
    state = story.state()
    assert state["pending"] == []
    assert [(r["ref"], r["by"], r["how"]) for r in state["resolved"]] == [("P1", "A", "received")]


def test_withdrawing_the_answer_opens_the_wait_again() -> None:
    """The kill of an answer leaves its question awaited as before."""
    story = opened()
    story.file("response-awaited", response=WAIT)
    story.file("response-received", ref="A", resolves="P1")
    story.file("withdrawn", target="A", reason="not from the Kremlin")
    assert [wait["ref"] for wait in story.state()["pending"]] == ["P1"]
    assert story.state()["resolved"] == []


def test_a_wait_runs_late_by_the_clock() -> None:
    """An answer is overdue once its time has passed, and not before."""
    story = opened()
    story.file("response-awaited", response=WAIT | {"due_at": "2025-10-12T00:00:00Z"})
    assert not story.state(now="2025-10-11T00:00:00Z")["pending"][0]["overdue"]
    assert story.state(now="2025-10-13T00:00:00Z")["pending"][0]["overdue"]


def test_nobody_is_said_to_have_been_asked() -> None:
    """Awaiting a response does not claim that anyone was asked."""
    story = opened()
    story.file("response-awaited", response=WAIT)
    assert story.state()["pending"][0]["asked_at"] is None


def test_the_lead_is_the_most_urgent_that_stands() -> None:
    """The smallest urgency leads, the latest of equals, and what falls away stops leading."""
    story = opened()
    story.file("quote-added", ref="A", urgency=2, headline="first")
    story.file("quote-added", ref="B", urgency=2, headline="second")
    story.file("quote-added", ref="C", urgency=5)
    assert story.state()["lead"] == {"ref": "B", "headline": "second"}
    story.file("held", target="B", reason="r")
    assert story.state()["lead"]["ref"] == "A"
    story.file("withdrawn", target="A", reason="r")
    assert story.state()["lead"]["ref"] == "C"
    story.file("hold-released", target="B", reason="r")
    assert story.state()["lead"]["ref"] == "B"


def test_a_held_development_takes_its_claims_along() -> None:
    """While a development is held, readers see none of what it brought; afterwards all of it."""
    story = opened()
    story.file(
        "figure-reported",
        ref="D",
        figures=[FIGURE],
        claims=[{"ref": "C1", "text": "x"}],
        people=["person:a"],
    )
    before = story.state(public=True)
    story.file("held", target="D", reason="r")
    public = story.state(public=True)
    assert public["timeline"] == []
    assert (public["claims"], public["figures"], public["people"]) == ({}, {}, [])
    assert story.state()["timeline"][0]["status"] == "held"
    story.file("hold-released", target="D", reason="r")
    after = story.state(public=True)
    for section in ("claims", "figures", "people", "timeline"):
        assert after[section] == before[section]


def test_a_withdrawal_leaves_a_tombstone() -> None:
    """Readers see that something was withdrawn, and no longer what it said."""
    story = opened()
    story.file("quote-added", ref="Q", headline="a mistaken headline")
    story.file("quote-added", ref="R", headline="another")
    story.file("withdrawn", target="Q", reason="a hoax", replacement="R")
    (stone, other) = story.state(public=True)["timeline"]
    assert (stone["ref"], stone["status"], stone["headline"]) == ("Q", "withdrawn", None)
    assert (stone["reason"], stone["replacement"]) == ("a hoax", "R")
    assert other["ref"] == "R"
    assert story.state()["timeline"][0]["headline"] == "a mistaken headline"


def test_what_was_never_public_leaves_no_tombstone() -> None:
    """Withdrawing what readers never saw tells them nothing."""
    story = opened()
    story.file("quote-added", ref="Q", embargo_until="2031-01-01T00:00:00Z")
    before = story.state(public=True)
    story.file("withdrawn", target="Q", reason="r")
    assert story.state(public=True) == before


def test_nobody_learns_of_what_is_not_released() -> None:
    """An embargoed, held or unapproved development changes not a byte of the public state."""
    story = opened()
    story.file("quote-added", ref="Q")
    before = story.state(public=True)
    story.file("quote-added", ref="X", embargo_until="2031-01-01T00:00:00Z", people=["person:x"])
    story.file("held", target="X", reason="r")
    story.file("figure-reported", figures=[FIGURE], needs_approval=True)
    assert story.state(public=True) == before


def test_an_embargoed_revision_keeps_its_number() -> None:
    """A source's new number shows once the development that brings it is released."""
    story = opened()
    story.file("figure-reported", figures=[FIGURE])
    story.file(
        "figure-revised",
        ref="V",
        target="F1",
        value=9,
        source="person:a",
        embargo_until="2031-01-01T00:00:00Z",
    )
    assert story.state(public=True)["figures"]["F1"]["value"] == 8
    story.file("embargo-broken", target="V", reason="it is out")
    assert story.state(public=True)["figures"]["F1"]["value"] == 9
    story.file("figure-revised", ref="V2", target="F1", value=10, source="person:a")
    story.file("withdrawn", target="V", reason="misheard")
    figure = story.state()["figures"]["F1"]
    assert (figure["value"], [old["value"] for old in figure["history"]]) == (10, [8])


def test_an_unreleased_story_is_not_there() -> None:
    """A story whose opening is under embargo does not exist for readers."""
    story = opened(embargo_until="2031-01-01T00:00:00Z")
    story.file("quote-added")
    assert not story.is_public()
    story.file("embargo-broken", target="E1", reason="it is out")
    assert story.is_public()
    assert story.state(public=True)["title"] == "A story"


def test_private_notes_show_nowhere() -> None:
    """No state, public or internal, holds private text."""
    story = opened()
    story.file("quote-added", private={"notes": "UNSAYABLE", "sources": ["a friend, UNSAYABLE"]})
    assert "UNSAYABLE" not in str(story.state())


def test_sources_stand_beside_each_other() -> None:
    """Two sources' numbers for one measure are both kept, each with whose it is."""
    story = opened()
    story.file("figure-reported", figures=[FIGURE])
    story.file("figure-reported", figures=[FIGURE | {"ref": "F2", "value": 9, "source": "org:un"}])
    figures = story.state()["figures"]
    assert [(f["value"], f["source"]) for f in figures.values()] == [(8, "person:a"), (9, "org:un")]


def test_remarks_can_be_corrected_and_pointed_at() -> None:
    """Where remarks were made is part of the story and can be put right."""
    story = opened()
    remarks = {"ref": "R1", "speaker": "person:a", "venue": "east room"}
    story.file("remarks-delivered", ref="D", remarks=remarks)
    story.file(
        "corrected", target="R1", field="venue", old="east room", new="grand foyer", note="misread"
    )
    state = story.state()
    assert state["occasions"]["R1"]["content"]["venue"] == "grand foyer"
    assert state["timeline"][0]["corrected"]


def test_a_corrected_title_is_the_storys_title() -> None:
    """Correcting the opening's title changes the story's."""
    story = opened()
    story.file("corrected", target="E1", field="title", old="A story", new="The story", note="n")
    assert story.state()["title"] == "The story"
    assert story.state(public=True)["title"] == "The story"


def test_the_unknown_moves_only_the_heading() -> None:
    """An event of a kind from the future, or an erased one, is counted and otherwise passed by."""
    story = opened()
    before = story.state()
    story.record(Unknown("rumour-denied", 3, {"headline": "x"}))
    story.record(Erased("quote-added", 1))
    after = story.state()
    assert (after["version"], after["timeline"]) == (3, before["timeline"])


Act = st.sampled_from(
    [
        ("quote-added", {}),
        ("quote-added", {"embargo_until": "2031-01-01T00:00:00Z", "people": ["person:x"]}),
        ("figure-reported", {"figures": [FIGURE], "needs_approval": True}),
        ("figure-reported", {"figures": [FIGURE], "people": ["person:a"]}),
        ("figure-revised", {"target": "F1", "value": 9, "source": "person:a"}),
        ("response-awaited", {"response": WAIT}),
        ("response-received", {"resolves": "P1"}),
        *[
            (kind, {"target": f"d{n}"} | more)
            for kind, more in [
                ("held", {"reason": "r"}),
                ("hold-released", {"reason": "r"}),
                ("withdrawn", {"reason": "r"}),
                ("published", {}),
                ("embargo-broken", {"reason": "r"}),
            ]
            for n in range(2, 7)
        ],
    ]
)


@given(acts=st.lists(Act, max_size=30))
def test_any_history_reads_the_same_in_any_portions(acts: list[tuple[str, dict[str, Any]]]) -> None:
    """A story folded at once, event by event, or put down and taken up between, is the same."""
    story = opened()
    for (kind, fields), by in zip(acts, itertools.cycle((ADA, BEN)), strict=False):
        try:
            story.file(kind, by=by, **fields)
        except Refused:
            continue
    stored: Parts = {}
    for event in story.events:
        changed = evolve(stored, event)
        rows = [row_of(part) for part in changed.values()]
        stored |= {row.key: part_of(row.section, row.content) for row in rows}
    assert stored == fold(story.events) == story.parts
    public = story.state(public=True)
    hidden = {item["ref"] for item in story.state()["timeline"] if item["status"] != "published"}
    shown = [item for item in public["timeline"] if item["status"] != "withdrawn"]
    assert hidden.isdisjoint(item["ref"] for item in shown)
    assert all(figure["public"] for figure in public["figures"].values())
