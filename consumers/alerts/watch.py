"""Watch: a pure fold over a story that finds what has to be decided and remembers what was.

What has been decided is learned from the decisions in the log, whoever made them; so a replay, or
a second worker, finds nothing left to decide.
"""

from collections.abc import Iterable
from itertools import chain
from typing import Final, assert_never

from consumers.alerts.decided import decided
from consumers.alerts.found import Changes, Find, Seen, cause_of, known_of, timed, wait_of
from consumers.alerts.match import Facts, Rules
from consumers.alerts.moved import corrected, moved, reminded_at
from consumers.alerts.parts import (
    STORY,
    Behind,
    Known,
    Owned,
    Part,
    Parts,
    Wait,
)
from consumers.alerts.policy import ALERTING, OVERDUE
from consumers.alerts.silence import Silenced
from events.alerts import (
    AlertDecision,
    Silence,
    SilenceAdded,
    SilenceRemoved,
)
from events.custody import PrivateRead, SigningKeyChanged
from events.developments import (
    LetterSent,
    News,
    Response,
    ResponseAwaited,
    ResponseDeclined,
    ResponseReceived,
    StoryOpened,
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
from events.envelope import Recorded
from events.release import RELEASED, released
from events.vocabulary import Erased, KnownKind, Unknown

__all__ = ["apply", "evolve", "fold"]

_ANSWERED: Final = frozenset({ResponseAwaited, LetterSent, ResponseReceived, ResponseDeclined})


def fold(events: Iterable[Recorded], rules: Rules) -> dict[str, Part]:
    """Give the parts of one story from all of its events, as `evolve` does one by one.

    Whatever an alert came from is remembered, so that its corrections are found: also what no
    route takes, where a person decided.
    """
    events = list(events)
    alerts = [e.development.alert for e in events if isinstance(e.development, AlertDecision)]
    news = (alert.derived_from for alert in alerts if alert.route != OVERDUE)
    rules = rules._replace(keep=frozenset(chain.from_iterable(news)))
    parts: dict[str, Part] = {}
    for event in events:
        apply(parts, evolve(parts, event, rules))
    known = parts.get(STORY)
    if isinstance(known, Known):
        parts[STORY] = known._replace(unlearned=[], due_ms=None)
    return parts


def apply(parts: dict[str, Part], changed: Parts) -> None:
    """Put changes into parts held in memory."""
    for key, part in changed.items():
        if part is None:
            parts.pop(key, None)
        else:
            parts[key] = part


def evolve(parts: Seen, event: Recorded, rules: Rules) -> Parts:
    """Give the parts that an event makes, changes or takes away."""
    story = parts.get(STORY)
    before = story if isinstance(story, Known) else Known(0)
    changed: Parts = {STORY: _moved_on(before, event.version)}
    development = event.development

    def find(key: str) -> Part | None:
        return changed[key] if key in changed else parts.get(key)

    if not isinstance(development, Unknown | Erased):
        for change in _evolve(parts, find, event, development, rules):
            changed |= change
    return changed


def _evolve(
    parts: Seen, find: Find, event: Recorded, development: KnownKind, rules: Rules
) -> Changes:
    match development:
        case News():
            yield from _reported(find, event, development, rules)
        case AlertDecision():
            yield from decided(find, event, development)
        case Corrected():
            yield from corrected(find, event, development, rules)
        case Refiled(target=target, headline=headline):
            behind = find(target)
            if isinstance(behind, Behind) and headline is not None:
                yield {target: behind._replace(headline=headline)}
        case Redacted(target=target):
            known = known_of(find)
            yield {STORY: known._replace(unlearned=[*known.unlearned, target], due_ms=0)}
        case SilenceAdded(silence=silence, reason=reason):
            known = known_of(find)
            silenced = {silence.ref: _silenced(event, silence, reason)}
            yield {STORY: known._replace(silences={**known.silences, **silenced})}
        case SilenceRemoved(silence=ref):
            known = known_of(find)
            left = {key: one for key, one in known.silences.items() if key != ref}
            yield {STORY: known._replace(silences=left)}
        case (
            Held() | HoldReleased() | Withdrawn() | Published() | EmbargoLifted() | EmbargoBroken()
        ):
            yield from moved(parts, find, event, development, rules)
        case (
            VerificationChanged()
            | ConflictNoted()
            | StoryClosed()
            | StoryReopened()
            | LegalHoldPlaced()
            | LegalHoldLifted()
            | ParkedRetried()
            | ParkedSkipped()
            | PrivateRead()
            | SigningKeyChanged()
        ):
            return  # nobody is alerted of these, and they change nothing that alerts go by
        case _:
            assert_never(development)


def _silenced(event: Recorded, silence: Silence, reason: str) -> Silenced:
    return Silenced(
        silence.ref,
        str(event.provenance["filed_by"]),
        int(silence.until.timestamp() * 1000),
        reason,
        list(silence.levels),
        list(silence.kinds),
    )


def _moved_on(known: Known, version: int) -> Known:
    return tuple.__new__(Known, (version, *known[1:]))  # the class's own takes twice as long


def _reported(find: Find, event: Recorded, news: News, rules: Rules) -> Changes:
    ref = news.ref or f"d{event.version}"
    known = known_of(find)
    # By type, as it is asked of every event: of an instance pydantic says it in four times as long.
    if type(news) is StoryOpened:
        known = known._replace(opening=ref, release=released(news, event.recorded_ms))
        yield {STORY: known}
    if type(news) in _ANSWERED:
        yield from _awaited(find, event, news, rules)
    kept = bool(rules.keep) and not rules.keep.isdisjoint((ref, *_owns(news)))
    if news.kind not in ALERTING and not kept:
        return
    release = released(news, event.recorded_ms)
    seen = release == RELEASED and known.release == RELEASED
    route = None
    if seen and not rules.is_history(event.position):
        facts = Facts(event.story, news.kind, news.urgency, news.places, news.people)
        route = rules.routing.route(facts)
        if route is None and not kept:
            return  # as most news does: how old it is does not matter
    stale = _is_stale(event, news, rules)
    if stale:
        route = None
    if not kept and (stale if not seen else route is None):
        return
    owns = _owns(news)
    behind = Behind(
        ref,
        news.kind,
        news.urgency,
        news.headline,
        list(news.places),
        list(news.people),
        owns,
        str(event.provenance["filed_by"]),
        None,
        release,
        "due" if route else "decided" if seen or stale else "hidden",
        route=route.name if route else None,
        level=route.level if route else None,
        cause=cause_of(event) if route else None,
        due_ms=event.recorded_ms if route else None,
    )
    yield {ref: behind, **{part: Owned(ref) for part in owns}}


def _owns(news: News) -> list[str]:
    """Give the refs of what a development brought with it and a correction may point at."""
    owns = [claim.ref for claim in news.claims]
    owns += [figure.ref for figure in news.figures]
    response = _response(news)
    return owns if response is None else [*owns, response.ref]


def _response(news: News) -> Response | None:
    match news:
        case ResponseAwaited(response=response):
            return response
        case LetterSent(response=response):
            return response
        case _:
            return None


def _is_stale(event: Recorded, news: News, rules: Rules) -> bool:
    """Whether news was published elsewhere so long ago that it is history."""
    first = news.filed_at
    return first is not None and (event.recorded_ms - first.timestamp() * 1000 > rules.policy.fresh)


def _awaited(find: Find, event: Recorded, news: News, rules: Rules) -> Changes:
    """An answer that is awaited, with a time or until it gets one, and the end of the wait."""
    response = _response(news)
    if response is not None:
        overdue = rules.policy.overdue
        if overdue is None or rules.is_history(event.position):
            return
        ref = news.ref or f"d{event.version}"
        after = reminded_at(response.due_at, rules)
        release = released(news, event.recorded_ms)
        wait = Wait(ref, response.awaited_from, after, cause_of(event), release)
        yield {f"wait {ref}": timed(wait), response.ref: Owned(ref)}
    if isinstance(news, ResponseReceived | ResponseDeclined):
        ended = wait_of(find, news.resolves)
        if ended is not None and ended.by is None:
            ref = news.ref or f"d{event.version}"
            yield {
                f"wait {ended.of}": timed(ended._replace(by=ref)),
                f"answer {ref}": Owned(ended.of),
            }
