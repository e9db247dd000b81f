"""What shows the words that a redaction erased, in whatever events they stood."""

from collections.abc import Iterator
from typing import Any

import orjson

from consumers.stories.parts import Find
from events.editorial import Erasure, Redacted
from events.redaction import PRIVATE, STAND_INS

__all__ = ["erased_in_sight", "erased_keys"]


def erased_keys(find: Find, redaction: Redacted) -> set[str]:
    """Give the keys of all that may have shown what a redaction erased.

    They depend on nothing that was erased: whoever folds the story later, when the words are gone,
    finds the same.

    Args:
        find: gives the parts of the story.
        redaction: the act, with what it erased.
    """
    if redaction.fields == (PRIVATE,):
        return set()
    target = find(redaction.target)
    keys = {redaction.target, getattr(target, "development", redaction.target)}
    return keys.union(*(_shown_by(erasure) for erasure in redaction.erases or ()))


def erased_in_sight(find: Find, redaction: Redacted) -> bool:
    """Say whether a redaction took words that readers were shown; see `erased_keys`."""
    shown = map(find, erased_keys(find, redaction))
    return any(part is not None and part.public for part in shown)


def _shown_by(erasure: Erasure) -> Iterator[str]:
    """Give the keys of the parts that show the words of an event, so far as any were erased."""
    left = erasure.remains or ""
    # Where private notes went, the rest of the event may be as it was.
    if not left or (erasure.private and not any(word in left for word in STAND_INS)):
        return
    content: dict[str, Any] = orjson.loads(left)
    yield content.get("ref") or f"d{erasure.version}"
    for value in content.values():
        brought = value if isinstance(value, list) else [value]
        yield from (each["ref"] for each in brought if isinstance(each, dict) and "ref" in each)
    if content.get("kind") in {"corrected", "refiled"}:
        yield content["target"]
    if content.get("kind") == "withdrawn":
        yield f"{content['target']}/withdrawn"
