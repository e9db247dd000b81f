"""The desk's rules for every filing: order, rights, names, embargoes, figures and their parts.

Each rule is a function that looks at a case and refuses it or lets it pass; `RULES` is the order
in which they are asked.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

from events.alerts import AlertDecision
from events.corrections import locate
from events.developments import (
    Development,
    FigureRevised,
    LetterSent,
    Response,
    ResponseAwaited,
    ResponseDeclined,
    ResponseReceived,
    StoryOpened,
    VerificationAsserted,
)
from events.editorial import (
    ConflictNoted,
    Corrected,
    EmbargoLifted,
    Held,
    LegalHoldLifted,
    LegalHoldPlaced,
    ParkedRetried,
    ParkedSkipped,
    Redacted,
    Refiled,
    StoryReopened,
    VerificationChanged,
    Withdrawn,
)
from events.errors import Refused
from events.filing import Figure
from producers.case import SCOPES, Case
from producers.desk import Counted, named_in, source_of

__all__ = ["RULES", "Rule"]

Rule = Callable[[Case], None]

# What a closed story still takes from the desk; and what is recorded of it by clock and machine.
_AFTER_CLOSE: Final = (
    Corrected,
    Refiled,
    Withdrawn,
    Held,
    Redacted,
    StoryReopened,
    EmbargoLifted,
    AlertDecision,
    LegalHoldPlaced,
    LegalHoldLifted,
    ParkedRetried,
    ParkedSkipped,
)


def story_opened_first(case: Case) -> None:
    """A story begins with story-opened, once."""
    opens = isinstance(case.development, StoryOpened)
    if opens and case.desk.story is not None:
        raise Refused(
            "story-opened-once",
            "kind",
            f"another kind, for story {case.story} is open",
            f"story-opened at version {case.desk.version + 1}",
        )
    if not opens and case.desk.story is None:
        raise Refused(
            "story-opened-first",
            "kind",
            f"story-opened, as story {case.story} does not exist yet",
            case.development.kind,
        )


def story_takes_it(case: Case) -> None:
    """A closed story takes what puts the record right, and nothing new."""
    story = case.desk.story
    if story is None or story.status == "open":
        if isinstance(case.development, StoryReopened):
            raise Refused("story-closed", "kind", "a closed story to reopen", "an open one")
        return
    if not isinstance(case.development, _AFTER_CLOSE):
        raise Refused(
            "story-closed",
            "kind",
            "corrected, refiled, withdrawn, held, redacted or story-reopened (it is closed)",
            case.development.kind,
        )


def filer_may(case: Case) -> None:
    """Who files holds the scope that the kind needs."""
    needed = SCOPES.get(case.development.kind, "file")
    if needed not in case.by.scopes:
        held = ", ".join(sorted(case.by.scopes)) or "no scope"
        raise Refused("scope", "kind", f"a key with scope {needed}", held)


def refs_are_free(case: Case) -> None:
    """A ref names one thing in a story, for ever."""
    seen: set[str] = set()
    for ref, what in named_in(case.development):
        if ref in case.desk:
            raise Refused("ref-free", "ref", f"a new ref for this {what}", case.named(ref))
        if ref in seen:
            raise Refused("ref-free", "ref", "each ref once in a filing", f"{ref} twice")
        seen.add(ref)


def refs_are_known(case: Case) -> None:
    """What a filing points at is in the story, or in the filing itself."""
    own = {ref for ref, _ in named_in(case.development)}
    itself = _itself(case.development)
    for field, ref in pointed_at(case.development):
        if (field.partition(".")[0], ref) in itself:
            raise Refused("ref-other", field, "a ref of something else", f"{ref} again")
        if ref not in own and ref not in case.desk:
            raise Refused("ref-known", field, "a ref of this story", f"{ref}, which names nothing")


def _itself(development: Development) -> set[tuple[str, str | None]]:
    """Give what a part of a filing may not point at, with the field that may not: itself."""
    match development:
        case ResponseAwaited(response=response):
            return {("response", response.ref)}
        case LetterSent(response=response) if response is not None:
            return {("response", response.ref)}
        case Withdrawn(target=target):
            return {("replacement", target)}
        case AlertDecision(alert=alert, ref=ref):
            return {("alert", alert.ref), ("alert", ref)}
        case ConflictNoted(conflict=conflict):
            counts = Counter(conflict.between)
            return {("conflict", ref) for ref, times in counts.items() if times > 1}
        case _:
            return set()


def pointed_at(development: Development) -> Iterator[tuple[str, str]]:
    """Give every ref that a development points at, with the field that does."""
    if development.attribution is not None and development.attribution.at is not None:
        yield "attribution.at", development.attribution.at
    for n, figure in enumerate(development.figures):
        if figure.part_of is not None:
            yield f"figures.{n}.part_of", figure.part_of
    match development:
        case ResponseAwaited(response=response):
            yield from _about(response)
        case LetterSent(response=response) if response is not None:
            yield from _about(response)
        case ResponseReceived(resolves=ref) | ResponseDeclined(resolves=ref):
            yield "resolves", ref
        case VerificationAsserted(verification=verification):
            yield from ((f"verification.of.{n}", ref) for n, ref in enumerate(verification.of))
        case VerificationChanged(of=ref):
            yield "of", ref
        case ConflictNoted(conflict=conflict):
            yield from ((f"conflict.between.{n}", r) for n, r in enumerate(conflict.between))
        case Corrected(target=target, field=path):
            yield "target", target
            yield "field", locate(target, path)[0]
        case Withdrawn(replacement=str(ref)):
            yield "replacement", ref
        case AlertDecision(alert=alert):
            yield from ((f"alert.derived_from.{n}", r) for n, r in enumerate(alert.derived_from))
            yield from ((f"alert.references.{n}", r) for n, r in enumerate(alert.references))


def _about(response: Response) -> Iterator[tuple[str, str]]:
    return ((f"response.about.{n}", ref) for n, ref in enumerate(response.about))


def clocks_are_plausible(case: Case) -> None:
    """Imported history is past, an embargo is to come, and answers are due after asking."""
    development = case.development
    if development.filed_at is not None and development.filed_at.timestamp() * 1000 > case.now_ms:
        raise Refused(
            "filed-at-past", "filed_at", "a time in the past", development.filed_at.isoformat()
        )
    until = development.embargo_until
    if (
        until is not None
        and development.filed_at is None
        and until.timestamp() * 1000 <= case.now_ms
    ):
        raise Refused("embargo-future", "embargo_until", "a time to come", until.isoformat())
    response = getattr(development, "response", None)
    if not isinstance(response, Response) or not response.asked_at or not response.due_at:
        return
    if response.due_at <= response.asked_at:
        raise Refused(
            "due-after-asked",
            "response.due_at",
            f"a time after {response.asked_at.isoformat()}",
            response.due_at.isoformat(),
        )


def figures_have_owners(case: Case) -> None:
    """A figure is somebody's: its own source, its source's words, or the one who is quoted."""
    for n, figure in enumerate(case.development.figures):
        if not (figure.source or figure.source_text or case.development.attribution):
            raise Refused(
                "figure-source",
                f"figures.{n}.source",
                "whose number it is: source, source_text or an attribution",
                "nobody",
            )
        if figure.value is None and figure.words is None:
            raise Refused("figure-says", f"figures.{n}.value", "a value or words", "neither")


def parts_fit_the_whole(case: Case) -> None:
    """The parts of a whole count the same thing and do not add up to more than it.

    Only exact figures of one source are added; those noted not comparable never are.
    """
    given = {figure.ref: figure for figure in case.development.figures}
    for n, figure in enumerate(case.development.figures):
        if figure.part_of is None:
            continue
        field = f"figures.{n}.part_of"
        _no_circle(case, field, figure, given)
        whole = _counted(case, figure.part_of, given, field)
        if (figure.measure, figure.unit) != (whole.figure.measure, whole.figure.unit):
            raise Refused(
                "part-measure",
                field,
                f"a whole that counts {figure.measure} too",
                f"{figure.part_of}, which counts {whole.figure.measure}",
            )
        _no_excess(case, field, figure.part_of, whole, given)


def _counted(case: Case, ref: str, given: dict[str, Figure], field: str) -> Counted:
    if ref in given:
        figure = given[ref]
        return Counted(figure, case.development.ref or "", source_of(figure, case.development))
    return case.part(field, ref, Counted, "a figure")


def _figure(case: Case, ref: str) -> Figure | None:
    part = case.desk.get(ref)
    return part.figure if isinstance(part, Counted) else None


def _no_circle(case: Case, field: str, figure: Figure, given: dict[str, Figure]) -> None:
    seen = {figure.ref}
    step: Figure | None = figure
    while step is not None and step.part_of is not None:
        if step.part_of in seen:
            raise Refused("part-circle", field, "a whole that is not part of this", step.part_of)
        seen.add(step.part_of)
        step = given.get(step.part_of) or _figure(case, step.part_of)


def _no_excess(case: Case, field: str, ref: str, whole: Counted, given: dict[str, Figure]) -> None:
    """Add up the exact parts of one whole, those in the story and those in the filing."""
    here = [f for f in given.values() if f.part_of == ref]
    parts = [Counted(f, "", source_of(f, case.development)) for f in here]
    parts += [
        p for r in whole.parts if r not in given and isinstance(p := case.desk.get(r), Counted)
    ]
    limit = _exact(whole)
    amounts = [
        amount
        for part in parts
        if part.source == whole.source
        and part.figure.ref not in whole.apart_from
        and (amount := _exact(part)) is not None
    ]
    if limit is not None and sum(amounts) > limit:
        raise Refused(
            "parts-exceed-whole", field, f"parts of {ref} of at most {limit}", f"{sum(amounts)}"
        )


def _exact(counted: Counted) -> Decimal | None:
    figure = counted.figure
    if figure.value is None or figure.qualifier not in (None, "exact"):
        return None
    return Decimal(figure.value)


def revisions_keep_the_source(case: Case) -> None:
    """Only the source itself revises its figure; another's number stands beside it."""
    revision = case.development
    if not isinstance(revision, FigureRevised):
        return
    counted = case.part("target", revision.target, Counted, "a figure")
    said = (revision.source, revision.source_text)
    if not any(said) and revision.attribution is not None:
        said = (revision.attribution.speaker, revision.attribution.source_text)
    owner = (counted.source, counted.figure.source_text)
    if said != owner and said[0] != (counted.source or ""):
        raise Refused(
            "same-source",
            "source",
            f"{counted.source or counted.figure.source_text}, whose figure it is",
            str(said[0] or said[1] or "nobody"),
        )
    if revision.value is None and revision.words is None:
        raise Refused("figure-says", "value", "a value or words", "neither")


RULES: Final[tuple[Rule, ...]] = (
    filer_may,
    story_opened_first,
    story_takes_it,
    refs_are_free,
    refs_are_known,
    clocks_are_plausible,
    figures_have_owners,
    parts_fit_the_whole,
    revisions_keep_the_source,
)
