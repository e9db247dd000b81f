"""Throttle: how many alerts of a level a target is sent in a while, before the rest wait."""

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Throttle", "room_at"]


class Throttle(NamedTuple):
    """At most `most` alerts within any `within_ms` milliseconds."""

    most: int
    within_ms: int


def room_at(now_ms: int, throttle: Throttle, sent_ms: Iterable[int]) -> int | None:
    """Say when there is room for one more, None when there is room now.

    Args:
        now_ms: milliseconds since 1970 UTC.
        throttle: what the target takes.
        sent_ms: when it was sent alerts of the level before, in any order.
    """
    before = now_ms - throttle.within_ms
    recent = [at for at in sent_ms if at > before]
    if len(recent) < throttle.most:
        return None
    return sorted(recent)[-throttle.most] + throttle.within_ms
