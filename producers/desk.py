"""What the desk must know of a story to judge the next filing: a small fold over its events.

A story is kept as parts, each under the ref that people point at it by (the story itself under
the empty ref). An event reads and changes few of them, so that filing costs the same in a story
of twenty as in one of twenty thousand.

What a development does to the parts of others (it ends a wait, revises a figure, sets figures
apart) it does for as long as it stands: `_led_to` says so once, for every act that may change it.
Readers see the same from `consumers.stories.story`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from events.alerts import AlertDecision, SilenceAdded
from events.corrections import corrected, locate
from events.developments import (
    Development,
    FigureRevised,
    LetterSent,
    News,
    PostPublished,
    RemarksDelivered,
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
    Redacted,
    Refiled,
    StoryClosed,
    StoryReopened,
    VerificationChanged,
    Withdrawn,
)
from events.envelope import Recorded
from events.filing import Figure
from events.release import released
from events.vocabulary import Erased, Unknown
from producers.parts import (
    STORY,
    Alerted,
    Answer,
    Claimed,
    Counted,
    Desk,
    Named,
    Part,
    Standing,
    StoryPart,
)

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

Find = Callable[[str], Part | None]  # gives a part as the event has changed it so far
Changes = Iterator[dict[str, Part]]  # each seen by `Find` before the next is made

_SAID = ("value", "words", "qualifier")  # what a source says of a figure, and may revise


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
        case SilenceAdded(silence=silence):
            yield silence.ref, "silence"


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

    def find(ref: str) -> Part | None:
        return changed.get(ref) or desk.get(ref)

    ref = development.ref or f"d{event.version}"
    changed |= _brought(ref, event, development)
    for change in _followed(find, ref, development):
        changed |= change
    return changed


def _brought(ref: str, event: Recorded, development: Development) -> dict[str, Part]:
    """The parts that a development brings with it."""
    parts: dict[str, Part] = {name: Named(what, ref) for name, what in named_in(development)}
    parts[ref] = Named(development.kind, ref)
    if isinstance(development, News | ConflictNoted):
        filer = str(event.provenance["filed_by"])
        release = released(development, event.recorded_ms)
        parts[ref] = Standing(development, filer, release, event.version)
    parts |= {claim.ref: Claimed(claim, ref) for claim in development.claims}
    for figure in development.figures:
        parts[figure.ref] = Counted(figure, ref, source_of(figure, development))
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


def _followed(find: Find, ref: str, development: Development) -> Changes:
    """What else an event changes, once what it brought is there."""
    for figure in development.figures:
        yield _counted_in(find, figure)
    standing = find(ref)
    if isinstance(standing, Standing):
        yield from _led_to(find, ref, None, standing)
    if isinstance(development, Act):
        yield from _acted(find, development)


def _acted(find: Find, act: Act) -> Changes:
    story = find(STORY)
    match act:
        case Corrected(target=target, field=path, new=new):
            yield from _rewritten(find, target, path, new)
        case Redacted(target=target, fields=paths):
            for path in paths:
                yield from _rewritten(find, target, path, None)
        case Refiled(target=target, headline=headline, body=body):
            words = {"headline": headline, "body": body}
            changes = {name: text for name, text in words.items() if text is not None}
            standing = find(target)
            if isinstance(standing, Standing):
                refiled = standing.development.model_copy(update=changes)
                yield {target: replace(standing, development=refiled)}
        case VerificationChanged(of=of, after=after):
            part = find(of)
            if isinstance(part, Claimed | Counted) and not _withdrawn(find, part.owner):
                yield {of: replace(part, verification=after)}
        case StoryClosed() | StoryReopened() if isinstance(story, StoryPart):
            closed = isinstance(act, StoryClosed)
            yield {STORY: replace(story, status="closed" if closed else "open")}
        case LegalHoldPlaced(target=None) | LegalHoldLifted(target=None):
            if isinstance(story, StoryPart):
                yield {STORY: replace(story, legal_hold=isinstance(act, LegalHoldPlaced))}
        case LegalHoldPlaced(target=str(target)) | LegalHoldLifted(target=str(target)):
            held = isinstance(act, LegalHoldPlaced)
            yield _changed(find, target, Standing, legal_hold=held)
        case (
            Held() | HoldReleased() | Withdrawn() | Published() | EmbargoLifted() | EmbargoBroken()
        ):
            standing = find(act.target)
            if isinstance(standing, Standing):
                after_act = replace(standing, release=standing.release.after(act))
                yield {act.target: after_act}
                yield from _led_to(find, act.target, standing, after_act)


def _changed(
    find: Find,
    ref: str,
    kind: type,
    **changes: Any,  # noqa: ANN401 - the fields of any part
) -> dict[str, Part]:
    part = find(ref)
    return {ref: replace(part, **changes)} if part is not None and isinstance(part, kind) else {}


def _withdrawn(find: Find, owner: str) -> bool:
    standing = find(owner)
    return isinstance(standing, Standing) and standing.release.withdrawn


def _led_to(find: Find, ref: str, before: Standing | None, after: Standing) -> Changes:
    """What a development does to the parts of others, after it came, changed or went."""
    old, new = _answered_by(before), _answered_by(after)
    if old != new:
        wait = find(old or "")
        if isinstance(wait, Answer) and wait.by == ref:
            yield {str(old): replace(wait, by=None)}
        wait = find(new or "")
        if isinstance(wait, Answer) and wait.by is None:
            yield {str(new): replace(wait, by=ref)}
    if before is None:
        for touched in _touched_by(after):
            yield _counted_on(find, touched, ref, after)
        return
    for touched in dict.fromkeys([*_touched_by(before), *_touched_by(after)]):
        yield _counted_anew(find, touched, ref)
    for figure in after.development.figures:
        yield from _recounted(find, figure.ref, before, after)


def _answered_by(standing: Standing | None) -> str | None:
    """The wait that a development ends while it stands."""
    if standing is None or standing.release.withdrawn:
        return None
    match standing.development:
        case ResponseReceived(resolves=ref) | ResponseDeclined(resolves=ref):
            return ref
        case _:
            return None


def _touched_by(standing: Standing | None) -> tuple[str, ...]:
    """The figures that a development is about and whose state it may change."""
    match standing and standing.development:
        case FigureRevised(target=target):
            return (target,)
        case ConflictNoted(conflict=conflict):
            return conflict.between
        case _:
            return ()


def _counted_on(find: Find, ref: str, by: str, touching: Standing) -> dict[str, Part]:
    """A figure after one more development about it, the newest, so that all before stays."""
    counted = find(ref)
    if not isinstance(counted, Counted):
        return {}
    first = counted.first or counted.figure
    noted = replace(counted, first=first, touched_by=(*counted.touched_by, by))
    return {ref: _touched(noted, touching)}


def _counted_anew(find: Find, ref: str, by: str) -> dict[str, Part]:
    """A figure after all that touches it, when one of these changed."""
    counted = find(ref)
    if not isinstance(counted, Counted):
        return {}
    first = counted.first or counted.figure
    touched_by = tuple(dict.fromkeys((*counted.touched_by, by)))
    figure = replace(
        counted, figure=first, first=first, touched_by=touched_by, apart_from=frozenset()
    )
    standing = (part for each in touched_by if isinstance(part := find(each), Standing))
    for part in sorted(standing, key=lambda part: part.version):
        figure = _touched(figure, part)
    return {ref: figure}


def _touched(counted: Counted, by: Standing) -> Counted:
    """A figure after a development about it; one that is not released changes nothing yet.

    So an older revision gives way to a newer, and the figure is what it was while one is held.
    """
    ref = counted.figure.ref
    match by.development:
        case _ if by.release.status != "published":
            return counted
        case FigureRevised(target=target) as revision if target == ref:
            return replace(counted, figure=_revised(counted.figure, revision))
        case ConflictNoted(conflict=conflict) if ref in conflict.between:
            if conflict.nature == "not-comparable":
                return replace(counted, apart_from=counted.apart_from | {*conflict.between} - {ref})
    return counted


def _revised(figure: Figure, revision: FigureRevised) -> Figure:
    said = {name: getattr(revision, name) for name in _SAID}
    said["qualifier"] = revision.qualifier or figure.qualifier
    return figure.model_copy(update=said)


def _recounted(find: Find, ref: str, before: Standing, after: Standing) -> Changes:
    """A figure of a development that changed: whose it is, and no part of anything once gone."""
    counted = find(ref)
    if not isinstance(counted, Counted):
        return
    if after.development.attribution != before.development.attribution:
        yield {ref: replace(counted, source=source_of(counted.figure, after.development))}
    if after.release.withdrawn and not before.release.withdrawn:
        yield _counted_out(find, counted.figure)


def _counted_in(find: Find, figure: Figure) -> dict[str, Part]:
    whole = find(figure.part_of or "")
    if not isinstance(whole, Counted) or figure.ref in whole.parts:
        return {}
    return {whole.figure.ref: replace(whole, parts=(*whole.parts, figure.ref))}


def _counted_out(find: Find, figure: Figure) -> dict[str, Part]:
    whole = find(figure.part_of or "")
    if not isinstance(whole, Counted):
        return {}
    left = tuple(part for part in whole.parts if part != figure.ref)
    return {whole.figure.ref: replace(whole, parts=left)}


def _rewritten(find: Find, target: str, path: str, new: object) -> Changes:
    """Apply a correction to the part that it is about, and to what follows from it."""
    ref, inner = locate(target, path)
    part = find(ref)
    try:
        match part:
            case Standing(development=development):
                after = replace(part, development=corrected(development, inner, new))
                yield {ref: after}
                yield from _led_to(find, ref, part, after)
            case Claimed(claim=claim):
                yield {ref: replace(part, claim=corrected(claim, inner, new))}
            case Counted():
                yield from _figure_rewritten(find, part, inner, new)
            case Answer(response=response):
                yield {ref: replace(part, response=corrected(response, inner, new))}
            case Named(what="remarks" | "letter" | "post" as what, owner=owner):
                yield from _rewritten(find, owner, f"{what}.{inner}", new)
    except (KeyError, ValueError):  # an older desk let it pass; what cannot be applied is not
        return


def _figure_rewritten(find: Find, counted: Counted, path: str, new: object) -> Changes:
    """What a source says is put right where it was said, in the figure or in its last revision."""
    ref = counted.figure.ref
    figure = corrected(counted.figure, path, new)
    revision = _last_revision(find, counted)
    if path in _SAID and revision is not None:
        yield from _rewritten(find, revision, path, new)
        return
    first = corrected(counted.first, path, new) if counted.first else None
    owner = find(counted.owner)
    source = counted.source
    if isinstance(owner, Standing):
        source = source_of(figure, owner.development)
    yield {ref: replace(counted, figure=figure, first=first, source=source)}
    if figure.part_of != counted.figure.part_of and not _withdrawn(find, counted.owner):
        yield _counted_out(find, counted.figure)
        yield _counted_in(find, figure)


def _last_revision(find: Find, counted: Counted) -> str | None:
    """The development whose number the figure shows now, None where it is the figure's own."""
    released_ = [
        (part.version, ref)
        for ref in counted.touched_by
        if isinstance(part := find(ref), Standing)
        and isinstance(part.development, FigureRevised)
        and part.development.target == counted.figure.ref
        and part.release.status == "published"
    ]
    return max(released_)[1] if released_ else None
