"""The desk judges by the same story that readers see."""

from typing import Any

import pytest
from filings import BEN, LATER, Story, development, opened

from events.errors import Refused
from producers.desk import Answer, Claimed, Counted

FIGURE = {"ref": "F1", "measure": "children", "value": 8, "source": "person:a"}
WAIT = {"ref": "P1", "awaited_from": "org:kremlin"}


def revise(story: Story, ref: str, value: int, **more: Any) -> None:
    story.file("figure-revised", ref=ref, target="F1", value=value, source="person:a", **more)


def correct(story: Story, target: str, field: str, old: Any, new: Any, **more: Any) -> str:
    return story.file(
        "corrected", target=target, field=field, old=old, new=new, note="misread", **more
    )


def held_by_the_desk(story: Story, ref: str = "F1") -> Any:
    part = story.desk[ref]
    assert isinstance(part, Counted)
    return part.figure.model_dump(mode="json")["value"]


def shown(story: Story, ref: str = "F1") -> Any:
    return story.state()["figures"][ref]["value"]


def test_a_withdrawn_revision_leaves_what_stood_before() -> None:
    """After a revision was withdrawn, the desk takes a correction of the number that is shown."""
    story = opened()
    story.file("figure-reported", figures=[FIGURE])
    revise(story, "E8", 9)
    story.file("withdrawn", target="E8", reason="misheard")
    assert held_by_the_desk(story) == shown(story) == 8
    correct(story, "F1", "value", 8, 7)
    assert held_by_the_desk(story) == shown(story) == 7


def test_an_older_revision_never_displaces_a_newer_one() -> None:
    """Of revisions that were held, embargoed or released in any order, the newest counts."""
    story = opened()
    story.file("figure-reported", figures=[FIGURE])
    revise(story, "E8", 9)
    revise(story, "E9", 10)
    story.file("held", target="E8", reason="r")
    assert [old["value"] for old in story.state()["figures"]["F1"]["history"]] == [8]
    story.file("hold-released", target="E8", reason="r")
    assert held_by_the_desk(story) == shown(story) == 10
    assert [old["value"] for old in story.state()["figures"]["F1"]["history"]] == [8, 9]
    story.file("held", target="E9", reason="r")
    assert held_by_the_desk(story) == shown(story) == 9


def test_a_revision_under_embargo_counts_for_nobody_yet() -> None:
    """Until an embargoed revision is released, a correction is held against the old number."""
    story = opened()
    story.file("figure-reported", figures=[FIGURE])
    revise(story, "E8", 9, embargo_until=LATER)
    assert held_by_the_desk(story) == shown(story) == 8
    correct(story, "F1", "value", 8, 6)
    story.file("embargo-broken", target="E8", reason="it is out")
    assert held_by_the_desk(story) == shown(story) == 9


@pytest.mark.parametrize("target", ["F1", "E8"])
def test_a_revised_number_is_corrected_where_it_was_said(target: str) -> None:
    """A corrected revision keeps its correction when it is held and released."""
    story = opened()
    story.file("figure-reported", ref="E2", figures=[FIGURE])
    revise(story, "E8", 9)
    correct(story, target, "value", 9, 11)
    assert held_by_the_desk(story) == shown(story) == 11
    items = {item["ref"]: item["corrected"] for item in story.state()["timeline"]}
    assert items == {"E2": False, "E8": True}
    story.file("held", target="E8", reason="r")
    assert held_by_the_desk(story) == shown(story) == 8
    assert story.state(public=True)["corrections"] == []
    story.file("hold-released", target="E8", reason="r")
    assert held_by_the_desk(story) == shown(story) == 11


def test_a_revision_may_turn_out_to_be_of_another_figure() -> None:
    """Correcting which figure a revision is of gives the first its number back."""
    story = opened()
    story.file("figure-reported", figures=[FIGURE, FIGURE | {"ref": "F2", "value": 5}])
    revise(story, "E8", 9)
    correct(story, "E8", "target", "F1", "F2")
    assert (held_by_the_desk(story), held_by_the_desk(story, "F2")) == (8, 9)
    assert (shown(story), shown(story, "F2")) == (8, 9)


def test_a_withdrawn_part_makes_room() -> None:
    """A withdrawn figure is no part of its whole, so that its replacement fits."""
    story = opened()
    story.file("figure-reported", figures=[FIGURE])
    part = FIGURE | {"value": 5, "part_of": "F1"}
    story.file("figure-reported", ref="E3", figures=[part | {"ref": "F5"}])
    story.file("withdrawn", target="E3", reason="counted twice")
    story.file("figure-reported", figures=[part | {"ref": "F6"}])
    assert story.state()["figures"]["F1"]["parts"] == ["F6"]
    correct(story, "F6", "part_of", "F1", None)
    assert story.state()["figures"]["F1"]["parts"] == []
    story.file("figure-reported", figures=[part | {"ref": "F7"}])


def test_a_note_that_is_withdrawn_sets_nothing_apart() -> None:
    """Figures are apart only while the note that they are not comparable stands."""
    story = opened()
    story.file("figure-reported", figures=[FIGURE, FIGURE | {"ref": "F2"}])
    note = {"between": ["F1", "F2"], "nature": "not-comparable"}
    story.file("conflict-noted", ref="N1", conflict=note)
    figure = story.desk["F1"]
    assert isinstance(figure, Counted)
    assert figure.apart_from == {"F2"}
    correct(story, "N1", "conflict.nature", "not-comparable", "quantity")
    assert story.state()["conflicts"][0]["nature"] == "quantity"
    assert "not_comparable_with" not in story.state()["figures"]["F1"]
    correct(story, "N1", "conflict.nature", "quantity", "not-comparable")
    assert story.state()["figures"]["F1"]["not_comparable_with"] == ["F2"]
    story.file("withdrawn", target="N1", reason="they are the same")
    assert "not_comparable_with" not in story.state()["figures"]["F1"]
    figure = story.desk["F1"]
    assert isinstance(figure, Counted)
    assert figure.apart_from == frozenset()


def test_an_answer_may_turn_out_to_be_to_another_question() -> None:
    """Correcting what an answer resolves opens one wait again and ends the other, once."""
    story = opened()
    story.file("response-awaited", response=WAIT)
    story.file("response-awaited", response=WAIT | {"ref": "P2"})
    story.file("response-received", ref="E6", resolves="P1")
    correct(story, "E6", "resolves", "P1", "P2")
    assert [wait["ref"] for wait in story.state()["pending"]] == ["P1"]
    assert [wait["by"] for wait in story.state()["resolved"]] == ["E6"]
    assert [story.desk[ref].by for ref in ("P1", "P2")] == [None, "E6"]  # type: ignore[union-attr]  # both are answers
    story.file("response-declined", ref="E7", resolves="P1")
    story.file("withdrawn", target="E6", reason="a hoax")
    assert [wait["ref"] for wait in story.state()["pending"]] == ["P2"]
    answer = story.desk["P1"]
    assert isinstance(answer, Answer)
    assert answer.by == "E7"


def test_withdrawn_stays_withdrawn() -> None:
    """Nobody's trust brings a withdrawn claim back."""
    story = opened()
    story.file("quote-added", ref="Q", claims=[{"ref": "C1", "text": "x"}])
    change: dict[str, Any] = {"of": "C1", "from": "attributed", "to": "disputed"}
    change |= {"basis": "two letters", "seconded_by": BEN.name}
    story.file("withdrawn", target="Q", reason="a hoax")
    with pytest.raises(Refused, match="stands"):
        story.file("verification-changed", **change)
    story.record(development("verification-changed", **change))  # as an older desk let it pass
    assert story.state()["claims"]["C1"]["status"] == "withdrawn"
    claimed = story.desk["C1"]
    assert isinstance(claimed, Claimed)
    assert claimed.verification == "attributed"


def test_a_correction_shows_as_what_it_is_read_as() -> None:
    """A corrected time or number shows as one that was filed right, whatever way it was written."""
    story = opened()
    story.file("response-awaited", response=WAIT)
    correct(story, "P1", "due_at", None, 1_760_000_000)
    assert story.state()["pending"][0]["due_at"] == "2025-10-09T08:53:20Z"
    assert story.state()["pending"][0]["overdue"]
    correct(story, "P1", "asked_at", None, "2025-10-08T10:00:00+02:00")
    assert story.state()["pending"][0]["since"] == "2025-10-08T08:00:00Z"
    story.file("figure-reported", figures=[FIGURE])
    correct(story, "F1", "value", 8, "10.0")
    assert shown(story) == held_by_the_desk(story) == 10
    assert story.state()["corrections"][-1]["new"] == 10


def test_a_list_corrected_to_nothing_is_empty() -> None:
    """Nobody is named after a list of people was corrected to null, and all acts go on."""
    story = opened(people=["person:a"])
    story.file("quote-added", ref="Q", people=["person:a", "person:b"])
    correct(story, "E1", "people", ["person:a"], None)
    correct(story, "Q", "people", ["person:a", "person:b"], None)
    story.file("withdrawn", target="Q", reason="r")
    assert story.state()["people"] == []


def test_people_are_named_as_corrected() -> None:
    """After a development's people were corrected, the story names the right ones."""
    story = opened()
    story.file("quote-added", ref="Q", people=["person:a"], places=["place:kyiv"])
    story.file("quote-added", ref="R", people=["person:b"])
    correct(story, "Q", "people", ["person:a"], ["person:b"])
    assert story.state()["people"] == story.state(public=True)["people"] == ["person:b"]
    story.file("withdrawn", target="Q", reason="r")
    assert story.state()["people"] == story.state(public=True)["people"] == ["person:b"]
    assert story.state()["places"] == []


def test_an_occasion_is_corrected_through_its_development() -> None:
    """Where remarks were made shows as corrected, whichever way the correction names it."""
    story = opened()
    remarks = {"ref": "R1", "speaker": "person:a", "venue": "east room"}
    story.file("remarks-delivered", ref="E3", remarks=remarks)
    correct(story, "E3", "remarks.venue", "east room", "grand foyer")
    assert story.state()["occasions"]["R1"]["content"]["venue"] == "grand foyer"
    correct(story, "R1", "duration_minutes", None, 6)
    assert story.state()["occasions"]["R1"]["content"]["duration_minutes"] == 6
    story.file("letter-sent", ref="E4", letter={"ref": "L1", "from": "person:a", "to": "person:b"})
    correct(story, "E4", "letter.from", "person:a", "person:c")
    assert story.state()["occasions"]["L1"]["content"] == {"from": "person:c", "to": "person:b"}
    assert story.state()["timeline"][1]["corrected"]


def test_readers_are_given_no_name_of_what_is_not_out() -> None:
    """What is under embargo is not named by the public figures that it is a part of."""
    story = opened()
    story.file("figure-reported", figures=[FIGURE])
    part = FIGURE | {"ref": "F2", "value": 3, "part_of": "F1"}
    story.file("figure-reported", ref="E3", figures=[part], embargo_until=LATER)
    story.file("response-awaited", response=WAIT | {"about": ["F1", "F2"]})
    assert story.state()["figures"]["F1"]["parts"] == ["F2"]
    public = story.state(public=True)
    assert public["figures"]["F1"]["parts"] == []
    assert public["pending"][0]["about"] == ["F1"]
    story.file("embargo-broken", target="E3", reason="it is out")
    assert story.state(public=True)["figures"]["F1"]["parts"] == ["F2"]


def test_readers_are_not_told_what_was_said_where_it_is_held() -> None:
    """What was said in remarks that are held names these remarks to the newsroom alone."""
    story = opened()
    remarks = {"ref": "R1", "speaker": "person:a"}
    story.file("remarks-delivered", ref="E2", remarks=remarks, embargo_until=LATER)
    story.file("quote-added", ref="Q", attribution={"speaker": "person:a", "at": "R1"})
    assert story.state()["timeline"][1]["attribution"] == {"speaker": "person:a", "at": "R1"}
    assert story.state(public=True)["timeline"][0]["attribution"] == {"speaker": "person:a"}
    story.file("embargo-broken", target="E2", reason="it is out")
    assert story.state(public=True)["timeline"][1]["attribution"]["at"] == "R1"


def test_a_correction_names_nothing_that_is_not_out() -> None:
    """Where a correction exchanges refs, readers are given those alone that they may know of."""
    story = opened()
    story.file("figure-reported", ref="E2", figures=[FIGURE, FIGURE | {"ref": "F4"}])
    story.file("figure-reported", ref="E3", figures=[FIGURE | {"ref": "F2"}], embargo_until=LATER)
    story.file("response-awaited", ref="E5", response=WAIT | {"about": ["F1"]})
    story.file("figure-reported", figures=[FIGURE | {"ref": "F3", "value": 1, "part_of": "F2"}])
    correct(story, "F3", "part_of", "F2", "F1")
    correct(story, "P1", "about", ["F1"], ["F1", "F2"])
    correct(story, "E2", "headline", "A figure-reported happens", "F2")
    seen = story.state(public=True)
    told = [(shown["old"], shown["new"]) for shown in seen["corrections"]]
    assert told == [(None, "F1"), (["F1"], ["F1"]), ("A figure-reported happens", "F2")]
    of_items = [shown["new"] for item in seen["timeline"] for shown in item["corrections"]]
    assert of_items == ["F2", ["F1"], "F1"]
    assert story.state()["corrections"][0]["old"] == "F2"


def test_what_is_erased_stands_in_no_correction_of_it() -> None:
    """The words that a redaction takes out of a story leave its corrections as well."""
    story = opened()
    story.file("quote-added", ref="Q", headline="h", body="a libel")
    correct(story, "Q", "body", "a libel", "half a libel")
    law: dict[str, Any] = {"reason_code": "libel", "legal_basis": "law", "ordered_by": "a court"}
    story.file("redacted", target="Q", fields=["body"], **law)
    assert "libel" not in str({**story.state(), "alerts": []})


def test_a_noted_conflict_is_public_while_all_that_it_names_is() -> None:
    """Readers see a note while they see both sides of it, as it stands after its corrections."""
    story = opened()
    story.file("figure-reported", ref="E2", figures=[FIGURE, FIGURE | {"ref": "F2"}])
    between = {"between": ["F1", "F2"], "nature": "quantity"}
    story.file("conflict-noted", ref="N", headline="They diifer", conflict=between)
    correct(story, "N", "headline", "They diifer", "They differ")
    for public, act in ((True, "held"), (False, "hold-released"), (True, "withdrawn")):
        seen = story.state(public=True)
        assert [note["headline"] for note in seen["conflicts"]] == ["They differ"] * public
        assert len(seen["corrections"]) == public
        story.file(act, target="N", reason="a drill")
    assert story.state(public=True)["conflicts"] == []
    story.file("conflict-noted", ref="M", headline="They differ", conflict=between)
    for public, act in ((True, "held"), (False, "hold-released"), (True, "held")):
        assert len(story.state(public=True)["conflicts"]) == public
        story.file(act, target="E2", reason="a drill")


def test_readers_await_an_answer_until_they_see_it() -> None:
    """An answer that is held has come for the newsroom, and is awaited by readers."""
    story = opened()
    story.file("response-awaited", response=WAIT)
    story.file("response-received", ref="A", resolves="P1", embargo_until=LATER)
    for act in ("held", "embargo-broken"):
        assert (len(story.state()["pending"]), len(story.state(public=True)["pending"])) == (0, 1)
        story.file(act, target="A", reason="r")
    story.file("hold-released", target="A", reason="r")
    assert [wait["by"] for wait in story.state(public=True)["resolved"]] == ["A"]
    assert story.state(public=True)["pending"] == []


def test_no_part_names_what_is_not_out() -> None:
    """What points at a figure, a wait or a development that is held does so for the newsroom."""
    story = opened()
    story.file("figure-reported", figures=[FIGURE, FIGURE | {"ref": "F4"}])
    hidden = [FIGURE | {"ref": "F2", "value": 9}]
    story.file("figure-reported", ref="SECRET", figures=hidden, embargo_until=LATER)
    story.file("response-awaited", ref="W", response=WAIT, embargo_until=LATER)
    story.file("figure-reported", figures=[FIGURE | {"ref": "F3", "value": 1, "part_of": "F2"}])
    story.file("figure-revised", ref="V", target="F2", value=8, source="person:a")
    remarks = {"ref": "R1", "speaker": "person:a"}
    story.file("remarks-delivered", remarks=remarks)
    said = {"speaker": "person:a", "at": "R1"}
    story.file("response-received", ref="A", resolves="P1", attribution=said)
    between = ["F1", "F2"]
    story.file("conflict-noted", ref="N", conflict={"between": between, "nature": "not-comparable"})
    correct(story, "N", "conflict.between", between, ["F1", "F4"])
    story.file("conflict-noted", conflict={"between": between, "nature": "not-comparable"})
    story.file("quote-added", ref="Q")
    story.file("withdrawn", target="Q", reason="wrong", replacement="SECRET")
    inside, seen = (str(story.state(public=public)) for public in (False, True))
    for name in ("'F2'", "'P1'", "'SECRET'"):
        assert name in inside
        assert name not in seen, seen
    timeline = story.state(public=True)["timeline"]
    assert [item["attribution"] for item in timeline if item["ref"] == "A"] == [said]
    assert len(timeline) == 6


def test_a_revision_keeps_how_exact_it_is() -> None:
    """A number that was "about" stays so when its source revises it and says no more."""
    story = opened()
    story.file("figure-reported", figures=[FIGURE | {"qualifier": "about"}])
    for more, said in (({}, "about"), ({"qualifier": "exact"}, "exact"), ({}, "exact")):
        revise(story, f"R{len(story.events)}", 20 + len(story.events), **more)
        assert story.state()["figures"]["F1"]["qualifier"] == said
        part = story.desk["F1"]
        assert isinstance(part, Counted)
        assert part.figure.qualifier == said
