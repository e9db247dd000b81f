"""Where a story stands, for the newsroom and for readers, after each act of the desk."""

from typing import Any

from filings import LATER, Story, opened

FIGURE = {"ref": "F1", "measure": "children", "value": 8, "source": "person:a"}


def correct(story: Story, target: str, field: str, old: Any, new: Any) -> str:
    return story.file("corrected", target=target, field=field, old=old, new=new, note="misread")


def stands(story: Story, *, public: bool) -> tuple[str, int, int]:
    state = story.state(public=public)
    assert state["recorded_at"].startswith("2025-10-10T18:13:2")
    return state["status"], state["version"], state["position"]


def test_readers_stand_where_the_story_last_moved_for_them() -> None:
    """What readers do not see moves the story for the newsroom alone; closing is seen by all."""
    story = opened()
    story.file("quote-added", ref="Q", embargo_until=LATER)
    assert stands(story, public=False) == ("open", 2, 2)
    assert stands(story, public=True) == ("open", 1, 1)
    story.file("quote-added")
    story.file("story-closed", reason="over")
    assert stands(story, public=True) == stands(story, public=False) == ("closed", 4, 4)
    story.file("story-reopened", reason="news")
    story.file("embargo-broken", target="Q", reason="it is out")
    assert stands(story, public=True) == ("open", 6, 6)
    story.file("held", target="Q", reason="a drill")
    assert stands(story, public=True) == stands(story, public=False) == ("open", 7, 7)


def test_a_story_whose_opening_is_held_is_none_for_readers() -> None:
    """Holding the opening takes the story out of sight, and letting it go brings it back."""
    story = opened()
    story.file("held", target="E1", reason="a drill")
    assert not story.is_public()
    story.file("quote-added", ref="Q")
    story.file("hold-released", target="E1", reason="over")
    assert stands(story, public=True) == ("open", 4, 4)
    assert [item["ref"] for item in story.state(public=True)["timeline"]] == ["Q"]


def test_a_refile_exchanges_words_and_labels_nothing() -> None:
    """Only the words that a refile brings change, on developments and on notes of conflict."""
    story = opened()
    story.file("figure-reported", ref="D", headline="Tehy say so", body="One", figures=[FIGURE])
    story.file("figure-reported", figures=[FIGURE | {"ref": "F2"}])
    between = {"between": ["F1", "F2"], "nature": "quantity"}
    story.file("conflict-noted", ref="N", headline="They diifer", conflict=between)
    for target, words in (
        ("D", {"headline": "They say so"}),
        ("D", {"body": "One."}),
        ("N", {"headline": "They differ"}),
    ):
        story.file("refiled", target=target, note="typing", **words)  # type: ignore[arg-type]  # - texts
    state = story.state()
    item = state["timeline"][0]
    assert (item["headline"], item["body"], item["corrected"]) == ("They say so", "One.", False)
    assert [note["headline"] for note in state["conflicts"]] == ["They differ"]


def test_a_corrected_number_shows_where_it_was_said() -> None:
    """The correction of a figure that was revised is one of the revision, and names it."""
    story = opened()
    story.file("figure-reported", ref="D", figures=[FIGURE])
    correct(story, "F1", "value", 8, 7)
    story.file("figure-revised", ref="R", target="F1", value=9, source="person:a")
    correct(story, "F1", "value", 9, 10)
    correct(story, "F1", "measure", "children", "pupils")
    told = [(each["target"], each["field"]) for each in story.state()["corrections"]]
    assert told == [("F1", "value"), ("R", "value"), ("F1", "measure")]
    assert [item["corrected"] for item in story.state()["timeline"]] == [True, True]


def test_parts_follow_their_whole() -> None:
    """A part that is corrected to be of another whole is counted there and nowhere else."""
    story = opened()
    part = FIGURE | {"ref": "F3", "value": 1, "part_of": "F1"}
    story.file("figure-reported", figures=[FIGURE, FIGURE | {"ref": "F2"}, part])
    correct(story, "F3", "part_of", "F1", "F2")
    figures = story.state()["figures"]
    assert (figures["F1"]["parts"], figures["F2"]["parts"]) == ([], ["F3"])


def test_a_conflict_is_corrected_to_other_sides() -> None:
    """A note that named the wrong figure names the right one after its correction."""
    story = opened()
    refs = ("F1", "F2", "F3")
    story.file("figure-reported", figures=[FIGURE | {"ref": ref} for ref in refs])
    note = {"between": ["F1", "F2"], "nature": "not-comparable"}
    story.file("conflict-noted", ref="N", conflict=note)
    correct(story, "N", "conflict.between", ["F1", "F2"], ["F1", "F3"])
    state = story.state()
    assert state["conflicts"][0]["between"] == ["F1", "F3"]
    apart = [state["figures"][ref].get("not_comparable_with", []) for ref in refs]
    assert apart == [["F3"], [], ["F1"]]


def test_what_nobody_is_known_to_have_asked_is_awaited_since_it_was_filed() -> None:
    """When it turns out that nobody was asked, the wait runs from the filing."""
    story = opened()
    wait = {"ref": "P1", "awaited_from": "org:k", "asked_at": "2025-10-09T12:00:00Z"}
    past: dict[str, Any] = {"filed_at": "2025-10-09T14:00:00Z"}
    story.file("response-awaited", response=wait, **past)
    correct(story, "P1", "asked_at", "2025-10-09T12:00:00Z", None)
    pending = story.state()["pending"][0]
    assert (pending["asked_at"], pending["since"]) == (None, "2025-10-09T14:00:00Z")


def test_what_is_erased_leaves_the_rest() -> None:
    """Erasing one text of an occasion takes no other with it; the title is the opening's alone."""
    story = opened()
    remarks = {"ref": "R1", "speaker": "person:a", "venue": "a room", "duration_minutes": 6}
    story.file("remarks-delivered", ref="E2", remarks=remarks)
    law: dict[str, Any] = {"reason_code": "r", "legal_basis": "law", "ordered_by": "a court"}
    story.file("redacted", target="E2", fields=["remarks.venue"], **law)
    content = story.state()["occasions"]["R1"]["content"]
    assert content == {"speaker": "person:a", "duration_minutes": 6}
    correct(story, "E1", "title", "A story", "Another")
    assert story.state()["title"] == story.state(public=True)["title"] == "Another"
