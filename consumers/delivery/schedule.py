"""When a delivery that did not get through is tried again: a table and nothing else."""

from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["FAST", "LIFE", "LONGEST_LIFE", "QUICK", "USUAL", "Chance", "asked_for", "next_try"]

Chance = Callable[[], float]
"""Gives a number from 0 up to but not including 1."""

HOUR = 3600
# Seconds before each try, the first included; after the last a delivery has failed. As the
# Standard Webhooks specification recommends, to its end three days later.
USUAL: Final = (
    0,
    5,
    300,
    1800,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
# A flash that is half an hour late is no flash: its tries come while it is one. What corrects it is
# tried as soon, and goes on for as long as what is usual: it may correct what came by the usual.
FAST: Final = (0, 1, 5, 15, 60, *USUAL[2:])
QUICK: Final = frozenset({"flash", "drill"})  # levels of which that is so
SPREAD = 0.2  # of each wait, up or down, so that all that failed together do not come together
# Seconds that a receiver may ask to be left alone for (Retry-After, RFC 9110 section 10.2.3).
MOST_ASKED = 24 * HOUR
MOST_ASKED_FAST = 300
# Milliseconds after which an alert of a level is not worth sending any more; of all others it is
# the schedule that ends.
LIFE: Final[Mapping[str, int]] = {
    "flash": 24 * HOUR * 1000,
    "bulletin": 48 * HOUR * 1000,
    "drill": 60_000,  # whoever asked has gone by then
}
LONGEST_LIFE = 120 * HOUR * 1000


def next_try(tries: int, chance: float, *, fast: bool, asked: float = 0) -> float | None:
    """Say how long to wait before the next try.

    Args:
        tries: how many there were.
        chance: from 0 to 1; spreads the wait from 20 % less to 20 % more.
        fast: for what is worth little when it is late.
        asked: seconds that the receiver asked for; kept to where it is longer, within bounds.

    Returns:
        Seconds, or None when there is no further try.
    """
    table = FAST if fast else USUAL
    if tries >= len(table):
        return None
    planned = table[tries] * (1 + SPREAD * (2 * chance - 1))
    return max(planned, min(asked, MOST_ASKED_FAST if fast else MOST_ASKED))


def asked_for(header: str | None, now_ms: int) -> float:
    """Read a Retry-After header, seconds or a date; what cannot be read asks for nothing."""
    if header is None:
        return 0
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])  # longer than anybody may ask for
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # of a year or a zone that no machine counts in
        return 0
    return max(0.0, (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now_ms / 1000)
