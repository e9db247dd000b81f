"""Targets: who gets an alert, and whether now, later, in a digest or not at all.

Everything here is decided of one alert and one target by what is handed in; whoever keeps the
record of what was sent asks, writes the answer down and acts on it.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from consumers.alerts.quiet import Hours, quiet_until
from consumers.alerts.throttle import Throttle, room_at
from events.alerts import LEVELS, AlertDecision, Audience, Level
from events.envelope import Recorded

__all__ = [
    "CHASES",
    "MOST_WISHES",
    "Already",
    "Channel",
    "Notice",
    "Sent",
    "Target",
    "Targets",
    "Verdict",
    "left_alone_until",
    "notice_of",
    "verdict_on",
    "wants",
]

Channel = Literal["webhook", "push", "mail", "apprise", "console"]
MOST_WISHES = 100  # values of one kind; whoever wants more wants everything
CHASES: Final = "it corrects what this target got"
"""Why a correction or retraction is sent; what it says itself stands in the log alone."""

_RANK: Final = {level: rank for rank, level in enumerate(LEVELS)}
_NOBODY: Final[Mapping[str, Sequence["Sent"]]] = MappingProxyType({})
_UNBOUND: Final[Mapping[Level, Throttle]] = MappingProxyType({})


class Notice(NamedTuple):
    """What of an alert decides whom it is for.

    `ref` names it in its story; `kinds`, `places` and `people` are those of the developments that
    it comes from; a `msg_type` of Update or Cancel chases the alerts in `references`.
    """

    story: str
    ref: str
    level: Level
    route: str | None = None
    audience: Audience = "everybody"
    msg_type: Literal["Alert", "Update", "Cancel"] = "Alert"
    references: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()


def notice_of(event: Recorded) -> Notice:
    """Give the notice of an `alert-issued`, `alert-corrected` or `alert-retracted`.

    Raises:
        TypeError: it is another event.
    """
    decision = event.development
    if not isinstance(decision, AlertDecision):
        raise TypeError("a notice is made of a decision about an alert")
    alert = decision.alert
    return Notice(
        event.story,
        alert.ref,
        alert.level,
        alert.route,
        alert.audience,
        alert.msg_type,
        alert.references,
        frozenset(alert.kinds),
        frozenset(decision.places),
        frozenset(decision.people),
    )


class Target(NamedTuple):
    """Who is alerted, by which channel, and what they want.

    `id` never changes: `webhook:…`, `mail:desk`, `console`. Of `stories`, `kinds`, `places`,
    `people` and `routes` an empty set takes everything; a story that ends in `*` takes all that
    begin so. `least` is the lowest level it takes. `desk` takes what only the desk is reminded of
    as well. `passes_quiet` are the levels that its quiet hours do not hold.
    """

    id: str
    channel: Channel
    stories: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()
    routes: frozenset[str] = frozenset()
    least: Level = "deferred"
    desk: bool = False
    timezone: str = "UTC"
    quiet: tuple[Hours, ...] = ()
    passes_quiet: frozenset[Level] = frozenset()
    throttle: Mapping[Level, Throttle] = _UNBOUND


class Sent(NamedTuple):
    """That a target was sent an alert of a level, and when, milliseconds since 1970 UTC."""

    level: Level
    at_ms: int


class Already(NamedTuple):
    """What stands when an alert is decided on.

    `now_ms` is the moment; `had` the targets that got this alert, or may have got it; `sent` what
    each target was sent before, as far back as its throttles look.
    """

    now_ms: int
    had: Container[str] = frozenset()
    sent: Mapping[str, Sequence[Sent]] = _NOBODY


class Verdict(NamedTuple):
    """What is to be done about one alert and one target, and why.

    `until_ms` is when what is held is decided again, or when the digest is due.
    """

    target: str
    outcome: Literal["send", "hold", "digest", "suppress"]
    until_ms: int | None
    reason: str


def wants(target: Target, notice: Notice) -> bool:
    """Whether a target wants an alert at all."""
    return (
        _RANK[notice.level] <= _RANK[target.least]
        and (notice.audience == "everybody" or target.desk)
        and (not target.stories or _names(target.stories, notice.story))
        and (not target.kinds or not target.kinds.isdisjoint(notice.kinds))
        and (not target.places or not target.places.isdisjoint(notice.places))
        and (not target.people or not target.people.isdisjoint(notice.people))
        and (not target.routes or notice.route in target.routes)
    )


def _names(stories: frozenset[str], story: str) -> bool:
    return story in stories or any(
        name.endswith("*") and story.startswith(name[:-1]) for name in stories
    )


def verdict_on(alert: Notice, target: Target, already: Already) -> Verdict:
    """Decide on an alert for a target that wants it.

    Args:
        alert: the alert, and no correction or retraction of one: those go to whoever got, or may
            have got, what they refer to, and nothing holds them.
        target: who wants it; `Targets.wanting` finds them among many.
        already: what stands.
    """
    if target.id in already.had:
        return Verdict(target.id, "suppress", None, "it got this alert before")
    now_ms, level = already.now_ms, alert.level
    until = left_alone_until(target, level, now_ms)
    if until is not None:
        return Verdict(target.id, "hold", until, f"quiet hours in {target.timezone}")
    throttle = target.throttle.get(level)
    if throttle is not None:
        sent = [one.at_ms for one in already.sent.get(target.id, ()) if one.level == level]
        room = room_at(now_ms, throttle, sent)
        if room is not None:
            why = f"at most {throttle.most} {level} in {throttle.within_ms // 1000} s"
            return Verdict(target.id, "digest", room, why)
    return Verdict(target.id, "send", None, "it wants this")


def left_alone_until(target: Target, level: Level, now_ms: int) -> int | None:
    """Say until when quiet hours keep a level from a target, None where they do not."""
    if not target.quiet or level in target.passes_quiet:
        return None
    return quiet_until(now_ms, _zone(target.timezone), target.quiet)


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


class Targets:
    """Many targets, found by what they want without a look at each.

    A target stands under the values of the first of its wishes that has any; those that take
    everything are looked at for every alert.

    Args:
        targets: all of them.
    """

    def __init__(self, targets: Iterable[Target]) -> None:
        self._all = {target.id: target for target in targets}
        self._under: defaultdict[tuple[str, str], list[Target]] = defaultdict(list)
        self._open: list[Target] = []
        self._place = {id_: place for place, id_ in enumerate(self._all)}
        for target in self._all.values():
            keys = list(_keys(target))
            for key in keys:
                self._under[key].append(target)
            if not keys:
                self._open.append(target)

    def __getitem__(self, id_: str) -> Target:
        """Give the target of an id."""
        return self._all[id_]

    def get(self, id_: str) -> Target | None:
        """Give the target of an id, None where it is gone."""
        return self._all.get(id_)

    def wanting(self, notice: Notice) -> list[Target]:
        """Give the targets that want an alert, in their order."""
        found = {target.id: target for target in self._open if wants(target, notice)}
        for key in _looked_up(notice):
            for target in self._under.get(key, ()):
                if target.id not in found and wants(target, notice):
                    found[target.id] = target
        return sorted(found.values(), key=lambda target: self._place[target.id])


def _keys(target: Target) -> Iterator[tuple[str, str]]:
    stories = target.stories
    if stories and not any(name.endswith("*") for name in stories):
        yield from (("story", name) for name in stories)
    elif target.people:
        yield from (("person", name) for name in target.people)
    elif target.places:
        yield from (("place", name) for name in target.places)
    elif target.kinds:
        yield from (("kind", name) for name in target.kinds)
    elif target.routes:
        yield from (("route", name) for name in target.routes)


def _looked_up(notice: Notice) -> Iterator[tuple[str, str]]:
    yield "story", notice.story
    yield from (("person", name) for name in notice.people)
    yield from (("place", name) for name in notice.places)
    yield from (("kind", name) for name in notice.kinds)
    if notice.route is not None:
        yield "route", notice.route
