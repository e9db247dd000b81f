"""The refs that a part names, and the part without those that readers may not know of.

A state for readers names no ref of something that is held, under embargo or not yet published:
the name alone would tell that there is something to come.
"""

from collections.abc import Container
from dataclasses import replace

from consumers.parts import Figure, Item, Part, Response, Tombstone

__all__ = ["named_by", "without"]


def named_by(part: Part) -> list[str]:
    """Give the refs that a part names beside what it brought itself, which is released with it."""
    match part:
        case Figure():
            whole = [part.part_of] if part.part_of else []
            return [*part.parts, *part.not_comparable_with, *whole]
        case Response():
            return part.about
        case Tombstone(replacement=str(ref)) | Item(resolves=str(ref)):
            return [ref]
        case Item(revises=dict(revises)):
            return [revises["target"]]
        case _:
            return []


def without(part: Part, hidden: Container[str]) -> Part:
    """Give a part as it is for those who may not know of some refs."""
    match part:
        case Figure():
            return replace(
                part,
                parts=_seen(part.parts, hidden),
                not_comparable_with=_seen(part.not_comparable_with, hidden),
                part_of=None if part.part_of in hidden else part.part_of,
            )
        case Response():
            return replace(part, about=_seen(part.about, hidden))
        case Tombstone():
            return replace(part, replacement=None)
        case Item(revises=dict()):
            return replace(part, revises=None)
        case Item():
            return replace(part, resolves=None)
        case _:
            return part


def _seen(refs: list[str], hidden: Container[str]) -> list[str]:
    return [ref for ref in refs if ref not in hidden]
