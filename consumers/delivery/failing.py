"""Whether a target still answers: for how long it has only failed, and what follows of that."""

from typing import Literal

__all__ = ["GAP_MS", "Failing", "follows"]

HOUR_MS = 3_600_000
WARN_AFTER_MS = 72 * HOUR_MS  # of nothing but failure the owner is told: two days are left
DISABLE_AFTER_MS = 120 * HOUR_MS  # of nothing but failure a target is disabled
TOLD_BEFORE_MS = DISABLE_AFTER_MS - WARN_AFTER_MS  # that the owner has, whenever they were told
# Without a try after which nobody knows how a target was: more than the schedule ever waits.
GAP_MS = 36 * HOUR_MS

Failing = Literal["fine", "failing", "warn", "disable"]


def follows(failing_ms: int, told_ms: int | None, now_ms: int) -> Failing:
    """Say what is to be done about a target that has failed once more.

    Args:
        failing_ms: since when there was nothing but failure.
        told_ms: when its owner was told so, None while they were not.
        now_ms: the time.
    """
    if told_ms is None:
        return "warn" if now_ms - failing_ms >= WARN_AFTER_MS else "failing"
    over = now_ms - failing_ms >= DISABLE_AFTER_MS and now_ms - told_ms >= TOLD_BEFORE_MS
    return "disable" if over else "failing"
