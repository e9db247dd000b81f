"""An append as one record of a Kafka topic, and back: the format that is stored for ever.

One append is one record, so that it lands whole or not at all, whatever becomes of its producer.
The record is a CloudEvent (1.0, Kafka protocol binding, binary mode):

    ce_id           names this attempt to append; a retry is another attempt
    ce_specversion  1.0
    ce_source       /dateline
    ce_type         dateline.append.v2, or dateline.relay.v2 for events that have their places
    ce_root         what the node believes: a size of the log, a colon, its root in hexadecimal;
                    every other node holds it against its own; only where it believes what it
                    has not said yet

The value is the number of its first event's keys (16 bytes); what the story must be, as a byte (0
for a version, 1 any, 2 must exist, 3 must not exist) and that version (64 bits, signed); then each
event: three lengths (32 bits), its envelope, its body and its private part. Numbers are big-endian.
The envelope is that of `events.envelope`, in clear, with `position`, `recorded_at` and `version`
left empty where the log is to assign them. Body and private part are each their nonce and their
bytes, encrypted with AES-256-GCM (NIST SP 800-38D) under a key of its own, bound to the envelope;
nothing stands where they were erased. The keys are kept elsewhere (`keys`), so that erasing a
key erases what it opens in every copy of the topic. Keys are counted by events, upwards from the
first; the last 12 bytes of their number, which never comes twice, are the nonce.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
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
    "ERASED_KEY",
    "KEYS_BYTES",
    "Claim",
    "Contents",
    "Garbage",
    "Keys",
    "Offer",
    "Parcel",
    "asked",
    "decode",
    "encode",
    "encode_relay",
    "key_number",
    "opened",
]

APPEND: Final = b"dateline.append.v2"
RELAY: Final = b"dateline.relay.v2"
KEY_NUMBER = 16  # bytes: whose keys they are (8, random), and of which event (8, counting)
KEY_BYTES = 32  # of AES-256
KEYS_BYTES = 2 * KEY_BYTES  # of one event: its body's key and its private part's, each erasable
ERASED_KEY: Final = bytes(KEY_BYTES)  # stands where a key was
MOST_BYTES = 32 * 1024 * 1024  # of one record; a hundred events of the largest size that is filed

_COUNTED = 2**64 - 1  # keys are counted in 8 bytes
_EXPECTS: Final = Struct(">Bq")
_NEVER = 2**63 - 1  # a version that no story comes to, and the largest that a record can name
_EVENTS_AT: Final = KEY_NUMBER + _EXPECTS.size
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
_FIXED: Final = (("ce_specversion", b"1.0"), ("ce_source", b"/dateline"))
_HEADERS: Final = {type_: (*_FIXED, ("ce_type", type_)) for type_ in (APPEND, RELAY)}
_CLAIM: Final = re.compile(rb"([1-9][0-9]{0,17}):([0-9a-f]{64})")
NOTHING: Final = (b"", b"")  # is closed of what is open
_EXPECTED: Final = (None, Expect.ANY, Expect.MUST_EXIST, Expect.MUST_NOT_EXIST)

Contents = tuple[bytes | None, bytes | None, bytes | None, bytes | None]
"""Body, its nonce, private part and its nonce; either pair may have been erased."""
Headers = list[tuple[str, bytes]]


class Garbage(ValueError):
    """A record that is no append of ours; says why."""


class Keys(NamedTuple):
    """Keys never used before, two of 32 bytes for each event, and the number of the first event."""

    first: bytes
    secrets: bytes


class Parcel(NamedTuple):
    """One event of a record: its envelope as it was sent, body and private part still closed.

    `contents` are there where whoever packed or read it has it open, and nothing is `closed` then.
    `places` is there only where it brings its own, with a relay.
    """

    prepared: Prepared
    story: str
    sealed: bytes
    closed: tuple[bytes, bytes]
    places: tuple[int, int, int] | None = None
    """Position, version and `recorded_ms`."""
    contents: Contents | None = None


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
    """Give the number of the keys that are so many events after the first."""
    return first[:8] + (int.from_bytes(first[8:]) + step & _COUNTED).to_bytes(8)


def encode(
    attempt: str, expected: ExpectedVersion, batch: Sequence[Prepared], keys: Keys
) -> tuple[Headers, bytes]:
    """Give the record of an append: its headers and its value.

    Args:
        attempt: names this attempt.
        expected: where their story must be.
        batch: the events.
        keys: for as many events.
    """
    pieces = [keys.first, _expects(expected)]
    for step, event in enumerate(batch):
        envelope = b"%b%b%b}" % (event.before_position, event.before_time, event.before_version)
        _pack(pieces, envelope, event.contents, keys, step)
    return [("ce_id", attempt.encode()), *_HEADERS[APPEND]], b"".join(pieces)


def asked(
    attempt: str,
    story: str,
    expected: ExpectedVersion,
    batch: Sequence[Prepared],
    keys: Keys,
) -> Offer:
    """Give what reading the record of an append would give, contents and all, to who made it."""
    parcels = [Parcel(event, story, b"", NOTHING, None, event.contents) for event in batch]
    return Offer(attempt.encode(), story, expected, keys.first, parcels, None)


def encode_relay(attempt: str, events: Sequence[Sealed], keys: Keys) -> tuple[Headers, bytes]:
    """Give the record of events that have their places, as another log recorded them."""
    pieces = [keys.first, _expects(Expect.ANY)]
    for step, event in enumerate(events):
        contents = (event.body, event.body_nonce, event.private, event.private_nonce)
        _pack(pieces, event.envelope, contents, keys, step)
    return [("ce_id", attempt.encode()), *_HEADERS[RELAY]], b"".join(pieces)


def _expects(expected: ExpectedVersion) -> bytes:
    if isinstance(expected, Expect):
        return _EXPECTS.pack(_EXPECTED.index(expected), 0)
    return _EXPECTS.pack(0, max(-_NEVER, min(expected, _NEVER)))


def _pack(pieces: list[bytes], envelope: bytes, contents: Contents, keys: Keys, step: int) -> None:
    body, body_nonce, private, private_nonce = contents
    secrets, nonce = keys.secrets, (key_number(keys.first, step) if step else keys.first)[4:]
    at = KEYS_BYTES * step
    middle, end = at + KEY_BYTES, at + KEYS_BYTES
    of_body = of_private = b""
    if body is not None and body_nonce is not None:
        of_body = AESGCM(secrets[at:middle]).encrypt(nonce, body_nonce + body, envelope)
    if private is not None and private_nonce is not None:
        of_private = AESGCM(secrets[middle:end]).encrypt(nonce, private_nonce + private, envelope)
    lengths = _LENGTHS.pack(len(envelope), len(of_body), len(of_private))
    pieces += (lengths, envelope, of_body, of_private)


def decode(headers: Sequence[tuple[str, bytes | None]], value: bytes | None) -> Offer:
    """Read a record.

    Raises:
        Garbage: it is no append of ours.
    """
    named: Mapping[str, bytes | None] = dict(headers)
    type_ = named.get("ce_type")
    if named.get("ce_specversion") != b"1.0" or type_ not in _HEADERS:
        raise Garbage("expected a CloudEvent of type dateline.append.v2; found another record")
    if value is None or not _EVENTS_AT < len(value) <= MOST_BYTES:
        raise Garbage("expected events in the record; found none, or more than are taken")
    attempt = named.get("ce_id") or b""
    if not 1 <= len(attempt) <= 80:  # noqa: PLR2004 - twice what a UUID takes
        raise Garbage("expected an id in ce_id; found none")
    expected, first = _expected(value), value[:KEY_NUMBER]
    placed = type_ == RELAY
    parcels = _parcels(value, placed=placed)
    if placed:
        return Offer(attempt, None, Expect.ANY, first, parcels, _claim(named))
    story = parcels[0].story
    if len(parcels) > 1 and any(parcel.story != story for parcel in parcels):
        raise Garbage("expected events of one story; found those of another among them")
    return Offer(attempt, story, expected, first, parcels, _claim(named))


def _claim(named: Mapping[str, bytes | None]) -> Claim | None:
    """Nothing depends on it but an alarm, so that a bad one is none."""
    said = named.get("ce_root")
    match = said and _CLAIM.fullmatch(said)
    return Claim(int(match[1]), bytes.fromhex(match[2].decode())) if match else None


def _expected(value: bytes) -> ExpectedVersion:
    what, version = _EXPECTS.unpack_from(value, KEY_NUMBER)
    if what >= len(_EXPECTED) or (what and version):
        raise Garbage("expected what the story must be; found none")
    return _EXPECTED[what] or int(version)


def _parcels(value: bytes, *, placed: bool) -> list[Parcel]:
    found: list[Parcel] = []
    at, end = _EVENTS_AT, len(value)
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
    if not bool(position) is bool(time) is bool(version) is placed:
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
    except (ValueError, TypeError):  # a TypeError of what is nested too deeply to be written
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


def opened(offer: Offer, secrets: bytes) -> Iterator[Contents]:
    """Give body, its nonce, private part and its nonce of each event, as `Sealed` has them.

    Without its key, or where it does not fit, a part is not there, as after an erasure; so it is
    without its key though it was opened before.

    Args:
        offer: the record.
        secrets: the keys of its events, `ERASED_KEY` in the place of those that are gone.
    """
    prefix, count = offer.first_key[4:8], int.from_bytes(offer.first_key[8:])
    at = 0
    for parcel in offer.parcels:
        middle, end = at + KEY_BYTES, at + KEYS_BYTES
        key, private_key = secrets[at:middle], secrets[middle:end]
        if parcel.contents is not None:
            yield _kept(parcel.contents, key, private_key)
        else:
            nonce = prefix + (count & _COUNTED).to_bytes(8)
            of_body, of_private = parcel.closed
            body, body_nonce = _opened(of_body, key, nonce, parcel.sealed)
            private, private_nonce = _opened(of_private, private_key, nonce, parcel.sealed)
            yield body, body_nonce, private, private_nonce
        at, count = end, count + 1


def _kept(contents: Contents, key: bytes, private_key: bytes) -> Contents:
    """Leave of contents that are open what has its key still."""
    body, body_nonce, private, private_nonce = contents
    if key == ERASED_KEY:
        body = body_nonce = None
    if private_key == ERASED_KEY:
        private = private_nonce = None
    return body, body_nonce, private, private_nonce


def _opened(
    closed: bytes, key: bytes, nonce: bytes, envelope: bytes
) -> tuple[bytes | None, bytes | None]:
    if not closed or key == ERASED_KEY:
        return None, None
    try:
        plain = AESGCM(key).decrypt(nonce, closed, envelope)
    except (InvalidTag, ValueError):
        return None, None
    return (plain[NONCE:], plain[:NONCE]) if len(plain) >= NONCE else (None, None)
