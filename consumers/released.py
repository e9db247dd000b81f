"""How holding, releasing and withdrawing show: on the development and on all that it brought."""

from collections.abc import Mapping
from dataclasses import replace

from consumers.parts import (
    Claim,
    Conflict,
    Correction,
    Figure,
    Item,
    Occasion,
    Part,
    Parts,
    Response,
    Tombstone,
)
from consumers.reported import SAID, mentioned, revised
from events.editorial import Withdrawn
from events.envelope import Recorded
from events.release import Release, ReleaseAct

__all__ = ["release"]


def release(parts: Mapping[str, Part], event: Recorded, act: ReleaseAct) -> Parts:
    """A development is held, let go, published or withdrawn, and all that it brought with it."""
    target = parts.get(act.target)
    if not isinstance(target, Item | Conflict):
        return {}
    after: Release = target.release.after(act)
    public = after.status == "published"
    if isinstance(target, Conflict):
        return {target.ref: replace(target, release=after, public=public)}
    item = replace(target, release=after, status=after.status, public=public)
    changed: Parts = {item.ref: item}
    brought = (*item.claims, *item.figures, item.response, item.occasion)
    for ref in (*brought, *(str(correction["ref"]) for correction in item.corrections)):
        part = parts.get(ref or "")
        match part:
            case Response():
                changed[part.ref] = replace(part, public=public, withdrawn=after.withdrawn)
            case Claim() | Figure():
                status = "withdrawn" if after.withdrawn else part.status
                changed[part.ref] = replace(part, public=public, status=status)
            case Correction() | Occasion():
                changed[part.ref] = replace(part, public=public)
    answer = parts.get(item.resolves or "")
    if isinstance(answer, Response) and answer.by == item.ref:
        changed[answer.ref] = (
            replace(answer, by=None, how=None, answer_public=False)
            if after.withdrawn
            else replace(answer, answer_public=public)
        )
    if public and not target.public:
        changed |= revised(parts, item, event.recorded_at)
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
            status="withdrawn",
            headline=None,
            corrected=False,
            public=True,
        )
        changed[stone.key] = stone
    gone = -1 if after.withdrawn and not target.release.withdrawn else 0
    return changed | mentioned(parts, item, gone, int(public) - int(target.public))


def _unrevised(parts: Mapping[str, Part], item: Item) -> Parts:
    """The figure as if the revision had not been made; later revisions stay."""
    figure = parts.get((item.revises or {}).get("target", ""))
    if not isinstance(figure, Figure):
        return {}
    at = next((n for n, old in enumerate(figure.history) if old["by"] == item.ref), None)
    if at is None:
        return {}
    said = {name: figure.history[at][name] for name in SAID}
    history = [dict(old) for old in figure.history]
    del history[at]
    if at < len(history):
        history[at] |= said
        return {figure.ref: replace(figure, history=history)}
    return {figure.ref: replace(figure, **said, history=history)}
