"""The developments of a story: every kind of news that may be filed, each a frozen fact."""

from typing import Annotated, Literal

from pydantic import Field

from events.filing import (
    LIST_LENGTH,
    Amount,
    Attribution,
    Body,
    Claim,
    Fact,
    Figure,
    Headline,
    Instant,
    Link,
    Media,
    Occurred,
    Org,
    Person,
    Phrase,
    Place,
    Qualifier,
    Ref,
    Speaker,
    Urgency,
    Word,
)

__all__ = [
    "BackgroundAdded",
    "ConcernRaised",
    "ContactDisclosed",
    "CoverageObserved",
    "Development",
    "DevelopmentReported",
    "FigureReported",
    "FigureRevised",
    "LetterSent",
    "News",
    "OutcomeReported",
    "PlanAnnounced",
    "PositionRelayed",
    "PostPublished",
    "QuoteAdded",
    "RemarksDelivered",
    "ResponseAwaited",
    "ResponseDeclined",
    "ResponseReceived",
    "ReunificationReported",
    "StatementIssued",
    "StoryOpened",
    "VerificationAsserted",
]

Figures = Annotated[tuple[Figure, ...], Field(max_length=LIST_LENGTH)]
SomeFigures = Annotated[tuple[Figure, ...], Field(min_length=1, max_length=LIST_LENGTH)]


class Development(Fact):
    """What every kind shares, acts of the desk included.

    `kind` is narrowed to one literal by each kind; `needs_approval` is set by a desk that wants
    a second person to publish what a reporter filed.
    """

    kind: str
    ref: Ref | None = None
    headline: Headline | None = None
    body: Body | None = None
    attribution: Attribution | None = None
    occurred: Occurred = Occurred()
    urgency: Urgency = 5
    claims: Annotated[tuple[Claim, ...], Field(max_length=LIST_LENGTH)] = ()
    figures: Figures = ()
    people: Annotated[tuple[Person, ...], Field(max_length=LIST_LENGTH)] = ()
    places: Annotated[tuple[Place, ...], Field(max_length=LIST_LENGTH)] = ()
    orgs: Annotated[tuple[Org, ...], Field(max_length=LIST_LENGTH)] = ()
    links: Annotated[tuple[Link, ...], Field(max_length=LIST_LENGTH)] = ()
    media: Annotated[tuple[Media, ...], Field(max_length=LIST_LENGTH)] = ()
    embargo_until: Instant | None = None
    filed_at: Instant | None = None
    needs_approval: Literal[True] | None = None


class News(Development):
    """A development that readers see on the timeline; it always has a headline."""

    headline: Headline


class StoryOpened(News):
    """The first event of a story, once."""

    kind: Literal["story-opened"] = "story-opened"
    title: Headline


class Remarks(Fact):
    """A speech or statement to the press that attributions can point at."""

    ref: Ref
    speaker: Speaker
    venue: Phrase | None = None
    duration_minutes: Annotated[int, Field(ge=0, le=10_000)] | None = None


class RemarksDelivered(News):
    """Somebody spoke."""

    kind: Literal["remarks-delivered"] = "remarks-delivered"
    remarks: Remarks


class StatementIssued(News):
    """Somebody put out a statement."""

    kind: Literal["statement-issued"] = "statement-issued"


class ContactDisclosed(News):
    """A contact between parties became known."""

    kind: Literal["contact-disclosed"] = "contact-disclosed"


class ConcernRaised(News):
    """Somebody raised a concern."""

    kind: Literal["concern-raised"] = "concern-raised"


class PositionRelayed(News):
    """One party's position, told by another; it never resolves a pending response."""

    kind: Literal["position-relayed"] = "position-relayed"


class QuoteAdded(News):
    """Words of a speaker worth having on their own."""

    kind: Literal["quote-added"] = "quote-added"


class CoverageObserved(News):
    """How others report the story."""

    kind: Literal["coverage-observed"] = "coverage-observed"


class BackgroundAdded(News):
    """What a reader needs to know of before."""

    kind: Literal["background-added"] = "background-added"


class Response(Fact):
    """An answer that is awaited, with its clock.

    `asked_at` stays empty unless somebody was asked: "no immediate statement" does not say so.
    """

    ref: Ref
    awaited_from: Speaker
    about: Annotated[tuple[Ref, ...], Field(max_length=LIST_LENGTH)] = ()
    asked_at: Instant | None = None
    due_at: Instant | None = None
    retrospective: bool = False
    note: Phrase | None = None


class Letter(Fact):
    """A letter from one party to another."""

    ref: Ref
    sender: Speaker = Field(alias="from")
    to: Speaker


class LetterSent(News):
    """A letter went out; it may open a response."""

    kind: Literal["letter-sent"] = "letter-sent"
    letter: Letter
    response: Response | None = None


class Post(Fact):
    """Something put on a platform by its author."""

    ref: Ref
    author: Speaker
    medium: Word


class PostPublished(News):
    """Somebody posted."""

    kind: Literal["post-published"] = "post-published"
    post: Post


class Plan(Fact):
    """What is to come, and how much of it."""

    horizon: Phrase | None = None
    # From left to right, in Python as in JSON: "12" in quotes is the number 12 wherever it is read.
    quantity: Annotated[Amount | Phrase | None, Field(union_mode="left_to_right")] = None


class PlanAnnounced(News):
    """Somebody said what they will do."""

    kind: Literal["plan-announced"] = "plan-announced"
    plan: Plan = Plan()


class ReunificationReported(News):
    """People are back together; how many is part of the news."""

    kind: Literal["reunification-reported"] = "reunification-reported"
    figures: SomeFigures


class OutcomeReported(News):
    """What came of something."""

    kind: Literal["outcome-reported"] = "outcome-reported"


class FigureReported(News):
    """A number, standing beside other sources' numbers and not replacing them."""

    kind: Literal["figure-reported"] = "figure-reported"
    figures: SomeFigures


class FigureRevised(News):
    """The source changed its own number; that is news, not our error."""

    kind: Literal["figure-revised"] = "figure-revised"
    target: Ref
    source: Speaker | None = None
    source_text: Phrase | None = None
    value: Amount | None = None
    words: Phrase | None = None
    qualifier: Qualifier | None = None


class ResponseAwaited(News):
    """An answer is awaited."""

    kind: Literal["response-awaited"] = "response-awaited"
    response: Response


class ResponseReceived(News):
    """The awaited answer came; it closes exactly one awaited response."""

    kind: Literal["response-received"] = "response-received"
    resolves: Ref


class ResponseDeclined(News):
    """The awaited answer was refused; it closes exactly one awaited response."""

    kind: Literal["response-declined"] = "response-declined"
    resolves: Ref


class AssertedVerification(Fact):
    """Which claims and figures somebody says were verified, and by whom."""

    of: Annotated[tuple[Ref, ...], Field(min_length=1, max_length=LIST_LENGTH)]
    verifier: Speaker
    relayed_by: Speaker | None = None


class VerificationAsserted(News):
    """Somebody said it was verified; that is a claim and confirms nothing."""

    kind: Literal["verification-asserted"] = "verification-asserted"
    verification: AssertedVerification


class DevelopmentReported(News):
    """News that has no kind of its own yet, under a label."""

    kind: Literal["development-reported"] = "development-reported"
    label: Word
