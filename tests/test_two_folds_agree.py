"""However a story goes, the desk judges by what readers see, and readers see only what is out."""

from collections.abc import Iterator
from typing import Any

import orjson
from any_story import told
from conftest import Clock
from filings import Story
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.stories.projection import Stories
from consumers.views import Views
from producers.desk import Answer, Claimed, Counted, Standing


@settings(max_examples=50)
@given(draw=st.data())
def test_the_desk_judges_by_what_is_shown(draw: st.DataObject) -> None:
    """Whatever was filed, corrected, held or withdrawn, the desk and the state hold the same."""
    story = told(draw)
    state = story.state()
    shown = state["figures"] | state["claims"] | {wait["ref"]: wait for wait in state["resolved"]}
    for name, part in story.desk.items():
        match part:
            case Counted(figure=figure):
                said = figure.model_dump(mode="json", include={"value", "words", "qualifier"})
                seen = shown[name]
                assert {field: seen[field] for field in said} == said
                assert seen["source"] == part.source
                assert seen["parts"] == list(part.parts)
                assert seen.get("not_comparable_with", []) == sorted(part.apart_from)
                assert seen.get("part_of") == figure.part_of
                assert seen["status"] in (part.verification, "withdrawn")
            case Claimed(claim=claim):
                assert shown[name]["text"] == claim.text
                assert shown[name]["speaker"] == (claim.speaker or speaker(story, part.owner))
                assert shown[name]["status"] in (part.verification, "withdrawn")
            case Answer(by=by):
                assert shown.get(name, {}).get("by") == by or by is None or is_gone(story, part)


def speaker(story: Story, ref: str) -> str | None:
    owner = story.desk[ref]
    assert isinstance(owner, Standing)
    said_by = owner.development.attribution
    return said_by.speaker if said_by else None


def is_gone(story: Story, answer: Answer) -> bool:
    owner = story.desk[answer.owner]
    return isinstance(owner, Standing) and owner.release.withdrawn


@settings(max_examples=50)
@given(draw=st.data())
def test_readers_learn_no_name_of_what_is_not_out(
    draw: st.DataObject,
) -> None:
    """The public state names nothing that readers cannot find in it."""
    story = told(draw)
    if not story.is_public():
        return
    public = story.state(public=True)
    found = {item["ref"] for item in (*public["timeline"], *public["conflicts"])}
    found |= {"E1", *public["claims"], *public["figures"]}
    found |= {wait["ref"] for wait in (*public["pending"], *public["resolved"])}
    found |= {correction["ref"] for correction in public["corrections"]}
    known = set(story.desk) - {""}
    assert (known & set(words(public))) <= found


def words(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for name, each in value.items():
                if name not in ("old", "new"):
                    yield from words(each)
        case list():
            for each in value:
                yield from words(each)
        case str():
            yield value


@settings(max_examples=50)
@given(draw=st.data(), portion=st.integers(1, 9))
def test_the_view_shows_what_the_events_tell(draw: st.DataObject, portion: int) -> None:
    """The state on disk, made in portions of any size, is the state folded from the events."""
    story = told(draw)
    views = Views(":memory:", Clock())
    stories = Stories(views)
    with views.transaction():
        for first in range(0, len(story.events), portion):
            stories.project(1, story.events[first : first + portion])
    now = "2026-01-01T00:00:00Z"
    for public in (False, True) if story.is_public() else (False,):
        shown = stories.state("a-story", now, public=public)
        assert shown is not None
        assert orjson.loads(shown) | {"checkpoint": 0} == story.state(public=public) | {
            "checkpoint": 0
        }
    views.close()
