"""What a development does to the parts of others for as long as it stands.

It ends a wait, revises a figure, sets figures apart, names people and places. `led_to` says so
once, for filing, correcting, holding, releasing and withdrawing alike; the desk judges by the same
(`producers.desk`).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal, TypeVar

from consumers.stories.parts import (
    Changes,
    Claim,
    Conflict,
    Correction,
    Figure,
    Find,
    Item,
    Mention,
    Part,
    Parts,
    Response,
    Tombstone,
    Touched,
    touched,
)

__all__ = [
    "INHERITED",
    "SAID",
    "attributed",
    "counted_in",
    "counted_out",
    "in_sight",
    "last_revision",
    "led_to",
    "noted_anew",
]

A = TypeVar("A", bound=Claim | Figure)

SAID: Final = ("value", "words", "qualifier")  # what a source says of a figure, and may revise
# What a claim or figure that does not say it itself has of its development, and by which name.
INHERITED: Final[dict[type, dict[str, str]]] = {
    Claim: {"speaker": "speaker", "via": "via"},
    Figure: {"source": "speaker"},
}


def led_to(find: Find, before: Item | Conflict | None, after: Item | Conflict, at: str) -> Changes:
    """Give what follows from a development that came, changed or went.

    Args:
        find: gives a part as it is by now, the development itself included.
        before: the development as it was, None when it is new.
        after: the development as it is.
        at: when the event that changed it was recorded.
    """
    if isinstance(after, Conflict):
        names = [*(before.between if isinstance(before, Conflict) else ()), *after.between]
        for ref in dict.fromkeys(names):
            yield from _touching(find, ref, after)
            yield _counted(find, ref, before, after, at)
        yield noted_anew(find, after.ref)
        return
    earlier = before if isinstance(before, Item) else None
    yield from _waited(find, earlier, after)
    for ref in dict.fromkeys((_revises(earlier), _revises(after))):
        if ref is not None:
            yield from _touching(find, ref, after)
            yield _counted(find, ref, before, after, at)
    yield _mentioned(find, earlier, after)


def _waited(find: Find, before: Item | None, after: Item) -> Changes:
    """A wait ends by the first answer that stands; it goes on when that is gone."""
    old, new = _ends(before), _ends(after)
    wait = find(old or "")
    if old != new and isinstance(wait, Response) and wait.by == after.ref:
        yield {wait.ref: replace(wait, by=None, how=None, answer_public=False)}
    wait = find(new or "")
    if isinstance(wait, Response) and wait.by in (None, after.ref):
        how: Literal["received", "declined"] = (
            "declined" if after.kind == "response-declined" else "received"
        )
        yield {wait.ref: replace(wait, by=after.ref, how=how, answer_public=after.public)}


def _ends(item: Item | None) -> str | None:
    return None if item is None or item.release.withdrawn else item.resolves


def _revises(item: Item | None) -> str | None:
    return (item.revises or {}).get("target") if item is not None else None


def _touching(find: Find, ref: str, by: Item | Conflict) -> Changes:
    """Remember that a development is about a part, so that it is found when either changes."""
    part = find(ref)
    known = find(touched(ref))
    so_far = known.by if isinstance(known, Touched) else []
    if part is not None and by.ref not in so_far:
        yield {touched(ref): Touched(ref, [*so_far, by.ref], part.position)}


def _touching_now(find: Find, ref: str) -> list[Item | Conflict]:
    """Give what is about a part and stands in public, in the order of filing."""
    known = find(touched(ref))
    refs = known.by if isinstance(known, Touched) else []
    found = (find(each) for each in refs)
    standing = [
        part
        for part in found
        if isinstance(part, Item | Conflict) and part.release.status == "published"
    ]
    return sorted(standing, key=lambda part: part.position)


def _counted(
    find: Find, ref: str, before: Item | Conflict | None, after: Item | Conflict, at: str
) -> Parts:
    """A figure after what is about it came or changed: an older revision gives way to a newer.

    A revision shows in the figure while it is public itself: one under embargo must not give
    its number away, and one that is held takes it back.
    """
    figure = find(ref)
    if not isinstance(figure, Figure):
        return {}
    if before is None:  # the newest, so that all before stays
        changed = _touched(figure, after, at) if after.release.status == "published" else figure
        return {ref: changed} if changed is not figure else {}
    first = {name: figure.history[0][name] for name in SAID} if figure.history else {}
    shown_at = {old["by"]: old["until"] for old in figure.history}
    changed = replace(figure, **first, history=[], not_comparable_with=[])
    for part in _touching_now(find, ref):
        changed = _touched(changed, part, shown_at.get(part.ref, at))
    for old, next_ in zip(changed.history[-2::-1], changed.history[:0:-1], strict=True):
        old["until"] = min(old["until"], next_["until"])
    return {ref: changed} if changed != figure else {}


def _touched(figure: Figure, by: Item | Conflict, at: str) -> Figure:
    match by:
        case Item(revises=dict(revises)) if revises["target"] == figure.ref:
            said = {name: getattr(figure, name) for name in SAID}
            new = {name: revises[name] for name in SAID}
            new["qualifier"] = new["qualifier"] or said["qualifier"]
            history = [*figure.history, said | {"until": at, "by": by.ref}]
            return replace(figure, **new, history=history)
        case Conflict(nature="not-comparable") if figure.ref in by.between:
            apart = {*figure.not_comparable_with, *by.between} - {figure.ref}
            return replace(figure, not_comparable_with=sorted(apart))
    return figure


def last_revision(find: Find, figure: Figure) -> Item | None:
    """Give the development whose number a figure shows now, None where it is the figure's own."""
    item = find(figure.history[-1]["by"]) if figure.history else None
    return item if isinstance(item, Item) else None


def noted_anew(find: Find, ref: str) -> Parts:
    """A noted conflict is public while it and all that it names are, with its corrections."""
    note = find(ref)
    if not isinstance(note, Conflict):
        return {}
    public = note.release.status == "published" and all(
        in_sight(find, name) for name in note.between
    )
    if public == note.public:
        return {}
    changed: Parts = {ref: replace(note, public=public)}
    for shown in note.corrections:
        correction = find(shown["ref"])
        if isinstance(correction, Correction):
            changed[correction.ref] = replace(correction, public=public)
    return changed


def in_sight(find: Find, ref: str) -> bool:
    """Whether readers may know of what a ref names: it is public, or they see its tombstone."""
    part: Part | None = find(ref)
    return part is None or part.public or isinstance(find(f"{ref}/withdrawn"), Tombstone)


def _mentioned(find: Find, before: Item | None, after: Item) -> Parts:
    """Count the people and places of a development in, and those that it no longer names out.

    Their order is that in which they were named. For readers that begins with what they see: being
    named before under embargo must not show by standing further ahead.
    """
    changed: dict[str, Mention] = {}
    for item, sign in ((before, -1), (after, 1)):
        if item is None or not (item.people or item.places):
            continue
        more, in_public = sign * (not item.release.withdrawn), sign * item.public
        for key in dict.fromkeys((*item.people, *item.places)):
            now = changed.get(key) or find(key)
            times, public_times, position = 0, 0, after.position
            if isinstance(now, Mention):
                times, public_times, position = now.times, now.public_times, now.position
            changed[key] = Mention(key, times + more, public_times + in_public, position)
    for key, part in changed.items():
        known = find(key)
        if part.public and not (known is not None and known.public):
            changed[key] = replace(part, position=after.position)
    return {key: part for key, part in changed.items() if part != (find(key) or _unnamed(part))}


def _unnamed(mention: Part) -> Part:
    return Mention(mention.key, 0, 0, mention.position)


def attributed(part: A, by: Mapping[str, Any] | None) -> A:
    """Give a claim or figure with whose it is: as it says itself, or else as its development.

    Args:
        part: the claim or figure.
        by: the attribution of its development.
    """
    inherited: dict[str, Any] = {
        name: (by or {}).get(theirs)
        for name, theirs in INHERITED[type(part)].items()
        if name not in part.own
    }
    if "source" in inherited and isinstance(part, Figure) and part.source_text is not None:
        inherited["source"] = None  # words are a source too
    return replace(part, **inherited)


def counted_in(find: Find, ref: str, part_of: str | None) -> Parts:
    """A figure is a part of its whole."""
    whole = find(part_of or "")
    if not isinstance(whole, Figure) or ref in whole.parts:
        return {}
    return {whole.ref: replace(whole, parts=[*whole.parts, ref])}


def counted_out(find: Find, ref: str, part_of: str | None) -> Parts:
    """A figure is no longer a part of its whole."""
    whole = find(part_of or "")
    if not isinstance(whole, Figure):
        return {}
    return {whole.ref: replace(whole, parts=[part for part in whole.parts if part != ref])}
