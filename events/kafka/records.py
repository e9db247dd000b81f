"""An append as one record of a Kafka topic, and back: the format that is stored for ever.

One append is one record, so that it lands whole or not at all, whatever becomes of its producer.
The record is a CloudEvent (1.0, Kafka protocol binding, binary mode):

    ce_specversion  1.0
    ce_id           names this attempt to append; a retry is another attempt
    ce_source       /dateline
    ce_type         dateline.append.v1, or dateline.relay.v1 for events that have their places
    ce_subject      the story; not with a relay, which may hold events of several
    ce_expected     `any`, `must exist`, `must not exist` or the version that the story is to have
    ce_root         what the node believes: a size of the log, a colon, its root in hexadecimal;
                    every other node holds it against its own; not where it believes nothing yet
    content-type    application/vnd.dateline.events

The value is the number of its first key (16 bytes), then each event: three lengths (32 bits,
big-endian), its envelope, its body and its private part. The envelope is that of `events.envelope`,
in clear, with `position`, `recorded_at` and `version` left empty where the log is to assign them.
Body and private part are each their nonce and their bytes, encrypted with AES-256-GCM (NIST SP
800-38D) under a key of its own, bound to the envelope; nothing stands where they were erased. The
keys are kept elsewhere (`kafka_keys`), so that erasing a key erases what it opens in every copy of
the topic. Keys count upwards from the first, two for each event; the last 12 bytes of a key's
number, which never comes twice, are its nonce.
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

KEYS_OF_EVENT = 2  # of its body and of its private part, either of which may be erased
_LENGTHS: Final = Struct(">III")
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
_FIXED: Final = (
    ("ce_specversion", b"1.0"),
    ("ce_source", b"/dateline"),
    ("content-type", CONTENT_TYPE),
)
_CLAIM: Final = re.compile(rb"([1-9][0-9]{0,17}):([0-9a-f]{64})")
_EXPECTED: Final = {each.value.encode(): each for each in Expect}

Contents = tuple[bytes | None, bytes | None, bytes | None, bytes | None]
"""Body, its nonce, private part and its nonce; either pair may have been erased."""
Headers = list[tuple[str, bytes]]


class Garbage(ValueError):
    """A record that is no append of ours; says why."""


class Keys(NamedTuple):
    """Keys of 32 bytes, never used before, and the number of the first of them."""

    first: bytes
    keys: Sequence[bytes]


class Parcel(NamedTuple):
    """One event of a record: its envelope as it was sent, body and private part still closed.

    `places` is there only where it brings its own, with a relay.
    """

    prepared: Prepared
    story: str
    sealed: bytes
    closed: tuple[bytes, bytes]
    places: tuple[int, int, int] | None
    """Position, version and `recorded_ms`."""


class Offer(NamedTuple):
    """What a record asks of the log. `story` is None with a relay."""

    attempt: bytes
    story: str | None
    expected: ExpectedVersion
    first_key: bytes
    parcels: list[Parcel]
    claim: "Claim | None"


class Claim(NamedTuple):
    """The root that a node had at a size of the log."""

    size: int
    root: bytes


def claiming(headers: Headers, claim: Claim | None) -> Headers:
    """Add to a record what its node believes."""
    if claim is None:
        return headers
    return [*headers, ("ce_root", b"%d:%b" % (claim.size, claim.root.hex().encode()))]


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
        keys: two for each event.
    """
    wanted = expected.value if isinstance(expected, Expect) else str(expected)
    headers = _headers(attempt, APPEND)
    headers += [("ce_subject", story.encode()), ("ce_expected", wanted.encode())]
    pieces = [keys.first]
    for step, event in enumerate(batch):
        envelope = b"%b%b%b}" % (event.before_position, event.before_time, event.before_version)
        _pack(pieces, envelope, event.contents, keys, step)
    return headers, b"".join(pieces)


def encode_relay(attempt: str, events: Sequence[Sealed], keys: Keys) -> tuple[Headers, bytes]:
    """Give the record of events that have their places, as another log recorded them."""
    pieces = [keys.first]
    for step, event in enumerate(events):
        contents = (event.body, event.body_nonce, event.private, event.private_nonce)
        _pack(pieces, event.envelope, contents, keys, step)
    return _headers(attempt, RELAY), b"".join(pieces)


def _headers(attempt: str, type_: bytes) -> Headers:
    return [*_FIXED, ("ce_id", attempt.encode()), ("ce_type", type_)]


def _pack(pieces: list[bytes], envelope: bytes, contents: Contents, keys: Keys, step: int) -> None:
    body, body_nonce, private, private_nonce = contents
    at = KEYS_OF_EVENT * step
    of_body = _closed(body, body_nonce, envelope, keys, at)
    of_private = _closed(private, private_nonce, envelope, keys, at + 1)
    lengths = _LENGTHS.pack(len(envelope), len(of_body), len(of_private))
    pieces += (lengths, envelope, of_body, of_private)


def _closed(
    content: bytes | None, nonce: bytes | None, envelope: bytes, keys: Keys, at: int
) -> bytes:
    if content is None or nonce is None:
        return b""
    number = key_number(keys.first, at)
    return AESGCM(keys.keys[at]).encrypt(number[4:], nonce + content, envelope)


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
        return Offer(attempt, None, Expect.ANY, value[:KEY_NUMBER], parcels, _claim(named))
    story = named.get("ce_subject", b"").decode("ascii", "replace")
    if any(parcel.story != story for parcel in parcels):
        raise Garbage("expected events of the one story in ce_subject; found another story")
    first = value[:KEY_NUMBER]
    return Offer(attempt, story, _expected(named), first, parcels, _claim(named))


def _claim(named: Mapping[str, bytes]) -> Claim | None:
    """Nothing depends on it but an alarm, so that a bad one is none."""
    match = _CLAIM.fullmatch(named.get("ce_root", b""))
    return match and Claim(int(match[1]), bytes.fromhex(match[2].decode()))


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
            of_envelope, of_body, of_private = _LENGTHS.unpack_from(value, at)
        except StructError as error:
            raise Garbage("expected whole events; found a part of one") from error
        body = at + _LENGTHS.size + of_envelope
        private = body + of_body
        envelope = value[at + _LENGTHS.size : body]
        at = private + of_private
        if at > end or len(found) == MOST_IN_A_BATCH:
            raise Garbage(f"expected up to {MOST_IN_A_BATCH} whole events; found others")
        closed = (value[body:private], value[private:at])
        found.append(_parcel(envelope, closed, placed=placed))
    return found


def _parcel(envelope: bytes, closed: tuple[bytes, bytes], *, placed: bool) -> Parcel:
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
    return Parcel(prepared, story.decode(), envelope, closed, places)


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


def opened(parcel: Parcel, first: bytes, step: int, keys: Mapping[bytes, bytes | None]) -> Contents:
    """Give body, its nonce, private part and its nonce, as `Sealed` has them.

    Without its key, or where it does not fit, a part is not there, as after an erasure.

    Args:
        parcel: the event.
        first: the number of the record's first key.
        step: which event of the record it is, from 0.
        keys: keys by their numbers.
    """
    at = KEYS_OF_EVENT * step
    body, body_nonce = _opened(parcel.closed[0], parcel.sealed, key_number(first, at), keys)
    number = key_number(first, at + 1)
    private, private_nonce = _opened(parcel.closed[1], parcel.sealed, number, keys)
    return body, body_nonce, private, private_nonce


def _opened(
    closed: bytes, envelope: bytes, number: bytes, keys: Mapping[bytes, bytes | None]
) -> tuple[bytes | None, bytes | None]:
    key = keys.get(number)
    if key is None or not closed:
        return None, None
    try:
        plain = AESGCM(key).decrypt(number[4:], closed, envelope)
    except (InvalidTag, ValueError):
        return None, None
    return (plain[NONCE:], plain[:NONCE]) if len(plain) >= NONCE else (None, None)
