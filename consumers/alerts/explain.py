"""Explain: why a development did or did not alert, told by the decisions in its story."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from consumers.alerts.match import Facts, Routing
from consumers.alerts.policy import ALERTING, Policy
from consumers.stories.parts import Heading, Item
from consumers.stories.story import fold
from events.alerts import AlertDecision
from events.developments import News
from events.envelope import Recorded, instant

__all__ = ["Explained", "Step", "explain"]


class Step(NamedTuple):
    """One decision: what was decided of which alert, and why."""

    position: int
    recorded_at: str
    decision: str
    by: str
    alert: str
    level: str
    derived_from: list[str]
    references: list[str]
    until: str | None
    reason: str


class Explained(NamedTuple):
    """What became of a development or an alert: the last word on it, and every step there."""

    story: str
    ref: str
    outcome: str
    why: str
    steps: list[Step]


_OUT: Final = frozenset({"issued", "corrected", "retracted"})


def explain(events: Sequence[Recorded], ref: str, policy: Policy | None) -> Explained | None:
    """Explain what became of a development, or of an alert.

    Args:
        events: the whole story, in order.
        ref: the development's, or the alert's.
        policy: the policy as it is now, for what nothing was decided on; None where there is none.

    Returns:
        None where the story has nothing of that name that could alert.
    """
    steps = [_step(event) for event in events if _concerns(event.development, ref)]
    if steps:
        last = steps[-1]
        if last.decision == "deferred":  # what went out says more than what is still to come
            last = next((step for step in reversed(steps) if step.decision in _OUT), last)
        return Explained(events[0].story, ref, last.decision, last.reason, steps)
    named = [e for e in events if getattr(e.development, "ref", None) == ref]
    if not named:
        return None
    return Explained(events[0].story, ref, "silent", _why_not(events, named[0], policy), [])


def _concerns(development: Any, ref: str) -> bool:  # noqa: ANN401 - whatever happens in a story
    if not isinstance(development, AlertDecision):
        return False
    alert = development.alert
    return ref in (alert.ref, *alert.derived_from, *alert.references)


def _step(event: Recorded) -> Step:
    decision: Any = event.development
    alert = decision.alert
    return Step(
        event.position,
        event.recorded_at,
        decision.kind.removeprefix("alert-"),
        str(event.provenance["filed_by"]),
        alert.ref,
        alert.level,
        list(alert.derived_from),
        list(alert.references),
        None if alert.until is None else _moment(alert.until),
        alert.reason,
    )


def _why_not(events: Sequence[Recorded], event: Recorded, policy: Policy | None) -> str:
    """Say why nothing was decided on a development."""
    news = event.development
    if news.kind == "response-awaited":
        return "absence is not news: that an answer is awaited alerts nobody"
    if not isinstance(news, News) or news.kind not in ALERTING:
        return f"{news.kind} is an act of the desk, and no news"
    parts = fold(events)
    heading, item = parts.get(""), parts.get(news.ref or "")
    if isinstance(item, Item) and item.status != "published":
        return f"it is not released: {item.status}"
    if isinstance(heading, Heading) and not heading.public:
        return "its story is not released"
    if policy is None:
        return "there is no policy: DATELINE_ALERTS names none"
    facts = Facts(event.story, news.kind, news.urgency, news.places, news.people)
    route = Routing(policy).route(facts)
    if route is None:
        return "no route of the policy takes it"
    if news.filed_at is not None:
        return f"it is history: it was published elsewhere at {_moment(news.filed_at)}"
    return f"route {route.name} takes it now, but it was there before alerts began, or is to come"


def _moment(time: datetime) -> str:
    """Write a time as the log writes when it recorded something."""
    return instant(round(time.timestamp() * 1000))
