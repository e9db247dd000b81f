"""Whether an answer is one that the OpenAPI document has: each test that asks a server holds it."""

import re
from functools import cache
from typing import Any

from dateline.api.openapi import openapi

__all__ = ["check_documented"]

UNKNOWN = 404  # what is answered to a path that no document names
NO_SUCH_METHOD = 405
NO_CONTENT = (204, 302, 304)
PROBLEM = "application/problem+json"


def check_documented(method: str, path: str, status: int, media_type: str) -> None:
    """Hold an answer against the document.

    Args:
        method: as it was asked with.
        path: without a query.
        status: of the answer.
        media_type: of the answer, with or without parameters.
    """
    answered = f"{method} {path}: {status} {media_type}"
    operations = _operations(path)
    if operations is None:
        assert (status, media_type) == (UNKNOWN, PROBLEM), answered
        return
    if method.lower() not in operations:
        assert (status, media_type) == (NO_SUCH_METHOD, PROBLEM), answered
        return
    responses: dict[str, Any] = operations[method.lower()]["responses"]
    if status == NO_SUCH_METHOD:  # of a node that has not the role to take it
        assert media_type == PROBLEM, answered
        return
    assert str(status) in responses, answered
    content = responses[str(status)].get("content", {})
    assert status in NO_CONTENT or media_type.partition(";")[0] in content, answered


@cache
def _operations(path: str) -> dict[str, Any] | None:
    found: dict[str, Any] = openapi()["paths"]
    return next((found[known] for pattern, known in _patterns() if pattern.fullmatch(path)), None)


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Give the paths of the document, those first that say more of what they are."""
    paths = sorted(openapi()["paths"], key=lambda path: (path.count("{"), -len(path)))
    return [(re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), path) for path in paths]
