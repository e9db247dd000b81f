"""Reading our own log back: faster than accepting a filing, and the same in every field."""

import pickle
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from pydantic import BaseModel
from vocabulary_examples import any_development, full

from events.codec import canonical, decode, encode
from events.developments import Development
from events.recall import recall
from events.vocabulary import KINDS, SCHEMAS, Erased, Unknown


def _fields(value: Any) -> Any:
    """Give a fact as types and contents all the way down; times as they are told."""
    if isinstance(value, BaseModel):
        told = {name: _fields(getattr(value, name)) for name in type(value).model_fields}
        return type(value), told, value.model_fields_set
    if isinstance(value, tuple):
        return [_fields(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat(), value.utcoffset(), value.timestamp(), hash(value)
    return type(value), value


@settings(max_examples=500)
@given(development=any_development())
def test_what_is_read_back_is_what_was_filed(development: Development) -> None:
    """A development read back from the log is the one that was accepted, in every field."""
    body = encode(development)
    accepted = decode(development.kind, SCHEMAS[development.kind], body)
    found = recall(development.kind, SCHEMAS[development.kind], body)
    assert isinstance(found, Development)
    assert found == accepted == development
    assert _fields(found) == _fields(accepted)
    assert encode(found) == body


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_field_of_every_kind_is_read_back(kind: str) -> None:
    """A body in which every field holds something reads back the same by either reading."""
    body = encode(KINDS[kind].model_validate(full(kind)))
    found = recall(kind, SCHEMAS[kind], body)
    assert _fields(found) == _fields(decode(kind, SCHEMAS[kind], body))
    assert isinstance(found, Development)
    assert encode(found) == body


def test_times_read_back_are_times_in_utc() -> None:
    """A time that was read back compares, adds, is written and is handed on like any in UTC."""
    body = encode(KINDS["statement-issued"].model_validate(full("statement-issued")))
    found: Any = recall("statement-issued", 1, body)
    moment, same = found.filed_at, datetime(2025, 10, 10, 18, 3, tzinfo=UTC)
    assert moment == same
    assert moment - same == same - moment
    assert {moment} == {same}
    assert moment.isoformat() == same.isoformat()
    assert f"{moment:%H:%M %Z}" == f"{same:%H:%M %Z}"
    assert moment.astimezone(UTC).tzinfo is UTC
    assert orjson.dumps(moment) == orjson.dumps(same)
    assert pickle.loads(pickle.dumps(moment)) == same  # noqa: S301 - our own bytes
    assert found.model_dump(mode="json")["filed_at"] == "2025-10-10T18:03:00Z"


@pytest.mark.parametrize(
    ("change", "known"),
    [
        ({"filed_at": "2025-10-10T20:03:00+02:00"}, True),
        ({"filed_at": "2025-10-10T20:03:00"}, False),
        ({"filed_at": "tomorrow"}, False),
        ({"embargo_untill": "2031-01-01T00:00:00Z"}, False),
        ({"headline": None}, False),
        ({"headline": 7}, False),
        ({"urgency": 10}, False),
        ({"claims": [{"ref": "C1"}]}, False),
        ({"figures": [{"ref": "F1", "measure": "m", "value": "many"}]}, False),
        ({"kind": "held"}, False),
    ],
)
def test_types_and_fields_are_still_asked_for(change: dict[str, Any], *, known: bool) -> None:
    """A body that lacks a field, has one too many or one of another type is not understood."""
    content = orjson.loads(encode(KINDS["quote-added"].model_validate(full("quote-added"))))
    body = canonical(content | change)
    found = recall("quote-added", 1, body)
    assert isinstance(found, Unknown) is not known
    accepted = decode("quote-added", 1, body)
    assert _fields(found) == _fields(accepted)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'{"a":1}', b"\xff"])
def test_spoilt_bytes_are_not_understood_by_either_reading(body: bytes) -> None:
    """Bytes that are no development, of a kind known or not, come back as they did."""
    for kind, schema in (("held", 1), ("held", 99), ("rumour-denied", 1), ("alert-issued", 1)):
        assert recall(kind, schema, body) == decode(kind, schema, body)
    assert recall("held", 1, None) == Erased("held", 1)
