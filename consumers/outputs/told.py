"""What an output tells of a story: which developments, changed when, with which facts beside them.

Times here rise with every change. The log gives milliseconds, and several events may share one, so
the position of the change stands behind the milliseconds as the digits of nanoseconds (RFC 3339
takes any number of digits). Compared as text, such times are in order among themselves alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from consumers.outputs.place import name_of

__all__ = [
    "LATEST",
    "PAGE",
    "Moved",
    "Told",
    "archived",
    "came",
    "corrections_of",
    "current",
    "facts_of_item",
    "facts_of_story",
    "latest",
    "pages",
    "published",
    "raised",
    "timeline",
    "tombstone",
    "updated",
]

State = Mapping[str, Any]
Item = Mapping[str, Any]

PAGE = 50  # versions of a story to a page of its archive; about the posts of a real live blog
LATEST = 100  # items of a feed over all stories: a busy hour of a newsroom

# What a development or part says beyond what every format has a place for. Listed one by one:
# what a state learns to show later does not leave the newsroom before somebody looked at it.
_OF_ITEM: Final = (
    "ref",
    "kind",
    "version",
    "position",
    "recorded_at",
    "filed_at",
    "occurred",
    "attribution",
    "urgency",
    "claims",
    "figures",
    "response",
    "resolves",
    "occasion",
    "revises",
    "people",
    "places",
    "orgs",
    "links",
    "media",
)
_OF_CORRECTION: Final = ("ref", "target", "field", "old", "new", "note", "recorded_at")
_OF_SECTION: Final = {
    "pending": (
        "ref",
        "development",
        "awaited_from",
        "about",
        "since",
        "asked_at",
        "due_at",
        "note",
    ),
    "resolved": ("ref", "development", "awaited_from", "by", "how"),
    "claims": ("ref", "development", "text", "speaker", "via", "status", "position_of"),
    "figures": (
        "ref",
        "development",
        "measure",
        "unit",
        "value",
        "words",
        "qualifier",
        "window",
        "source",
        "source_text",
        "status",
        "group",
        "part_of",
        "parts",
        "not_comparable_with",
        "history",
    ),
    "occasions": ("ref", "development", "what", "content"),
    "conflicts": ("ref", "headline", "between", "nature"),
    "corrections": _OF_CORRECTION,
}


class Moved(NamedTuple):
    """Position and time of the last change that readers saw, of any story."""

    position: int
    recorded_at: str


class Told(NamedTuple):
    """The developments that a document tells, newest first, and those that were withdrawn."""

    items: list[Item]
    withdrawn: list[Item]


def timeline(state: State) -> list[Item]:
    """Give all developments of a story, newest first, withdrawn ones at their old places."""
    return _newest_first(state["timeline"])


def current(state: State) -> Told:
    """Give what the document under a story's own address tells.

    That is the newest page and the one before it, and of older pages what was corrected or
    withdrawn: nobody looks at those again. A story that has no page yet is told whole.
    """
    first = max(0, (pages(state) - 1) * PAGE)
    items, withdrawn = _parted(state["timeline"])
    return Told([item for item in items if item["version"] > first or item["corrected"]], withdrawn)


def archived(state: State, page: int) -> Told:
    """Give what a page of a story's archive tells: the developments of 50 versions."""
    first = (page - 1) * PAGE
    return _parted(item for item in state["timeline"] if first < item["version"] <= first + PAGE)


def pages(state: State) -> int:
    """Give how many pages of a story's archive are complete."""
    return int(state["version"]) // PAGE


def latest(states: Iterable[State], most: int = LATEST) -> list[tuple[State, Item]]:
    """Give the developments over some stories that readers saw last, each with its story."""
    found = [(state, item) for state in states for item in state["timeline"]]
    found.sort(key=lambda each: (came(*each), each[1]["position"]), reverse=True)
    return found[:most]


def came(state: State, item: Item) -> tuple[int, str]:
    """Give the position and time at which readers first saw a development.

    That is when it was filed, when it was first released, or when its story came into sight,
    whichever was last; being held and let go again changes nothing of it.
    """
    own = (int(item["position"]), str(item["recorded_at"]))
    later = (tuple(seen) for seen in (item.get("first_seen"), state.get("first_seen")) if seen)
    return max(own, *later)


def published(state: State, item: Item) -> str:
    """Give when readers first saw a development, RFC 3339 in UTC."""
    return came(state, item)[1]


def raised(at: str, position: int) -> str:
    """Give a time of the log as one that no other change has.

    Args:
        at: RFC 3339 in UTC, in milliseconds.
        position: that of the change.
    """
    return f"{at.removesuffix('Z')}{position % 1_000_000:06d}Z"


def updated(state: State, item: Item) -> str:
    """Give when a development last changed: was first seen, corrected or redacted."""
    times = [raised(each["recorded_at"], each["position"]) for each in _own(state, item)]
    if item.get("redacted"):
        position, at = item["redacted"]
        times.append(raised(at, position))
    position, at = came(state, item)
    return max([raised(at, position), *times])


def corrections_of(state: State, item: Item) -> list[dict[str, Any]]:
    """Give the corrections of a development and of all that it brought, oldest first."""
    return [_some(each, _OF_CORRECTION) for each in _own(state, item)]


def _own(state: State, item: Item) -> list[Mapping[str, Any]]:
    return [each for each in state["corrections"] if each["development"] == item["ref"]]


def facts_of_item(state: State, item: Item) -> dict[str, Any]:
    """Give what a development says beyond headline and body."""
    facts = _some(item, _OF_ITEM)
    corrections = corrections_of(state, item)
    return facts | ({"corrections": corrections} if corrections else {})


def facts_of_story(state: State) -> dict[str, Any]:
    """Give what a story says beyond its developments.

    Whether a response is overdue is left out: it changes with the clock and not with the story.
    Who reads can hold `due_at` against a clock of their own.
    """
    facts: dict[str, Any] = {
        name: state[name] for name in ("story", "status", "version", "position", "lead")
    }
    for section, names in _OF_SECTION.items():
        parts = state.get(section) or []
        listed = parts.values() if isinstance(parts, Mapping) else parts
        facts[section] = [_some(part, names) for part in listed]
    return facts | {"people": state["people"], "places": state["places"]}


def tombstone(state: State, stone: Item) -> dict[str, Any]:
    """Give what is left to tell of a development that was withdrawn."""
    replacement = stone.get("replacement")
    return {
        "id": name_of(state["story"], stone["ref"]),
        "ref": stone["ref"],
        "version": stone["version"],
        "withdrawn_at": stone["withdrawn_at"],
        "reason": stone["reason"],
        "replacement": name_of(state["story"], replacement) if replacement else None,
    }


def _parted(items: Iterable[Item]) -> Told:
    found = _newest_first(items)
    return Told(
        [item for item in found if item["status"] != "withdrawn"],
        [item for item in found if item["status"] == "withdrawn"],
    )


def _newest_first(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: -int(item["position"]))


def _some(part: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Give some of a part's fields, those that hold nothing left out."""
    return {name: part[name] for name in names if part.get(name) not in (None, [], {})}
