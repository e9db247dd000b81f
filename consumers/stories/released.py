"""How holding, releasing and withdrawing show: on the development and on all that it brought."""

from dataclasses import replace

from consumers.stories.parts import (
    Changes,
    Claim,
    Conflict,
    Correction,
    Figure,
    Find,
    Item,
    Occasion,
    Parts,
    Response,
    Tombstone,
    Touched,
    touched,
)
from consumers.stories.standing import counted_out, led_to, noted_anew
from events.editorial import Withdrawn
from events.envelope import Recorded
from events.release import ReleaseAct

__all__ = ["release"]


def release(find: Find, event: Recorded, act: ReleaseAct) -> Changes:
    """A development is held, let go, published or withdrawn, and all that it brought with it."""
    target = find(act.target)
    if not isinstance(target, Item | Conflict):
        return
    after = target.release.after(act)
    if isinstance(target, Conflict):
        note = replace(target, release=after)
        yield {note.ref: note}
        yield from led_to(find, target, note, event.recorded_at)
        return
    public = after.status == "published"
    seen = target.first_seen
    if public and seen == []:
        seen = [event.position, event.recorded_at]
    item = replace(target, release=after, status=after.status, public=public, first_seen=seen)
    yield {item.ref: item} | _brought(find, item)
    if isinstance(act, Withdrawn):
        if target.public:
            yield _tombstone(item, event, act)
        for name in item.figures:
            figure = find(name)
            if isinstance(figure, Figure):
                yield counted_out(find, name, figure.part_of)
    yield from led_to(find, target, item, event.recorded_at)
    for ref in (item.ref, *item.claims, *item.figures, item.response, item.occasion):
        notes = find(touched(ref)) if ref else None
        for note_ref in notes.by if isinstance(notes, Touched) else ():
            yield noted_anew(find, note_ref)


def _brought(find: Find, item: Item) -> Parts:
    """All that a development brought is seen with it and withdrawn with it."""
    changed: Parts = {}
    brought = (*item.claims, *item.figures, item.response, item.occasion)
    for ref in (*brought, *(str(correction["ref"]) for correction in item.corrections)):
        part = find(ref or "")
        match part:
            case Response():
                withdrawn = item.release.withdrawn
                changed[part.ref] = replace(part, public=item.public, withdrawn=withdrawn)
            case Claim() | Figure():
                status = "withdrawn" if item.release.withdrawn else part.status
                changed[part.ref] = replace(part, public=item.public, status=status)
            case Correction() | Occasion():
                changed[part.ref] = replace(part, public=item.public)
    return changed


def _tombstone(item: Item, event: Recorded, act: Withdrawn) -> Parts:
    stone = Tombstone(
        item.ref,
        item.kind,
        item.version,
        item.position,
        item.recorded_at,
        event.recorded_at,
        act.reason,
        act.replacement,
        status="withdrawn",
        headline=None,
        corrected=False,
        public=True,
        first_seen=item.first_seen,
    )
    return {stone.key: stone}
