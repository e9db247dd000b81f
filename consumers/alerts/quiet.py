"""Quiet hours: when a target is left alone, by the clock on its own wall."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import count
from typing import NamedTuple
from zoneinfo import ZoneInfo

__all__ = ["DAY", "Hours", "never_ends", "quiet_until"]

DAY = 24 * 60  # minutes


class Hours(NamedTuple):
    """Quiet from `start` up to `end`, minutes after midnight; past midnight where `end` is less."""

    start: int
    end: int

    def hold(self, minute: int) -> bool:
        """Whether a minute of the day is in these hours."""
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


def never_ends(quiet: Sequence[Hours]) -> bool:
    """Whether hours leave no minute of the day that is not quiet."""
    return all(any(hours.hold(minute) for hours in quiet) for minute in range(DAY))


def quiet_until(now_ms: int, zone: ZoneInfo, quiet: Sequence[Hours]) -> int | None:
    """Say until when it is quiet, None when it is not.

    Args:
        now_ms: milliseconds since 1970 UTC.
        zone: where the target is.
        quiet: its quiet hours; one that begins where another ends goes on from it.

    Returns:
        Milliseconds since 1970 UTC, always after `now_ms`.
    """
    return _until(now_ms // 1000, zone, tuple(quiet))


@lru_cache(maxsize=1_024)  # an alert goes to many targets whose clocks and hours are the same
def _until(second: int, zone: ZoneInfo, quiet: Sequence[Hours]) -> int | None:
    moment = datetime.fromtimestamp(second, UTC)
    ends: datetime | None = None
    for _ in quiet:  # each can go on from another at most once
        end = _end_at(ends or moment, zone, quiet)
        if end is None:
            break
        ends = end
    return None if ends is None else int(ends.timestamp()) * 1000


def _end_at(moment: datetime, zone: ZoneInfo, quiet: Sequence[Hours]) -> datetime | None:
    """Give when the hours end that hold a moment, in UTC."""
    local = moment.astimezone(zone)
    minute = local.hour * 60 + local.minute
    for hours in quiet:
        if hours.hold(minute):
            day = local.date() + timedelta(days=hours.end <= minute)
            hour, past = divmod(hours.end, 60)
            end = datetime(day.year, day.month, day.day, hour, past, tzinfo=zone)
            # A clock that is set back shows a time twice; the end is the first that is to come.
            both = (end.astimezone(UTC), end.replace(fold=1).astimezone(UTC))
            if both[1] < both[0]:  # a clock that is set forward leaves it out
                return _first_after(both[1], end, zone)
            return next(each for each in both if each > moment)
    return None


def _first_after(before: datetime, wall: datetime, zone: ZoneInfo) -> datetime:
    """Give the minute from which a clock shows a time or a later one, which it never shows."""
    minutes = (before + timedelta(minutes=number) for number in count())
    shown = wall.replace(tzinfo=None)
    return next(m for m in minutes if m.astimezone(zone).replace(tzinfo=None) >= shown)
