"""The story so far: a pure fold over its developments.

`evolve` reads the parts of a story that an event is about and gives those that it makes or
changes; all others stay as they are. The same function serves a story in memory (as it stood at
any moment) and the view on disk (`consumers.stories`), which is why both always agree.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal, assert_never

from consumers.corrected import correct, redact, refile
from consumers.parts import (
    Alert,
    Claim,
    Conflict,
    Correction,
    Figure,
    Heading,
    Item,
    Mention,
    Occasion,
    Part,
    Parts,
    Response,
    Tombstone,
)
from events.alerts import (
    AlertCorrected,
    AlertDecision,
    AlertDeferred,
    AlertIssued,
    AlertRetracted,
    AlertSuppressed,
)
from events.developments import (
    Development,
    FigureRevised,
    Letter,
    LetterSent,
    News,
    Post,
    PostPublished,
    Remarks,
    RemarksDelivered,
    ResponseAwaited,
    ResponseDeclined,
    ResponseReceived,
    StoryOpened,
)
from events.developments import Response as Awaited
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
from events.filing import Figure as Counted
from events.release import Release, ReleaseAct, released
from events.vocabulary import Erased, KnownKind, Unknown

__all__ = ["evolve", "fold"]

_STATES = {
    AlertIssued: "issued",
    AlertSuppressed: "suppressed",
    AlertDeferred: "deferred",
    AlertCorrected: "corrected",
    AlertRetracted: "retracted",
}


def fold(events: Iterable[Recorded]) -> Parts:
    """Give the parts of one story from its events, in order."""
    parts: Parts = {}
    for event in events:
        parts.update(evolve(parts, event))
    return parts


def evolve(parts: Mapping[str, Part], event: Recorded) -> Parts:
    """Give the parts that an event makes or changes.

    An event that nobody here understands, or whose body was erased, moves only the heading. Acts
    on what is not there change nothing.
    """
    development = event.development
    before = parts.get("")
    heading = before if isinstance(before, Heading) else _unopened(event.story)
    changed: Parts = {}
    if not isinstance(development, Unknown | Erased):
        changed = _evolve(parts, event, development)
    return changed | {"": _moved(heading, event, parts, changed)}


def _evolve(parts: Mapping[str, Part], event: Recorded, development: KnownKind) -> Parts:
    match development:
        case News():
            return _reported(parts, event, development)
        case ConflictNoted():
            return _conflict(parts, event, development)
        case VerificationChanged(of=ref, after=after):
            part = parts.get(ref)
            return {ref: replace(part, status=after)} if isinstance(part, Claim | Figure) else {}
        case Corrected():
            return correct(parts, event, development)
        case Refiled():
            return refile(parts, development)
        case Redacted():
            return redact(parts, development)
        case (
            Held() | HoldReleased() | Withdrawn() | Published() | EmbargoLifted() | EmbargoBroken()
        ):
            return _release(parts, event, development)
        case StoryClosed() | StoryReopened():
            return {}
        case AlertDecision():
            return _alerted(parts, event, development)
        case LegalHoldPlaced() | LegalHoldLifted() | ParkedRetried() | ParkedSkipped():
            return {}
        case _:
            assert_never(development)


def _unopened(story: str) -> Heading:
    return Heading(story, "", "open", None, 0, 0, "")


def _moved(
    heading: Heading, event: Recorded, parts: Mapping[str, Part], changed: Mapping[str, Part]
) -> Heading:
    """The heading after an event: where the story is now, and where it is for the public."""
    own = changed.get("")
    heading = own if isinstance(own, Heading) else heading
    at = event.recorded_at
    heading = replace(heading, version=event.version, position=event.position, recorded_at=at)
    match event.development:
        case StoryOpened(title=title):
            ref = event.development.ref or f"d{event.version}"
            heading = replace(heading, title=title, opening=ref)
        case StoryClosed():
            heading = replace(heading, status="closed")
        case StoryReopened():
            heading = replace(heading, status="open")
    opening = changed.get(heading.opening or "") or parts.get(heading.opening or "")
    public = isinstance(opening, Item) and opening.public
    seen = isinstance(event.development, StoryClosed | StoryReopened) or any(
        part.public or (key in parts and parts[key].public) for key, part in changed.items() if key
    )
    if not public or not (seen or not heading.public):
        return replace(heading, public=public)
    return replace(
        heading,
        public=True,
        public_version=event.version,
        public_position=event.position,
        public_recorded_at=at,
        public_title=heading.title,
    )


def _reported(parts: Mapping[str, Part], event: Recorded, news: News) -> Parts:
    """A development with all that it brings: claims, figures, a wait, people and places."""
    item = _item(event, news)
    made: Parts = {item.ref: item}
    for claim in news.claims:
        made[claim.ref] = _claim(claim, item, news)
    occasion = _occasion_of(news)
    if occasion is not None:
        what, fact = occasion
        content = fact.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"ref"})
        made[fact.ref] = Occasion(
            fact.ref, item.ref, what, content, item.position, public=item.public
        )
    for figure in news.figures:
        made[figure.ref] = _figure(figure, item, news)
    for figure in news.figures:
        whole = figure.part_of and (made.get(figure.part_of) or parts.get(figure.part_of))
        if isinstance(whole, Figure):
            made[whole.ref] = replace(whole, parts=[*whole.parts, figure.ref])
    match news:
        case ResponseAwaited(response=response):
            made[response.ref] = _response(response, item)
        case LetterSent(response=response) if response is not None:
            made[response.ref] = _response(response, item)
        case ResponseReceived(resolves=ref) | ResponseDeclined(resolves=ref):
            made |= _answered(parts, ref, item)
        case FigureRevised() if item.public:
            made |= _revised(parts, item, event.recorded_at)
    return made | _mentioned(parts, item, internal=1, public=int(item.public))


def _occasion_of(
    news: News,
) -> tuple[Literal["remarks", "letter", "post"], Remarks | Letter | Post] | None:
    match news:
        case RemarksDelivered(remarks=remarks):
            return "remarks", remarks
        case LetterSent(letter=letter):
            return "letter", letter
        case PostPublished(post=post):
            return "post", post
        case _:
            return None


def _item(event: Recorded, news: News) -> Item:
    release = released(news, event.recorded_ms)
    shown = news.model_dump(
        mode="json",
        exclude_none=True,
        include={"occurred", "attribution", "links", "media", "filed_at", "embargo_until"},
    )
    response = getattr(news, "response", None)
    occasion = _occasion_of(news)
    return Item(
        ref=news.ref or f"d{event.version}",
        kind=news.kind,
        headline=news.headline,
        status=release.status,
        corrected=False,
        version=event.version,
        position=event.position,
        recorded_at=event.recorded_at,
        filed_at=shown.get("filed_at"),
        occurred=shown["occurred"],
        attribution=shown.get("attribution"),
        urgency=news.urgency,
        body=news.body,
        claims=[claim.ref for claim in news.claims],
        figures=[figure.ref for figure in news.figures],
        response=response.ref if isinstance(response, Awaited) else None,
        resolves=getattr(news, "resolves", None),
        people=list(news.people),
        places=list(news.places),
        orgs=list(news.orgs),
        links=shown["links"],
        media=shown["media"],
        corrections=[],
        embargo_until=shown.get("embargo_until"),
        occasion=occasion[1].ref if occasion else None,
        revises=_revision(news) if isinstance(news, FigureRevised) else None,
        release=release,
        public=release.status == "published",
    )


def _claim(claim: Any, item: Item, news: Development) -> Claim:  # noqa: ANN401 - events.filing.Claim, whose name is taken here
    by = news.attribution
    return Claim(
        ref=claim.ref,
        development=item.ref,
        text=claim.text,
        speaker=claim.speaker or (by.speaker if by else None),
        via=claim.via or (by.via if by else None),
        position_of=claim.position_of,
        status="attributed",
        position=item.position,
        public=item.public,
    )


def _figure(figure: Counted, item: Item, news: Development) -> Figure:
    source = figure.source
    if source is None and figure.source_text is None and news.attribution is not None:
        source = news.attribution.speaker
    said = figure.model_dump(mode="json", include={"value"})
    return Figure(
        ref=figure.ref,
        development=item.ref,
        measure=figure.measure,
        unit=figure.unit,
        value=said["value"],
        words=figure.words,
        qualifier=figure.qualifier,
        window=figure.window,
        source=source,
        source_text=figure.source_text,
        group=figure.group,
        part_of=figure.part_of,
        parts=[],
        not_comparable_with=[],
        status="attributed",
        history=[],
        position=item.position,
        public=item.public,
    )


def _response(response: Awaited, item: Item) -> Response:
    times = response.model_dump(mode="json", include={"asked_at", "due_at"})
    return Response(
        ref=response.ref,
        development=item.ref,
        awaited_from=response.awaited_from,
        about=list(response.about),
        since=times["asked_at"] or item.filed_at or item.recorded_at,
        asked_at=times["asked_at"],
        due_at=times["due_at"],
        note=response.note,
        by=None,
        how=None,
        position=item.position,
        withdrawn=False,
        public=item.public,
    )


def _answered(parts: Mapping[str, Part], ref: str, item: Item) -> Parts:
    part = parts.get(ref)
    if not isinstance(part, Response):
        return {}
    how: Literal["received", "declined"] = (
        "declined" if item.kind == "response-declined" else "received"
    )
    return {ref: replace(part, by=item.ref, how=how, answer_public=item.public)}


def _revision(news: FigureRevised) -> dict[str, Any]:
    return news.model_dump(mode="json", include={"target", "value", "words", "qualifier"})


_SAID = ("value", "words", "qualifier")


def _revised(parts: Mapping[str, Part], item: Item, at: str) -> Parts:
    """The source's new number, with what it said before kept in the figure's history.

    A revision shows in the figure while it is public itself: one under embargo must not give
    its number away, and one that is held takes it back.
    """
    revision = item.revises or {}
    figure = parts.get(revision.get("target", ""))
    if not isinstance(figure, Figure):
        return {}
    now = {name: revision[name] for name in _SAID} | {
        "qualifier": revision["qualifier"] or figure.qualifier
    }
    before = {name: getattr(figure, name) for name in _SAID} | {"until": at, "by": item.ref}
    return {figure.ref: replace(figure, **now, history=[*figure.history, before])}


def _unrevised(parts: Mapping[str, Part], item: Item) -> Parts:
    """The figure as if the revision had not been made; later revisions stay."""
    figure = parts.get((item.revises or {}).get("target", ""))
    if not isinstance(figure, Figure):
        return {}
    at = next((n for n, old in enumerate(figure.history) if old["by"] == item.ref), None)
    if at is None:
        return {}
    said = {name: figure.history[at][name] for name in _SAID}
    history = [dict(old) for old in figure.history]
    del history[at]
    if at < len(history):
        history[at] |= said
        return {figure.ref: replace(figure, history=history)}
    return {figure.ref: replace(figure, **said, history=history)}


def _mentioned(parts: Mapping[str, Part], item: Item, internal: int, public: int) -> Parts:
    """Count the people and places of a development in (1) or out (-1)."""
    changed: Parts = {}
    for key in dict.fromkeys((*item.people, *item.places)):
        part = parts.get(key)
        now = part if isinstance(part, Mention) else Mention(key, 0, 0, item.position)
        changed[key] = replace(
            now, times=now.times + internal, public_times=now.public_times + public
        )
    return changed


def _conflict(parts: Mapping[str, Part], event: Recorded, noted: ConflictNoted) -> Parts:
    release = released(noted, event.recorded_ms)
    ref = noted.ref or f"d{event.version}"
    between = noted.conflict.between
    made: Parts = {
        ref: Conflict(
            ref,
            noted.headline,
            list(between),
            noted.conflict.nature,
            event.position,
            release,
            release.status == "published",
        )
    }
    if noted.conflict.nature == "not-comparable":
        for name in between:
            figure = parts.get(name)
            if isinstance(figure, Figure):
                apart = sorted({*figure.not_comparable_with, *between} - {name})
                made[name] = replace(figure, not_comparable_with=apart)
    return made


def _release(parts: Mapping[str, Part], event: Recorded, act: ReleaseAct) -> Parts:
    """A development is held, let go, published or withdrawn, and all that it brought with it."""
    target = parts.get(act.target)
    if not isinstance(target, Item | Conflict):
        return {}
    release: Release = target.release.after(act)
    public = release.status == "published"
    if isinstance(target, Conflict):
        return {target.ref: replace(target, release=release, public=public)}
    item = replace(target, release=release, status=release.status, public=public)
    changed: Parts = {item.ref: item}
    brought = (*item.claims, *item.figures, item.response, item.occasion)
    for ref in (*brought, *(str(correction["ref"]) for correction in item.corrections)):
        part = parts.get(ref or "")
        match part:
            case Response():
                changed[part.ref] = replace(part, public=public, withdrawn=release.withdrawn)
            case Claim() | Figure():
                status = "withdrawn" if release.withdrawn else part.status
                changed[part.ref] = replace(part, public=public, status=status)
            case Correction() | Occasion():
                changed[part.ref] = replace(part, public=public)
    answer = parts.get(item.resolves or "")
    if isinstance(answer, Response) and answer.by == item.ref:
        changed[answer.ref] = (
            replace(answer, by=None, how=None, answer_public=False)
            if release.withdrawn
            else replace(answer, answer_public=public)
        )
    if public and not target.public:
        changed |= _revised(parts, item, event.recorded_at)
    elif target.public and not public:
        changed |= _unrevised(parts, item)
    if isinstance(act, Withdrawn) and target.public:
        stone = Tombstone(
            item.ref,
            item.kind,
            item.version,
            item.position,
            item.recorded_at,
            event.recorded_at,
            act.reason,
            act.replacement,
        )
        changed[stone.key] = stone
    gone = -1 if release.withdrawn and not target.release.withdrawn else 0
    return changed | _mentioned(parts, item, gone, int(public) - int(target.public))


def _alerted(parts: Mapping[str, Part], event: Recorded, decision: AlertDecision) -> Parts:
    """A decision makes an alert; an update or cancellation also changes those it refers to."""
    alert = decision.alert
    state = _STATES[type(decision)]
    made: Parts = {
        alert.ref: Alert(
            alert.ref,
            alert.level,
            state,
            list(alert.derived_from),
            alert.reason,
            0,
            0,
            event.position,
        )
    }
    for ref in alert.references:
        earlier = parts.get(ref)
        if isinstance(earlier, Alert) and isinstance(decision, AlertCorrected | AlertRetracted):
            made[ref] = replace(earlier, state=state)
    return made
