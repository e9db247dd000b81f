"""Developments to canonical bytes and back.

Canonical means RFC 8785 restricted to what events hold: UTF-8 JSON, keys sorted, no spaces, no
floats. The models sort their fields when they are made, so writing is one pass.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import orjson

from events.developments import Development
from events.filing import Private
from events.upcasters import upcast
from events.vocabulary import KINDS, SCHEMAS, Erased, Happening, KnownKind, Unknown

__all__ = ["canonical", "decode", "encode", "encode_private"]

_WRITERS: Final = {kind: model.__pydantic_serializer__.to_json for kind, model in KINDS.items()}
_READERS: Final[Mapping[tuple[str, int], Callable[[bytes], KnownKind]]] = {
    (kind, SCHEMAS[kind]): cast(
        "Callable[[bytes], KnownKind]", model.__pydantic_validator__.validate_json
    )
    for kind, model in KINDS.items()
}


def canonical(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Give the canonical bytes of a JSON value without floats."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def encode(development: Development) -> bytes:
    """Give the canonical bytes of a development: what is committed to, stored and exported."""
    return _WRITERS[development.kind](development, exclude_none=True)


def encode_private(private: Private | None) -> bytes:
    """Give the canonical bytes of the private part; nothing private is the empty string."""
    if private is None:
        return b""
    return private.__pydantic_serializer__.to_json(private, exclude_none=True)


def decode(kind: str, schema: int, body: bytes | None) -> Happening:
    """Read a body back as the development it was.

    Args:
        kind: the envelope's kind.
        schema: the envelope's schema number.
        body: canonical bytes, or None when they were erased.

    Returns:
        The development at today's schema; `Unknown` for a kind or a later schema that this
        Dateline does not know, and for bytes that are not what the kind demands: one bad event
        keeps nobody from reading the others. `Erased` when there is no body.
    """
    if body is None:
        return Erased(kind, schema)
    read = _READERS.get((kind, schema))
    try:
        if read is not None:
            return read(body)
        if kind in KINDS and schema < SCHEMAS[kind]:
            newest = upcast(kind, schema, orjson.loads(body))
            return _READERS[kind, SCHEMAS[kind]](canonical(newest))
    except (ValueError, ArithmeticError):
        pass  # it is as unknown as a kind that nobody has heard of
    return Unknown(kind, schema, _content(body))


def _content(body: bytes) -> Mapping[str, Any]:
    try:
        content = orjson.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
