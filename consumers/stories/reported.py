"""What a development brings into its story: claims, figures, a wait, an occasion."""

from typing import Any, Literal

from consumers.stories.parts import (
    Changes,
    Claim,
    Conflict,
    Figure,
    Find,
    Item,
    Occasion,
    Parts,
    Response,
)
from consumers.stories.standing import INHERITED, SAID, attributed, counted_in, led_to
from events.developments import (
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
)
from events.developments import Response as Awaited
from events.editorial import ConflictNoted
from events.envelope import Recorded
from events.filing import Claim as Claimed
from events.filing import Figure as Counted
from events.release import released

__all__ = ["noted", "reported"]


def reported(find: Find, event: Recorded, news: News) -> Changes:
    """A development with all that it brings: claims, figures, a wait, people and places."""
    item = _item(event, news)
    made: Parts = {item.ref: item}
    for claim in news.claims:
        made[claim.ref] = _claim(claim, item)
    occasion = _occasion_of(news)
    if occasion is not None:
        what, fact = occasion
        content = fact.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"ref"})
        made[fact.ref] = Occasion(
            fact.ref, item.ref, what, content, item.position, public=item.public
        )
    for figure in news.figures:
        made[figure.ref] = _figure(figure, item)
    match news:
        case ResponseAwaited(response=response):
            made[response.ref] = _response(response, item)
        case LetterSent(response=response) if response is not None:
            made[response.ref] = _response(response, item)
    yield made
    for figure in news.figures:
        yield counted_in(find, figure.ref, figure.part_of)
    yield from led_to(find, None, item, event.recorded_at)


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
    occasion = _occasion_of(news)
    response: Awaited | None = None
    resolves: str | None = None
    match news:
        case ResponseAwaited(response=response) | LetterSent(response=response):
            pass
        case ResponseReceived(resolves=resolves) | ResponseDeclined(resolves=resolves):
            pass
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
        response=response.ref if response else None,
        resolves=resolves,
        people=list(news.people),
        places=list(news.places),
        orgs=list(news.orgs),
        links=shown["links"],
        media=shown["media"],
        corrections=[],
        embargo_until=shown.get("embargo_until"),
        occasion=occasion[1].ref if occasion else None,
        revises=_revision(news) if isinstance(news, FigureRevised) else None,
        first_seen=None if release.status == "published" else [],
        release=release,
        public=release.status == "published",
    )


def _claim(claim: Claimed, item: Item) -> Claim:
    made = Claim(
        ref=claim.ref,
        development=item.ref,
        text=claim.text,
        speaker=claim.speaker,
        via=claim.via,
        own=[name for name in INHERITED[Claim] if getattr(claim, name) is not None],
        position_of=claim.position_of,
        status="attributed",
        position=item.position,
        public=item.public,
    )
    return attributed(made, item.attribution)


def _figure(figure: Counted, item: Item) -> Figure:
    said = figure.model_dump(mode="json", include={"value"})
    made = Figure(
        ref=figure.ref,
        development=item.ref,
        measure=figure.measure,
        unit=figure.unit,
        value=said["value"],
        words=figure.words,
        qualifier=figure.qualifier,
        window=figure.window,
        source=figure.source,
        own=["source"] if figure.source is not None else [],
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
    return attributed(made, item.attribution)


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


def _revision(news: FigureRevised) -> dict[str, Any]:
    return news.model_dump(mode="json", include={"target", *SAID})


def noted(find: Find, event: Recorded, note: ConflictNoted) -> Changes:
    """A conflict that the desk noted; figures not comparable are marked on both sides."""
    made = Conflict(
        note.ref or f"d{event.version}",
        note.headline,
        list(note.conflict.between),
        note.conflict.nature,
        event.position,
        public=False,
        release=released(note, event.recorded_ms),
    )
    yield {made.ref: made}
    yield from led_to(find, None, made, event.recorded_at)
