"""The story so far: a pure fold over its developments.

`evolve` reads the parts of a story that an event is about and gives those that it makes or
changes; all others stay as they are. The same function serves a story in memory (as it stood at
any moment) and the view on disk (`consumers.stories.projection`), which is why both always agree.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import assert_never

from consumers.stories.corrected import correct, redact, refile
from consumers.stories.erased import erased_in_sight
from consumers.stories.named import as_read
from consumers.stories.parts import (
    Alert,
    Changes,
    Claim,
    Figure,
    Find,
    Heading,
    Item,
    Part,
    Parts,
    Silence,
)
from consumers.stories.released import release
from consumers.stories.reported import noted, reported
from events.alerts import (
    AlertCorrected,
    AlertDecision,
    AlertDeferred,
    AlertIssued,
    AlertRetracted,
    AlertSuppressed,
    SilenceAdded,
    SilenceRemoved,
)
from events.custody import PrivateRead, SigningKeyChanged
from events.developments import (
    News,
    StoryOpened,
)
from events.editorial import (
    ConflictNoted,
    Corrected,
    EmbargoBroken,
    EmbargoLifted,
    Held,
    HoldReleased,
    LegalHoldLifted,
    LegalHoldPlaced,
    ParkedRetried,
    ParkedSkipped,
    Published,
    Redacted,
    Refiled,
    StoryClosed,
    StoryReopened,
    VerificationChanged,
    Withdrawn,
)
from events.envelope import Recorded, instant
from events.vocabulary import Erased, KnownKind, Unknown

__all__ = ["evolve", "fold"]

_STATES = {
    AlertIssued: "issued",
    AlertSuppressed: "suppressed",
    AlertDeferred: "deferred",
    AlertCorrected: "corrected",
    AlertRetracted: "retracted",
}


def fold(events: Iterable[Recorded]) -> Parts:
    """Give the parts of one story from its events, in order."""
    parts: Parts = {}
    for event in events:
        parts.update(evolve(parts, event))
    return parts


def evolve(parts: Mapping[str, Part], event: Recorded) -> Parts:
    """Give the parts that an event makes or changes.

    An event that nobody here understands, or whose body was erased, moves only the heading. Acts
    on what is not there change nothing.
    """
    development = event.development
    before = parts.get("")
    heading = before if isinstance(before, Heading) else _unopened(event.story)
    changed: Parts = {}

    def find(key: str) -> Part | None:
        return changed.get(key) or parts.get(key)

    if not isinstance(development, Unknown | Erased):
        for change in _evolve(find, event, development):
            changed |= change
    return changed | {"": _moved(heading, event, parts, changed, find)}


def _evolve(find: Find, event: Recorded, development: KnownKind) -> Changes:
    match development:
        case News():
            yield from reported(find, event, development)
        case ConflictNoted():
            yield from noted(find, event, development)
        case VerificationChanged(of=ref, after=after):
            part = find(ref)
            if isinstance(part, Claim | Figure) and part.status != "withdrawn":
                yield {ref: replace(part, status=after)}
        case Corrected():
            yield from correct(find, event, development)
        case Refiled():
            yield from refile(find, development)
        case Redacted():
            yield from redact(find, event, development)
        case (
            Held() | HoldReleased() | Withdrawn() | Published() | EmbargoLifted() | EmbargoBroken()
        ):
            yield from release(find, event, development)
        case AlertDecision():
            yield _alerted(find, event, development)
        case SilenceAdded():
            yield _silenced(event, development)
        case SilenceRemoved(silence=ref):
            silence = find(ref)
            if isinstance(silence, Silence):
                yield {ref: replace(silence, removed=True)}
        case (
            StoryClosed()
            | StoryReopened()
            | LegalHoldPlaced()
            | LegalHoldLifted()
            | ParkedRetried()
            | ParkedSkipped()
            | PrivateRead()
            | SigningKeyChanged()
        ):
            return
        case _:
            assert_never(development)


def _unopened(story: str) -> Heading:
    return Heading(
        story,
        title="",
        status="open",
        opening=None,
        version=0,
        position=0,
        recorded_at="",
        public=False,
        public_version=0,
        public_position=0,
        public_recorded_at=None,
        public_title=None,
    )


def _moved(
    heading: Heading,
    event: Recorded,
    parts: Mapping[str, Part],
    changed: Mapping[str, Part],
    find: Find,
) -> Heading:
    """The heading after an event: where the story is now, and where it is for the public."""
    own = changed.get("")
    heading = own if isinstance(own, Heading) else heading
    at, title, status, opening = event.recorded_at, heading.title, heading.status, heading.opening
    seen = False
    match event.development:
        case StoryOpened(title=title):
            opening = event.development.ref or f"d{event.version}"
        case StoryClosed():
            status, seen = "closed", True
        case StoryReopened():
            status, seen = "open", True
        case Redacted() as redaction:
            seen = erased_in_sight(parts.get, redaction)
    opened = changed.get(opening or "") or parts.get(opening or "")
    public = isinstance(opened, Item) and opened.public
    # What only the newsroom sees of a part may change: an answer under embargo ends a wait for it.
    # Of a redaction that is no way to tell: who reads it later finds the words gone already.
    seen = seen or any(
        as_read(find, part) != as_read(parts.get, parts.get(key))
        for key, part in changed.items()
        if key and not isinstance(event.development, Redacted)
    )
    shown = public and (seen or not heading.public)
    # Made anew rather than replaced in part: every event of every story comes by here.
    return Heading(
        story=heading.story,
        title=title,
        status=status,
        opening=opening,
        version=event.version,
        position=event.position,
        recorded_at=at,
        public=public,
        public_version=event.version if shown else heading.public_version,
        public_position=event.position if shown else heading.public_position,
        public_recorded_at=at if shown else heading.public_recorded_at,
        public_title=title if shown else heading.public_title,
        first_seen=heading.first_seen or ([event.position, at] if shown else None),
    )


def _alerted(find: Find, event: Recorded, decision: AlertDecision) -> Parts:
    """A decision makes an alert; an update or cancellation also changes those it refers to."""
    alert = decision.alert
    state = _STATES[type(decision)]
    made: Parts = {
        alert.ref: Alert(
            alert.ref,
            alert.level,
            state,
            list(alert.derived_from),
            alert.reason,
            0,
            0,
            event.position,
        )
    }
    for ref in alert.references:
        earlier = find(ref)
        if isinstance(earlier, Alert) and isinstance(decision, AlertCorrected | AlertRetracted):
            made[ref] = replace(earlier, state=state)
    return made


def _silenced(event: Recorded, act: SilenceAdded) -> Parts:
    silence = act.silence
    made = Silence(
        silence.ref,
        str(event.provenance["filed_by"]),
        instant(int(silence.until.timestamp() * 1000)),
        list(silence.levels),
        list(silence.kinds),
        act.reason,
        event.position,
    )
    return {made.ref: made}
