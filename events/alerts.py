"""What was decided about alerts, each decision a fact of its own, after CAP 1.2; and silences."""

from typing import Annotated, Final, Literal, get_args

from pydantic import Field

from events.developments import Development
from events.editorial import Act
from events.filing import LIST_LENGTH, Fact, Instant, Phrase, Ref, Word

__all__ = [
    "LEVELS",
    "STATES",
    "Alert",
    "AlertCorrected",
    "AlertDecision",
    "AlertDeferred",
    "AlertIssued",
    "AlertRetracted",
    "AlertSuppressed",
    "Audience",
    "Level",
    "Silence",
    "SilenceAdded",
    "SilenceRemoved",
    "State",
]

Level = Literal["flash", "bulletin", "urgent", "regular", "deferred"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)
"""After the wires, the most pressing first."""

State = Literal["issued", "suppressed", "deferred", "corrected", "retracted"]
STATES: Final[tuple[State, ...]] = get_args(State)
"""What became of an alert, by the last that was decided of it."""

Audience = Literal["everybody", "desk"]

Refs = Annotated[tuple[Ref, ...], Field(max_length=LIST_LENGTH)]


class Alert(Fact):
    """One alert, from which developments it comes and which earlier alerts it refers to.

    `msg_type` and `references` are those of the Common Alerting Protocol 1.2, section 3.2.1.
    `route` names the route of the policy that led here, nothing where a person decided; `kinds` are
    those of the developments that it comes from; `until` is when a deferred one is decided again.
    """

    ref: Ref
    level: Level
    route: Word | None = None
    derived_from: Annotated[Refs, Field(min_length=1)]
    kinds: Annotated[tuple[Word, ...], Field(max_length=LIST_LENGTH)] = ()
    audience: Audience = "everybody"
    until: Instant | None = None
    msg_type: Literal["Alert", "Update", "Cancel"] = "Alert"
    references: Refs = ()
    reason: Phrase


class AlertDecision(Development):
    """A decision about an alert; a flash names the second person who agreed."""

    alert: Alert
    seconded_by: Word | None = None


class AlertIssued(AlertDecision):
    """The alert is to go out."""

    kind: Literal["alert-issued"] = "alert-issued"


class AlertSuppressed(AlertDecision):
    """The alert does not go out."""

    kind: Literal["alert-suppressed"] = "alert-suppressed"


class AlertDeferred(AlertDecision):
    """The alert waits and is decided again."""

    kind: Literal["alert-deferred"] = "alert-deferred"


class AlertCorrected(AlertDecision):
    """Everybody who got the alert gets its correction."""

    kind: Literal["alert-corrected"] = "alert-corrected"


class AlertRetracted(AlertDecision):
    """Everybody who got the alert learns that it no longer holds."""

    kind: Literal["alert-retracted"] = "alert-retracted"


class Silence(Fact):
    """Until when a story does not alert; of `levels` and `kinds` none means all."""

    ref: Ref
    until: Instant
    levels: Annotated[tuple[Level, ...], Field(max_length=len(LEVELS))] = ()
    kinds: Annotated[tuple[Word, ...], Field(max_length=LIST_LENGTH)] = ()


class SilenceAdded(Act):
    """Somebody asked that a story does not alert for a while."""

    kind: Literal["silence-added"] = "silence-added"
    silence: Silence
    reason: Phrase


class SilenceRemoved(Act):
    """A silence ended before its time."""

    kind: Literal["silence-removed"] = "silence-removed"
    silence: Ref
    reason: Phrase
