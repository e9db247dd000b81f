"""An append as one record of a Kafka topic, and back: the format that is stored for ever.

One append is one record, so that it lands whole or not at all, whatever becomes of its producer.
The record is a CloudEvent (1.0, Kafka protocol binding, binary mode):

    ce_specversion  1.0
    ce_id           names this attempt to append; a retry is another attempt
    ce_source       /dateline
    ce_type         dateline.append.v1, or dateline.relay.v1 for events that have their places
    ce_subject      the story; not with a relay, which may hold events of several
    ce_expected     `any`, `must exist`, `must not exist` or the version that the story is to have
    content-type    application/vnd.dateline.events

The value is the number of its first key (16 bytes), then each event as two lengths (32 bits,
big-endian), its envelope and its contents. The envelope is that of `events.envelope`, in clear,
with `position`, `recorded_at` and `version` left empty where the log is to assign them. The
contents are body, private part and their nonces, encrypted with AES-256-GCM (NIST SP 800-38D)
under a key for this one event, bound to the envelope; the keys are kept elsewhere (`kafka_keys`),
so that erasing a key erases the contents from every copy of the topic. Keys count upwards from
the first; the last 12 bytes of a key's number, which never comes twice, are its nonce.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from struct import Struct
from struct import error as StructError  # noqa: N812 - it is one
from typing import Final, NamedTuple

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from events.codec import canonical
from events.envelope import ENVELOPE_VERSION, NONCE, Prepared, Sealed, instant
from events.log import MOST_IN_A_BATCH, Expect, ExpectedVersion

__all__ = [
    "Garbage",
    "Keys",
    "Offer",
    "Parcel",
    "decode",
    "encode",
    "encode_relay",
    "key_number",
    "opened",
]

APPEND: Final = b"dateline.append.v1"
RELAY: Final = b"dateline.relay.v1"
CONTENT_TYPE: Final = b"application/vnd.dateline.events"
KEY_NUMBER = 16  # bytes: whose keys they are (8, random), and which of them (8, counting)
MOST_BYTES = 32 * 1024 * 1024  # of one record; a hundred events of the largest size that is filed

_LENGTHS: Final = Struct(">II")
_CONTENTS: Final = Struct(">ii")
_ERASED = -1  # in place of the length of contents that are not there any more
_UUID: Final = rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_ENVELOPE: Final = re.compile(
    rb'(\{"body":"[0-9a-f]{64}"(?:,"cause":"' + _UUID + rb'")?(?:,"correlation":"' + _UUID + rb'")?'
    rb',"filed_by":"[A-Za-z0-9][A-Za-z0-9._:@-]{0,79}","id":"(' + _UUID + rb')"'
    rb',"kind":"([a-z0-9-]{1,80})","occurred":(\{[^{}]{0,2000}\}),"position":)(|[1-9][0-9]{0,17})'
    rb'(,"private":"[0-9a-f]{64}","recorded_at":")(|[0-9T:.-]{23}Z)'
    rb'(","schema":([1-9][0-9]{0,5}),"story":"([a-z0-9-]{1,80})","v":'
    + str(ENVELOPE_VERSION).encode()
    + rb',"version":)(|[1-9][0-9]{0,17})\}'
)
_EXPECTED: Final = {each.value.encode(): each for each in Expect}

Headers = list[tuple[str, bytes]]


class Garbage(ValueError):
    """A record that is no append of ours; says why."""


class Keys(NamedTuple):
    """Keys of 32 bytes, never used before, and the number of the first of them."""

    first: bytes
    keys: Sequence[bytes]


class Parcel(NamedTuple):
    """One event of a record; `places` is there only where it brings its own, with a relay."""

    prepared: Prepared
    story: str
    sealed: bytes
    encrypted: bytes
    places: tuple[int, int, int] | None
    """Position, version and `recorded_ms`."""


class Offer(NamedTuple):
    """What a record asks of the log. `story` is None with a relay."""

    attempt: bytes
    story: str | None
    expected: ExpectedVersion
    first_key: bytes
    parcels: list[Parcel]


def key_number(first: bytes, step: int) -> bytes:
    """Give the number of the key that is so many steps after the first."""
    return first[:8] + (int.from_bytes(first[8:]) + step).to_bytes(8)


def encode(
    attempt: str,
    story: str,
    expected: ExpectedVersion,
    batch: Sequence[Prepared],
    keys: Keys,
) -> tuple[Headers, bytes]:
    """Give the record of an append: its headers and its value.

    Args:
        attempt: names this attempt.
        story: slug of the stream.
        expected: where the story must be.
        batch: the events.
        keys: one for each event.
    """
    wanted = expected.value if isinstance(expected, Expect) else str(expected)
    headers = _headers(attempt, APPEND)
    headers += [("ce_subject", story.encode()), ("ce_expected", wanted.encode())]
    pieces = [keys.first]
    for step, (event, key) in enumerate(zip(batch, keys.keys, strict=True)):
        envelope = b"%b%b%b}" % (event.before_position, event.before_time, event.before_version)
        _pack(pieces, envelope, event.contents, key_number(keys.first, step), key)
    return headers, b"".join(pieces)


def encode_relay(attempt: str, events: Sequence[Sealed], keys: Keys) -> tuple[Headers, bytes]:
    """Give the record of events that have their places, as another log recorded them."""
    pieces = [keys.first]
    for step, (event, key) in enumerate(zip(events, keys.keys, strict=True)):
        contents = (event.body, event.body_nonce, event.private, event.private_nonce)
        _pack(pieces, event.envelope, contents, key_number(keys.first, step), key)
    return _headers(attempt, RELAY), b"".join(pieces)


def _headers(attempt: str, type_: bytes) -> Headers:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", attempt.encode()),
        ("ce_source", b"/dateline"),
        ("ce_type", type_),
        ("content-type", CONTENT_TYPE),
    ]


def _pack(
    pieces: list[bytes],
    envelope: bytes,
    contents: tuple[bytes | None, bytes | None, bytes | None, bytes | None],
    number: bytes,
    key: bytes,
) -> None:
    body, body_nonce, private, private_nonce = contents
    plain = b"".join(
        (
            _CONTENTS.pack(
                _ERASED if body is None else len(body), _ERASED if private is None else len(private)
            ),
            body_nonce or b"",
            body or b"",
            private_nonce or b"",
            private or b"",
        )
    )
    encrypted = AESGCM(key).encrypt(number[4:], plain, envelope)
    pieces += (_LENGTHS.pack(len(envelope), len(encrypted)), envelope, encrypted)


def decode(headers: Sequence[tuple[str, bytes]], value: bytes | None) -> Offer:
    """Read a record.

    Raises:
        Garbage: it is no append of ours.
    """
    named: Mapping[str, bytes] = dict(headers)
    type_ = named.get("ce_type", b"")
    if named.get("ce_specversion") != b"1.0" or type_ not in {APPEND, RELAY}:
        raise Garbage("expected a CloudEvent of type dateline.append.v1; found another record")
    if value is None or not KEY_NUMBER < len(value) <= MOST_BYTES:
        raise Garbage("expected events in the record; found none, or more than are taken")
    attempt = named.get("ce_id", b"")
    if not 1 <= len(attempt) <= 80:  # noqa: PLR2004 - twice what a UUID takes
        raise Garbage("expected an id in ce_id; found none")
    parcels = list(_parcels(value, placed=type_ == RELAY))
    if type_ == RELAY:
        return Offer(attempt, None, Expect.ANY, value[:KEY_NUMBER], parcels)
    story = named.get("ce_subject", b"").decode("ascii", "replace")
    if any(parcel.story != story for parcel in parcels):
        raise Garbage("expected events of the one story in ce_subject; found another story")
    return Offer(attempt, story, _expected(named), value[:KEY_NUMBER], parcels)


def _expected(named: Mapping[str, bytes]) -> ExpectedVersion:
    text = named.get("ce_expected", b"")
    if text in _EXPECTED:
        return _EXPECTED[text]
    if re.fullmatch(rb"-?[0-9]{1,18}", text):
        return int(text)
    raise Garbage("expected a version in ce_expected; found none")


def _parcels(value: bytes, *, placed: bool) -> list[Parcel]:
    found: list[Parcel] = []
    at, end = KEY_NUMBER, len(value)
    while at < end:
        try:
            envelope_length, contents_length = _LENGTHS.unpack_from(value, at)
        except StructError as error:
            raise Garbage("expected whole events; found a part of one") from error
        middle = at + _LENGTHS.size + envelope_length
        envelope = value[at + _LENGTHS.size : middle]
        at = middle + contents_length
        if at > end or len(found) == MOST_IN_A_BATCH:
            raise Garbage(f"expected up to {MOST_IN_A_BATCH} whole events; found others")
        found.append(_parcel(envelope, value[middle:at], placed=placed))
    return found


def _parcel(envelope: bytes, encrypted: bytes, *, placed: bool) -> Parcel:
    match = _ENVELOPE.fullmatch(envelope)
    if match is None:
        raise Garbage("expected an envelope in canonical JSON; found other bytes")
    before_position, event_id, kind, occurred, position = match.group(1, 2, 3, 4, 5)
    before_time, time, before_version, schema, story, version = match.group(6, 7, 8, 9, 10, 11)
    if not _is_canonical(occurred):
        raise Garbage("expected dates in canonical JSON; found other bytes")
    if {bool(position), bool(time), bool(version)} != {placed}:
        raise Garbage(f"expected an envelope {'with' if placed else 'without'} places")
    prepared = Prepared(
        bytes.fromhex(event_id.replace(b"-", b"").decode()),
        kind.decode(),
        int(schema),
        before_position,
        before_time,
        before_version,
        (b"", b"", b"", b""),
    )
    places = (int(position), int(version), _milliseconds(time)) if placed else None
    return Parcel(prepared, story.decode(), envelope, encrypted, places)


@lru_cache(maxsize=1024)
def _is_canonical(occurred: bytes) -> bool:
    try:
        return canonical(orjson.loads(occurred)) == occurred
    except ValueError:
        return False


def _milliseconds(time: bytes) -> int:
    try:
        moment = datetime.fromisoformat(time.decode())
    except ValueError as error:
        raise Garbage("expected a time of recording; found none") from error
    found = round(moment.timestamp() * 1000)
    if instant(found).encode() != time:
        raise Garbage("expected a time of recording in its one form; found another")
    return found


Contents = tuple[bytes | None, bytes | None, bytes | None, bytes | None]
NOTHING: Final[Contents] = (None, None, None, None)


def opened(parcel: Parcel, number: bytes, key: bytes | None) -> Contents:
    """Give body, its nonce, private part and its nonce, as `Sealed` has them.

    Without the key, or where it does not fit, there is nothing, as after an erasure.
    """
    if key is None:
        return NOTHING
    try:
        plain = AESGCM(key).decrypt(number[4:], parcel.encrypted, parcel.sealed)
        of_body, of_private = _CONTENTS.unpack_from(plain)
    except (InvalidTag, StructError, ValueError):
        return NOTHING
    body, body_nonce, at = _take(plain, _CONTENTS.size, of_body)
    private, private_nonce, at = _take(plain, at, of_private)
    return (body, body_nonce, private, private_nonce) if at == len(plain) else NOTHING


def _take(plain: bytes, at: int, length: int) -> tuple[bytes | None, bytes | None, int]:
    if length < 0:
        return None, None, at
    middle = at + NONCE
    return plain[middle : middle + length], plain[at:middle], middle + length
