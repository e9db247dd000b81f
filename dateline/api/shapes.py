"""The shapes that are sent and answered, as JSON Schema, and the words to describe a path with."""

from typing import Any, Final

from consumers.feed.live import PAGE

__all__ = [
    "CURSOR",
    "LIMIT",
    "MOMENT",
    "PROBLEM",
    "RECEIPT",
    "SENT",
    "SLUG",
    "STATE",
    "SUMMARY",
    "UPDATE",
    "answer",
    "parameter",
    "problems",
    "ref",
    "unchanged",
]

SLUG: Final = {"type": "string", "pattern": "^[a-z0-9-]{1,80}$"}
MOMENT: Final = {
    "type": "string",
    "description": "a position, an RFC 3339 time, a date, or a time of today",
}
LIMIT: Final = {"type": "integer", "minimum": 1, "maximum": PAGE}
CURSOR: Final = {"type": "string", "pattern": "^[0-9a-f]{12}\\.[0-9]{1,18}$"}
PROBLEM: Final = {
    "type": "object",
    "description": "RFC 9457; a refusal names its rule and the field at fault",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "rule": {"type": "string"},
        "field": {"type": "string"},
        "expected": {"type": ["string", "integer"]},
        "found": {"type": ["string", "integer"]},
        "story": {"type": "string"},
    },
}
RECEIPT: Final = {
    "type": "object",
    "required": ["id", "ref", "position", "version", "duplicate"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "ref": {"type": "string"},
        "position": {"type": "integer", "minimum": 1},
        "version": {"type": "integer", "minimum": 1},
        "duplicate": {"type": "boolean", "description": "it was recorded before"},
    },
}
SUMMARY: Final = {
    "type": "object",
    "required": ["story", "title", "status", "version", "position", "recorded_at"],
    "properties": {
        "story": SLUG,
        "title": {"type": "string"},
        "status": {"enum": ["open", "closed"]},
        "version": {"type": "integer"},
        "position": {"type": "integer"},
        "recorded_at": {"type": "string", "format": "date-time"},
    },
}
SENT: Final = {
    "type": "object",
    "description": "one Server-Sent Event; `data` is JSON",
    "properties": {name: {"type": "string"} for name in ("id", "event", "data", "retry")},
}
_LISTS: Final = ("timeline", "pending", "resolved", "conflicts", "corrections", "alerts")
STATE: Final = {
    "type": "object",
    "description": "a story as it stands: what happened, what is awaited, who says what",
    "required": [*SUMMARY["required"], "lead", *_LISTS, "claims", "figures"],
    "properties": {
        **SUMMARY["properties"],  # type: ignore[dict-item]  # - read only
        "opening": {"type": ["object", "null"]},
        "lead": {"type": ["object", "null"]},
        **{name: {"type": "array", "items": {"type": "object"}} for name in _LISTS},
        **{name: {"type": "object"} for name in ("claims", "figures", "occasions")},
        "people": {"type": "array", "items": {"type": "string"}},
        "places": {"type": "array", "items": {"type": "string"}},
        "checkpoint": {"type": "integer"},
    },
}
UPDATE: Final = {
    "type": "object",
    "description": "a CloudEvent (1.0): the parts of a story that one event changed for readers",
    "required": ["specversion", "id", "source", "type", "time", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string"},
        "source": {"type": "string"},
        "type": {"type": "string", "pattern": "^dateline\\.[a-z-]+$"},
        "subject": {"type": "string"},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "data": {
            "type": "object",
            "required": ["story", "position", "recorded_at", "gone"],
            "properties": {
                "story": SLUG,
                "position": {"type": "integer"},
                "recorded_at": {"type": "string"},
                "title": {"type": "string"},
                "status": {"enum": ["open", "closed"]},
                "version": {"type": "integer"},
                "ref": {"type": "string"},
                "changed": {
                    "type": "object",
                    "additionalProperties": {"type": "array", "items": {"type": "object"}},
                },
                "gone": {"type": "array", "items": {"type": "string"}},
            },
        },
    },
}


def ref(name: str) -> dict[str, str]:
    """Point at one of the shapes by its name in the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def parameter(name: str, where: str, schema: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON Schema
    """Describe a parameter; one of the path is always there."""
    return {"name": name, "in": where, "required": where == "path", "schema": schema}


def answer(description: str, schema: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON Schema
    """Describe an answer in JSON."""
    return {
        "description": description,
        "headers": {"ETag": {"schema": {"type": "string"}}},
        "content": {"application/json": {"schema": schema}},
    }


def unchanged() -> dict[str, Any]:
    """Describe the answer to somebody who has it already."""
    return {"304": {"description": "What the reader has is what there is (If-None-Match)"}}


def problems(*statuses: int) -> dict[str, Any]:
    """Describe what may be in the way, each an RFC 9457 document."""
    content = {"application/problem+json": {"schema": ref("Problem")}}
    return {str(status): {"description": "A problem", "content": content} for status in statuses}
