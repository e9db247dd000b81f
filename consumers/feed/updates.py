"""What readers are told of an event: the parts of a story that it changed for them, and no others.

An update is a CloudEvent (CloudEvents 1.0, JSON format). It is made of public parts alone, so what
is embargoed, held or private cannot get into it; a development that is released later comes with
the event that released it, at that event's position.
"""

from collections.abc import Container, Iterable, Mapping
from typing import Any, Final, NamedTuple

import orjson

from consumers.stories.parts import Find, Heading, Item, Part, Parts
from consumers.stories.standing import in_sight
from consumers.stories.state import INTERNAL, Row, for_readers
from events.editorial import EmbargoBroken, EmbargoLifted, HoldReleased, Published, Redacted
from events.envelope import Recorded

__all__ = [
    "TAKES_BACK",
    "UNTOLD",
    "Update",
    "comes_into_sight",
    "taken_back",
    "turned",
    "update_of",
    "without_parts",
]

ORDINARY = 5  # urgency of an update that shows no development; the middle of the scale
TAKES_BACK: Final = frozenset({"held", "withdrawn", "redacted"})
"""Kinds after which what was told before is not told again."""

STORY_GONE: Final = "story"  # stands in `gone` for the story as a whole
UNTOLD: Final = frozenset({"heading", "mentions", "touched"})
"""Sections that readers are not told of part by part."""


class Update(NamedTuple):
    """What one event changed for readers.

    `kind` is the kind of the development that it is about; `event` the CloudEvent as UTF-8 JSON;
    `farewell` says that the story went out of sight, which is told while the story is not.
    """

    position: int
    story: str
    kind: str
    urgency: int
    event: bytes
    farewell: bool = False


def comes_into_sight(before: Mapping[str, Part], changed: Parts) -> bool:
    """Whether readers see a story from this event on, and did not before."""
    return _public(changed.get("")) and not _public(before.get(""))


def turned(before: Mapping[str, Part], changed: Parts) -> set[str]:
    """Give the names that readers may know from an event on, or no longer may."""

    def find(key: str) -> Part | None:
        return changed.get(key) or before.get(key)

    return {
        key
        for key, part in changed.items()
        if key
        and (old := before.get(key)) is not None
        and old.public != part.public
        and in_sight(before.get, key) != in_sight(find, key)
    }


def update_of(
    before: Mapping[str, Part],
    changed: Parts,
    rows: Mapping[str, Row],
    event: Recorded,
    earlier: Iterable[Row] = (),
) -> Update | None:
    """Give what readers are told of an event, None when it changed nothing for them.

    Args:
        before: the story's parts as the event found them.
        changed: the parts that the event made or changed, by key.
        rows: the same, as stored, at least those that are told.
        event: the event.
        earlier: other public parts that are told with it: all, where the story comes into sight by
            this event; those that name what came into sight or went out of it.
    """
    heading = changed.get("")
    if not isinstance(heading, Heading):
        return None
    if _public(before.get("")) and not heading.public:
        gone_whole = {"gone": [STORY_GONE]}
        told = _told(event, heading, event.development.kind, gone_whole, ORDINARY)
        return told._replace(farewell=True)
    if heading.public_position != event.position:
        return None

    def find(key: str) -> Part | None:
        return changed.get(key) or before.get(key)

    shown, gone, urgency = _changes(before, find, (*earlier, *rows.values()))
    kind, ref = _about(changed, event)
    facts = {
        "title": heading.public_title,
        "status": heading.status,
        "version": heading.public_version,
        "ref": ref,
        "changed": shown,
        "gone": gone,
    }
    return _told(event, heading, kind, facts, urgency)


def _changes(
    before: Mapping[str, Part], find: Find, rows: Iterable[Row]
) -> tuple[dict[str, list[orjson.Fragment]], list[str], int]:
    """Give what is shown by section, the keys of what is gone, and how urgent the whole is."""
    shown: dict[str, list[orjson.Fragment]] = {}
    gone: list[str] = []
    urgencies: list[int] = []
    for row in rows:
        if row.section in UNTOLD:
            continue
        old = before.get(row.key)
        if row.audience != INTERNAL:
            shown.setdefault(row.section, []).append(_shown(find, row))
        elif old is not None and old.public:
            gone.append(row.key)
        else:
            continue
        urgencies += [part.urgency for part in (find(row.key), old) if isinstance(part, Item)]
    return shown, gone, min(urgencies, default=ORDINARY)


def _shown(find: Find, row: Row) -> orjson.Fragment:
    """Give a part as it was stored, without the names that readers may not know of."""
    hidden = {ref for ref in orjson.loads(row.names or "[]") if not in_sight(find, ref)}
    return orjson.Fragment(for_readers(row.section, row.content, hidden) if hidden else row.content)


def _public(heading: Part | None) -> bool:
    return heading is not None and heading.public


def _told(
    event: Recorded, heading: Heading, kind: str, facts: Mapping[str, Any], urgency: int
) -> Update:
    told = {
        "specversion": "1.0",
        "id": event.provenance["id"],
        "source": f"/v1/stories/{event.story}",
        "type": f"dateline.{kind}",
        "subject": event.story,
        "time": event.recorded_at,
        "datacontenttype": "application/json",
        "data": {
            "story": heading.story,
            "position": event.position,
            "recorded_at": event.recorded_at,
            **facts,
        },
    }
    return Update(event.position, event.story, kind, urgency, orjson.dumps(told))


def _about(changed: Parts, event: Recorded) -> tuple[str, str]:
    """Name the development that an event is about; one that was released is told as itself."""
    act: Any = event.development
    if isinstance(act, EmbargoLifted | EmbargoBroken | Published | HoldReleased):
        item = changed.get(act.target)
        if isinstance(item, Item):
            return item.kind, item.ref
    return act.kind, act.ref or f"d{event.version}"


def taken_back(before: Mapping[str, Part], changed: Parts, event: Recorded) -> set[str]:
    """Give the keys of parts whose words must not be told again as they were before an event.

    A redaction that readers are not told of took nothing that they had been told.
    """
    heading = changed.get("")
    told = isinstance(heading, Heading) and heading.public_position == event.position
    redacted = told and isinstance(event.development, Redacted)
    return {
        key
        for key, part in changed.items()
        if key
        and (old := before.get(key)) is not None
        and old.public
        and (redacted or not part.public)
    }


def without_parts(update: Update, keys: Container[str]) -> Update | None:
    """Give an update without some of the parts that it told, None when nothing is left."""
    told = orjson.loads(update.event)
    changed: dict[str, list[dict[str, Any]]] = told["data"].get("changed", {})
    left = {
        section: kept
        for section, parts in changed.items()
        if (kept := [part for part in parts if part["ref"] not in keys])
    }
    if left == changed:
        return update
    if not left and not told["data"]["gone"]:
        return None
    told["data"]["changed"] = left
    return update._replace(event=orjson.dumps(told))
