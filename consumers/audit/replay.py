"""A moment run again: what readers saw, what the desk knew, what was alerted, and who did what.

It is made of the log's events alone, as far as the moment, by the code that made it then. What was
taken back since is shown as it was shown then, unless it was erased: that is for an auditor to see
and for nobody else, so a replay is never public.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson

from consumers.delivery.reach import Reach, Sent
from consumers.feed.bulletin import Wanted
from consumers.feed.updates import Update
from consumers.stories.differences import Change, differences
from consumers.stories.projection import Stories
from consumers.views import Position, Views
from events.alerts import AlertDecision
from events.envelope import Recorded, instant
from events.errors import NotFound
from events.log import Log
from events.vocabulary import Erased, Unknown

__all__ = ["Act", "Replay", "acts_of", "changed", "replay", "stories_until"]

FOR_EVER = 1 << 62  # milliseconds; later than any alert


class Act(NamedTuple):
    """One event as somebody's act: where it stands, what it was, who did it, in what request."""

    position: int
    recorded_at: str
    story: str
    version: int
    kind: str
    ref: str
    filed_by: str
    correlation: str | None
    cause: str | None
    about: str | None


class Replay(NamedTuple):
    """A story as of a position: what readers saw and were told, what the desk knew, who did it."""

    story: str
    until: int
    recorded_at: str
    readers: dict[str, Any] | None
    told: list[dict[str, Any]]
    desk: dict[str, Any]
    alerts: list[dict[str, Any]]
    sent: list[Sent]
    acts: list[Act]


async def replay(
    log: Log, story: str, until: int, reach: Reach | None = None, when_ms: int | None = None
) -> Replay:
    """Run a story again up to a position, or up to a moment between two.

    Args:
        log: the log.
        story: its slug.
        until: the position.
        reach: knows to whom alerts went; without it nobody is known to have got any.
        when_ms: the moment, milliseconds since 1970 UTC; by default the last one before the event
            that follows. What happened later is not told, though no event stands in between.

    Raises:
        NotFound: there was no such story then.
    """
    events = [event async for event in log.read_versions(story) if event.position <= until]
    if not events:
        raise NotFound("story", f"{story} at position {until}")
    views = Views(":memory:", lambda: events[-1].recorded_ms)
    try:
        now = events[-1].recorded_ms if when_ms is None else when_ms
        found = _replayed(views, story, until, events, instant(now))
    finally:
        views.close()
    if reach is None:
        return found
    ends = await _end_of(log, until) if when_ms is None else when_ms
    return found._replace(sent=await asyncio.to_thread(reach.sent, story, ends))


async def _end_of(log: Log, until: int) -> int:
    """Give the last moment of a position: until the next event, nothing else was recorded."""
    following = [event async for event in log.read(until, upto=until + 1)]
    return following[0].recorded_ms - 1 if following else FOR_EVER


def _replayed(views: Views, story: str, until: int, events: Sequence[Recorded], now: str) -> Replay:
    stories = Stories(views)
    known = [event for event in events if not isinstance(event.development, Unknown)]
    last = instant(events[-1].recorded_ms)
    told: list[Update] = []
    for event in known:
        # One by one, and asked after each: what is taken back later had been told all the same.
        with views.transaction():
            stories.project(1, [event])
        told += stories.updates(event.position - 1, event.position, 1, Wanted(story))
    with views.transaction():
        views.move(stories.name, Position(1, events[-1].position, events[-1].recorded_ms))
    public, internal = (stories.state(story, now, public=public) for public in (True, False))
    return Replay(
        story,
        until,
        last,
        None if public is None else orjson.loads(public),
        [orjson.loads(update.event) for update in told],
        orjson.loads(internal or b"{}"),
        [_alert(event) for event in events if isinstance(event.development, AlertDecision)],
        [],
        acts_of(events),
    )


def acts_of(events: Sequence[Recorded]) -> list[Act]:
    """Give events as acts, in order."""
    return [_act(event) for event in events]


_ABOUT: Final = ("target", "of", "resolves", "parked")


def _act(event: Recorded) -> Act:
    envelope, development = event.provenance, event.development
    known = not isinstance(development, Unknown | Erased)
    abouts = (getattr(development, name, None) for name in _ABOUT) if known else ()
    about = next((str(each) for each in abouts if each is not None), None)
    return Act(
        event.position,
        event.recorded_at,
        event.story,
        event.version,
        str(envelope["kind"]),
        (getattr(development, "ref", None) if known else None) or f"d{event.version}",
        str(envelope["filed_by"]),
        envelope.get("correlation"),
        envelope.get("cause"),
        about,
    )


def _alert(event: Recorded) -> dict[str, Any]:
    decision = event.development
    assert isinstance(decision, AlertDecision)  # noqa: S101 - as the caller found
    content: dict[str, Any] = decision.model_dump(mode="json", exclude_none=True)
    return {
        "position": event.position,
        "recorded_at": event.recorded_at,
        "kind": decision.kind,
        "seconded_by": decision.seconded_by,
        **content["alert"],
    }


async def stories_until(log: Log, until: int) -> list[str]:
    """Give the stories that there were at a position, in the order in which they began."""
    found: dict[str, None] = {}
    async for event in log.read_sealed(upto=until):
        found.setdefault(event.story)
    return list(found)


def changed(before: Replay | None, after: Replay) -> dict[str, list[Change]]:
    """Give what readers and the desk saw change between two moments."""
    old_readers, old_desk = (before.readers, before.desk) if before else (None, None)
    return {
        "readers": differences(old_readers, after.readers),
        "desk": differences(old_desk, after.desk),
    }
