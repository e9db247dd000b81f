"""The newsroom's vocabulary as one type: every kind of event there is, and those not known yet."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, NamedTuple, get_args

from pydantic import Discriminator, TypeAdapter

from events.alerts import (
    AlertCorrected,
    AlertDecision,
    AlertDeferred,
    AlertIssued,
    AlertRetracted,
    AlertSuppressed,
    SilenceAdded,
    SilenceRemoved,
)
from events.custody import PrivateRead, SigningKeyChanged
from events.developments import (
    BackgroundAdded,
    ConcernRaised,
    ContactDisclosed,
    CoverageObserved,
    Development,
    DevelopmentReported,
    FigureReported,
    FigureRevised,
    LetterSent,
    OutcomeReported,
    PlanAnnounced,
    PositionRelayed,
    PostPublished,
    QuoteAdded,
    RemarksDelivered,
    ResponseAwaited,
    ResponseDeclined,
    ResponseReceived,
    ReunificationReported,
    StatementIssued,
    StoryOpened,
    VerificationAsserted,
)
from events.editorial import (
    ConflictNoted,
    Corrected,
    EmbargoBroken,
    EmbargoLifted,
    Held,
    HoldReleased,
    LegalHoldLifted,
    LegalHoldPlaced,
    ParkedRetried,
    ParkedSkipped,
    Published,
    Redacted,
    Refiled,
    StoryClosed,
    StoryReopened,
    VerificationChanged,
    Withdrawn,
)

__all__ = ["KINDS", "SCHEMAS", "AnyDevelopment", "Erased", "Happening", "KnownKind", "Unknown"]

KnownKind = (
    StoryOpened
    | RemarksDelivered
    | StatementIssued
    | ContactDisclosed
    | ConcernRaised
    | PositionRelayed
    | QuoteAdded
    | CoverageObserved
    | BackgroundAdded
    | LetterSent
    | PostPublished
    | PlanAnnounced
    | ReunificationReported
    | OutcomeReported
    | FigureReported
    | FigureRevised
    | ResponseAwaited
    | ResponseReceived
    | ResponseDeclined
    | VerificationAsserted
    | VerificationChanged
    | ConflictNoted
    | DevelopmentReported
    | Corrected
    | Refiled
    | Held
    | HoldReleased
    | Withdrawn
    | Published
    | EmbargoLifted
    | EmbargoBroken
    | StoryClosed
    | StoryReopened
    | Redacted
    | LegalHoldPlaced
    | LegalHoldLifted
    | ParkedRetried
    | ParkedSkipped
    | AlertIssued
    | AlertSuppressed
    | AlertDeferred
    | AlertCorrected
    | AlertRetracted
    | SilenceAdded
    | SilenceRemoved
    | PrivateRead
    | SigningKeyChanged
)


class Unknown(NamedTuple):
    """An event that this Dateline does not understand: kept, shown, never guessed at.

    Its kind or schema is none that is known, or its body is not what the kind demands. `content`
    is the body as it was filed, a JSON object; empty where it is none.
    """

    kind: str
    schema: int
    content: Mapping[str, Any]


class Erased(NamedTuple):
    """An event whose body was erased for a legal reason; its envelope still proves that it was."""

    kind: str
    schema: int


Happening = KnownKind | Unknown | Erased

AnyDevelopment: Final[TypeAdapter[KnownKind]] = TypeAdapter(
    Annotated[KnownKind, Discriminator("kind")]
)

KINDS: Final[dict[str, type[Development]]] = {
    kind.model_fields["kind"].default: kind for kind in get_args(KnownKind)
}

# The schema number that each kind is written with today; an upcaster leads here from each before.
SCHEMAS: Final[dict[str, int]] = dict.fromkeys(KINDS, 1) | {
    kind: 2 for kind, model in KINDS.items() if issubclass(model, AlertDecision)
}
