"""The desk's rules for every filing: order, rights, names, clocks, answers and conflicts.

Each rule is a function that looks at a case and refuses it or lets it pass; `RULES` is the order
in which they are asked.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from events.alerts import AlertDecision, SilenceAdded, SilenceRemoved
from events.corrections import locate
from events.custody import RECORD, PrivateRead, SigningKeyChanged
from events.developments import (
    Development,
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
from producers.case import HOUSE, SCOPES, Case, Rule
from producers.desk import Answer, Claimed, Counted, Standing, named_in
from producers.figure_rules import (
    figures_have_owners,
    parts_fit_the_whole,
    revisions_keep_the_source,
)

__all__ = ["RULES"]

# A correction of one alert would go to whoever got the other, if two could have one ref.
_KEPT: Final = re.compile(r"alert-[0-9]+(\..*)?")
_ALL: Final = "all"  # the feed of all stories is named so, and would hide that of the story
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
    SilenceAdded,
    SilenceRemoved,
    LegalHoldPlaced,
    LegalHoldLifted,
    ParkedRetried,
    ParkedSkipped,
    PrivateRead,
    SigningKeyChanged,
)


def story_opened_first(case: Case) -> None:
    """A story begins with story-opened, once."""
    opens = isinstance(case.development, StoryOpened)
    if opens and case.story == _ALL:
        raise Refused("story-slug", "story", "another name: all is all stories together", "'all'")
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
    if needed not in case.by.scopes and needed != HOUSE:  # which `the_record_is_the_houses` asks
        held = ", ".join(sorted(case.by.scopes)) or "no scope"
        raise Refused("scope", "kind", f"a key with scope {needed}", held)


def the_record_is_the_houses(case: Case) -> None:
    """The story of the house's own acts takes those alone, and they stand nowhere else."""
    own = isinstance(case.development, PrivateRead | SigningKeyChanged)
    opens = isinstance(case.development, StoryOpened) and case.development.needs_approval
    if own is not (case.story == RECORD) and not (case.story == RECORD and opens):
        expected = f"acts of custody in story {RECORD}, and nothing else there"
        raise Refused("the-record", "story", expected, f"{case.development.kind} in {case.story}")
    # Whoever could file one would have the house say what it never did.
    if case.story == RECORD and HOUSE not in case.by.scopes:
        expected = "what the house records itself, when it does it"
        raise Refused("the-record", "kind", expected, f"{case.development.kind}, filed")


def refs_are_free(case: Case) -> None:
    """A ref names one thing in a story, for ever."""
    seen: set[str] = set()
    imported = case.development.filed_at is not None
    for ref, what in named_in(case.development):
        if _KEPT.fullmatch(ref) and not imported:
            wanted = "another than alert-N, which are the policy's own"
            raise Refused("ref-kept", "ref", wanted, ref)
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
    own = development.ref
    itself = {("attribution", own), ("verification", own)}
    match development:
        case ResponseAwaited(response=response):
            itself |= {("response", response.ref)}
        case LetterSent(response=response) if response is not None:
            itself |= {("response", response.ref)}
        case Withdrawn(target=target):
            itself |= {("replacement", target)}
        case AlertDecision(alert=alert):
            itself |= {("alert", alert.ref), ("alert", own)}
        case ConflictNoted(conflict=conflict):
            counts = Counter(conflict.between)
            itself |= {("conflict", ref) for ref, times in counts.items() if times > 1}
    return itself


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
        case SilenceRemoved(silence=ref):
            yield "silence", ref
        case AlertDecision(alert=alert):
            yield from ((f"alert.derived_from.{n}", r) for n, r in enumerate(alert.derived_from))
            yield from ((f"alert.references.{n}", r) for n, r in enumerate(alert.references))


def _about(response: Response) -> Iterator[tuple[str, str]]:
    return ((f"response.about.{n}", ref) for n, ref in enumerate(response.about))


def clocks_are_plausible(case: Case) -> None:
    """Imported history is past, and an embargo is to come."""
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


def answers_are_due_after_asking(case: Case) -> None:
    """An answer is due after it was asked for."""
    asks = case.development
    response = asks.response if isinstance(asks, ResponseAwaited | LetterSent) else None
    if response is None or not response.asked_at or not response.due_at:
        return
    if response.due_at <= response.asked_at:
        raise Refused(
            "due-after-asked",
            "response.due_at",
            f"a time after {response.asked_at.isoformat()}",
            response.due_at.isoformat(),
        )


def answers_end_one_wait(case: Case) -> None:
    """An answer or a refusal closes exactly one response that is still awaited."""
    answer = case.development
    if not isinstance(answer, ResponseReceived | ResponseDeclined):
        return
    awaited = case.part("resolves", answer.resolves, Answer, "an awaited response")
    asked = case.desk.get(awaited.owner)
    ended = f"resolved by {awaited.by}" if awaited.by else None
    if isinstance(asked, Standing) and asked.release.withdrawn:
        ended = f"withdrawn with {awaited.owner}"
    if ended is not None:
        raise Refused(
            "still-awaited",
            "resolves",
            "a response that is still awaited",
            f"{answer.resolves}, {ended}",
        )


def conflicts_are_between_claims_or_figures(case: Case) -> None:
    """What does not agree is what somebody said: claims and figures."""
    note = case.development
    if not isinstance(note, ConflictNoted):
        return
    for n, ref in enumerate(note.conflict.between):
        part = case.desk.get(ref)
        if not isinstance(part, Claimed | Counted):
            raise Refused(
                "ref-known",
                f"conflict.between.{n}",
                "the ref of a claim or figure",
                case.named(ref),
            )


RULES: Final[tuple[Rule, ...]] = (
    filer_may,
    the_record_is_the_houses,
    story_opened_first,
    story_takes_it,
    refs_are_free,
    refs_are_known,
    clocks_are_plausible,
    answers_are_due_after_asking,
    answers_end_one_wait,
    figures_have_owners,
    parts_fit_the_whole,
    revisions_keep_the_source,
    conflicts_are_between_claims_or_figures,
)
