"""What comes into sight or goes out of it, or is corrected, and what is to be decided then."""

from datetime import datetime
from typing import Any, Final

from consumers.alerts.found import (
    Changes,
    Find,
    Seen,
    after,
    cause_of,
    is_open,
    known_of,
    out_of_group,
    timed,
    wait_of,
)
from consumers.alerts.match import Facts, Rules
from consumers.alerts.parts import (
    STORY,
    Behind,
    Chase,
    Owned,
)
from events.corrections import locate
from events.editorial import (
    Corrected,
    EmbargoBroken,
    HoldReleased,
    Published,
    Withdrawn,
)
from events.envelope import Recorded
from events.release import RELEASED, ReleaseAct

__all__ = ["corrected", "moved", "reminded_at"]

NOTE_LENGTH: Final = 900  # characters, so that there is room in a phrase for what was told before
SHOWN: Final = 200  # characters of a value: enough to know it again
_REWRITTEN: Final = ("headline", "urgency", "places", "people")
_SECONDS: Final = (Published, HoldReleased, EmbargoBroken)  # what only an editor does


def moved(parts: Seen, find: Find, event: Recorded, act: ReleaseAct, rules: Rules) -> Changes:
    """A development, or with the opening the whole story, came into sight or went out of it."""
    known = known_of(find)
    if act.target == known.opening:
        known = known._replace(release=known.release.after(act))
        yield {STORY: known}
        for part in list(parts.values()):
            if isinstance(part, Behind):
                yield from _in_sight(find, event, part.ref, rules)
    if isinstance(act, Withdrawn):
        answered = find(f"answer {act.target}")
        wait = wait_of(find, answered.owner) if isinstance(answered, Owned) else None
        if wait is not None and wait.by == act.target:
            yield {f"wait {wait.of}": timed(wait._replace(by=None))}
    wait = wait_of(find, act.target)
    if wait is not None and wait.of == act.target:
        changed = wait._replace(release=wait.release.after(act))
        yield {f"wait {wait.of}": timed(changed)}
    behind = find(act.target)
    if not isinstance(behind, Behind):
        return
    by = str(event.provenance["filed_by"])
    second = by if isinstance(act, _SECONDS) and by != behind.filed_by else behind.second
    yield {behind.ref: behind._replace(release=behind.release.after(act), second=second)}
    if isinstance(act, Withdrawn):
        yield from _withdrawn(find, event, behind.ref, act.reason)
    else:
        yield from _in_sight(find, event, behind.ref, rules)


def _in_sight(find: Find, event: Recorded, ref: str, rules: Rules) -> Changes:
    """What follows for a development from whether readers see it now."""
    behind = find(ref)
    if not isinstance(behind, Behind):
        return
    seen = behind.release == RELEASED and known_of(find).release == RELEASED
    yield from _chases(find, behind, event.recorded_ms if seen else None)
    if behind.state == "decided":
        return
    if not seen and behind.deferred is not None:
        yield from out_of_group(find, behind)
        yield {ref: behind._replace(state="due", cause=cause_of(event), due_ms=event.recorded_ms)}
    elif not seen:
        yield {ref: behind._replace(state="hidden", due_ms=None)}
    elif behind.state == "hidden":
        facts = Facts(event.story, behind.kind, behind.urgency, behind.places, behind.people)
        route = None if rules.is_history(event.position) else rules.routing.route(facts)
        yield from _due(behind, event, rules, route.name if route else None)
    elif behind.state == "unseconded" and behind.second is not None:
        yield {ref: behind._replace(state="due", cause=cause_of(event), due_ms=event.recorded_ms)}


def _due(behind: Behind, event: Recorded, rules: Rules, name: str | None) -> Changes:
    """A development that came into sight is to be decided, where a route takes it."""
    route = next((each for each in rules.policy.route if each.name == name), None)
    if route is not None:
        due = event.recorded_ms
        yield {
            behind.ref: behind._replace(
                state="due",
                route=route.name,
                level=route.level,
                cause=cause_of(event),
                due_ms=due,
            )
        }
    elif behind.ref in rules.keep:
        yield {behind.ref: behind._replace(state="decided")}
    else:
        yield {behind.ref: None, **dict.fromkeys(behind.owns)}


def _chases(find: Find, behind: Behind, due_ms: int | None) -> Changes:
    """What is to be told after the alerts of a development waits while readers do not see it."""
    key = f"chase {behind.ref}"
    chase = find(key)
    if isinstance(chase, Chase) and chase.act == "corrected":
        yield {key: chase._replace(due_ms=due_ms)}


def _withdrawn(find: Find, event: Recorded, ref: str, reason: str) -> Changes:
    behind = find(ref)
    if not isinstance(behind, Behind):
        return
    if is_open(find, behind.alerts):
        chase = Chase(ref, "withdrawn", reason, cause_of(event), behind.alerts, event.recorded_ms)
        yield {f"chase {ref}": chase}
    elif behind.deferred is not None or behind.state == "due":
        yield from out_of_group(find, behind)
        cause = cause_of(event)
        yield {ref: behind._replace(state="due", cause=cause, due_ms=event.recorded_ms)}
    elif not behind.alerts:
        yield {ref: None, **dict.fromkeys(behind.owns)}


def corrected(find: Find, event: Recorded, act: Corrected, rules: Rules) -> Changes:
    """What is corrected is so from now on; alerts that came from it are followed."""
    ref, field = locate(act.target, act.field)
    owned = find(ref)
    wait = wait_of(find, ref)
    if wait is not None and field in ("due_at", "response.due_at"):
        due_at = datetime.fromisoformat(act.new) if isinstance(act.new, str) else None
        yield {f"wait {wait.of}": timed(wait._replace(after_ms=reminded_at(due_at, rules)))}
    behind = find(owned.owner) if isinstance(owned, Owned) else owned
    if not isinstance(behind, Behind):
        behind = find(act.target)
    if not isinstance(behind, Behind):
        return
    if field in _REWRITTEN and ref == behind.ref:
        new: Any = list(act.new) if isinstance(act.new, tuple) else act.new
        new = [] if new is None and field in ("places", "people") else new
        if new is not None:
            behind = behind._replace(**{field: new})
            yield {behind.ref: behind}
    if is_open(find, behind.alerts):
        seen = behind.release == RELEASED and known_of(find).release == RELEASED
        note = f"{act.target} {act.field}: {_shown(act.old)} is now {_shown(act.new)}: {act.note}"
        due = event.recorded_ms if seen else None
        earlier = find(f"chase {behind.ref}")
        cause = earlier.cause if isinstance(earlier, Chase) else cause_of(event)
        told = earlier.note if isinstance(earlier, Chase) else ""
        note = after(told, note, NOTE_LENGTH)
        chase = Chase(behind.ref, "corrected", note, cause, behind.alerts, due)
        yield {f"chase {behind.ref}": chase}


def reminded_at(due_at: datetime | None, rules: Rules) -> int | None:
    """Say when the desk is to be reminded of an answer that is due then, if it is to be at all."""
    overdue = rules.policy.overdue
    if due_at is None or overdue is None:
        return None
    return int(due_at.timestamp() * 1000) + overdue.after


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value)[:SHOWN]
