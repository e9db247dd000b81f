"""JSON Feed 1.1 (jsonfeed.org/version/1.1), extended by `_dateline`."""

from collections.abc import Iterable, Mapping
from typing import Any

from consumers.outputs import words
from consumers.outputs.place import ALL, PUBLISHER, Place, name_of
from consumers.outputs.told import (
    Moved,
    Told,
    archived,
    current,
    facts_of_item,
    facts_of_story,
    latest,
    pages,
    published,
    raised,
    tombstone,
    updated,
)

__all__ = ["ABOUT", "MEDIA_TYPE", "all_stories", "archive", "story"]

State = Mapping[str, Any]

MEDIA_TYPE = "application/feed+json"
ABOUT = "urn:dateline:json-feed:1"


def story(state: State, place: Place) -> bytes:
    """Give a story as a feed: what is new, and where the rest of it is.

    Args:
        state: the story's public state, parsed.
        place: where it is served from.
    """
    facts = {"updated": raised(state["recorded_at"], state["position"])} | facts_of_story(state)
    return _of_story(state, current(state), place, page=None, extension=facts)


def archive(state: State, place: Place, page: int) -> bytes:
    """Give a page of a story's archive, see `consumers.outputs.atom.archive`."""
    return _of_story(state, archived(state, page), place, page=page, extension={"archive": page})


def all_stories(states: Iterable[State], place: Place, moved: Moved | None) -> bytes:
    """Give the latest developments over all stories, see `consumers.outputs.atom.all_stories`."""
    found = latest(states)
    feed = _feed(f"{PUBLISHER}: all stories", place.home(), place.feed(ALL, "json"), place.hub)
    feed["items"] = [_item(of, item, place) for of, item in found if item["status"] != "withdrawn"]
    feed["_dateline"] = {
        "about": ABOUT,
        "id": name_of(),
        "updated": raised(moved.recorded_at, moved.position) if moved else None,
        "deleted": [tombstone(of, item) for of, item in found if item["status"] == "withdrawn"],
    }
    return words.json_bytes(feed)


def _of_story(
    state: State, told: Told, place: Place, *, page: int | None, extension: dict[str, Any]
) -> bytes:
    slug = state["story"]
    older = (pages(state) if page is None else page) - 1
    feed = _feed(state["title"], place.story(slug), place.feed(slug, "json", page), place.hub)
    feed["next_url"] = place.feed(slug, "json", older) if older > 0 else None
    feed["items"] = [_item(state, item, place) for item in told.items]
    feed["_dateline"] = {
        "about": ABOUT,
        "id": name_of(slug),
        **extension,
        "deleted": [tombstone(state, stone) for stone in told.withdrawn],
    }
    return words.json_bytes(feed)


def _feed(title: str, home: str, own: str, hub: str | None) -> dict[str, Any]:
    return {
        "version": "https://jsonfeed.org/version/1.1",
        "title": words.line(title),
        "home_page_url": home,
        "feed_url": own,
        "authors": [{"name": PUBLISHER}],
        "hubs": [{"type": "WebSub", "url": hub}] if hub else None,
    }


def _item(state: State, item: Mapping[str, Any], place: Place) -> dict[str, Any]:
    slug, ref = state["story"], item["ref"]
    headline = words.line(item["headline"] or "")
    links = item.get("links", [])
    return {
        "id": name_of(slug, ref),
        "url": place.story(slug, ref),
        "external_url": words.address(links[0]["url"]) if links else None,
        "title": headline or None,
        # An item without text is none in this format.
        "content_text": words.plain(item.get("body") or "") or headline,
        "date_published": published(state, item),
        "date_modified": updated(state, item),
        "tags": [item["kind"]],
        "_dateline": {"about": ABOUT, "story": slug, **facts_of_item(state, item)},
    }
