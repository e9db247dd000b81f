"""Reading back what our own log wrote: its types and fields, not the forms of its texts again.

Every body was held against the whole model before it was written, and the audit proves that its
bytes are still those. So the patterns and lengths of texts and the calendar are not asked a second
time, which is two fifths of what reading an event costs; types, unknown fields, required fields,
numbers and the lengths of lists are. See docs/decisions/0013.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Final, cast

from pydantic_core import SchemaValidator

from events.codec import decode
from events.filing import FORMS
from events.vocabulary import KINDS, SCHEMAS, Happening, KnownKind

__all__ = ["recall"]

# Nothing to validate stands in these parts of a schema, and functions stay what they are.
_KEPT: Final = frozenset({"function", "metadata", "serialization"})


def recall(kind: str, schema: int, body: bytes | None) -> Happening:
    """Read a body back that this log wrote.

    Args and result are those of `events.codec.decode`, which is also asked whenever this reading
    refuses: whatever that one reads can be read here. Bytes that others wrote are for `decode`
    alone.
    """
    read = _reader(kind, schema)
    if read is not None and body is not None:
        try:
            return read(body)
        except (ValueError, ArithmeticError):
            return decode(kind, schema, body)
    return decode(kind, schema, body)


@cache  # made when a kind is first read: all of them at once would delay every start
def _reader(kind: str, schema: int) -> Callable[[bytes], KnownKind] | None:
    if SCHEMAS.get(kind) != schema:
        return None
    # Without `_use_prebuilt` the validators of the classes within would be taken as they are. Texts
    # of a story seldom come twice; looking for each among those before costs more than it saves.
    validator = SchemaValidator(
        _loosened(KINDS[kind].__pydantic_core_schema__),
        {"cache_strings": "keys"},
        _use_prebuilt=False,
    )
    return cast("Callable[[bytes], KnownKind]", validator.validate_json)


def _loosened(schema: Any) -> Any:  # noqa: ANN401 - a core schema is nested dictionaries and lists
    """Give a core schema without the forms of texts, and with times in UTC as they are written."""
    if isinstance(schema, list | tuple):
        return [_loosened(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    match schema.get("type"):
        case "str":
            return {"type": "str"}
        case "datetime":
            return schema | {"tz_constraint": 0}
        case "function-after" if schema["function"]["function"] in FORMS:
            return _loosened(schema["schema"])
    return {name: part if name in _KEPT else _loosened(part) for name, part in schema.items()}
