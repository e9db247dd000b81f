"""The state of a story as one JSON document, put together from the parts it is kept as.

A part is turned into JSON once, when an event changes it; reading a story joins those bytes.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, NamedTuple

import orjson

from consumers.stories.named import named_by, without
from consumers.stories.parts import SECTIONS, Item, Part, Parts, Tombstone
from consumers.stories.standing import in_sight
from events.envelope import instant
from events.redaction import MARK
from events.release import Release

__all__ = [
    "EVERYBODY",
    "INTERNAL",
    "KEYED",
    "READERS",
    "Row",
    "document",
    "for_readers",
    "good_until",
    "part_of",
    "row_of",
    "sections_of",
]

KEYED: Final = ("claims", "figures", "occasions")
"""Sections that a state shows as an object, each part under its ref."""

LISTED: Final = ("conflicts", "corrections", "alerts")
"""Sections that a state shows as a list, behind those that are shown by their refs."""

FOR_EVER: Final = datetime.max.replace(tzinfo=UTC)
INTERNAL, EVERYBODY, READERS = range(3)
"""Who sees a part: the newsroom alone, everybody, or readers in place of what they may not see."""


class Row(NamedTuple):
    """A part as stored.

    `place` orders its section, `rank` is the urgency of what may lead, `names` the refs of others
    that it names, a JSON list, `until` when its embargo ends.
    """

    key: str
    section: str
    place: int
    audience: int
    rank: int | None
    content: str
    names: str | None
    until: str | None


# What a part leaves out while it holds nothing: its fields with a default, and that default.
_EMPTY: Final = {
    kind: {
        field.name: field.default if field.default is not MISSING else []
        for field in fields(kind)
        if field.default is not MISSING or field.default_factory is not MISSING
    }
    for kind in {*SECTIONS.values(), Tombstone}
}
_NOTHING: Final = object()
# For each kind of part: its fields, how to get all of them at once, and what is left out of each.
_SHOWN: Final = {
    kind: (
        [field.name for field in fields(kind)],
        attrgetter(*(field.name for field in fields(kind))),
        [empty.get(field.name, _NOTHING) for field in fields(kind)],
    )
    for kind, empty in _EMPTY.items()
}


def row_of(part: Part) -> Row:
    """Give the stored form of a part."""
    names, values, empty = _SHOWN[type(part)]
    shown = {
        name: value
        for name, value, left_out in zip(names, values(part), empty, strict=True)
        if value != left_out
    }
    says = isinstance(part, Item) and part.headline not in (None, MARK)
    leads = isinstance(part, Item) and part.status == "published" and says
    rank = part.urgency if isinstance(part, Item) and leads else None
    audience = READERS if isinstance(part, Tombstone) else int(part.public)
    place = part.position if part.key else 0
    content = orjson.dumps(shown).decode()
    named = named_by(part)
    naming = orjson.dumps(named).decode() if named else None
    bound = isinstance(part, Item) and part.release.embargoed and not part.release.withdrawn
    ends = part.embargo_until if isinstance(part, Item) and bound else None
    until = None if ends is None else instant(int(_time(ends).timestamp() * 1000))
    return Row(part.key, part.section, place, audience, rank, content, naming, until)


def part_of(section: str, content: str) -> Part:
    """Give the part that was stored."""
    found = orjson.loads(content)
    if "release" in found:
        found["release"] = Release(**found["release"])
    return Tombstone(**found) if "withdrawn_at" in found else SECTIONS[section](**found)


def for_readers(section: str, content: str, hidden: Container[str]) -> str:
    """Give what was stored of a part as it is for those who may not know of some refs."""
    return row_of(without(part_of(section, content), hidden)).content


def sections_of(parts: Parts, *, public: bool = False) -> tuple[dict[str, bytes], str | None]:
    """Join the parts of a story section by section, as `document` takes them, and find the lead."""
    hidden = INTERNAL if public else READERS
    rows = [row for row in map(row_of, parts.values()) if row.audience != hidden]
    if public:
        rows = [_scrubbed(row, parts) for row in rows]
    rows.sort(key=lambda row: (row.place, row.key))
    joined: dict[str, list[str]] = {}
    for row in rows:
        keyed = f'"{row.key}":{row.content}' if row.section in KEYED else row.content
        joined.setdefault(row.section, []).append(keyed)
    leads = [row for row in rows if row.section == "timeline" and row.rank is not None]
    lead = min(leads, key=lambda row: (row.rank, -row.place), default=None)
    found = {section: ",".join(contents).encode() for section, contents in joined.items()}
    return found, lead.content if lead else None


def _scrubbed(row: Row, parts: Parts) -> Row:
    named = orjson.loads(row.names) if row.names else ()
    hidden = {ref for ref in named if not in_sight(parts.get, ref)}
    return row._replace(content=for_readers(row.section, row.content, hidden)) if hidden else row


def document(
    sections: Mapping[str, bytes],
    lead: str | None,
    checkpoint: int,
    now: str | None,
    *,
    public: bool = False,
) -> bytes | None:
    """Give the state of a story as JSON, in the shape `State` of `/openapi.json`.

    Args:
        sections: the story's parts as this reader may see them, joined by commas, by section.
        lead: the part that leads; of what stands the smallest urgency, the latest of equals.
        checkpoint: position up to which the parts are complete.
        now: the moment by which responses are overdue, RFC 3339 in UTC; None for when this reader
            last saw the story move.
        public: for readers, who see no more of the heading than what they saw change.

    Returns:
        UTF-8 JSON, or None for a story that there is not (for this reader).
    """
    if "heading" not in sections:
        return None
    heading = orjson.loads(sections["heading"])
    place = _place(heading, lead, "public_" if public else "")
    by = now or place["recorded_at"]
    pending, resolved = _waits(_parsed(sections, "responses"), by, public=public)
    mentions = _parsed(sections, "mentions")
    opening = _parsed(sections, "opening")
    place["opening"] = _some(opening[0], "ref", "headline") if opening else None
    people, places = (_mentioned(mentions, kind, public=public) for kind in ("person:", "place:"))
    rest: dict[str, tuple[bytes, ...]] = {
        "timeline": (b"[", sections.get("timeline", b""), b"]"),
        "pending": (orjson.dumps(pending),),
        "resolved": (orjson.dumps(resolved),),
        **{name: (b"{", sections.get(name, b""), b"}") for name in KEYED},
        **{name: (b"[", sections.get(name, b""), b"]") for name in LISTED},
        "people": (orjson.dumps(people),),
        "places": (orjson.dumps(places),),
        "checkpoint": (b"%d" % (place["position"] if public else checkpoint),),
    }
    # Joined once: a long story has megabytes, and a copy of them costs as much as reading them.
    pieces = [orjson.dumps(place)[:-1]]
    for name, content in rest.items():
        pieces += (b',"%b":' % name.encode(), *content)
    pieces.append(b"}")
    return b"".join(pieces)


def _place(heading: Mapping[str, Any], lead: str | None, prefix: str) -> dict[str, Any]:
    """What a state begins with: where the story stands, as the reader was shown it."""
    return {
        "story": heading["story"],
        "title": heading[f"{prefix}title"],
        "status": heading["status"],
        "version": heading[f"{prefix}version"],
        "position": heading[f"{prefix}position"],
        "recorded_at": heading[f"{prefix}recorded_at"],
        "first_seen": heading.get("first_seen"),
        "lead": _some(orjson.loads(lead), "ref", "headline") if lead else None,
    }


def good_until(sections: Mapping[str, bytes], now: str) -> datetime:
    """Give the moment at which the next response is overdue, and a state shows something else."""
    waits = _parsed(sections, "responses")
    dues = (_time(wait["due_at"]) for wait in waits if wait["due_at"] is not None)
    return min((due for due in dues if due >= _time(now)), default=FOR_EVER)


def _time(text: str) -> datetime:
    # Never compared as text: a time may have a fraction of a second, or none.
    return datetime.fromisoformat(text)


def _parsed(sections: Mapping[str, bytes], name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads(b"[%b]" % sections.get(name, b""))
    return found


def _waits(
    waits: Iterable[Mapping[str, Any]], now: str, *, public: bool
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Part the awaited responses into those still open and those that ended."""
    pending: list[Mapping[str, Any]] = []
    resolved: list[Mapping[str, Any]] = []
    for wait in waits:
        if wait["withdrawn"]:
            continue
        if wait["by"] is not None and (wait.get("answer_public") or not public):
            resolved.append(_some(wait, "ref", "awaited_from", "by", "how", "development"))
            continue
        names = ("ref", "awaited_from", "about", "since", "asked_at", "due_at", "note")
        due = wait["due_at"]
        overdue = due is not None and _time(due) < _time(now)
        pending.append({**_some(wait, *names, "development"), "overdue": overdue})
    return pending, resolved


def _some(content: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: content[name] for name in names}


def _mentioned(mentions: Iterable[Mapping[str, Any]], prefix: str, *, public: bool) -> list[str]:
    times = "public_times" if public else "times"
    return [m["key"] for m in mentions if m["key"].startswith(prefix) and m[times] > 0]
