"""Our errors are put right in the open, and nothing gets in that way that could not be filed."""

from functools import partial
from typing import Any

import pytest
from filings import BEN, TOMORROW, Story, opened, refused

FIGURE = {"ref": "F1", "measure": "children", "value": 8, "source": "person:a"}


def correct(story: Story, target: str, field: str, old: Any, new: Any) -> str:
    return story.file("corrected", target=target, field=field, old=old, new=new, note="miscounted")


def test_a_correction_names_what_stood_there() -> None:
    """The old value must match, the new one must differ and be able to stand there."""
    story = opened()
    story.file("figure-reported", ref="D", headline="Eight", figures=[FIGURE])

    def correct(**fields: Any) -> str:
        return story.file("corrected", note="miscounted", **fields)

    refused("old-matches", lambda: correct(target="F1", field="value", old=7, new=9))
    refused("correction-changes", lambda: correct(target="F1", field="value", old=8, new=8))
    refused("shape", lambda: correct(target="D", field="urgency", old=5, new=12))
    refused("correctable", lambda: correct(target="D", field="colour", old=5, new=12))
    refused(
        "correctable", lambda: correct(target="D", field="embargo_until", old=None, new=TOMORROW)
    )
    correct(target="D", field="figures.F1.value", old=8, new=9)
    correct(target="D", field="headline", old="Eight", new="Nine")
    state = story.state()
    assert state["figures"]["F1"]["value"] == 9
    assert state["lead"] == {"ref": "D", "headline": "Nine"}
    assert state["timeline"][0]["corrected"]
    assert len(state["timeline"][0]["corrections"]) == 2


def test_a_correction_may_empty_a_field() -> None:
    """Null is what a field without content holds; a correction that forgets a side is refused."""
    story = opened()
    story.file("development-reported", ref="D", label="note", headline="One", body="Too much")

    def correct(**fields: Any) -> str:
        return story.file("corrected", target="D", field="body", note="unfounded", **fields)

    refused("shape", lambda: correct(old="Too much"))
    refused("shape", lambda: correct(new="Just enough"))
    correct(old="Too much", new=None)
    assert "body" not in story.state()["timeline"][0]
    correct(old=None, new="Just enough")
    assert story.state()["timeline"][0]["body"] == "Just enough"


def test_a_correction_keeps_the_rules_of_filing() -> None:
    """What could not have been filed cannot be corrected into a story either."""
    story = opened()
    story.file("figure-reported", ref="D", headline="Eight", figures=[FIGURE])
    part = FIGURE | {"ref": "F2", "value": 5, "part_of": "F1"}
    story.file("figure-reported", ref="E", headline="Five of them", figures=[part])
    asked = {"ref": "P1", "awaited_from": "org:a"}
    story.file("response-awaited", ref="Q", headline="Asked", response=asked)

    def correct(target: str, field: str, old: Any, new: Any) -> str:
        return story.file("corrected", target=target, field=field, old=old, new=new, note="n")

    refused("part-circle", lambda: correct("F1", "part_of", None, "F1"))
    refused("part-circle", lambda: correct("F1", "part_of", None, "F2"))
    refused("ref-known", lambda: correct("F1", "part_of", None, "F9"))
    refused("parts-exceed-whole", lambda: correct("F2", "value", 5, 99))
    refused("parts-exceed-whole", lambda: correct("F1", "value", 8, 4))
    refused("figure-says", lambda: correct("F1", "value", 8, None))
    refused("ref-known", lambda: correct("P1", "about", [], ["F9"]))
    refused("correctable", lambda: correct("F1", "ref", "F1", "F3"))
    refused("correctable", lambda: correct("Q", "remarks.ref", "R1", "Q"))
    refused("correctable", lambda: correct("Q", "response.note", None, "x"))
    story.file("response-received", ref="R", headline="Answered", resolves="P1")
    refused("ref-known", lambda: correct("R", "resolves", "P1", "F1"))


def test_a_corrected_body_is_a_body() -> None:
    """The HTML that a body may not hold does not get in through a correction."""
    story = opened()
    story.file("quote-added", ref="D")
    fixed: dict[str, Any] = {"target": "D", "field": "body", "old": None, "note": "n"}
    story.file("corrected", **fixed, new="<b>bold</b><script>alert(1)</script>")
    assert story.state()["timeline"][0]["body"] == "<b>bold</b>"


def test_a_number_is_never_a_refile() -> None:
    """Refiling mends typography; numbers in digits or words stay what they were."""
    story = opened()
    story.file("quote-added", ref="Q", headline="Eigth children, eight families and 19,000 more")
    refused(
        "no-number-refiled",
        lambda: story.file("refiled", target="Q", headline="Eight, seven, 19,000", note="n"),
    )
    refused(
        "no-number-refiled",
        lambda: story.file(
            "refiled",
            target="Q",
            headline="Eigth children, eight families and 19,001 more",
            note="n",
        ),
    )
    refused("refile-says", lambda: story.file("refiled", target="Q", note="n"))
    story.file(
        "refiled", target="Q", headline="Eigth children, eight families, and 19,000 more", note="n"
    )
    assert not story.state()["timeline"][0]["corrected"]


def test_a_correction_is_judged_by_what_stands_now() -> None:
    """A figure is held against the others as they were corrected, not as they were first filed."""
    story = opened()
    parts = [
        FIGURE | {"ref": ref, "value": n, "part_of": "F1"} for ref, n in (("F2", 3), ("F3", 5))
    ]
    story.file("figure-reported", ref="D", headline="Eight", figures=[FIGURE, *parts])
    refused("parts-exceed-whole", lambda: correct(story, "F2", "value", 3, 4))
    correct(story, "F3", "value", 5, 4)
    correct(story, "F2", "value", 3, 4)
    refused("parts-exceed-whole", lambda: correct(story, "F1", "value", 8, 7))
    correct(story, "F1", "value", 8, 9)
    story.file("figure-reported", figures=[FIGURE | {"ref": "F4", "value": 1, "part_of": "F1"}])
    refused("parts-exceed-whole", lambda: correct(story, "F1", "value", 9, 8))
    refused("parts-exceed-whole", lambda: correct(story, "D", "figures.F2.value", 4, 5))


def test_a_number_that_becomes_a_sources_is_counted_with_its_others() -> None:
    """When a part turns out to be of the source of the whole, it is held against the whole."""
    story = opened()
    part = FIGURE | {"ref": "F2", "value": 9, "part_of": "F1", "source": "org:b"}
    story.file("figure-reported", ref="D", figures=[FIGURE])
    story.file("figure-reported", ref="E", figures=[part])
    refused("parts-exceed-whole", lambda: correct(story, "F2", "source", "org:b", "person:a"))
    correct(story, "F2", "value", 9, 8)
    correct(story, "F2", "source", "org:b", "person:a")


def test_a_correction_need_not_mend_what_a_source_broke() -> None:
    """When a source revises its whole below its parts, what stands beside it is still put right."""
    story = opened()
    part = FIGURE | {"ref": "F2", "value": 3, "part_of": "F1"}
    story.file("figure-reported", ref="D", headline="Eigth", figures=[FIGURE, part])
    story.file("figure-revised", target="F1", value=2, source="person:a")
    correct(story, "D", "headline", "Eigth", "Eight")
    correct(story, "F2", "words", None, "three")


def test_a_corrected_revision_is_still_its_sources() -> None:
    """A revision is not turned into one of another's figure, or into one that says nothing."""
    story = opened()
    story.file("figure-reported", figures=[FIGURE, FIGURE | {"ref": "F9", "source": "org:b"}])
    story.file("figure-revised", ref="R", target="F1", value=9, source="person:a")
    refused("same-source", lambda: correct(story, "R", "target", "F1", "F9"))
    refused("same-source", lambda: correct(story, "R", "source", "person:a", "org:b"))
    refused("figure-says", lambda: correct(story, "R", "value", 9, None))


def test_a_corrected_question_is_due_after_it_was_asked() -> None:
    """The times of a wait keep their order when one of them is put right."""
    story = opened()
    asked = {"ref": "P1", "awaited_from": "org:k", "asked_at": "2025-10-10T12:00:00Z"}
    story.file("response-awaited", ref="W", response=asked)
    early = "2025-10-10T11:00:00Z"
    refused("due-after-asked", lambda: correct(story, "P1", "due_at", None, early))
    correct(story, "P1", "due_at", None, TOMORROW)
    refused(
        "due-after-asked", lambda: correct(story, "P1", "asked_at", asked["asked_at"], TOMORROW)
    )


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("corrected", {"target": "D", "field": "headline", "old": "One", "new": "2", "note": "n"}),
        ("corrected", {"target": "F1", "field": "value", "old": 8, "new": 9, "note": "n"}),
        ("corrected", {"target": "C1", "field": "text", "old": "said", "new": "x", "note": "n"}),
        ("corrected", {"target": "P1", "field": "note", "old": None, "new": "x", "note": "n"}),
        ("corrected", {"target": "L1", "field": "to", "old": "org:b", "new": "org:c", "note": "n"}),
        ("refiled", {"target": "D", "headline": "One!", "note": "n"}),
        ("figure-revised", {"target": "F1", "value": 9, "source": "person:a"}),
        ("figure-reported", {"figures": [FIGURE | {"ref": "F2", "value": 1, "part_of": "F1"}]}),
        ("withdrawn", {"target": "Q", "reason": "wrong", "replacement": "D"}),
        ("verification-changed", {"of": "C1", "from": "attributed", "to": "disputed",
                                  "basis": "b", "seconded_by": BEN.name}),
    ],
)  # fmt: skip
def test_what_was_withdrawn_is_left_alone(kind: str, fields: dict[str, Any]) -> None:
    """Nothing that came with a withdrawn development is corrected, revised, built on or trusted."""
    story = opened()
    brought: dict[str, Any] = {"figures": [FIGURE], "claims": [{"ref": "C1", "text": "said"}]}
    letter = {"ref": "L1", "from": "org:a", "to": "org:b"}
    response = {"ref": "P1", "awaited_from": "org:b"}
    story.file("letter-sent", ref="D", headline="One", letter=letter, response=response, **brought)
    story.file("quote-added", ref="Q")
    story.file("withdrawn", target="D", reason="a hoax")
    refused("stands", lambda: story.file(kind, **fields))


def test_what_was_withdrawn_can_be_erased() -> None:
    """What a court orders to be erased is erased, though it was withdrawn before."""
    story = opened()
    story.file("quote-added", ref="Q", body="a libel")
    story.file("withdrawn", target="Q", reason="a libel")
    law: dict[str, Any] = {
        "reason_code": "libel",
        "legal_basis": "a court",
        "ordered_by": "the court",
    }
    story.file("redacted", target="Q", fields=["body"], **law)
    assert "body" not in story.state()["timeline"][0]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("3 of 5 are home", "5 of 3 are home"),
        ("It is -5 degrees", "It is 5 degrees"),
        ("the second of two", "the first of two"),
        ("half of them", "all of them"),
        ("½ of it", "¼ of it"),
        ("ninety-one trillion", "ninety-one billion"),
        ("It costs £1m", "It costs £1bn"),
        ("20 of them", "20% of them"),
        ("up 5%", "up 5 percentage points"),
        ("World War II", "World War I"),
        ("10² of them", "102 of them"),
    ],
)
def test_what_a_number_is_and_where_it_stands(before: str, after: str) -> None:
    """A number's place, its sign, an order and a fraction are as much of it as its digits."""
    story = opened()
    story.file("quote-added", ref="Q", headline=before)
    refused(
        "no-number-refiled", lambda: story.file("refiled", target="Q", headline=after, note="n")
    )
    story.file("refiled", target="Q", headline=f"“{before}", note="n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("20 per cent", "20%"),
        ("CO2", "CO₂"),
        ("£1 million", "£1m"),
        ("$3b", "$3 bn"),
        ("\u22125", "-5"),
    ],
)
def test_a_number_may_be_set_in_another_way(before: str, after: str) -> None:
    """How a number is set is typography: a sign for a word, a small digit, a space."""
    story = opened()
    story.file("quote-added", ref="Q", headline=before)
    story.file("refiled", target="Q", headline=after, note="house style")
    assert story.state()["timeline"][0]["headline"] == after


def test_an_answer_is_led_to_the_question_that_it_answers() -> None:
    """A correction leads an answer to another wait, if that still waits; other words stay free."""
    story = opened()
    for ref in ("P1", "P2", "P3"):
        wait = {"ref": ref, "awaited_from": "org:k"}
        story.file("response-awaited", ref=f"W{ref}", headline="Asked", response=wait)
    story.file("response-received", ref="A", headline="Answred", resolves="P1")
    story.file("response-declined", ref="B", headline="No", resolves="P2")
    correct(story, "A", "headline", "Answred", "Answered")
    refused("still-awaited", lambda: correct(story, "A", "resolves", "P1", "P2"))
    correct(story, "A", "resolves", "P1", "P3")
    assert [wait["ref"] for wait in story.state()["pending"]] == ["P1"]
    refused("refile-says", lambda: story.file("refiled", target="A", note="n"))


def test_acts_of_the_desk_are_not_corrected() -> None:
    """A correction is about what was reported; what the desk did is undone by another act."""
    story = opened()
    story.file("quote-added", ref="Q", headline="One", body="Words")
    story.file("held", ref="H", target="Q", reason="a drill")
    refused("ref-known", lambda: correct(story, "H", "reason", "a drill", "no drill"))
    story.file("refiled", target="Q", body="Words.", note="a stop")
    assert story.state()["timeline"][0]["body"] == "Words."


def test_the_desk_goes_on_from_what_was_corrected() -> None:
    """Another correction, a revision and a new part are judged by the story as it was put right."""
    story = opened()
    remarks = {"ref": "R1", "speaker": "person:a", "venue": "here"}
    claims = [{"ref": "C1", "text": "here"}]
    story.file("remarks-delivered", ref="E2", remarks=remarks, claims=claims)
    for target, field in (("C1", "text"), ("R1", "venue")):
        correct(story, target, field, "here", "there")
        refused("old-matches", partial(correct, story, target, field, "here", "nowhere"))
        correct(story, target, field, "there", "nowhere")
    quoted = {"ref": "F1", "measure": "children", "value": 8}
    story.file("figure-reported", ref="E3", figures=[quoted], attribution={"speaker": "person:a"})
    correct(story, "E3", "attribution.speaker", "person:a", "person:b")
    story.file("figure-revised", target="F1", value=9, source="person:b")
    own = quoted | {"source": "person:b"}
    of_one, of_two = own | {"part_of": "F1"}, own | {"part_of": "F2", "ref": "F5", "value": 2}
    story.file("figure-reported", figures=[own | {"ref": "F2"}])
    story.file("figure-reported", figures=[of_one | {"ref": "F3", "value": 7}])
    more = partial(story.file, "figure-reported", figures=[of_one | {"ref": "F4", "value": 3}])
    refused("parts-exceed-whole", more)
    correct(story, "F3", "part_of", "F1", "F2")
    more()
    refused("parts-exceed-whole", lambda: story.file("figure-reported", figures=[of_two]))
