"""When deliveries are tried again, and when a target is left in peace: by rule, not by mood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.delivery.breaker import FAILURES, MOST_PEACE, Breaker
from consumers.delivery.schedule import FAST, USUAL, asked_for, next_try

HOUR = 3600
NOW = 1_760_120_000_000


def test_the_schedule_is_the_one_that_is_promised() -> None:
    """Retries come at once, then after 5 s, 5 min, 30 min, 2, 5, 10, 14, 20 and 24 h."""
    waits = [next_try(tries, 0.5, fast=False) for tries in range(11)]
    assert waits == [0, 5, 300, 1800, *(h * HOUR for h in (2, 5, 10, 14, 20, 24)), None]


def test_a_flash_is_tried_again_sooner() -> None:
    """What is worth little when late is tried six times within its first half hour."""
    waits = [next_try(tries, 0.5, fast=True) or 0 for tries in range(len(FAST))]
    assert sum(waits[:6]) < 0.5 * HOUR
    assert all(fast <= usual for fast, usual in zip(FAST, USUAL, strict=False))


def test_what_is_tried_sooner_is_given_up_no_sooner() -> None:
    """The correction of a flash is tried for as long as any alert that it may correct."""
    assert sum(FAST) >= sum(USUAL)


@given(st.integers(0, 9), st.floats(0, 1, exclude_max=True), st.booleans())
def test_waits_are_spread(tries: int, chance: float, fast: bool) -> None:  # noqa: FBT001 - drawn
    """Each wait is within 20 % of its figure, so that not all come at once."""
    planned = (FAST if fast else USUAL)[tries]
    wait = next_try(tries, chance, fast=fast)
    assert wait is not None
    assert planned * 0.8 - 1e-6 <= wait <= planned * 1.2 + 1e-6


@given(st.floats(0, 10**9), st.integers(1, 9), st.booleans())
def test_what_a_receiver_asks_for_is_kept_to_within_bounds(
    asked: float,
    tries: int,
    fast: bool,  # noqa: FBT001 - drawn
) -> None:
    """Retry-After lengthens a wait, up to a day, or five minutes for a flash; it shortens none."""
    planned = next_try(tries, 0.5, fast=fast)
    wait = next_try(tries, 0.5, fast=fast, asked=asked)
    assert planned is not None
    assert wait == max(planned, min(asked, 300 if fast else 24 * HOUR))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("120", 120),
        (" 7 ", 7),
        ("-5", 0),
        ("soon", 0),
        ("", 0),
        ("9" * 40, 999_999_999),
        ("Fri, 10 Oct 2025 18:15:20 GMT", 120),
        ("Thu, 09 Oct 2025 18:15:20 GMT", 0),
        ("Fri, 10 Oct 2025 18:15:20 -0000", 120),
        ("Fri, 99 Oct 2025 18:15:20 GMT", 0),
    ],
)
def test_retry_after_is_read_as_http_has_it(header: str | None, seconds: float) -> None:
    """Retry-After is seconds or a date; what is neither, or past, asks for nothing."""
    assert asked_for(header, NOW) == pytest.approx(seconds)


def test_a_target_that_only_fails_is_left_in_peace() -> None:
    """After five failures in a row nothing goes out, until one alone finds out how it is."""
    breaker = Breaker()
    for _ in range(FAILURES - 1):
        breaker = breaker.failed(NOW)
        assert breaker.room(NOW, 2, 8) == 6
    breaker = breaker.failed(NOW)
    assert breaker.room(NOW, 0, 8) == 0
    later = breaker.closed_from_ms
    assert breaker.room(later, 0, 8) == 1
    assert breaker.room(later, 1, 8) == 0
    assert breaker.failed(later).room(later, 0, 8) == 0


@given(st.integers(0, 10_000))
def test_peace_is_bounded(failures: int) -> None:
    """However long a target has failed, it is looked at again every few minutes if asked for."""
    assert Breaker(failures).failed(NOW).closed_from_ms - NOW <= MOST_PEACE
    assert USUAL[2] * 800 >= MOST_PEACE  # so a delivery that is alone keeps to its schedule
