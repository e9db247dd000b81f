"""LiveBlogPosting (schema.org) as JSON-LD, to be put into a page or read on its own."""

from collections.abc import Mapping
from typing import Any, Final

from consumers.outputs import words
from consumers.outputs.place import PUBLISHER, Place, name_of
from consumers.outputs.told import corrections_of, published, raised, timeline, updated

__all__ = ["MEDIA_TYPE", "story"]

State = Mapping[str, Any]

MEDIA_TYPE = "application/ld+json"
WITHDRAWN = "Withdrawn"
# Who tells an update; who said what it tells stands in its words.
_NEWSROOM: Final = {"@type": "Organization", "name": PUBLISHER}


def story(state: State, place: Place) -> bytes:
    """Give a story as a live blog.

    Args:
        state: the story's public state, parsed.
        place: where it is served from.
    """
    slug, items = state["story"], timeline(state)
    times = [published(state, item) for item in items] or [state["recorded_at"]]
    # Of corrections, those of the story's title and of noted conflicts belong to no update.
    owned = {item["ref"] for item in items}
    others = [each for each in state["corrections"] if each["development"] not in owned]
    return words.json_bytes(
        {
            "@context": "https://schema.org",
            "@type": "LiveBlogPosting",
            "@id": name_of(slug),
            "identifier": name_of(slug),
            "url": place.story(slug),
            "mainEntityOfPage": place.story(slug),
            "headline": words.line(state["title"]),
            "datePublished": min(times),
            "dateModified": raised(state["recorded_at"], state["position"]),
            "coverageStartTime": min(times),
            # A closed story takes corrections and no news, so that its last news ended it.
            "coverageEndTime": max(times) if state["status"] == "closed" else None,
            "author": _NEWSROOM,
            "publisher": _NEWSROOM,
            "version": str(state["version"]),
            "correction": [_correction(each) for each in others] or None,
            "liveBlogUpdate": [_update(state, item, place) for item in items],
        }
    )


def _update(state: State, item: Mapping[str, Any], place: Place) -> dict[str, Any]:
    slug, ref = state["story"], item["ref"]
    shared = {
        "@type": "BlogPosting",
        "@id": name_of(slug, ref),
        "identifier": name_of(slug, ref),
        "url": place.story(slug, ref),
        "datePublished": published(state, item),
    }
    if item["status"] == "withdrawn":
        reason = words.line(item["reason"])
        return shared | {
            "headline": WITHDRAWN,
            "dateModified": item["withdrawn_at"],
            "creativeWorkStatus": WITHDRAWN,
            "correction": [_comment(reason, item["withdrawn_at"])],
        }
    headline = words.line(item["headline"] or "")
    corrections = corrections_of(state, item)
    return shared | {
        "headline": headline,
        "articleBody": words.plain(item.get("body") or "") or headline,
        "dateModified": updated(state, item),
        "author": _NEWSROOM,
        "mentions": [
            {"@type": type_, "identifier": id_}
            for type_, ids in (("Person", "people"), ("Organization", "orgs"), ("Place", "places"))
            for id_ in item.get(ids, [])
        ]
        or None,
        "correction": [_correction(each) for each in corrections] or None,
    }


def _correction(correction: Mapping[str, Any]) -> dict[str, Any]:
    return _comment(words.line(correction["note"]), correction["recorded_at"])


def _comment(note: str, at: str) -> dict[str, Any]:
    return {"@type": "CorrectionComment", "text": note, "datePublished": at}
