"""RSS 2.0, as little of it as readers need that know nothing better."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from xml.etree import ElementTree as ET

from consumers.outputs import words
from consumers.outputs.markup import EXTENSION, TOMBSTONES, add, deleted, extend, written
from consumers.outputs.place import Place, name_of
from consumers.outputs.told import current, facts_of_item, published, tombstone

__all__ = ["MEDIA_TYPE", "story"]

MEDIA_TYPE = "application/rss+xml"


def story(state: Mapping[str, Any], place: Place) -> bytes:
    """Give a story as a channel.

    Its readers take descriptions for HTML and titles for either, so both are escaped once more.

    Args:
        state: the story's public state, parsed.
        place: where it is served from.
    """
    slug = state["story"]
    rss = ET.Element(
        "rss",
        {
            "version": "2.0",
            "xmlns:at": TOMBSTONES,
            "xmlns:atom": "http://www.w3.org/2005/Atom",
            "xmlns:dl": EXTENSION,
        },
    )
    channel = add(rss, "channel")
    title = words.line(state["title"])
    add(channel, "title", words.title_for_html(title))
    add(channel, "link", place.story(slug))
    add(channel, "description", words.escaped(title))
    add(channel, "lastBuildDate", _date(state["recorded_at"]))
    add(channel, "atom:link", rel="self", href=place.feed(slug, "rss"))
    if place.hub:
        add(channel, "atom:link", rel="hub", href=place.hub)
    told = current(state)
    for stone in told.withdrawn:
        deleted(channel, tombstone(state, stone))
    for item in told.items:
        entry = add(channel, "item")
        headline = words.line(item["headline"] or "")
        add(entry, "title", words.title_for_html(headline))
        add(entry, "link", place.story(slug, item["ref"]))
        add(entry, "guid", name_of(slug, item["ref"]), isPermaLink="false")
        add(entry, "pubDate", _date(published(state, item)))
        add(entry, "category", item["kind"])
        add(entry, "description", words.escaped(words.plain(item.get("body") or "") or headline))
        extend(entry, "corrections", facts_of_item(state, item).get("corrections"))
    return written(rss)


def _date(at: str) -> str:
    return format_datetime(datetime.fromisoformat(at))
