"""The refs that a part names, and the part without those that readers may not know of.

A state for readers names no ref of something that is held, under embargo or not yet published:
the name alone would tell that there is something to come.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from consumers.stories.parts import (
    Conflict,
    Correction,
    Figure,
    Find,
    Item,
    Mention,
    Part,
    Response,
    Tombstone,
)
from consumers.stories.standing import in_sight

__all__ = ["as_read", "named_by", "without"]

# Fields whose values are refs, as corrections name them by their last word.
_REFS: Final = frozenset({"about", "at", "between", "of", "part_of", "resolves", "target"})


def named_by(part: Part) -> list[str]:
    """Give the refs that a part names beside what it brought itself, which is released with it."""
    match part:
        case Figure():
            return [*part.parts, *part.not_comparable_with, *_some(part.part_of)]
        case Response():
            return [*part.about, *_some(part.by)]
        case Tombstone():
            return _some(part.replacement)
        case Item():
            said_at, revised = (
                (part.attribution or {}).get("at"),
                (part.revises or {}).get("target"),
            )
            return [*_some(part.resolves, said_at, revised), *_corrected_refs(part.corrections)]
        case Conflict():
            return list(_corrected_refs(part.corrections))
        case Correction():
            return list(_refs_in(part.field, part.old, part.new))
        case _:
            return []


def as_read(find: Find, part: Part | None) -> Part | None:
    """Give a part as readers may know it, None where they may not; how often it is named is ours.

    Args:
        find: gives the parts that it names.
        part: the part, None where there is none.
    """
    if part is None or not part.public:
        return None
    if isinstance(part, Mention):
        return replace(part, times=0, public_times=1)
    hidden = {ref for ref in named_by(part) if not in_sight(find, ref)}
    return without(part, hidden) if hidden else part


def without(part: Part, hidden: Container[str]) -> Part:
    """Give a part as it is for those who may not know of some refs."""
    match part:
        case Figure():
            return replace(
                part,
                parts=_seen(part.parts, hidden),
                not_comparable_with=_seen(part.not_comparable_with, hidden),
                part_of=_seen(part.part_of, hidden),
            )
        case Response():
            wait = replace(part, about=_seen(part.about, hidden))
            return replace(wait, by=None, how=None) if part.by in hidden else wait
        case Tombstone():
            return replace(part, replacement=_seen(part.replacement, hidden))
        case Item():
            return _item_without(part, hidden)
        case Conflict():
            return replace(part, corrections=_uncorrected(part.corrections, hidden))
        case Correction():
            old, new = (_value(part.field, value, hidden) for value in (part.old, part.new))
            return replace(part, old=old, new=new)
        case _:
            return part


def _item_without(item: Item, hidden: Container[str]) -> Item:
    attribution, revises = item.attribution, item.revises
    if attribution and attribution.get("at") in hidden:
        attribution = {name: value for name, value in attribution.items() if name != "at"}
    return replace(
        item,
        attribution=attribution,
        resolves=_seen(item.resolves, hidden),
        revises=None if revises and revises["target"] in hidden else revises,
        corrections=_uncorrected(item.corrections, hidden),
    )


def _some(*refs: str | None) -> list[str]:
    return [ref for ref in refs if ref is not None]


def _refs_in(field: str, *values: Any) -> Iterator[str]:  # noqa: ANN401 - what a correction holds
    """Give the refs that a correction of a field speaks of."""
    if field.rpartition(".")[2] in _REFS:
        for value in values:
            yield from [value] if isinstance(value, str) else value or ()


def _corrected_refs(corrections: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for shown in corrections:
        yield from _refs_in(shown["field"], shown["old"], shown["new"])


def _uncorrected(
    corrections: Iterable[Mapping[str, Any]], hidden: Container[str]
) -> list[dict[str, Any]]:
    return [
        {**shown, **{side: _value(shown["field"], shown[side], hidden) for side in ("old", "new")}}
        for shown in corrections
    ]


def _value(field: str, value: Any, hidden: Container[str]) -> Any:  # noqa: ANN401 - as above
    return _seen(value, hidden) if field.rpartition(".")[2] in _REFS else value


def _seen(refs: Any, hidden: Container[str]) -> Any:  # noqa: ANN401 - a ref, a list of refs or None
    if isinstance(refs, list):
        return [ref for ref in refs if ref not in hidden]
    return None if refs in hidden else refs
