"""Group: developments of one route in one story go out together, and not too often."""

from consumers.alerts.policy import Timers

__all__ = ["due_at"]


def due_at(first_ms: int, last_ms: int | None, timers: Timers) -> int:
    """Say when a group goes out.

    Args:
        first_ms: when the first of it came.
        last_ms: when an alert of this group went out last, None where none did.
        timers: those of its level.
    """
    gathered = first_ms + timers.wait
    return gathered if last_ms is None else max(gathered, last_ms + timers.interval)
