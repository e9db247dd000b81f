"""Silence: somebody asked for quiet about a story, with a reason and an end."""

from collections.abc import Iterable
from typing import NamedTuple

from events.alerts import Level

__all__ = ["Silenced", "silenced_by"]


class Silenced(NamedTuple):
    """A silence; of `levels` and `kinds` an empty list means all."""

    ref: str
    by: str
    until_ms: int
    reason: str
    levels: list[str]
    kinds: list[str]


def silenced_by(
    level: Level, kind: str, at_ms: int, silences: Iterable[Silenced]
) -> Silenced | None:
    """Give the silence that keeps a development of a kind from alerting at a moment."""
    for silence in silences:
        if (
            at_ms < silence.until_ms
            and (not silence.levels or level in silence.levels)
            and (not silence.kinds or kind in silence.kinds)
        ):
            return silence
    return None
