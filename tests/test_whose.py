"""Whose a claim or a number is, and what becomes of it when that is put right."""

from functools import partial
from typing import Any

import pytest
from filings import Story, opened, refused

FIGURE = {"ref": "F1", "measure": "children", "value": 8}
OFFICIALS = {"source_text": "officials"}


def correct(story: Story, target: str, field: str, old: Any, new: Any) -> str:
    return story.file("corrected", target=target, field=field, old=old, new=new, note="misread")


def quoted(**more: Any) -> Story:
    """A story in which a person is quoted with a claim and a number through an agency."""
    said_by = {"speaker": "person:a", "via": "org:afp"}
    claims = [{"ref": "C1", "text": "it rained"}, {"ref": "C2", "text": "so", "speaker": "org:un"}]
    story = opened()
    story.file(
        "figure-reported", ref="E2", attribution=said_by, claims=claims, figures=[FIGURE | more]
    )
    return story


def whose(story: Story) -> tuple[Any, ...]:
    state = story.state()
    claims = state["claims"]
    return (claims["C1"]["speaker"], claims["C2"]["speaker"], state["figures"]["F1"]["source"])


def test_what_was_said_follows_whoever_said_it() -> None:
    """When it turns out that another spoke, the claims and numbers that came with it are theirs."""
    story = quoted()
    correct(story, "E2", "attribution.speaker", "person:a", "person:b")
    correct(story, "E2", "attribution.via", "org:afp", None)
    assert whose(story) == ("person:b", "org:un", "person:b")
    assert story.state()["claims"]["C1"]["via"] is None
    story.file("figure-revised", target="F1", value=9, source="person:b")


def test_what_says_itself_whose_it_is_follows_nobody() -> None:
    """A claim or number with a source of its own keeps it until that is corrected to none."""
    story = quoted(source="person:a")
    correct(story, "E2", "attribution.speaker", "person:a", "person:b")
    assert whose(story) == ("person:b", "org:un", "person:a")
    correct(story, "F1", "source", "person:a", None)
    correct(story, "C2", "speaker", "org:un", None)
    assert whose(story) == ("person:b", "person:b", "person:b")
    correct(story, "F1", "source_text", None, "a list")
    assert whose(story) == ("person:b", "person:b", None)
    correct(story, "F1", "source_text", "a list", None)
    assert whose(story) == ("person:b", "person:b", "person:b")


def test_a_correction_names_what_is_shown() -> None:
    """Who reads in the story whose a number is can put that right, as the state has it."""
    story = quoted()
    refused("old-matches", partial(correct, story, "F1", "source", "person:c", "org:un"))
    refused("correction-changes", partial(correct, story, "F1", "source", None, "person:a"))
    correct(story, "F1", "source", "person:a", "org:un")
    correct(story, "C1", "via", "org:afp", "org:dpa")
    assert whose(story) == ("person:a", "org:un", "org:un")


@pytest.mark.parametrize(
    ("target", "field", "held", "written"),
    [
        ("F1", "value", 8, 8.0),
        ("F1", "value", 8, "8.0"),
        ("P1", "due_at", "2025-10-12T08:00:00Z", "2025-10-12T10:00:00+02:00"),
        ("E2", "body", "Q&amp;A", "Q&A"),
    ],
)
def test_a_value_written_in_another_way_is_the_same(
    target: str, field: str, held: Any, written: Any
) -> None:
    """A correction may write what stood there in another way, and changes nothing by that alone."""
    story = quoted()
    correct(story, "E2", "body", None, "Q&A")
    wait = {"ref": "P1", "awaited_from": "org:k", "due_at": "2025-10-12T08:00:00Z"}
    story.file("response-awaited", response=wait)
    refused("correction-changes", partial(correct, story, target, field, held, written))
    later = {"value": 9, "due_at": "2025-10-13T08:00:00Z", "body": "None"}
    correct(story, target, field, written, later[field])
    assert story.state()["corrections"][-1]["old"] == held


def test_words_are_a_source_too() -> None:
    """Whoever is quoted by words alone revises the number, and nobody else does."""
    story = opened()
    story.file("figure-reported", figures=[FIGURE], attribution=OFFICIALS)
    revise = partial(story.file, "figure-revised", target="F1", value=9)
    error = refused("same-source", revise)
    assert (error.expected, error.found) == ("officials, whose figure it is", "nobody")
    refused("same-source", partial(revise, attribution={"source_text": "aid groups"}))
    refused("same-source", partial(revise, source="org:un"))
    revise(attribution=OFFICIALS)
    revise(source_text="officials", value=10)


def test_numbers_of_two_sources_are_not_added_up() -> None:
    """A part that another source counts may exceed the whole, whether or not anybody has a name."""
    story = opened()
    story.file("figure-reported", figures=[FIGURE], attribution=OFFICIALS)
    part = FIGURE | {"ref": "F2", "value": 9, "part_of": "F1"}
    for more in ({"source_text": "officials"}, {}):
        said_by = None if more else OFFICIALS
        attempt = partial(story.file, "figure-reported", figures=[part | more], attribution=said_by)
        refused("parts-exceed-whole", attempt)
    story.file("figure-reported", figures=[part | {"source_text": "aid groups"}])


@pytest.mark.parametrize("said_by", [{}, {"verb": "said"}, {"via": "org:afp"}])
def test_a_number_that_nobody_said_is_refused(said_by: dict[str, str]) -> None:
    """How or through whom a number came does not say whose it is."""
    story = opened()
    report = partial(story.file, "figure-reported", figures=[FIGURE])
    refused("figure-source", partial(report, attribution=said_by))
    report(attribution={**said_by, **OFFICIALS})


def test_a_correction_names_a_development_by_what_came_with_it() -> None:
    """A path through a development leads to its own claims and figures, and to no other's."""
    story = quoted()
    story.file("quote-added", ref="E3", claims=[{"ref": "C3", "text": "no"}])
    for target, field, old in (
        ("E3", "figures.F1.value", 8),
        ("E1", "claims.C1.text", "it rained"),
        ("E2", "figures.C1.text", "it rained"),
        ("F1", "claims.C1.text", "it rained"),
    ):
        error = refused("ref-known", partial(correct, story, target, field, old, "9"))
        assert (error.field, error.found.split()[-1]) == ("field", "E2")
    correct(story, "E2", "figures.F1.value", 8, 9)
    correct(story, "E2", "claims.C1.text", "it rained", "it snowed")
