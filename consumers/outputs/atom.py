"""Atom (RFC 4287), with archives (RFC 5005), tombstones (RFC 6721) and hubs (WebSub)."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from xml.etree import ElementTree as ET

from consumers.outputs import words
from consumers.outputs.markup import EXTENSION, TOMBSTONES, add, deleted, extend, written
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

__all__ = ["MEDIA_TYPE", "all_stories", "archive", "story"]

State = Mapping[str, Any]

MEDIA_TYPE = "application/atom+xml"
_NEVER: Final = "1970-01-01T00:00:00.000000000Z"  # when a feed changed that has nothing in it yet


def story(state: State, place: Place) -> bytes:
    """Give a story as a feed: what is new, and where the rest of it is.

    Args:
        state: the story's public state, parsed.
        place: where it is served from.
    """
    slug = state["story"]
    feed = _feed(
        place,
        name_of(slug),
        state["title"],
        raised(state["recorded_at"], state["position"]),
        place.feed(slug, "atom"),
    )
    add(feed, "link", rel="alternate", type="text/html", href=place.story(slug))
    older = pages(state) - 1
    if older > 0:
        add(feed, "link", rel="prev-archive", href=place.feed(slug, "atom", older))
    extend(feed, "story", facts_of_story(state))
    _tell(feed, state, current(state), place)
    return written(feed)


def archive(state: State, place: Place, page: int) -> bytes:
    """Give a page of a story's archive.

    Nothing of it depends on what comes after: it changes when something in it is corrected,
    refiled, held, released or withdrawn, and by nothing else.

    Args:
        state: the story's public state, parsed.
        place: where it is served from.
        page: which, from 1 for the oldest.
    """
    slug, told = state["story"], archived(state, page)
    # A page of which nothing stands says when what is older changed.
    upto = (found for each in range(page, 0, -1) if (found := _changes(state, each)))
    feed = _feed(
        place,
        name_of(slug),
        state["title"],
        max(next(upto, [_NEVER])),
        place.feed(slug, "atom", page),
    )
    add(feed, "fh:archive")
    add(feed, "link", rel="current", href=place.feed(slug, "atom"))
    if page > 1:
        add(feed, "link", rel="prev-archive", href=place.feed(slug, "atom", page - 1))
    # Until that page is complete, asking for it leads to the current document.
    add(feed, "link", rel="next-archive", href=place.feed(slug, "atom", page + 1))
    _tell(feed, state, told, place)
    return written(feed)


def all_stories(states: Iterable[State], place: Place, moved: Moved | None) -> bytes:
    """Give the latest developments over all stories.

    Args:
        states: the public states of those stories that may have one of them, parsed.
        place: where the feed is served from.
        moved: position and time of the last change that readers saw of any story.
    """
    known = list(states)
    changed = raised(moved.recorded_at, moved.position) if moved else _NEVER
    feed = _feed(place, name_of(), f"{PUBLISHER}: all stories", changed, place.feed(ALL, "atom"))
    add(feed, "link", rel="alternate", type="text/html", href=place.home())
    for state, item in latest(known):
        if item["status"] == "withdrawn":
            deleted(feed, tombstone(state, item))
        else:
            _source(_entry(feed, state, item, place), state, place)
    return written(feed)


def _feed(place: Place, urn: str, title: str, changed: str, own: str) -> ET.Element:
    feed = ET.Element(
        "feed",
        {
            "xmlns": "http://www.w3.org/2005/Atom",
            "xmlns:at": TOMBSTONES,
            "xmlns:dl": EXTENSION,
            "xmlns:fh": "http://purl.org/syndication/history/1.0",
        },
    )
    add(feed, "id", urn)
    add(feed, "title", words.line(title), type="text")
    add(feed, "updated", changed)
    add(add(feed, "author"), "name", PUBLISHER)
    add(feed, "link", rel="self", type=MEDIA_TYPE, href=own)
    if place.hub:
        add(feed, "link", rel="hub", href=place.hub)
    return feed


def _tell(feed: ET.Element, state: State, told: Told, place: Place) -> None:
    for stone in told.withdrawn:
        deleted(feed, tombstone(state, stone))
    for item in told.items:
        _entry(feed, state, item, place)


def _entry(feed: ET.Element, state: State, item: Mapping[str, Any], place: Place) -> ET.Element:
    slug, ref = state["story"], item["ref"]
    entry = add(feed, "entry")
    add(entry, "id", name_of(slug, ref))
    add(entry, "title", words.line(item["headline"] or ""), type="text")
    add(entry, "published", published(state, item))
    add(entry, "updated", updated(state, item))
    add(entry, "link", rel="alternate", type="text/html", href=place.story(slug, ref))
    for link in item.get("links", []):
        add(entry, "link", rel="related", href=words.address(link["url"]))
    add(entry, "category", term=item["kind"], scheme="urn:dateline:kind")
    if item.get("body"):
        add(entry, "content", words.plain(item["body"]), type="text")
    extend(entry, "development", facts_of_item(state, item))
    return entry


def _source(entry: ET.Element, state: State, place: Place) -> None:
    source = add(entry, "source")
    add(source, "id", name_of(state["story"]))
    add(source, "title", words.line(state["title"]), type="text")
    add(source, "updated", raised(state["recorded_at"], state["position"]))
    add(source, "link", rel="self", type=MEDIA_TYPE, href=place.feed(state["story"], "atom"))


def _changes(state: State, page: int) -> list[str]:
    """Give when each development of a page last changed."""
    told = archived(state, page)
    withdrawn = [raised(stone["withdrawn_at"], 0) for stone in told.withdrawn]
    return [updated(state, item) for item in told.items] + withdrawn
