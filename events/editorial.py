"""What the desk does with its own developments: correct, hold, withdraw, publish, close, redact."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from events.developments import Development
from events.filing import (
    BODY_LENGTH,
    LIST_LENGTH,
    Fact,
    FieldPath,
    Phrase,
    Ref,
    Verification,
    Word,
)

__all__ = [
    "Act",
    "ConflictNoted",
    "Corrected",
    "EmbargoBroken",
    "EmbargoLifted",
    "Erasure",
    "Held",
    "HoldReleased",
    "LegalHoldLifted",
    "LegalHoldPlaced",
    "ParkedRetried",
    "ParkedSkipped",
    "Published",
    "Redacted",
    "Refiled",
    "StoryClosed",
    "StoryReopened",
    "VerificationChanged",
    "Withdrawn",
]


MOST_ERASED = 10_000  # events that hold the same words; half of the longest story there is
MOST_REMAINS = 1_000_000  # characters of a body in JSON; four times what may be filed


def _no_float(content: Any) -> Any:  # noqa: ANN401 - raw input of any JSON type arrives here
    """A fraction is kept as the decimal it was written as; events hold no floats."""
    return repr(content) if isinstance(content, float) else content


# What one field of a filing can hold: the words, the number or the list of refs and ids.
Content = Annotated[
    Annotated[int, Field(strict=True)]
    | Annotated[str, Field(max_length=BODY_LENGTH)]
    | Annotated[tuple[Phrase, ...], Field(max_length=LIST_LENGTH)]
    | None,
    BeforeValidator(_no_float),
]


class Act(Development):
    """An act of the desk on the story or on one of its developments; a headline is optional."""


class VerificationChanged(Act):
    """The desk changed how far it trusts a claim or figure; a second person must agree."""

    kind: Literal["verification-changed"] = "verification-changed"
    of: Ref
    before: Verification = Field(alias="from")
    after: Verification = Field(alias="to")
    basis: Phrase
    seconded_by: Word


class Conflict(Fact):
    """Claims or figures that do not agree, and in what way."""

    between: Annotated[tuple[Ref, ...], Field(min_length=2, max_length=LIST_LENGTH)]
    nature: Literal["quantity", "characterisation", "not-comparable"]


class ConflictNoted(Act):
    """The desk noted that sources differ; figures noted not comparable are never computed with."""

    kind: Literal["conflict-noted"] = "conflict-noted"
    conflict: Conflict


class Corrected(Act):
    """Our error, put right and labelled as such; `old` must match what stood there.

    Null stands for a field that holds nothing. The bytes of an event leave nulls out, so both may
    be missing here; in a filing both are there.
    """

    kind: Literal["corrected"] = "corrected"
    target: Ref
    field: FieldPath
    old: Content = None
    new: Content = None
    note: Phrase


class Refiled(Act):
    """Typography only, never a number; nobody is told."""

    kind: Literal["refiled"] = "refiled"
    target: Ref
    note: Phrase


class Held(Act):
    """Anyone on the desk stopped a development from being shown."""

    kind: Literal["held"] = "held"
    target: Ref
    reason: Phrase


class HoldReleased(Act):
    """An editor let a held development go on."""

    kind: Literal["hold-released"] = "hold-released"
    target: Ref
    reason: Phrase


class Withdrawn(Act):
    """The kill: it reopens what the development resolved and leaves a tombstone."""

    kind: Literal["withdrawn"] = "withdrawn"
    target: Ref
    reason: Phrase
    replacement: Ref | None = None


class Published(Act):
    """An editor released what a reporter filed, where the desk requires two."""

    kind: Literal["published"] = "published"
    target: Ref


class EmbargoLifted(Act):
    """The embargo ran out, by the clock."""

    kind: Literal["embargo-lifted"] = "embargo-lifted"
    target: Ref


class EmbargoBroken(Act):
    """An editor lifted the embargo before its time, with a reason."""

    kind: Literal["embargo-broken"] = "embargo-broken"
    target: Ref
    reason: Phrase


class StoryClosed(Act):
    """The desk ended the story."""

    kind: Literal["story-closed"] = "story-closed"
    reason: Phrase


class StoryReopened(Act):
    """The desk took the story up again."""

    kind: Literal["story-reopened"] = "story-reopened"
    reason: Phrase


class Erasure(Fact):
    """An event of the story whose contents were erased.

    `remains` is the canonical body without the erased words, there where the body was erased;
    `private` says that the private part was. Neither is there where a later redaction says it.
    """

    version: Annotated[int, Field(ge=1, strict=True)]
    remains: Annotated[str, Field(max_length=MOST_REMAINS)] | None = None
    private: bool | None = None


class Redacted(Act):
    """Bytes erased for a legal reason; the proof that they were there stays.

    `erases` is found by the desk, never filed: what holds the words of `fields` in this story.
    """

    kind: Literal["redacted"] = "redacted"
    target: Ref
    fields: Annotated[tuple[FieldPath, ...], Field(min_length=1, max_length=LIST_LENGTH)]
    reason_code: Word
    legal_basis: Phrase
    ordered_by: Word
    erases: Annotated[tuple[Erasure, ...], Field(max_length=MOST_ERASED)] | None = None


class LegalHoldPlaced(Act):
    """Nothing of the target, or of the whole story, may be erased."""

    kind: Literal["legal-hold-placed"] = "legal-hold-placed"
    target: Ref | None = None
    reason: Phrase


class LegalHoldLifted(Act):
    """Erasure is possible again."""

    kind: Literal["legal-hold-lifted"] = "legal-hold-lifted"
    target: Ref | None = None
    reason: Phrase


class ParkedRetried(Act):
    """Somebody asked a consumer to try a parked event again."""

    kind: Literal["parked-retried"] = "parked-retried"
    consumer: Word
    parked: Annotated[int, Field(ge=1, description="position of the parked event")]


class ParkedSkipped(Act):
    """Somebody decided that a consumer goes on without a parked event."""

    kind: Literal["parked-skipped"] = "parked-skipped"
    consumer: Word
    parked: Annotated[int, Field(ge=1, description="position of the parked event")]
    reason: Phrase
