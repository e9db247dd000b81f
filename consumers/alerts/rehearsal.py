"""Rehearsal: what a policy would have decided on a story, had it been at work all along.

What a policy did decide then is left out, this one has its say in its place, and time passes as the
events were recorded. Nothing is written, and nobody is told.
"""

from collections.abc import Iterable, Iterator
from typing import cast

from consumers.alerts.decide import BY, decide
from consumers.alerts.match import Routing, Rules
from consumers.alerts.parts import STORY, Known, Part
from consumers.alerts.policy import Policy
from consumers.alerts.watch import apply, evolve, fold
from events.alerts import AlertDecision
from events.codec import canonical
from events.envelope import Filed, Recorded
from events.vocabulary import KnownKind

__all__ = ["rehearse"]


def rehearse(events: Iterable[Recorded], policy: Policy, now_ms: int) -> Iterator[Recorded]:
    """Give what would have been decided, in order; of what waits still, nothing.

    Args:
        events: the story, from its first event.
        policy: the policy to try.
        now_ms: the moment up to which time passes, milliseconds since 1970 UTC.
    """
    story, moment = _Rehearsed(Rules(policy, Routing(policy))), 0
    for event in events:
        if isinstance(event.development, AlertDecision) and event.provenance["filed_by"] == BY:
            continue
        if event.recorded_ms > moment:  # else it was recorded with the last, and is looked at so
            moment = event.recorded_ms
            yield from story.decided_by(moment)
        story.take(event)
    yield from story.decided_by(now_ms)


class _Rehearsed:
    """The story as it would have gone; its versions count what would have been decided."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._events: list[Recorded] = []
        self._parts: dict[str, Part] = {}
        self._decided: set[str] = set()  # ids

    def take(self, event: Recorded) -> None:
        """Let an event happen."""
        event = event._replace(version=len(self._events) + 1)
        self._events.append(event)
        apply(self._parts, evolve(self._parts, event, self._rules))
        known = self._parts[STORY]
        if isinstance(known, Known) and known.unlearned:  # a person decided what no route takes
            self._parts = fold(self._events, self._rules)

    def decided_by(self, end_ms: int) -> Iterator[Recorded]:
        """Decide at each moment up to another at which something is due."""
        while self._events:
            dues = {key: p.due_ms for key, p in self._parts.items() if p.due_ms is not None}
            first = min(dues.values(), default=end_ms + 1)
            if first > end_ms:
                return
            last = self._events[-1]
            now = max(first, last.recorded_ms)
            made = decide(last.story, self._parts, list(dues), self._rules, now)
            if not made:
                return
            for one in made:
                if one.id in self._decided:
                    return  # at work it would be refused: what is decided twice changes nothing
                self._decided.add(one.id)
                self.take(_foreseen(one, last, now))
                yield self._events[-1]


def _foreseen(one: Filed, last: Recorded, now_ms: int) -> Recorded:
    about = {"filed_by": one.filed_by, "id": one.id, "cause": one.cause}
    # Only kinds of the vocabulary are decided, whatever the type of the field allows.
    happening = cast("KnownKind", one.development)
    return Recorded(last.position, last.story, 0, now_ms, canonical(about), happening)
