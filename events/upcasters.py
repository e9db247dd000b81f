"""How a body of an earlier schema becomes one of the next: pure functions, run when it is read."""

from collections.abc import Callable
from typing import Any, Final

from events.vocabulary import SCHEMAS

__all__ = ["UPCASTERS", "upcast"]

Content = dict[str, Any]


def _alert_says_by_which_route(content: Content) -> Content:
    """Before, an alert had no route, kinds, audience or time; what is missing reads as none."""
    return content


# (kind, schema it leads away from) → the step to schema + 1.
UPCASTERS: Final[dict[tuple[str, int], Callable[[Content], Content]]] = {
    (kind, 1): _alert_says_by_which_route
    for kind in (
        "alert-corrected",
        "alert-deferred",
        "alert-issued",
        "alert-retracted",
        "alert-suppressed",
    )
}


def upcast(kind: str, schema: int, content: Content) -> Content:
    """Lead `content`, a JSON object of `kind` at `schema`, step by step to today's schema.

    Raises:
        KeyError: a step on the way is missing; golden files make a test notice.
    """
    for step in range(schema, SCHEMAS[kind]):
        content = UPCASTERS[kind, step](content)
    return content
