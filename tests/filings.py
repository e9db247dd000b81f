"""Filings and events for tests, in few words."""

from collections.abc import Callable, Iterable
from typing import Any

import orjson
import pytest
import uuid_utils

from consumers.stories.parts import Parts
from consumers.stories.state import document, sections_of
from consumers.stories.story import evolve as evolve_story
from events.codec import canonical, decode, encode
from events.envelope import Filed, Recorded
from events.errors import Refused
from events.vocabulary import KINDS, SCHEMAS, AnyDevelopment, KnownKind
from producers.case import Actor
from producers.decide import decide
from producers.desk import Desk, evolve
from producers.intake import take

ADA = Actor("desk:ada")
BEN = Actor("desk:ben")
NOW = 1_760_120_000_000
TOMORROW = "2025-10-11T00:00:00Z"  # as `NOW` has it
LATER = "2031-01-01T00:00:00Z"  # than any clock here: what is under embargo until then stays so


def development(kind: str, **fields: Any) -> KnownKind:
    """Make a development; a headline is given where the kind needs one."""
    if KINDS[kind].model_fields["headline"].is_required():
        fields.setdefault("headline", f"A {kind} happens")
    made: KnownKind = AnyDevelopment.validate_python({"kind": kind, **fields})
    return made


def opening(**fields: Any) -> KnownKind:
    return development("story-opened", title="A story", **fields)


def filed(what: KnownKind, by: str = "desk:ada", event_id: str | None = None) -> Filed:
    return Filed(event_id or str(uuid_utils.uuid7()), by, what)


def note(text: str) -> Filed:
    """The smallest event: enough where only places in the log matter."""
    return filed(development("development-reported", label="note", headline=text))


class Story:
    """A story that is filed into and looked at, with no log around it."""

    def __init__(self, now: int = NOW) -> None:
        self.desk = Desk()
        self.parts: Parts = {}
        self.events: list[Recorded] = []
        self.now = now

    def file(self, kind: str, by: Actor = ADA, **fields: Any) -> str:
        """Decide and record one filing; returns its ref. Breaking a rule raises Refused."""
        if kind in KINDS and KINDS[kind].model_fields["headline"].is_required():
            fields.setdefault("headline", f"A {kind} happens")
        filing = take({"story": "a-story", "kind": kind, **fields})
        decided: Any = decide("a-story", filing.development, self.desk, by, self.now)
        # As it comes back from a log, so that nothing is accepted that cannot be read again.
        recorded = decode(kind, SCHEMAS[kind], encode(decided))
        assert recorded == decided, f"{recorded!r} was read where {decided!r} was filed"
        self.record(recorded, by.name)
        return str(decided.ref)

    def record(self, happening: Any, by: str = "desk:ada") -> None:
        version = len(self.events) + 1
        envelope = canonical({"filed_by": by, "id": f"event-{version}"})
        event = Recorded(version, "a-story", version, self.now, envelope, happening)
        self.events.append(event)
        self.desk.update(evolve(self.desk, event))
        self.parts.update(evolve_story(self.parts, event))

    def state(self, *, public: bool = False, now: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
        sections, lead = sections_of(self.parts, public=public)
        found = document(sections, lead, len(self.events), now, public=public)
        assert found is not None, "there is no such story for this reader"
        shown: dict[str, Any] = orjson.loads(found)
        return shown

    def is_public(self) -> bool:
        return "heading" in sections_of(self.parts, public=True)[0]


def opened(**fields: Any) -> Story:
    story = Story()
    story.file("story-opened", ref="E1", title="A story", **fields)
    return story


async def gathered(events: Any, most: int | None = None) -> list[Any]:
    """Collect what an iterator of events gives, the first `most` of them when it has no end."""
    found: list[Any] = []
    if most == 0:
        return found
    async for event in events:
        found.append(event)
        if len(found) == most:
            break
    return found


def positions(events: Iterable[Recorded]) -> list[int]:
    return [event.position for event in events]


def refused(rule: str, attempt: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as raised:
        attempt()
    assert raised.value.rule == rule, str(raised.value)
    assert raised.value.expected
    assert raised.value.found
    return raised.value
