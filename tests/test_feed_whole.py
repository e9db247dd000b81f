"""Whoever follows the live feed has the whole story, as its state shows it to readers."""

from collections.abc import Iterable
from typing import Any

import orjson
from any_story import told
from conftest import Clock
from filings import ADA, BEN, LATER, Story, opened
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.feed.bulletin import Wanted
from consumers.stories.projection import Stories
from consumers.views import Views

Followed = dict[tuple[str, str], dict[str, Any]]


def followed(updates: Iterable[dict[str, Any]]) -> Followed:
    """What somebody has who keeps what is told and lets go of what is gone, by section and ref."""
    kept: Followed = {}
    for update in updates:
        if "changed" not in update:  # the story went out of sight
            kept.clear()
            continue
        for gone in update["gone"]:
            kept = {place: part for place, part in kept.items() if place[1] != gone}
        for section, parts in update["changed"].items():
            kept |= {(section, part["ref"]): part for part in parts}
    return kept


def at_once_and_later(story: Story) -> tuple[Followed, Followed]:
    """What somebody has who followed from the beginning, and somebody who reads it all now."""
    views = Views(":memory:", Clock())
    stories = Stories(views)
    heard: list[dict[str, Any]] = []
    for event in story.events:
        stories.project(1, [event])
        now = stories.updates(event.position - 1, event.position, 1, Wanted())
        heard += [orjson.loads(update.event)["data"] for update in now]
    late = stories.updates(0, len(story.events), 1_000, Wanted())
    views.close()
    return followed(heard), followed(orjson.loads(update.event)["data"] for update in late)


def check_whole(story: Story) -> None:
    state = story.state(public=True)
    shown: Followed = {}
    for section in ("timeline", "conflicts", "corrections"):
        shown |= {(section, part["ref"]): part for part in state[section]}
    for section in ("claims", "figures"):
        shown |= {(section, ref): part for ref, part in state[section].items()}
    for had in at_once_and_later(story):
        ours = {
            place: part for place, part in had.items() if place[0] not in {"opening", "responses"}
        }
        assert ours == shown


@settings(max_examples=60)
@given(st.data())
def test_who_follows_has_what_the_state_has(draw: st.DataObject) -> None:
    """However a story goes, its updates add up to its state, whenever one begins to follow."""
    story = told(draw)
    if story.is_public():
        check_whole(story)


def test_a_name_that_comes_or_goes_is_told_where_it_stands() -> None:
    """When what a development names is held, or released, the development is told anew."""
    story = opened()
    wait = story.file("response-awaited", response={"ref": "P1", "awaited_from": "org:kremlin"})
    answer = story.file("response-received", resolves="P1")
    check_whole(story)
    story.file("held", target=wait, reason="r")
    check_whole(story)
    assert "resolves" not in at_once_and_later(story)[0]["timeline", answer]
    story.file("hold-released", by=BEN, target=wait, reason="r")
    check_whole(story)
    instead = story.file("quote-added", embargo_until=LATER)
    story.file("withdrawn", target=answer, reason="untrue", replacement=instead)
    check_whole(story)
    story.file("embargo-broken", by=ADA, target=instead, reason="it is out")
    check_whole(story)
    assert at_once_and_later(story)[0]["timeline", answer]["replacement"] == instead
