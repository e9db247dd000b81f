"""What somebody who is alerted asks for: which alerts, when not, and how many."""

import re
from typing import Annotated, Final
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from consumers.alerts.quiet import Hours, never_ends
from consumers.alerts.targets import MOST_WISHES, Channel, Target
from consumers.alerts.throttle import Throttle
from events.alerts import Level
from events.errors import Refused
from events.misshapen import misshapen

__all__ = ["Wishes", "wishes_from", "wishes_kept", "wishes_of"]

MOST_SECONDS = 31 * 24 * 3600  # that a throttle looks back
_HOURS: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def _hours(text: str) -> str:
    if not _HOURS.fullmatch(text):
        raise ValueError("hours such as 22:00-07:00")
    return text


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("a time zone such as Europe/Berlin")
    return ZoneInfo(name).key


Names = Annotated[
    frozenset[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=MOST_WISHES)
]


class Excess(BaseModel):
    """At most so many alerts of a level within so many seconds; the rest comes in a digest."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    most: Annotated[int, Field(ge=1, le=10_000)]
    seconds: Annotated[int, Field(ge=1, le=MOST_SECONDS)]


class Wishes(BaseModel):
    """Which alerts a target takes. An empty list takes everything; a story ending in * all such."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    stories: Names = frozenset()
    kinds: Names = frozenset()
    places: Names = frozenset()
    people: Names = frozenset()
    routes: Names = frozenset()
    least: Level = "deferred"
    desk: bool = False
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    quiet: Annotated[
        tuple[Annotated[str, AfterValidator(_hours)], ...],
        Field(max_length=MOST_WISHES),
    ] = ()
    passes_quiet: frozenset[Level] = frozenset()
    throttle: dict[Level, Excess] = {}

    def target(self, name: str, channel: Channel) -> Target:
        """Give the target that wishes this."""
        return Target(
            name,
            channel,
            self.stories,
            self.kinds,
            self.places,
            self.people,
            self.routes,
            self.least,
            self.desk,
            self.timezone,
            tuple(map(_hours_of, self.quiet)),
            self.passes_quiet,
            {level: Throttle(e.most, e.seconds * 1000) for level, e in self.throttle.items()},
        )


def _hours_of(text: str) -> Hours:
    hour, minute, until_hour, until_minute = map(int, re.split("[:-]", text))
    return Hours(hour * 60 + minute, until_hour * 60 + until_minute)


def wishes_from(target: Target) -> Wishes:
    """Give what a target wishes that was read elsewhere."""
    return Wishes(
        stories=target.stories,
        kinds=target.kinds,
        places=target.places,
        people=target.people,
        routes=target.routes,
        least=target.least,
        desk=target.desk,
        timezone=target.timezone,
        quiet=tuple(_text_of(hours) for hours in target.quiet),
        passes_quiet=target.passes_quiet,
        throttle={
            level: Excess(most=bound.most, seconds=max(1, bound.within_ms // 1000))
            for level, bound in target.throttle.items()
        },
    )


def _text_of(hours: Hours) -> str:
    ends = (divmod(minute, 60) for minute in hours)
    return "-".join(f"{hour:02d}:{minute:02d}" for hour, minute in ends)


def wishes_of(content: object) -> Wishes:
    """Read what somebody wishes from now on from a JSON object.

    Raises:
        Refused: naming the first field that is not of its form, or quiet hours that never end, in
            which an alert would be held for ever.
    """
    wishes = wishes_kept(content)
    quiet = tuple(map(_hours_of, wishes.quiet))
    if quiet and never_ends(quiet):
        wanted, found = "some hours that are not quiet", "a whole day of quiet"
        raise Refused("wishes", "wishes.quiet", wanted, found)
    return wishes


def wishes_kept(content: object) -> Wishes:
    """Read wishes that were taken in before, and stand until they are changed.

    Raises:
        Refused: naming the first field that is not of its form.
    """
    try:
        return (
            Wishes.model_validate_json(content)
            if isinstance(content, str | bytes)
            else (Wishes.model_validate(content))
        )
    except ValidationError as error:
        first = misshapen(error, lambda found: ascii(found)[:80])[0]
        field = ".".join(("wishes", *first.path))
        expected, found = first.expected, first.found or "nothing"
        if len(first.path) == 1 and first.path[0] not in Wishes.model_fields:
            expected, found = f"one of {', '.join(sorted(Wishes.model_fields))}", "another"
        raise Refused("wishes", field, expected, found) from None
