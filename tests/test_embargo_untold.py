"""Nothing that is not released moves anything that readers see, whatever it does to a story."""

from typing import Any

import pytest
from any_story import told
from filings import BEN, LATER, opened
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.feed.updates import update_of
from consumers.stories.parts import Parts
from consumers.stories.state import document, row_of, sections_of
from consumers.stories.story import evolve

KREMLIN = {"ref": "P1", "awaited_from": "org:kremlin"}
PART = {"ref": "F2", "measure": "children", "value": 3, "source": "org:un", "part_of": "F1"}
SECRETS: dict[str, dict[str, Any]] = {
    "response-received": {"resolves": "P1"},
    "response-declined": {"resolves": "P1"},
    "background-added": {"people": ["person:a"]},
    "figure-reported": {"figures": [PART]},
}


def read(parts: Parts) -> bytes | None:
    """The state of a story to the last byte, as readers have it."""
    sections, lead = sections_of(parts, public=True)
    return document(sections, lead, 0, None, public=True)


@settings(max_examples=60)
@given(st.data())
def test_what_is_under_embargo_moves_nothing(draw: st.DataObject) -> None:
    """What is filed under embargo changes no byte for readers, and none of them is told of it."""
    parts: Parts = {}
    for event in told(draw).events:
        changed = evolve(parts, event)
        if getattr(event.development, "embargo_until", None) is not None:
            rows = {key: row_of(part) for key, part in changed.items()}
            assert update_of(parts, changed, rows, event) is None
            assert read(parts | changed) == read(parts)
        parts |= changed


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("kept_back", [{"embargo_until": LATER}, {"needs_approval": True}])
def test_an_answer_or_name_that_is_kept_back_is_not_told(
    kind: str, kept_back: dict[str, Any]
) -> None:
    """What ends a wait, names somebody or is part of a figure is told when it is released."""
    story = opened(people=["person:a"])
    whole = {"ref": "F1", "measure": "children", "value": 8, "source": "org:un"}
    story.file("response-awaited", response=KREMLIN)
    story.file("figure-reported", figures=[whole])
    before, known = read(story.parts), dict(story.parts)
    ref = story.file(kind, **SECRETS[kind], **kept_back)
    changed = evolve(known, story.events[-1])
    rows = {key: row_of(part) for key, part in changed.items()}
    assert update_of(known, changed, rows, story.events[-1]) is None
    assert read(story.parts) == before

    release = {"reason": "it is out"} if "embargo_until" in kept_back else {}
    act = "embargo-broken" if release else "published"
    known = dict(story.parts)
    story.file(act, by=BEN, target=ref, **release)
    changed = evolve(known, story.events[-1])
    rows = {key: row_of(part) for key, part in changed.items()}
    told_now = update_of(known, changed, rows, story.events[-1])
    assert told_now is not None
    assert told_now.kind == kind


def test_people_stand_in_the_order_in_which_readers_met_them() -> None:
    """Somebody who was named before under embargo does not stand ahead of others for that."""
    story = opened()
    story.file("background-added", people=["person:b"], embargo_until=LATER)
    story.file("background-added", people=["person:a"])
    story.file("background-added", people=["person:b"])
    assert story.state(public=True)["people"] == ["person:a", "person:b"]
