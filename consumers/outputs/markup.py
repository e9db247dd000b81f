"""XML whose texts are inert, and the facts of a story as elements of a namespace of our own."""

import re
from typing import Any, Final
from xml.etree import ElementTree as ET

from consumers.outputs import words

__all__ = ["EXTENSION", "TOMBSTONES", "add", "deleted", "extend", "written"]

EXTENSION: Final = "urn:dateline:atom:1"
TOMBSTONES: Final = "http://purl.org/atompub/tombstones/1.0"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
# They may hold any JSON, which an element could not tell from text.
_ANY_JSON: Final = frozenset({"old", "new"})
# Elements are named for one part; the state names them for many.
_ONE: Final = {
    "claims": "claim",
    "figures": "figure",
    "occasions": "occasion",
    "conflicts": "conflict",
    "corrections": "correction",
    "people": "person",
    "places": "place",
    "orgs": "org",
    "links": "link",
    "parts": "part",
}


def add(parent: ET.Element, name: str, words_: str | None = None, **attributes: str) -> ET.Element:
    """Add an element.

    Args:
        parent: the element that it stands in.
        name: its name with the prefix that the document declares.
        words_: its text.
        attributes: its attributes; those with a colon are written with two underscores.
    """
    made = ET.SubElement(
        parent,
        name,
        {key.replace("__", ":"): words.line(value) for key, value in attributes.items()},
    )
    made.text = None if words_ is None else words.text(words_)
    return made


def extend(parent: ET.Element, name: str, value: Any) -> None:  # noqa: ANN401 - any JSON
    """Add JSON as elements of the extension.

    A field is an element of its name with hyphens, a list is the element repeated, nothing is left
    out; what may be of any kind is JSON text.
    """
    tag = f"dl:{_ONE.get(name, name).replace('_', '-')}"
    if name in _ANY_JSON and not isinstance(value, str):
        add(parent, tag, words.json_bytes(value).decode(), type="json")
        return
    match value:
        case None:
            return
        case dict():
            element = add(parent, tag)
            for key, each in value.items():
                if _NAME.fullmatch(key):
                    extend(element, key, each)
        case list():
            for each in value:
                extend(parent, name, each)
        case bool():
            add(parent, tag, "true" if value else "false")
        case _:
            add(parent, tag, str(value))


def deleted(parent: ET.Element, stone: dict[str, Any]) -> None:
    """Add a tombstone (RFC 6721)."""
    element = add(parent, "at:deleted-entry", ref=stone["id"], when=stone["withdrawn_at"])
    add(element, "at:comment", words.line(stone["reason"]), type="text")
    extend(element, "replacement", stone["replacement"])


def written(root: ET.Element) -> bytes:
    """Give a document as UTF-8."""
    found: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return found
