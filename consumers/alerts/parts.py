"""What alerts must know of a story, part by part, each small and under a key of its own.

Nothing is kept of news that alerted nobody: parts are made by what is not released yet, by what
waits to be decided, and by alerts that a correction may have to follow. `due_ms` says when a part
has to be decided on, milliseconds since 1970 UTC; None while it has not. They are tuples, for each
event makes some anew.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple, get_args

import orjson

from consumers.alerts.inhibit import Latest
from consumers.alerts.silence import Silenced
from events.alerts import Audience, Level, State
from events.release import RELEASED, Release

__all__ = [
    "STORY",
    "Alerted",
    "Behind",
    "Cause",
    "Chase",
    "Group",
    "Known",
    "Owned",
    "Part",
    "Parts",
    "Wait",
    "part_of",
    "text_of",
    "version_of",
]

STORY: Final = ""  # the key of the story itself; no development can have it
# Shared by all parts that have none: nothing in a part is changed, a part is made anew.
_NO_REFS: Final[list[str]] = []
_NO_LATEST: Final[dict[str, Latest]] = {}
_NO_SILENCES: Final[dict[str, Silenced]] = {}


class Cause(NamedTuple):
    """The event that a decision comes from; `version` is its place in the story."""

    id: str
    at_ms: int
    version: int


class Known(NamedTuple):
    """The story itself: how far it is, whether readers see it, and what mutes its alerts.

    `unlearned` are developments that alerts came from and of which nothing was remembered, or words
    of which were erased; while there are any, the story is due to be made anew. So it is where part
    of it was taken for history that is none.
    """

    version: int
    opening: str | None = None
    release: Release = RELEASED
    latest: dict[str, Latest] = _NO_LATEST
    silences: dict[str, Silenced] = _NO_SILENCES
    unlearned: list[str] = _NO_REFS
    due_ms: int | None = None


class Behind(NamedTuple):
    """A development that alerts, or may when it is released.

    `state` is `hidden` while readers do not see it; `due` when it is to be decided; `unseconded`
    while a flash waits for a second person; `gathered` in a group; and then `decided`. `cause` is
    what made it due, `deferred` the alert that it waits in; `alerts` are those that went out of it.
    """

    ref: str
    kind: str
    urgency: int
    headline: str | None
    places: list[str]
    people: list[str]
    owns: list[str]
    filed_by: str
    second: str | None
    release: Release
    state: Literal["hidden", "due", "unseconded", "gathered", "decided"]
    route: str | None = None
    level: Level | None = None
    cause: Cause | None = None
    alerts: list[str] = _NO_REFS
    deferred: str | None = None
    due_ms: int | None = None


class Group(NamedTuple):
    """The developments of a route that go out together: `ref` names the alert that they make."""

    route: str
    level: Level
    ref: str
    cause: Cause
    members: list[str]
    last_ms: int | None = None
    due_ms: int | None = None


class Alerted(NamedTuple):
    """An alert that was decided on, and what became of it.

    `followed` are the corrections that went after it, and `told` all that they said.
    """

    ref: str
    level: Level
    state: State
    route: str | None
    audience: Audience
    derived_from: list[str]
    references: list[str]
    due_ms: None = None
    followed: list[str] = _NO_REFS
    told: str = ""


class Chase(NamedTuple):
    """A correction or withdrawal of a development, to follow the `alerts` that it went out in."""

    of: str
    act: Literal["corrected", "withdrawn"]
    note: str
    cause: Cause
    alerts: list[str]
    due_ms: int | None


class Wait(NamedTuple):
    """An awaited answer that the desk is to be reminded of; `by` is what ended the wait."""

    of: str
    awaited_from: str
    after_ms: int | None
    cause: Cause
    release: Release
    by: str | None = None
    reminded: bool = False
    due_ms: int | None = None


class Owned(NamedTuple):
    """A claim, figure or response, and the development that brought it."""

    owner: str
    due_ms: None = None


Part = Known | Behind | Group | Alerted | Chase | Wait | Owned
Parts = dict[str, Part | None]
"""Parts by key as an event changed them; None for one that is gone."""

_WITHIN: Final[dict[str, Callable[[Any], object]]] = {
    "release": lambda found: Release(**found),
    "cause": lambda found: None if found is None else Cause(*found),
    "latest": lambda found: {level: Latest(*last) for level, last in found.items()},
    "silences": lambda found: {ref: Silenced(*one) for ref, one in found.items()},
}
# Each kind with the places of its values that are more than JSON.
_KINDS: Final[dict[str, tuple[type[Part], list[tuple[int, str]]]]] = {
    kind.__name__: (kind, [(n, name) for n, name in enumerate(kind._fields) if name in _WITHIN])
    for kind in get_args(Part)
}


def text_of(part: Part) -> str:
    """Give the stored form of a part: its values in order, a JSON array."""
    return orjson.dumps(part, default=list).decode()  # a tuple is none of what it knows itself


def part_of(kind: str, text: str) -> Part:
    """Give the part that was stored, by the name of its class."""
    made, within = _KINDS[kind]
    values = orjson.loads(text)
    for place, name in within:
        values[place] = _WITHIN[name](values[place])
    return made(*values)


def version_of(story: Mapping[str, Part]) -> int:
    """Say how far a story is, as far as it was watched."""
    known = story.get(STORY)
    return known.version if isinstance(known, Known) else 0
