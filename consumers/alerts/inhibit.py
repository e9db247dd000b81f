"""Inhibit: after a pressing alert, lesser ones of its story are muted for a while."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from consumers.alerts.policy import Inhibition
from events.alerts import Level

__all__ = ["Latest", "muted_by"]


class Latest(NamedTuple):
    """The last alert of a level that went out in a story, and when."""

    ref: str
    at_ms: int


def muted_by(
    level: Level, at_ms: int, latest: Mapping[str, Latest], rules: Sequence[Inhibition]
) -> Latest | None:
    """Give the alert that mutes a level at a moment, None where none does."""
    for rule in rules:
        last = latest.get(rule.by)
        if level in rule.mutes and last is not None and at_ms < last.at_ms + rule.lasts:
            return last
    return None
