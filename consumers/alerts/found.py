"""How parts are found and kept in step: a wait by its answer, a group by its members."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from consumers.alerts.parts import (
    STORY,
    Alerted,
    Behind,
    Cause,
    Group,
    Known,
    Owned,
    Part,
    Parts,
    Wait,
)
from events.envelope import Recorded
from events.release import RELEASED

__all__ = [
    "Changes",
    "Find",
    "Seen",
    "after",
    "cause_of",
    "group_key",
    "is_open",
    "known_of",
    "out_of_group",
    "sources",
    "timed",
    "wait_of",
]

Find = Callable[[str], Part | None]  # gives a part as the event has changed it so far
Changes = Iterator[Parts]  # each seen by `Find` before the next is made


class Seen(Protocol):
    """A story's parts as they are before an event."""

    def get(self, key: str, /) -> Part | None:
        """Give a part by its key."""
        ...

    def values(self) -> Iterable[Part | None]:
        """Give all of them; asked for seldom, as there may be many."""
        ...


def group_key(route: str, level: str) -> str:
    """Give the key of a group; no ref has a space."""
    return f"group {level} {route}"


def known_of(find: Find) -> Known:
    """Give the story itself."""
    story = find(STORY)
    return story if isinstance(story, Known) else Known(0)


def cause_of(event: Recorded) -> Cause:
    """Give an event as the cause of what is decided because of it."""
    return Cause(str(event.provenance["id"]), event.recorded_ms, event.version)


def wait_of(find: Find, ref: str) -> Wait | None:
    """Give the wait of a development, or of the response that it awaits."""
    owned = find(ref)
    part = find(f"wait {owned.owner if isinstance(owned, Owned) else ref}")
    return part if isinstance(part, Wait) else None


def timed(wait: Wait) -> Wait:
    """A wait with the time at which the desk is to be reminded, while it is to be at all."""
    open_ = wait.by is None and not wait.reminded and wait.release == RELEASED
    return wait._replace(due_ms=wait.after_ms if open_ else None)


def sources(find: Find, refs: Iterable[str]) -> list[str]:
    """Give the developments that an alert comes from, each once.

    A claim, figure or response stands for the development that brought it, an alert for what it
    came from itself; of what is not remembered the ref is given as it is.
    """
    found: dict[str, None] = {}
    seen: set[str] = set()
    left = list(refs)
    for ref in left:  # which grows by what alerts came from
        if ref in seen:
            continue
        seen.add(ref)
        part = find(ref)
        if isinstance(part, Owned):
            found[part.owner] = None
        elif isinstance(part, Alerted):
            left += part.derived_from
        else:
            found[ref] = None
    return list(found)


def is_open(find: Find, alerts: Iterable[str]) -> bool:
    """Whether one of some alerts was not taken back since it went out."""
    found = (find(ref) for ref in alerts)
    return any(isinstance(alert, Alerted) and alert.state != "retracted" for alert in found)


def after(told: str, note: str, most: int) -> str:
    """Put a note after what was told before, of which as much is left as there is room for.

    Args:
        told: what was told before, if anything.
        note: what is new; of the two it is the one that must be told.
        most: characters in all.
    """
    note = note[:most]
    room = most - len(note) - len("; ")
    return f"{told[-room:]}; {note}" if told and room > 0 else note


def out_of_group(find: Find, behind: Behind) -> Changes:
    """A development waits in no group any more."""
    if behind.route is None or behind.level is None:
        return
    for level in (behind.level, "bulletin"):
        key = group_key(behind.route, level)
        group = find(key)
        if isinstance(group, Group) and behind.ref in group.members:
            yield {key: _without(group, {behind.ref})}


def _without(group: Group, refs: Iterable[str]) -> Group:
    gone = set(refs)
    left = [ref for ref in group.members if ref not in gone]
    return group._replace(members=left, due_ms=group.due_ms if left else None)
