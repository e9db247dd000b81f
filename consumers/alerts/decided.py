"""What a decision leaves behind: whoever made it, it is not made again."""

from collections.abc import Iterable
from typing import Any, Final

from consumers.alerts.found import (
    Changes,
    Find,
    cause_of,
    group_key,
    is_open,
    known_of,
    out_of_group,
    sources,
    timed,
    wait_of,
)
from consumers.alerts.inhibit import Latest
from consumers.alerts.parts import (
    STORY,
    Alerted,
    Behind,
    Cause,
    Chase,
    Group,
    Part,
)
from consumers.alerts.policy import OVERDUE
from events.alerts import (
    Alert,
    AlertCorrected,
    AlertDecision,
    AlertDeferred,
    AlertIssued,
    AlertRetracted,
    AlertSuppressed,
    State,
)
from events.envelope import Recorded
from events.release import RELEASED

__all__ = ["decided"]

_STATES: Final[dict[type[AlertDecision], State]] = {
    AlertIssued: "issued",
    AlertSuppressed: "suppressed",
    AlertDeferred: "deferred",
    AlertCorrected: "corrected",
    AlertRetracted: "retracted",
}


def decided(find: Find, event: Recorded, decision: AlertDecision) -> Changes:
    """What was decided is done: whoever decided it."""
    alert = decision.alert
    state = _STATES[type(decision)]
    yield {
        alert.ref: Alerted(
            alert.ref,
            alert.level,
            state,
            alert.route,
            alert.audience,
            list(alert.derived_from),
            list(alert.references),
        )
    }
    if state in ("corrected", "retracted"):
        for ref in alert.references:
            earlier = find(ref)
            if isinstance(earlier, Alerted):
                followed = [*earlier.followed, alert.ref]
                told = alert.reason
                yield {ref: earlier._replace(state=state, followed=followed, told=told)}
                yield from _chased(find, event, earlier.derived_from)
        yield from _chased(find, event, alert.derived_from)
        return
    if alert.route == OVERDUE:
        for ref in alert.derived_from:
            wait = wait_of(find, ref)
            if wait is not None:
                yield {f"wait {wait.of}": timed(wait._replace(reminded=True))}
        return
    for ref in sources(find, alert.derived_from):
        # Others join what waits in it.
        if not (state == "deferred" and _waits_in(find(ref), alert.ref)):
            yield from _settled(find, event, ref, alert, state)
    yield from _gathered(find, event, alert, state)


def _chased(find: Find, event: Recorded, refs: Iterable[str]) -> Changes:
    """A correction that was told, or that has nothing to follow any more, is done."""
    cause = event.provenance.get("cause")
    for ref in refs:
        chase = find(f"chase {ref}")
        if not isinstance(chase, Chase):
            continue
        if chase.cause.id == cause or not is_open(find, chase.alerts):
            yield {f"chase {ref}": None}


def _settled(find: Find, event: Recorded, ref: str, alert: Alert, state: State) -> Changes:
    """A development after a decision on it."""
    behind = find(ref)
    known = known_of(find)
    if not isinstance(behind, Behind):
        if state in ("issued", "deferred") and ref not in known.unlearned:
            yield {STORY: known._replace(unlearned=[*known.unlearned, ref], due_ms=0)}
        return
    ref = behind.ref
    yield from out_of_group(find, behind)
    hidden = behind.release != RELEASED or known.release != RELEASED
    # Put together and made once.
    new: dict[str, Any] = {"deferred": None, "due_ms": None}
    if behind.cause is None:  # of history, as this watch has it; another had begun with it
        first = event.provenance.get("cause") or event.provenance["id"]
        cause = Cause(str(first), event.recorded_ms, event.version)
        new |= {"route": alert.route, "level": alert.level, "cause": cause}
    match state:
        case "issued":
            new |= {"state": "decided", "alerts": [*behind.alerts, alert.ref]}
            yield {ref: behind._replace(**new)}
        case "deferred":
            waits = alert.level == "flash" and behind.second is None
            if alert.until and waits:
                new["due_ms"] = int(alert.until.timestamp() * 1000)
            new |= {"state": "unseconded" if waits else "gathered", "deferred": alert.ref}
            yield {ref: behind._replace(**new)}
        case _ if behind.alerts:
            yield {ref: behind._replace(**new, state="decided")}
        case _ if hidden and not behind.release.withdrawn:
            yield {ref: behind._replace(**new, state="hidden")}
        case _:
            yield {ref: None, **dict.fromkeys(behind.owns)}


def _gathered(find: Find, event: Recorded, alert: Alert, state: State) -> Changes:
    """The group of an alert, and the story that a pressing one mutes."""
    key = group_key(alert.route or "", alert.level)
    group = find(key)
    before = group if isinstance(group, Group) else None
    if state == "deferred":
        joined = [ref for ref in alert.derived_from if _is_gathered(find, ref)]
        if joined and alert.until is not None and alert.route is not None:
            until = int(alert.until.timestamp() * 1000)
            last = before.last_ms if before else None
            cause = _first_cause(find, joined) or cause_of(event)
            yield {key: Group(alert.route, alert.level, alert.ref, cause, joined, last, until)}
    elif state == "issued":
        known = known_of(find)
        latest = {**known.latest, alert.level: Latest(alert.ref, event.recorded_ms)}
        yield {STORY: known._replace(latest=latest)}
        if alert.route is not None:
            left = before or Group(alert.route, alert.level, alert.ref, cause_of(event), [])
            left = left._replace(last_ms=event.recorded_ms)
            first = _first_cause(find, left.members)
            if first is not None:  # more than one alert can hold; the rest make another
                left = left._replace(cause=first, ref=f"alert-{first.version}")
            yield {key: left}


def _waits_in(part: Part | None, ref: str) -> bool:
    return isinstance(part, Behind) and part.state == "gathered" and part.deferred == ref


def _first_cause(find: Find, refs: Iterable[str]) -> Cause | None:
    found = (find(ref) for ref in refs)
    causes = [each.cause for each in found if isinstance(each, Behind) and each.cause is not None]
    return min(causes, key=lambda cause: cause.version, default=None)


def _is_gathered(find: Find, ref: str) -> bool:
    behind = find(ref)
    return isinstance(behind, Behind) and behind.state == "gathered"
