"""What the desk must know of a story to judge the next filing: a small fold over its events.

A story is kept as parts, each under the ref that people point at it by (the story itself under
the empty ref). An event reads and changes few of them, so that filing costs the same in a story
of twenty as in one of twenty thousand.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from events.alerts import Alert, AlertDecision
from events.corrections import corrected, locate
from events.developments import (
    Development,
    FigureRevised,
    LetterSent,
    News,
    PostPublished,
    RemarksDelivered,
    Response,
    ResponseAwaited,
    ResponseDeclined,
    ResponseReceived,
)
from events.editorial import (
    Act,
    ConflictNoted,
    Corrected,
    EmbargoBroken,
    EmbargoLifted,
    Held,
    HoldReleased,
    LegalHoldLifted,
    LegalHoldPlaced,
    Published,
    Refiled,
    StoryClosed,
    StoryReopened,
    VerificationChanged,
    Withdrawn,
)
from events.envelope import Recorded
from events.filing import Claim, Figure, Verification
from events.release import Release, released
from events.vocabulary import Erased, Unknown

__all__ = [
    "Alerted",
    "Answer",
    "Claimed",
    "Counted",
    "Desk",
    "Named",
    "Part",
    "Standing",
    "StoryPart",
    "evolve",
    "named_in",
    "source_of",
]

STORY = ""  # the ref under which the story itself is kept; no development can have it


@dataclass(frozen=True, slots=True)
class StoryPart:
    """The story itself: how far it is and whether it takes filings."""

    version: int
    status: Literal["open", "closed"]
    legal_hold: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """A development as it stands, corrections applied; its claims and figures are parts apart."""

    development: Development
    filed_by: str
    release: Release
    legal_hold: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim and how far the desk trusts it."""

    claim: Claim
    owner: str
    verification: Verification = "attributed"


@dataclass(frozen=True, slots=True)
class Counted:
    """A figure, how far the desk trusts it, and which figures are parts of it."""

    figure: Figure
    owner: str
    source: str | None
    verification: Verification = "attributed"
    parts: tuple[str, ...] = ()
    apart_from: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Answer:
    """An awaited response; `by` is the development that ended the wait."""

    response: Response
    owner: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Alerted:
    """An alert that was decided on."""

    alert: Alert


@dataclass(frozen=True, slots=True)
class Named:
    """Anything else that has a ref: remarks, a letter, a post, an act of the desk."""

    what: str
    owner: str


Part = StoryPart | Standing | Claimed | Counted | Answer | Alerted | Named


class Desk(dict[str, Part]):
    """A story's parts by ref, as the desk knows them."""

    @property
    def story(self) -> StoryPart | None:
        """The story itself, or None before it was opened."""
        found = self.get(STORY)
        return found if isinstance(found, StoryPart) else None

    @property
    def version(self) -> int:
        """How many events the story has."""
        return self.story.version if self.story else 0

    def ahead(self) -> "Desk":
        """Give a copy to think ahead in, while the story stays as it is."""
        return Desk(self)


def named_in(development: Development) -> Iterator[tuple[str, str]]:
    """Give every ref that a development brings with it, and what it names."""
    if development.ref is not None:
        yield development.ref, "development"
    for claim in development.claims:
        yield claim.ref, "claim"
    for figure in development.figures:
        yield figure.ref, "figure"
    match development:
        case RemarksDelivered(remarks=remarks):
            yield remarks.ref, "remarks"
        case PostPublished(post=post):
            yield post.ref, "post"
        case LetterSent(letter=letter, response=response):
            yield letter.ref, "letter"
            if response is not None:
                yield response.ref, "response"
        case ResponseAwaited(response=awaited):
            yield awaited.ref, "response"
        case AlertDecision(alert=alert):
            yield alert.ref, "alert"


def evolve(desk: Mapping[str, Part], event: Recorded) -> dict[str, Part]:
    """Give the parts that an event makes or changes.

    Acts on what is not there change nothing: the log may hold what an older desk allowed.
    """
    story = desk.get(STORY)
    before = story if isinstance(story, StoryPart) else StoryPart(0, "open")
    changed: dict[str, Part] = {STORY: replace(before, version=event.version)}
    development = event.development
    if isinstance(development, Unknown | Erased):
        return changed
    ref = development.ref or f"d{event.version}"
    changed |= _brought(desk, ref, event, development)
    changed |= _acted(desk, ref, development, changed)
    return changed


def _brought(
    desk: Mapping[str, Part], ref: str, event: Recorded, development: Development
) -> dict[str, Part]:
    """The parts that a development brings with it."""
    parts: dict[str, Part] = {name: Named(what, ref) for name, what in named_in(development)}
    parts[ref] = Named(development.kind, ref)
    if isinstance(development, News | ConflictNoted):
        filer = str(event.provenance["filed_by"])
        parts[ref] = Standing(development, filer, released(development, event.recorded_ms))
    parts |= {claim.ref: Claimed(claim, ref) for claim in development.claims}
    for figure in development.figures:
        parts[figure.ref] = Counted(figure, ref, source_of(figure, development))
    for figure in development.figures:
        whole = figure.part_of and (parts.get(figure.part_of) or desk.get(figure.part_of))
        if isinstance(whole, Counted) and figure.part_of:
            parts[figure.part_of] = replace(whole, parts=(*whole.parts, figure.ref))
    match development:
        case ResponseAwaited(response=response):
            parts[response.ref] = Answer(response, ref)
        case LetterSent(response=response) if response is not None:
            parts[response.ref] = Answer(response, ref)
        case AlertDecision(alert=alert):
            parts[alert.ref] = Alerted(alert)
    return parts


def source_of(figure: Figure, development: Development) -> str | None:
    """Say whose number it is: the figure's own source, or else the development's speaker."""
    if figure.source or figure.source_text or development.attribution is None:
        return figure.source
    return development.attribution.speaker


def _acted(
    desk: Mapping[str, Part], ref: str, development: Development, changed: Mapping[str, Part]
) -> dict[str, Part]:
    """The parts of earlier events that this one changes."""
    match development:
        case ResponseReceived(resolves=awaited) | ResponseDeclined(resolves=awaited):
            return _changed(desk, awaited, Answer, by=ref)
        case FigureRevised(target=target):
            return _revised(desk, target, development)
        case Act():
            story = changed[STORY]
            return _act(desk, development, story if isinstance(story, StoryPart) else None)
        case _:
            return {}


def _act(desk: Mapping[str, Part], act: Act, story: StoryPart | None) -> dict[str, Part]:
    match act:
        case Corrected(target=target, field=path, new=new):
            return _rewritten(desk, target, path, new)
        case Refiled(target=target, headline=headline, body=body):
            words = {"headline": headline, "body": body}
            changes = {name: text for name, text in words.items() if text is not None}
            standing = desk.get(target)
            if not isinstance(standing, Standing):
                return {}
            return {target: replace(standing, development=_updated(standing.development, changes))}
        case VerificationChanged(of=of, after=after):
            return _changed(desk, of, (Claimed, Counted), verification=after)
        case ConflictNoted(conflict=conflict) if conflict.nature == "not-comparable":
            return _set_apart(desk, conflict.between)
        case StoryClosed() | StoryReopened() if story is not None:
            closed = isinstance(act, StoryClosed)
            return {STORY: replace(story, status="closed" if closed else "open")}
        case LegalHoldPlaced(target=None) | LegalHoldLifted(target=None) if story is not None:
            return {STORY: replace(story, legal_hold=isinstance(act, LegalHoldPlaced))}
        case LegalHoldPlaced(target=str(target)) | LegalHoldLifted(target=str(target)):
            return _changed(desk, target, Standing, legal_hold=isinstance(act, LegalHoldPlaced))
        case (
            Held() | HoldReleased() | Withdrawn() | Published() | EmbargoLifted() | EmbargoBroken()
        ):
            standing = desk.get(act.target)
            if not isinstance(standing, Standing):
                return {}
            released_ = replace(standing, release=standing.release.after(act))
            return {act.target: released_} | _reopened(desk, act, standing)
        case _:
            return {}


def _changed(
    desk: Mapping[str, Part],
    ref: str,
    kind: type | tuple[type, ...],
    **changes: Any,  # noqa: ANN401 - the fields of any part
) -> dict[str, Part]:
    part = desk.get(ref)
    return {ref: replace(part, **changes)} if part is not None and isinstance(part, kind) else {}


def _updated(development: Development, changes: Mapping[str, str]) -> Development:
    return development.model_copy(update=dict(changes))


def _rewritten(desk: Mapping[str, Part], target: str, path: str, new: object) -> dict[str, Part]:
    """Apply a correction to the part that it is about."""
    ref, inner = locate(target, path)
    part = desk.get(ref)
    try:
        match part:
            case Standing(development=development):
                return {ref: replace(part, development=corrected(development, inner, new))}
            case Claimed(claim=claim):
                return {ref: replace(part, claim=corrected(claim, inner, new))}
            case Counted(figure=figure):
                return {ref: replace(part, figure=corrected(figure, inner, new))}
            case Answer(response=response):
                return {ref: replace(part, response=corrected(response, inner, new))}
            case Named(what="remarks" | "letter" | "post" as what, owner=owner):
                return _rewritten(desk, owner, f"{what}.{inner}", new)
            case _:
                return {}
    except (KeyError, ValueError):  # an older desk let it pass; what cannot be applied is not
        return {}


def _revised(desk: Mapping[str, Part], target: str, revision: FigureRevised) -> dict[str, Part]:
    counted = desk.get(target)
    if not isinstance(counted, Counted):
        return {}
    figure = counted.figure.model_copy(
        update={
            "value": revision.value,
            "words": revision.words,
            "qualifier": revision.qualifier or counted.figure.qualifier,
        }
    )
    return {target: replace(counted, figure=figure)}


def _set_apart(desk: Mapping[str, Part], between: tuple[str, ...]) -> dict[str, Part]:
    """Remember which figures are never computed with each other."""
    return {
        ref: replace(part, apart_from=part.apart_from | (set(between) - {ref}))
        for ref in between
        if isinstance(part := desk.get(ref), Counted)
    }


def _reopened(desk: Mapping[str, Part], act: Act, standing: Standing) -> dict[str, Part]:
    """A withdrawn answer leaves its question open again; a withdrawn question awaits nothing."""
    match act, standing.development:
        case Withdrawn(), ResponseReceived(resolves=ref) | ResponseDeclined(resolves=ref):
            return _changed(desk, ref, Answer, by=None)
        case _:
            return {}
