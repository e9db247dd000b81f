"""Whom an alert goes to, and whether now, later or in a digest."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from consumers.alerts.quiet import DAY, Hours, quiet_until
from consumers.alerts.targets import (
    Already,
    Notice,
    Sent,
    Target,
    Targets,
    Verdict,
    verdict_on,
    wants,
)
from consumers.alerts.throttle import Throttle, room_at
from events.alerts import LEVELS

URGENT = Notice("harbour-fire", "alert-3", "urgent", kinds=frozenset({"outcome-reported"}))
NIGHT = Hours(22 * 60, 7 * 60)
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def told(target: Target, notice: Notice, already: Already) -> list[Verdict]:
    return [verdict_on(notice, target, already)] if wants(target, notice) else []


def test_quiet_hours_hold_in_the_targets_own_zone() -> None:
    """At night where the target is an alert waits for the morning there, wherever the desk is."""
    berlin = Target("mail:desk", "mail", timezone="Europe/Berlin", quiet=(NIGHT,))
    held = told(berlin, URGENT, Already(ms("2026-01-10T23:30:00+00:00")))
    until = ms("2026-01-11T07:00:00+01:00")
    assert held == [Verdict("mail:desk", "hold", until, "quiet hours in Europe/Berlin")]
    assert told(berlin, URGENT, Already(until))[0].outcome == "send"


def test_a_flash_passes_quiet_hours_of_those_who_said_so() -> None:
    """A flash wakes those who want to be woken by one, and nobody else."""
    flash, night = URGENT._replace(level="flash"), Already(ms("2026-01-10T23:30:00+00:00"))
    sleeper = Target("push:a", "push", quiet=(NIGHT,))
    woken = sleeper._replace(passes_quiet=frozenset({"flash"}))
    assert [told(each, flash, night)[0].outcome for each in (sleeper, woken)] == ["hold", "send"]
    assert told(woken, URGENT, night)[0].outcome == "hold"


def test_quiet_hours_end_with_a_time_that_a_clock_leaves_out() -> None:
    """Where the clock goes from 02:00 to 03:00, quiet until 02:30 ends at once: it is 03:00."""
    night = ms("2026-03-29T01:30:00+01:00")
    until = quiet_until(night, ZoneInfo("Europe/Berlin"), [Hours(23 * 60, 2 * 60 + 30)])
    assert until == ms("2026-03-29T03:00:00+02:00")


@given(
    at=st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001 - the strategy wants them bare
    zone=st.sampled_from(ZONES),
    ends=st.lists(st.integers(0, DAY - 1), min_size=2, max_size=4, unique=True),
)
def test_quiet_hours_end(at: datetime, zone: str, ends: list[int]) -> None:
    """Whatever clocks are set back or forward, quiet hours end within two days and after now."""
    quiet = tuple(Hours(ends[n], ends[n + 1]) for n in range(len(ends) - 1))
    now = int(at.replace(tzinfo=UTC).timestamp()) * 1000
    until = quiet_until(now, ZoneInfo(zone), quiet)
    local = datetime.fromtimestamp(now / 1000, ZoneInfo(zone))
    assert (until is not None) is any(each.hold(local.hour * 60 + local.minute) for each in quiet)
    assert until is None or now < until <= now + 2 * DAY * 60_000 * len(quiet)
    if until is not None:  # and as soon as they are over
        before = datetime.fromtimestamp(until / 1000 - 60, ZoneInfo(zone))
        assert any(each.hold(before.hour * 60 + before.minute) for each in quiet)


def test_the_excess_goes_into_a_digest() -> None:
    """Who takes two urgent alerts an hour gets the third in a digest when the hour is over."""
    target = Target("console", "console", throttle={"urgent": Throttle(2, 3_600_000)})
    sent = {"console": [Sent("urgent", 1_000), Sent("flash", 1_500), Sent("urgent", 2_000)]}
    third = told(target, URGENT, Already(10_000, sent=sent))
    assert third == [Verdict("console", "digest", 3_601_000, "at most 2 urgent in 3600 s")]
    assert told(target, URGENT, Already(3_601_000, sent=sent))[0].outcome == "send"
    assert told(target, URGENT._replace(level="flash"), Already(9, sent=sent))[0].outcome == "send"


@given(
    most=st.integers(1, 4),
    within=st.integers(1, 50),
    sent=st.lists(st.integers(0, 100), max_size=12),
    now=st.integers(100, 130),
)
def test_a_throttle_is_never_exceeded(most: int, within: int, sent: list[int], now: int) -> None:
    """Never more than so many are sent within the while, and there is room when it is said."""
    room = room_at(now, Throttle(most, within), sent)
    recent = [at for at in sent if at > now - within]
    assert (room is None) is (len(recent) < most)
    if room is not None:
        assert room > now
        assert len([at for at in sent if at > room - within]) < most


def test_nobody_gets_the_same_alert_twice() -> None:
    """A target that got an alert, or may have got it, is not sent it again."""
    target = Target("webhook:1", "webhook")
    again = told(target, URGENT, Already(0, had={"webhook:1"}))
    assert [verdict.outcome for verdict in again] == ["suppress"]


def test_only_the_desk_is_reminded() -> None:
    """What only the desk is reminded of goes to targets that are the desk's."""
    reminder = URGENT._replace(audience="desk")
    assert not wants(Target("webhook:1", "webhook"), reminder)
    assert wants(Target("mail:desk", "mail", desk=True), reminder)


_many = st.frozensets(st.sampled_from(["a", "b", "c-1", "c-2"]), min_size=2)
_some = st.just(frozenset[str]()) | _many  # mostly no wish, so that one alone decides
_targets = st.lists(
    st.builds(
        Target,
        id=st.uuids().map(str),
        channel=st.just("console"),
        stories=st.just(frozenset[str]())
        | st.frozensets(st.sampled_from(["a", "b", "c-1", "c-*"]), max_size=2),
        kinds=_some,
        places=_some,
        people=_some,
        routes=_some,
        least=st.sampled_from(LEVELS),
        desk=st.booleans(),
    ),
    min_size=5,
    max_size=30,
)
_notices = st.builds(
    Notice,
    story=st.sampled_from(["a", "b", "c-1", "c-2"]),
    ref=st.just("alert-1"),
    level=st.sampled_from(LEVELS),
    route=st.sampled_from(["a", "b", None]),
    audience=st.sampled_from(["everybody", "desk"]),
    kinds=_many,
    places=_many,
    people=_many,
)


@given(targets=_targets, notice=_notices)
def test_among_many_the_same_are_found(targets: list[Target], notice: Notice) -> None:
    """Who wants an alert is found among many as if each had been looked at."""
    assert Targets(targets).wanting(notice) == [each for each in targets if wants(each, notice)]
