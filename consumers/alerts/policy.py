"""The policy: which news alerts at which level, how it is gathered, and who is told; one TOML file.

It is checked whole when it is loaded: a mistake is named by its key, with what was expected there
and what was found.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Annotated, Final, NamedTuple
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from consumers.alerts.quiet import DAY, Hours
from consumers.alerts.shade import Reach, in_shade
from consumers.alerts.targets import MOST_WISHES, Channel, Target
from consumers.alerts.throttle import Throttle
from events.alerts import LEVELS, Level
from events.developments import News
from events.errors import Refused
from events.filing import Person, Place, Urgency, Word
from events.misshapen import misshapen
from events.vocabulary import KINDS

__all__ = ["OVERDUE", "Finding", "Inhibition", "Policy", "Route", "Timers", "check", "load"]

OVERDUE: Final = "overdue"  # the route of reminders; no route of a policy may have its name
LONGEST: Final = 31 * 24 * 3_600_000  # milliseconds of a timer; what is longer is a slip of the pen
_UNITS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SPAN: Final = re.compile(r"([0-9]{1,6})([smhd])")
_HOURS: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")

# Absence is not news: that an answer is awaited alerts nobody.
ALERTING: Final = frozenset(
    kind for kind, model in KINDS.items() if issubclass(model, News) and kind != "response-awaited"
)


def _span(value: object) -> int:
    found = _SPAN.fullmatch(value) if isinstance(value, str) else None
    length = int(found[1]) * _UNITS[found[2]] if found else LONGEST + 1
    if length > LONGEST:
        msg = "a time such as 0s, 30s, 5m, 2h or 1d, of at most 31d"
        raise ValueError(msg)
    return length


def _hours(value: object) -> Hours:
    found = _HOURS.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        msg = "hours such as 22:00-07:00"
        raise ValueError(msg)
    numbers = [int(number) for number in found.groups()]
    return Hours(numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3])


def _zone(name: str) -> str:
    if name not in available_timezones():  # not `ZoneInfo(name)`, which opens other files as well
        msg = "a time zone such as Europe/Berlin"
        raise ValueError(msg)
    return name


def _alerting(kind: str) -> str:
    if kind not in ALERTING:
        near = difflib.get_close_matches(kind, ALERTING, n=1)
        hint = f", perhaps {near[0]}" if near else ""
        known = "a kind of news that can alert" if kind in KINDS else "a kind of the vocabulary"
        msg = f"{known}{hint}"
        raise ValueError(msg)
    return kind


_LED_TO: Final = "a level that a route leads to"
_FEW: Final = Field(max_length=MOST_WISHES)
Span = Annotated[int, BeforeValidator(_span)]
Kind = Annotated[str, AfterValidator(_alerting)]
Stories = Annotated[str, StringConstraints(pattern=r"^(?:[a-z0-9-]{1,80}|[a-z0-9-]{0,79}\*)$")]


class _Table(BaseModel):
    """A table of the file: it cannot change, and a misspelt key is none of its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Timers(_Table):
    """How a level is gathered; milliseconds.

    `wait` is how long the first of a group waits for others, `interval` how long a group is left
    alone after its alert, `lapse` after how long what could not be decided in time is no news. A
    group that holds all that one alert can waits for neither when another comes.
    """

    wait: Span = 0
    interval: Span = 0
    lapse: Span = 6 * 3_600_000


class Route(_Table):
    """What alerts at a level: news of which every one of these is so; nothing given takes all.

    `urgency` is the least urgent that it takes, 1 is the most urgent.
    """

    name: Word
    level: Level
    stories: frozenset[Stories] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    urgency: Urgency = 9
    places: frozenset[Place] = frozenset()
    people: frozenset[Person] = frozenset()


class Inhibition(_Table):
    """An alert of a level mutes others of its story for a while, milliseconds."""

    by: Level
    mutes: Annotated[frozenset[Level], Field(min_length=1)]
    lasts: Span = Field(alias="for")


class Overdue(_Table):
    """The desk is reminded of an answer so many milliseconds after it was due."""

    level: Level = "regular"
    after: Span = 0


class Bound(_Table):
    """At most so many alerts within a while, milliseconds; the rest go into a digest."""

    most: Annotated[int, Field(ge=1, le=1_000)]
    within: Span


class Subscriber(_Table):
    """A target that the policy itself names; `address` is in the form of its channel."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,79}$")]
    channel: Channel
    address: str = ""
    stories: Annotated[frozenset[Stories], _FEW] = frozenset()
    kinds: Annotated[frozenset[Kind], _FEW] = frozenset()
    places: Annotated[frozenset[Place], _FEW] = frozenset()
    people: Annotated[frozenset[Person], _FEW] = frozenset()
    routes: Annotated[frozenset[Word], _FEW] = frozenset()
    least: Level = "deferred"
    desk: bool = False
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    quiet: tuple[Annotated[Hours, BeforeValidator(_hours)], ...] = ()
    passes_quiet: frozenset[Level] = frozenset()
    throttle: dict[Level, Bound] = {}

    @property
    def target(self) -> Target:
        """The target that it is."""
        given = {name: getattr(self, name) for name in Target._fields if name != "throttle"}
        bounds = {level: Throttle(b.most, b.within) for level, b in self.throttle.items()}
        return Target(**given, throttle=bounds)


class Policy(_Table):
    """The whole file. The first route that takes a development decides.

    `fresh` is how long ago, in milliseconds, imported news may have been published elsewhere and
    still alert; `second_person` how long a flash waits for somebody beside its filer to stand
    behind it, and then goes out as a bulletin.
    """

    fresh: Span = 3_600_000
    second_person: Span = 120_000
    levels: dict[Level, Timers] = {}
    route: tuple[Route, ...] = ()
    inhibit: tuple[Inhibition, ...] = ()
    overdue: Overdue | None = None
    target: tuple[Subscriber, ...] = ()

    def timers(self, level: Level) -> Timers:
        """Give how a level is gathered; one that is not named does not wait."""
        return self.levels.get(level, _AT_ONCE)

    @property
    def targets(self) -> list[Target]:
        """The targets that the policy itself names."""
        return [subscriber.target for subscriber in self.target]


_AT_ONCE: Final = Timers()


class Finding(NamedTuple):
    """A mistake in a policy: the key, such as `route.2.level`, what was expected and found."""

    key: str
    expected: str
    found: str

    def __str__(self) -> str:
        """One sentence of it."""
        return f"{self.key}: expected {self.expected}; found {self.found}"


def load(text: str) -> Policy:
    """Read a policy.

    Raises:
        Refused: naming the first mistake in it.
    """
    policy, findings = check(text)
    if policy is None or findings:
        first = findings[0]
        raise Refused("policy", first.key, first.expected, first.found)
    return policy


def check(text: str) -> tuple[Policy | None, list[Finding]]:
    """Read a policy and find every mistake in it; no policy where its form is wrong already."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return None, [Finding("file", "TOML", str(error))]
    try:
        policy = Policy.model_validate(content)
    except ValidationError as error:
        return None, [
            Finding(".".join(each.path) or "file", each.expected, each.found or "nothing")
            for each in misshapen(error, lambda found: repr(found)[:80])
        ]
    return policy, [*_of_routes(policy), *_of_timers(policy), *_of_targets(policy)]


def _of_routes(policy: Policy) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for n, route in enumerate(policy.route):
        if route.name in seen or route.name == OVERDUE:
            other = (
                f"that of route {seen[route.name]}" if route.name in seen else "that of reminders"
            )
            yield Finding(f"route.{n}.name", "a name of its own", f"{route.name!r}, {other}")
        seen.setdefault(route.name, n)
        found = _shade(route, policy.route[:n])
        if found is not None:
            yield Finding(f"route.{n}", "a route that something can come to", found)
    if not policy.route and policy.overdue is None:
        yield Finding("route", "at least one route", "none: nothing would ever alert")


def _shade(route: Route, above: Sequence[Route]) -> str | None:
    """Say which routes above a route take all that it does, None where something comes to it."""
    if not _take_all(above, route):
        return None
    one = next((each for each in above if _take_all([each], route)), None)
    if one is not None:
        return f"{one.name!r} above it, which takes all that {route.name!r} does"
    needed = list(above)
    for each in above:  # who is not needed is not named
        others = [other for other in needed if other is not each]
        needed = others if _take_all(others, route) else needed
    names = ", ".join(repr(each.name) for each in needed)
    return f"{names} above it, which together take all that {route.name!r} does"


def _take_all(above: Sequence[Route], route: Route) -> bool:
    reach, *others = (
        Reach(each.stories, each.kinds or ALERTING, each.urgency, each.places, each.people)
        for each in (route, *above)
    )
    return in_shade(reach, others)


def _of_timers(policy: Policy) -> Iterator[Finding]:
    led_to: set[Level] = {route.level for route in policy.route}
    if "flash" in led_to:
        led_to.add("bulletin")  # what a flash becomes that nobody seconds
    for level, timers in policy.levels.items():
        if level not in led_to:
            yield Finding(
                f"levels.{level}", _LED_TO, f"{level}, which nothing would be gathered at"
            )
        if 0 < timers.interval < timers.wait:
            yield Finding(
                f"levels.{level}.interval",
                f"none, or at least its wait of {timers.wait // 1000} s",
                f"{timers.interval // 1000} s",
            )
        if timers.lapse <= timers.wait:
            yield Finding(
                f"levels.{level}.lapse",
                f"more than its wait of {timers.wait // 1000} s",
                f"{timers.lapse // 1000} s",
            )
    for n, inhibition in enumerate(policy.inhibit):
        rank = LEVELS.index(inhibition.by)
        for level in sorted(inhibition.mutes, key=LEVELS.index):
            if LEVELS.index(level) <= rank:
                expected = f"levels below {inhibition.by}"
                yield Finding(f"inhibit.{n}.mutes", expected, level)
        if inhibition.lasts == 0:
            yield Finding(f"inhibit.{n}.for", "some time", "0 s: it would mute nothing")
        # What mutes may be an alert that a person issues, at any level; what is muted is routed.
        if led_to.isdisjoint(inhibition.mutes):
            found = ", ".join(sorted(inhibition.mutes, key=LEVELS.index))
            yield Finding(f"inhibit.{n}.mutes", _LED_TO, found)


def _of_targets(policy: Policy) -> Iterator[Finding]:
    names = {route.name: route.level for route in policy.route}
    if policy.overdue is not None:
        names[OVERDUE] = policy.overdue.level
    seen: set[str] = set()
    for n, target in enumerate(policy.target):
        key = f"target.{n}"
        if target.id in seen:
            yield Finding(f"{key}.id", "an id of its own", f"{target.id!r}, as above it")
        seen.add(target.id)
        for route in sorted(target.routes - names.keys()):
            yield Finding(f"{key}.routes", "the name of a route", repr(route))
        levels = [
            level for name, level in names.items() if not target.routes or name in target.routes
        ]
        # Who wants all routes gets what a person issues as well, at any level.
        if (
            target.routes
            and levels
            and all(LEVELS.index(level) > LEVELS.index(target.least) for level in levels)
        ):
            found = f"{target.least}, above every route that leads to it"
            yield Finding(f"{key}.least", "a level that it can get", found)
        yield from _of_quiet(key, target)
        for level, bound in target.throttle.items():
            if bound.within == 0:
                yield Finding(f"{key}.throttle.{level}.within", "some time", "0 s")


def _of_quiet(key: str, target: Subscriber) -> Iterator[Finding]:
    minutes: set[int] = set()
    for n, hours in enumerate(target.quiet):
        if hours.start == hours.end:
            yield Finding(f"{key}.quiet.{n}", "hours that end after they begin", "none between")
            continue
        own = {minute for minute in range(DAY) if hours.hold(minute)}
        if own & minutes:
            yield Finding(f"{key}.quiet.{n}", "hours apart from the others", "some that overlap")
        minutes |= own
    if len(minutes) == DAY:
        yield Finding(f"{key}.quiet", "some hours that are not quiet", "a whole day of quiet")
    if target.passes_quiet and not target.quiet:
        yield Finding(f"{key}.passes_quiet", "quiet hours to pass", "none")
