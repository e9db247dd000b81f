"""A number is somebody's: who revises it, what it is part of, and what it is added to."""

from functools import partial
from typing import Any

import pytest
from filings import opened, refused

FIGURE = {"ref": "F1", "measure": "children", "value": 8, "source": "person:a"}


def test_parts_do_not_exceed_their_whole() -> None:
    """Exact parts of one source add up to at most their whole and count the same thing."""
    story = opened()
    story.file("figure-reported", figures=[FIGURE])
    part = FIGURE | {"part_of": "F1"}
    story.file("figure-reported", figures=[part | {"ref": "F2", "value": 5}])
    refused(
        "parts-exceed-whole",
        lambda: story.file("figure-reported", figures=[part | {"ref": "F3", "value": 4}]),
    )
    refused(
        "part-measure",
        lambda: story.file(
            "figure-reported", figures=[part | {"ref": "F3", "measure": "adults", "value": 1}]
        ),
    )
    other = part | {"ref": "F3", "value": 400, "source": "org:b"}
    story.file("figure-reported", figures=[other])
    story.file("figure-reported", figures=[part | {"ref": "F4", "value": "2.5"}])


@pytest.mark.parametrize(
    ("whole", "part"),
    [
        ({}, {"value": 99, "qualifier": "about"}),
        ({}, {"value": None, "words": "dozens"}),
        ({"qualifier": "more-than"}, {"value": 99}),
        ({"value": None, "words": "a handful"}, {"value": 99}),
    ],
)
def test_only_exact_numbers_are_added_up(whole: dict[str, Any], part: dict[str, Any]) -> None:
    """What is only about right, or said in words, is held against nothing."""
    story = opened()
    story.file("figure-reported", figures=[FIGURE | whole])
    story.file("figure-reported", figures=[FIGURE | {"ref": "F2", "part_of": "F1"} | part])


def test_wholes_and_parts_run_in_no_circle() -> None:
    """A figure is not part of itself, however far around."""
    circle = [
        FIGURE | {"ref": "F1", "part_of": "F2"},
        FIGURE | {"ref": "F2", "part_of": "F1"},
    ]
    refused("part-circle", lambda: opened().file("figure-reported", figures=circle))
    claimed: dict[str, Any] = {"claims": [{"ref": "C1", "text": "x"}]}
    of_claim = [FIGURE | {"part_of": "C1"}]
    refused("ref-known", lambda: opened().file("figure-reported", figures=of_claim, **claimed))


def test_figures_not_comparable_are_never_computed_with() -> None:
    """Once noted as not comparable, a figure is added neither to the other nor to its whole."""
    story = opened()
    parts = [FIGURE | {"ref": ref, "value": 3, "part_of": "F1"} for ref in ("F2", "F3")]
    story.file("figure-reported", figures=[FIGURE, *parts, FIGURE | {"ref": "F4", "value": 7}])
    more = FIGURE | {"value": 6, "part_of": "F1"}
    refused(
        "parts-exceed-whole",
        lambda: story.file("figure-reported", figures=[more | {"ref": "F5"}]),
    )
    for between in (["F2", "F3"], ["F1", "F4"]):
        story.file("conflict-noted", conflict={"between": between, "nature": "not-comparable"})
    assert story.state()["figures"]["F1"]["not_comparable_with"] == ["F4"]
    assert story.state()["figures"]["F4"]["not_comparable_with"] == ["F1"]
    story.file("figure-reported", figures=[more | {"ref": "F5"}])
    story.file("conflict-noted", conflict={"between": ["F1", "F5"], "nature": "not-comparable"})
    story.file("figure-reported", figures=[more | {"ref": "F6"}])


def test_a_figure_is_somebodys() -> None:
    """A figure without a source, its words or a speaker is refused, and one without amount."""
    nobody = {"ref": "F1", "measure": "children", "value": 8}
    refused("figure-source", lambda: opened().file("figure-reported", figures=[nobody]))
    opened().file("figure-reported", figures=[nobody | {"source_text": "one estimate"}])
    opened().file("figure-reported", figures=[nobody], attribution={"speaker": "org:un"})
    empty = {"ref": "F1", "measure": "children", "source": "org:un"}
    opened().file("figure-reported", figures=[empty | {"words": "thousands"}])
    refused("figure-says", lambda: opened().file("figure-reported", figures=[empty]))


def test_a_revision_says_whose_it_is_as_any_figure_does() -> None:
    """A figure is revised by whoever it is of, named, in words or as who is quoted; by no other."""
    story = opened()
    unnamed = FIGURE | {"ref": "F2", "source": None, "source_text": "one estimate"}
    story.file("figure-reported", figures=[FIGURE, unnamed])

    def revise(target: str, **fields: Any) -> str:
        return story.file("figure-revised", target=target, **{"value": 9, **fields})

    revise("F1", attribution={"speaker": "person:a"})
    revise("F1", source="person:a", source_text="in a later call", value=None, words="nine")
    revise("F2", source_text="one estimate")
    others: list[tuple[str, dict[str, Any], str]] = [
        ("F1", {"attribution": {"speaker": "person:b"}}, "person:b"),
        ("F1", {"source": "person:b", "attribution": {"speaker": "person:a"}}, "person:b"),
        ("F1", {"source_text": "another estimate"}, "another estimate"),
        ("F2", {"source_text": "another estimate"}, "another estimate"),
        ("F2", {}, "nobody"),
    ]
    for target, fields, found in others:
        error = refused("same-source", partial(revise, target, **fields))
        owner = "person:a" if target == "F1" else "one estimate"
        assert (error.expected, error.found) == (f"{owner}, whose figure it is", found)
    refused("figure-says", lambda: revise("F1", source="person:a", value=None))


def test_only_the_source_revises_its_figure() -> None:
    """Another source's number stands beside the first and does not replace it."""
    story = opened()
    story.file("figure-reported", figures=[FIGURE])
    refused(
        "same-source",
        lambda: story.file("figure-revised", target="F1", value=9, source="person:b"),
    )
    story.file("figure-revised", target="F1", value=9, source="person:a")
    figure = story.state()["figures"]["F1"]
    assert (figure["value"], [old["value"] for old in figure["history"]]) == (9, [8])
