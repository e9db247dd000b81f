"""JSON Schema (2020-12) of what is filed and of what the log vouches for."""

from typing import Any, Final

from pydantic import TypeAdapter

from events.filing import Private, Slug
from events.vocabulary import KINDS, SCHEMAS

__all__ = ["ENVELOPE", "filing_schema"]


def filing_schema(kind: str) -> dict[str, Any]:
    """Give the JSON Schema of a filing of one kind."""
    schema = KINDS[kind].model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
    private = Private.model_json_schema(ref_template="#/$defs/{model}")
    schema["properties"] = {
        "story": {**TypeAdapter(Slug).json_schema(), "description": "the story's slug"},
        "id": {
            "type": "string",
            "format": "uuid",
            "description": "a UUIDv7, the idempotency key; made where left out",
        },
        "private": {"$ref": "#/$defs/Private"},
        **schema["properties"],
    }
    schema["properties"]["kind"] = {"const": kind}
    schema["required"] = ["story", "kind", *schema.get("required", [])]
    schema["$defs"] = {**schema.get("$defs", {}), "Private": private}
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{kind}.json",
        "x-schema-number": SCHEMAS[kind],
    }
    return head | schema


_HASH: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_ID: Final = {"type": "string", "format": "uuid"}
ENVELOPE: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "envelope.json",
    "title": "Envelope",
    "description": "What the log vouches for about an event: canonical JSON, a leaf of the tree.",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "body": {**_HASH, "description": "HMAC-SHA256(nonce, 'body' 0x00 bytes)"},
        "cause": {**_ID, "description": "id of the event that brought this one about"},
        "correlation": {**_ID, "description": "ties together all that came of one request"},
        "filed_by": {"type": "string", "description": "who filed"},
        "id": {**_ID, "description": "UUIDv7 chosen by the producer"},
        "kind": {"enum": sorted(KINDS)},
        "occurred": {"type": "object", "description": "when it happened, dates without words"},
        "position": {"type": "integer", "minimum": 1, "description": "place in the log"},
        "private": {**_HASH, "description": "HMAC-SHA256(nonce, 'private' 0x00 bytes)"},
        "recorded_at": {"type": "string", "format": "date-time"},
        "schema": {"type": "integer", "minimum": 1, "description": "schema number of the body"},
        "story": {"type": "string", "description": "slug of the story"},
        "v": {"const": 1, "description": "version of the envelope"},
        "version": {"type": "integer", "minimum": 1, "description": "place in the story"},
    },
    "required": [
        "body",
        "filed_by",
        "id",
        "kind",
        "occurred",
        "position",
        "private",
        "recorded_at",
        "schema",
        "story",
        "v",
        "version",
    ],
}
