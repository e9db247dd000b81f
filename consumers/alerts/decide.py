"""Decide: what of a story goes out, waits or is kept back now, each decision with its reason.

Pure: given the same story and the same moment it gives the same decisions, with the same ids and
the same bytes. An id is made of the cause, the route and the step, so that whoever decides the
same thing, at whatever time, decides it once.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, count
from typing import Final, NamedTuple, assert_never, get_args

from consumers.alerts.found import after, group_key, sources
from consumers.alerts.group import due_at
from consumers.alerts.inhibit import muted_by
from consumers.alerts.match import Rules
from consumers.alerts.parts import (
    STORY,
    Alerted,
    Behind,
    Cause,
    Chase,
    Group,
    Known,
    Part,
    Parts,
    Wait,
)
from consumers.alerts.policy import OVERDUE
from consumers.alerts.silence import Silenced, silenced_by
from consumers.alerts.watch import evolve
from events.alerts import (
    Alert,
    AlertCorrected,
    AlertDecision,
    AlertDeferred,
    AlertIssued,
    AlertRetracted,
    AlertSuppressed,
    Level,
)
from events.codec import canonical
from events.envelope import Filed, Recorded
from events.filing import LIST_LENGTH, PHRASE_LENGTH
from events.identity import id_of
from events.release import RELEASED

__all__ = ["BY", "decide"]

BY: Final = "alerts:policy"  # who files what the policy decides
# At the same moment corrections go first, then what has waited, then what is new.
Due = Chase | Group | Wait | Behind
_TURN: Final = {kind: turn for turn, kind in enumerate(get_args(Due))}
MOST: Final = 500  # decisions on a story at once; the rest follow when these are recorded


class _Ahead:
    """A story with what was just decided on top of it, as it will be when that is recorded."""

    def __init__(self, story: str, parts: Mapping[str, Part], rules: Rules, now_ms: int) -> None:
        self.story = story
        self.rules = rules
        self.now_ms = now_ms
        self.decided: list[Filed] = []
        self.passed: set[str] = set()
        self._parts = parts
        self._seen: Parts = {}  # each is asked for some thirty times in a decision
        self._changed: set[str] = set()

    def get(self, key: str) -> Part | None:
        """Give a part as it is by now."""
        if key not in self._seen:
            self._seen[key] = self._parts.get(key)
        return self._seen[key]

    def values(self) -> Iterable[Part | None]:
        """Give all parts as they are by now."""
        return {**self._parts, **self._seen}.values()

    @property
    def known(self) -> Known:
        """The story itself."""
        found = self.get(STORY)
        return found if isinstance(found, Known) else Known(0)

    def behind(self, refs: Iterable[str]) -> list[Behind]:
        """Give the developments of some refs, or of what they brought."""
        found = sources(self.get, refs)
        return [part for ref in found if isinstance(part := self.get(ref), Behind)]

    def record(self, decision: AlertDecision, cause: Cause) -> None:
        """Take a decision, and see the story as it is after it."""
        alert = decision.alert
        step = (decision.kind, alert.route or "", alert.level, alert.ref, str(alert.until))
        names = ("alert", self.story, cause.id, *step, *alert.derived_from)
        id_ = id_of(cause.at_ms, *names)
        self.decided.append(Filed(id_, BY, decision, None, cause.id))
        envelope = canonical({"id": id_, "filed_by": BY, "cause": cause.id})
        version = self.known.version + 1
        event = Recorded(0, self.story, version, self.now_ms, envelope, decision)  # type: ignore[arg-type]  # - every decision is a kind of the vocabulary
        changed = evolve(self, event, self.rules)
        self._seen |= changed
        self._changed.update(changed)

    def due(self, among: Iterable[str]) -> list[tuple[int, int, str, Due]]:
        """Give what is to be decided now, in the order in which it became so."""
        keys = {*among, *self._changed} - self.passed
        found = []
        for key in keys:
            part = self.get(key)
            if isinstance(part, Due) and part.due_ms is not None and part.due_ms <= self.now_ms:
                found.append((part.due_ms, _TURN[type(part)], key, part))
        return sorted(found, key=lambda one: one[:3])


def decide(
    story: str, parts: Mapping[str, Part], due: Sequence[str], rules: Rules, now_ms: int
) -> list[Filed]:
    """Decide all that is due in a story.

    Args:
        story: its slug.
        parts: what alerts know of it.
        due: keys of the parts that may be due.
        rules: the policy.
        now_ms: the moment, milliseconds since 1970 UTC.

    Returns:
        The decisions in order, to be appended together where the story stands as `parts` have it.
    """
    ahead = _Ahead(story, parts, rules, now_ms)
    while len(ahead.decided) < MOST and (waiting := ahead.due(due)):
        at_ms, _, key, part = waiting[0]
        before = len(ahead.decided)
        match part:
            case Chase():
                _chase(ahead, part)
            case Group(route=route, level=level, cause=cause, ref=ref):
                members = ahead.behind(part.members)
                _issue(ahead, _Bunch(route, level, members, cause, at_ms, ref))
            case Wait():
                _remind(ahead, part)
            case Behind():
                same = [each[3] for each in waiting if _together(each[3], part)]
                _first(ahead, [each for each in same if isinstance(each, Behind)])
            case _:
                assert_never(part)
        if len(ahead.decided) == before:
            ahead.passed.add(key)  # there is nothing to say of it, and others have their turn
    return ahead.decided


def _together(one: Due, other: Behind) -> bool:
    """Whether two developments became due by the same event and are decided as one."""
    return (
        isinstance(one, Behind)
        and (one.route, one.level, one.cause) == (other.route, other.level, other.cause)
        and (one.state, one.release) == (other.state, other.release)
        and (one.second is None) == (other.second is None)
        and one.deferred == other.deferred
    )


class _Bunch(NamedTuple):
    """Developments that are decided on together, by which route, and as of when."""

    route: str
    level: Level
    members: list[Behind]
    cause: Cause
    at_ms: int
    ref: str


def _first(ahead: _Ahead, members: list[Behind]) -> None:
    """Decide on developments that came into sight together, or that went out of it again."""
    first = members[0]
    cause = first.cause
    if cause is None or first.level is None or first.route is None:
        raise TypeError("what is due has a cause, a level and a route")
    bunch = _Bunch(first.route, first.level, members, cause, cause.at_ms, _ref(ahead, first, cause))
    if first.release != RELEASED or ahead.known.release != RELEASED:
        why = "withdrawn" if first.release.withdrawn else "held"
        _record(ahead, AlertSuppressed, bunch, f"{why} before it went out")
        return
    if first.level == "flash" and first.second is None:
        until = cause.at_ms + ahead.rules.policy.second_person
        if first.state != "unseconded" and until > cause.at_ms:
            why = f"a flash waits for somebody beside {first.filed_by} to stand behind it"
            _record(ahead, AlertDeferred, bunch, why, until)
            return
        bunch = bunch._replace(level="bulletin", at_ms=max(cause.at_ms, first.due_ms or 0))
    _gather(ahead, bunch)


def _ref(ahead: _Ahead, behind: Behind, cause: Cause) -> str:
    """Give the ref of an alert for a development on its own: that it waits in, or a new one."""
    for level in (behind.level, "bulletin"):
        group = ahead.get(group_key(behind.route or "", level or ""))
        if isinstance(group, Group) and group.ref == behind.deferred and group.members:
            return _free_ref(ahead, cause)
    return behind.deferred or _free_ref(ahead, cause)


def _free_ref(ahead: _Ahead, cause: Cause) -> str:
    """Give a ref for an alert by its cause; one event may lead to several alerts."""
    ref = f"alert-{cause.version}"
    names = chain([ref], (f"{ref}.{number}" for number in count(2)))
    return next(name for name in names if ahead.get(name) is None)


def _gather(ahead: _Ahead, bunch: _Bunch) -> None:
    """Let developments go out at once, or wait for others of their group."""
    found = ahead.get(group_key(bunch.route, bunch.level))
    group = found if isinstance(found, Group) else None
    if group is not None and group.due_ms is not None:
        others = ahead.behind(group.members)
        if len(others) >= LIST_LENGTH:  # no alert holds more: what is new has its turn after it
            by_now = min(group.due_ms, ahead.now_ms)
            _issue(ahead, _Bunch(group.route, group.level, others, group.cause, by_now, group.ref))
            return
        why = f"goes out with {', '.join(other.ref for other in others)}"[:PHRASE_LENGTH]
        joined = bunch._replace(members=[*others, *bunch.members], ref=group.ref)
        _record(ahead, AlertDeferred, joined, why, group.due_ms)
        return
    timers = ahead.rules.policy.timers(bunch.level)
    due_ms = due_at(bunch.at_ms, group.last_ms if group else None, timers)
    if due_ms <= bunch.at_ms:
        _issue(ahead, bunch)
        return
    why = "waits for others of its group"
    if due_ms > bunch.at_ms + timers.wait:
        why = f"an alert of its group went out less than {timers.interval // 1000} s before"
    _record(ahead, AlertDeferred, bunch, why, due_ms)


def _issue(ahead: _Ahead, bunch: _Bunch) -> None:
    """Let an alert go out, unless something keeps it back."""
    lapse = ahead.rules.policy.timers(bunch.level).lapse
    if ahead.now_ms > bunch.at_ms + lapse:
        why = f"could not be decided within {lapse // 1000} s of its time: no news any more"
        _record(ahead, AlertSuppressed, bunch, why)
        return
    latest, rules = ahead.known.latest, ahead.rules.policy.inhibit
    muting = muted_by(bunch.level, bunch.at_ms, latest, rules)
    if muting is not None:
        _record(ahead, AlertSuppressed, bunch, f"muted by {muting.ref}")
        return
    bunch = _not_silenced(ahead, bunch)
    if bunch.members:
        why = f"route {bunch.route}"
        if len(bunch.members) >= LIST_LENGTH:
            why = f"{why}; an alert holds no more than {LIST_LENGTH}"
        if bunch.level == "bulletin" and any(each.level == "flash" for each in bunch.members):
            why = f"{why}; a flash that nobody seconded"
        _record(ahead, AlertIssued, bunch, why)


def _not_silenced(ahead: _Ahead, bunch: _Bunch) -> _Bunch:
    """Keep back what is silenced; returns what is left."""
    silences = ahead.known.silences.values()
    left: list[Behind] = []
    kept: dict[str, tuple[Silenced, list[Behind]]] = {}
    for each in bunch.members:
        silence = silenced_by(bunch.level, each.kind, bunch.at_ms, silences)
        if silence is None:
            left.append(each)
        else:
            kept.setdefault(silence.ref, (silence, []))[1].append(each)
    for n, (silence, members) in enumerate(kept.values(), 1):
        until = _instant(silence.until_ms)
        why = f"silenced by {silence.by} until {until} ({silence.ref}): {silence.reason}"
        ref = bunch.ref if not left and n == 1 else f"{bunch.ref}.silenced-{n}"
        _record(
            ahead, AlertSuppressed, bunch._replace(members=members, ref=ref), why[:PHRASE_LENGTH]
        )
    return bunch._replace(members=left)


def _record(
    ahead: _Ahead, kind: type[AlertDecision], bunch: _Bunch, why: str, until_ms: int | None = None
) -> None:
    members = bunch.members[:LIST_LENGTH]
    alert = Alert(
        ref=bunch.ref,
        level=bunch.level,
        route=bunch.route,
        derived_from=tuple(each.ref for each in members),
        kinds=_union([each.kind] for each in members),
        until=None if until_ms is None else _time(until_ms),
        reason=why,
    )
    flash = bunch.level == "flash" and kind is AlertIssued
    second = next((each.second for each in members if each.second), None) if flash else None
    ahead.record(_told(kind, alert, members, second), bunch.cause)


def _told(
    kind: type[AlertDecision], alert: Alert, members: Sequence[Behind], second: str | None = None
) -> AlertDecision:
    """Give a decision the words of what leads: the most urgent, of equals the latest."""
    lead = min(members, key=lambda each: (each.urgency, -(each.cause.version if each.cause else 0)))
    return kind(
        kind=kind.model_fields["kind"].default,
        headline=lead.headline,
        urgency=lead.urgency,
        places=_union(each.places for each in members),
        people=_union(each.people for each in members),
        alert=alert,
        seconded_by=second,
    )


def _chase(ahead: _Ahead, chase: Chase) -> None:
    """Let a correction or retraction follow every alert that came from a development."""
    open_ = [
        alert
        for ref in chase.alerts
        if isinstance(alert := ahead.get(ref), Alerted) and alert.state != "retracted"
    ]
    for alert in open_:
        _follow(ahead, chase, alert, _free_ref(ahead, chase.cause))


def _follow(ahead: _Ahead, chase: Chase, alert: Alerted, ref: str) -> None:
    members = ahead.behind(alert.derived_from)
    standing = [each for each in members if not each.release.withdrawn]
    gone = chase.act == "withdrawn" and not standing
    note = f"{chase.of} is withdrawn: {chase.note}" if chase.act == "withdrawn" else chase.note
    before = _stood_for(ahead, alert)
    update = Alert(
        ref=ref,
        level=alert.level,
        route=alert.route,
        derived_from=(chase.of,),
        kinds=_union([each.kind] for each in members),
        audience=alert.audience,
        msg_type="Cancel" if gone else "Update",
        references=(alert.ref, *before),
        reason=after(alert.told if before and not gone else "", note, PHRASE_LENGTH),
    )
    kind = AlertRetracted if gone else AlertCorrected
    ahead.record(_told(kind, update, standing or members), chase.cause)


def _stood_for(ahead: _Ahead, alert: Alerted) -> list[str]:
    """Give the corrections that the next one stands for: nobody is to get one of them after it.

    Those that followed another alert as well are left to themselves.
    """
    known = {alert.ref, *alert.followed}
    found = ((ref, ahead.get(ref)) for ref in alert.followed)
    own = [
        ref for ref, one in found if isinstance(one, Alerted) and known.issuperset(one.references)
    ]
    return own[1 - LIST_LENGTH :]


def _remind(ahead: _Ahead, wait: Wait) -> None:
    """Remind the desk of an answer that is overdue; it is no news and nobody else is told."""
    overdue = ahead.rules.policy.overdue
    decision = AlertIssued(
        headline=f"No answer yet from {wait.awaited_from}",
        alert=Alert(
            ref=f"alert-{wait.cause.version}.overdue",
            level=overdue.level if overdue else "regular",
            route=OVERDUE,
            derived_from=(wait.of,),
            kinds=("response-awaited",),
            audience="desk",
            reason=f"the answer of {wait.awaited_from} is overdue",
        ),
    )
    ahead.record(decision, wait.cause)


def _union(lists: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(sorted({each for some in lists for each in some}))[:LIST_LENGTH]


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _instant(ms: int) -> str:
    return _time(ms).isoformat(timespec="seconds").replace("+00:00", "Z")
