"""The state of a story as one JSON document, put together from the parts it is kept as.

A part is turned into JSON once, when an event changes it; reading a story joins those bytes.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson

from consumers.parts import SECTIONS, Item, Part, Parts
from events.release import Release

__all__ = ["Row", "document", "part_of", "row_of", "rows_of"]


class Row(NamedTuple):
    """A part as stored: `place` orders its section, `rank` is the urgency of what may lead."""

    key: str
    section: str
    place: int
    public: bool
    rank: int | None
    content: bytes


def row_of(part: Part) -> Row:
    """Give the stored form of a part."""
    rank = None
    if isinstance(part, Item) and part.status == "published" and part.kind != "story-opened":
        rank = part.urgency
    return Row(part.key, part.section, part.position, part.public, rank, orjson.dumps(part))


def rows_of(parts: Parts) -> list[Row]:
    """Give the stored form of a whole story, in order."""
    return sorted((row_of(part) for part in parts.values()), key=lambda row: (row.place, row.key))


def part_of(section: str, content: bytes) -> Part:
    """Give the part that was stored."""
    found = orjson.loads(content)
    if "release" in found:
        found["release"] = Release(**found["release"])
    return SECTIONS[section](**found)


def document(
    rows: Iterable[Row], checkpoint: int, now: str, *, public: bool = False
) -> bytes | None:
    """Give the state of a story, VOCABULARY section 3, as JSON.

    Args:
        rows: the story's parts, ordered by place.
        checkpoint: position up to which the parts are complete.
        now: the moment by which responses are overdue, RFC 3339 in UTC.
        public: leave out whatever is not released.

    Returns:
        UTF-8 JSON, or None for a story that there is not (for this reader).
    """
    sections: dict[str, list[Row]] = {name: [] for name in SECTIONS}
    for row in rows:
        if row.public or not public:
            sections[row.section].append(row)
    if not sections["heading"]:
        return None
    heading = orjson.loads(sections["heading"][0].content)
    pending, resolved = _waits(sections["responses"], now, public=public)
    place = {
        "story": heading["story"],
        "title": heading["public_title"] if public else heading["title"],
        "status": heading["status"],
        "version": heading["public_version"] if public else heading["version"],
        "position": heading["public_position"] if public else heading["position"],
        "recorded_at": heading["public_recorded_at"] if public else heading["recorded_at"],
        "lead": _lead(sections["timeline"]),
    }
    timeline = [row for row in sections["timeline"] if row.key != heading["opening"]]
    if public:
        timeline = sorted([*timeline, *sections["tombstones"]], key=lambda row: row.place)
    rest = {
        "timeline": _list(timeline),
        "pending": orjson.dumps(pending),
        "resolved": orjson.dumps(resolved),
        "claims": _keyed(sections["claims"]),
        "figures": _keyed(sections["figures"]),
        "occasions": _keyed(sections["occasions"]),
        "conflicts": _list(sections["conflicts"]),
        "corrections": _list(sections["corrections"]),
        "alerts": _list(sections["alerts"]),
        "people": orjson.dumps(_mentioned(sections["mentions"], "person:", public=public)),
        "places": orjson.dumps(_mentioned(sections["mentions"], "place:", public=public)),
        "checkpoint": str(place["position"] if public else checkpoint).encode(),
    }
    body = b",".join(b'"%b":%b' % (name.encode(), content) for name, content in rest.items())
    return orjson.dumps(place)[:-1] + b"," + body + b"}"


def _list(rows: Iterable[Row]) -> bytes:
    return b"[" + b",".join([row.content for row in rows]) + b"]"


def _keyed(rows: Iterable[Row]) -> bytes:
    return b"{" + b",".join([b'"%b":%b' % (row.key.encode(), row.content) for row in rows]) + b"}"


def _lead(timeline: Iterable[Row]) -> dict[str, Any] | None:
    """The smallest urgency among what stands; the latest of equals."""
    best = min(
        (row for row in timeline if row.rank is not None),
        key=lambda row: (row.rank, -row.place),
        default=None,
    )
    if best is None:
        return None
    item = orjson.loads(best.content)
    return {"ref": item["ref"], "headline": item["headline"]}


def _waits(
    rows: Iterable[Row], now: str, *, public: bool
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Part the awaited responses into those still open and those that ended."""
    pending: list[Mapping[str, Any]] = []
    resolved: list[Mapping[str, Any]] = []
    for row in rows:
        wait = orjson.loads(row.content)
        if wait["withdrawn"]:
            continue
        if wait["by"] is not None and (wait["answer_public"] or not public):
            resolved.append(_some(wait, "ref", "awaited_from", "by", "how", "development"))
            continue
        due = wait["due_at"]
        asked = _some(
            wait,
            "ref",
            "awaited_from",
            "about",
            "since",
            "asked_at",
            "due_at",
            "note",
            "development",
        )
        pending.append({**asked, "overdue": due is not None and due < now})
    return pending, resolved


def _some(content: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: content[name] for name in names}


def _mentioned(rows: Iterable[Row], prefix: str, *, public: bool) -> list[str]:
    times = "public_times" if public else "times"
    return [
        row.key
        for row in rows
        if row.key.startswith(prefix) and orjson.loads(row.content)[times] > 0
    ]
