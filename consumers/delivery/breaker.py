"""Leaving a target in peace that answers nothing, and finding out that it is back."""

from dataclasses import dataclass, replace

__all__ = ["Breaker"]

FAILURES = 5  # one after the other, of whatever deliveries, before a target is left in peace
# Milliseconds of peace: twice as many after each failure. No longer than the schedule's own wait
# before a delivery's third try, so that a delivery that is alone keeps to the schedule exactly.
PEACE = 10_000
MOST_PEACE = 240_000


@dataclass(frozen=True, slots=True)
class Breaker:
    """How a target has failed of late; one that answers has none.

    Closed, deliveries go out. Open, none does. When its time is up one goes out alone, and how
    that one ends decides.
    """

    failures: int = 0
    closed_from_ms: int = 0

    @property
    def open(self) -> bool:
        """Whether the target is being left in peace, or probed."""
        return self.failures >= FAILURES

    def room(self, now_ms: int, under_way: int, most: int) -> int:
        """Say how many more deliveries may go out now."""
        if not self.open:
            return max(0, most - under_way)
        return 1 if now_ms >= self.closed_from_ms and not under_way else 0

    def failed(self, now_ms: int) -> "Breaker":
        """Give the breaker after a failure."""
        failures = self.failures + 1
        peace = min(PEACE * 2 ** max(0, min(failures - FAILURES, 16)), MOST_PEACE)
        return replace(self, failures=failures, closed_from_ms=now_ms + peace)
