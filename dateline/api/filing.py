"""The paths by which developments are filed and a story is read page by page."""

from typing import Any

from dateline.api.shapes import LIMIT, SLUG, answer, parameter, problems, ref, unchanged
from events.vocabulary import KINDS

__all__ = ["filing_paths"]


def filing_paths() -> dict[str, Any]:
    """Give the path of a story's developments."""
    story = parameter("story", "path", SLUG)
    return {"/v1/stories/{story}/developments": {"post": _file(story), "get": _history(story)}}


def _file(story: dict[str, Any]) -> dict[str, Any]:
    one = {"oneOf": [{"$ref": f"#/components/schemas/{kind}"} for kind in sorted(KINDS)]}
    several = {"type": "array", "minItems": 1, "maxItems": 100, "items": one}
    receipts = {"oneOf": [ref("Receipt"), {"type": "array", "items": ref("Receipt")}]}
    version = {"type": "string", "pattern": '^("[0-9]{1,9}"|\\*)$'}
    return {
        "operationId": "file",
        "summary": "File one development, or several together",
        "security": [{"key": []}],
        "parameters": [
            story,
            parameter("Idempotency-Key", "header", {"type": "string"}),
            parameter("If-Match", "header", version),
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"oneOf": [one, several]}}},
        },
        "responses": {
            "201": answer("Recorded", receipts),
            **problems(400, 401, 403, 404, 408, 409, 413, 422, 431, 500, 501, 503, 507),
        },
    }


def _history(story: dict[str, Any]) -> dict[str, Any]:
    page = {
        "type": "object",
        "required": ["developments", "next"],
        "properties": {
            "developments": {"type": "array", "items": ref("Update")},
            "next": {"type": ["integer", "null"]},
        },
    }
    return {
        "operationId": "history",
        "summary": "What readers were told of a story, page by page",
        "parameters": [
            story,
            parameter("after", "query", {"type": "integer", "minimum": 0}),
            parameter("limit", "query", LIMIT),
        ],
        "responses": {"200": answer("A page", page), **unchanged(), **problems(400, 401, 404, 503)},
    }
