"""Whether readers were shown what a redaction erased, in whatever events it stood."""

from collections.abc import Iterator
from typing import Any

import orjson

from consumers.stories.parts import Find
from events.editorial import Erasure, Redacted
from events.redaction import PRIVATE, STAND_INS

__all__ = ["erased_in_sight"]


def erased_in_sight(find: Find, redaction: Redacted) -> bool:
    """Say whether a redaction took words that readers were shown.

    The answer depends on nothing that was erased: whoever folds the story later, when the words
    are gone, finds the same.

    Args:
        find: gives the parts of the story as the redaction found them.
        redaction: the act, with what it erased.
    """
    if redaction.fields == (PRIVATE,):
        return False
    target = find(redaction.target)
    shown = {redaction.target, getattr(target, "development", redaction.target)}
    for erasure in redaction.erases or ():
        shown |= {*_shown_by(erasure)}
    return any(part is not None and part.public for part in map(find, shown))


def _shown_by(erasure: Erasure) -> Iterator[str]:
    """Give the keys of the parts that show the words of an event, so far as any were erased."""
    left = erasure.remains or ""
    # Where private notes went, the rest of the event may be as it was.
    if not left or (erasure.private and not any(word in left for word in STAND_INS)):
        return
    content: dict[str, Any] = orjson.loads(left)
    yield content.get("ref") or f"d{erasure.version}"
    if content.get("kind") == "refiled":
        yield content["target"]
    if content.get("kind") == "withdrawn":
        yield f"{content['target']}/withdrawn"
