"""ninjs 3.1 (IPTC News in JSON): a story as one composite item, its developments associated.

Its schema takes no field of anybody's own, so what it has no word for is a body whose role is
`ROLE`: JSON, as text.
"""

from collections.abc import Mapping
from typing import Any

from consumers.outputs import words
from consumers.outputs.place import PUBLISHER, Place, name_of
from consumers.outputs.told import (
    corrections_of,
    facts_of_item,
    facts_of_story,
    raised,
    timeline,
    updated,
)

__all__ = ["MEDIA_TYPE", "ROLE", "story"]

State = Mapping[str, Any]

MEDIA_TYPE = "application/json"
ROLE = "urn:dateline:ninjs:1"
WITHDRAWN = "Withdrawn"


def story(state: State, place: Place) -> bytes:
    """Give a story as one document.

    Args:
        state: the story's public state, parsed.
        place: where it is served from.
    """
    slug, items = state["story"], timeline(state)
    changed = raised(state["recorded_at"], state["position"])
    leading = (state["lead"] or {}).get("ref")
    lead = next((item for item in items if item["ref"] == leading), {})
    return words.json_bytes(
        {
            "uri": name_of(slug),
            "standard": {
                "name": "ninjs",
                "version": "3.1",
                "schema": "http://www.iptc.org/std/ninjs/ninjs-schema_3.1.json#",
            },
            "type": "composite",
            "representationType": "full",
            "version": str(state["version"]),
            "versionCreated": changed,
            "pubStatus": "usable",
            "urgency": lead.get("urgency"),
            "by": PUBLISHER,
            "headlines": [_words(words.line(state["title"]))],
            "altIds": [{"role": "story", "value": slug}],
            "people": [_named(person) for person in state["people"]],
            "places": [_named(where) for where in state["places"]],
            "bodies": [_extension(facts_of_story(state))],
            "renditions": [{"name": "web", "href": place.story(slug), "contentType": "text/html"}],
            "associations": [_association(state, item, place) for item in items],
        }
    )


def _association(state: State, item: Mapping[str, Any], place: Place) -> dict[str, Any]:
    slug, ref = state["story"], item["ref"]
    shared = {
        "uri": name_of(slug, ref),
        "rel": "update",
        "type": "text",
        "version": str(item["version"]),
        "firstCreated": item["recorded_at"],
        "altIds": [{"role": "ref", "value": ref}],
    }
    if item["status"] == "withdrawn":
        replacement = item.get("replacement")
        return shared | {
            "name": WITHDRAWN,
            "pubStatus": "canceled",
            "versionCreated": item["withdrawn_at"],
            "edNote": words.line(item["reason"]),
            "altIds": [
                *shared["altIds"],
                *([{"role": "replacement", "value": replacement}] if replacement else []),
            ],
        }
    headline = words.line(item["headline"] or "")
    body = words.plain(item.get("body") or "")
    notes = [words.line(each["note"]) for each in corrections_of(state, item)]
    return shared | {
        "name": headline or item["kind"],
        "pubStatus": "usable",
        "urgency": item["urgency"],
        "versionCreated": updated(state, item),
        "headlines": [_words(headline)] if headline else None,
        "bodies": [*([_words(body)] if body else []), _extension(facts_of_item(state, item))],
        "edNote": " ".join(f"Correction: {note}" for note in notes) or None,
        "people": [_named(person) for person in item.get("people", [])],
        "places": [_named(where) for where in item.get("places", [])],
        "organisations": [_named(org) for org in item.get("orgs", [])],
        "renditions": [{"name": "web", "href": place.story(slug, ref), "contentType": "text/html"}],
    }


def _words(value: str) -> dict[str, str]:
    return {"contentType": "text/plain", "value": value}


def _named(id_: str) -> dict[str, str]:
    return {"literal": id_}


def _extension(facts: Mapping[str, Any]) -> dict[str, str]:
    value = words.json_bytes(facts).decode()
    return {"role": ROLE, "contentType": "application/json", "value": value}
