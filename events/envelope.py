"""The envelope: what the log vouches for about an event, as the bytes that are hashed.

Canonical JSON with the fields `body, cause, correlation, filed_by, id, kind, occurred, position,
private, recorded_at, schema, story, v, version`; `cause` and `correlation` only where there is
one. `body` and `private` are commitments, HMAC-SHA256(nonce, label ‖ 0x00 ‖ bytes) in
hexadecimal, so that bytes and nonce can be erased and every proof still holds. For the same
reason no free text is in the envelope: `occurred` keeps its dates and leaves its words in the
body. `private` is always committed to, also when there is none: whether an event has
confidential sources is itself confidential.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from operator import attrgetter
from typing import Any, Final, NamedTuple

import orjson

from events.codec import canonical, decode, encode, encode_private
from events.developments import Development
from events.errors import Refused
from events.filing import Occurred, Private
from events.vocabulary import SCHEMAS, Happening

__all__ = [
    "Entropy",
    "Filed",
    "Prepared",
    "Recorded",
    "Sealed",
    "commit",
    "instant",
    "prepare",
    "prepare_batch",
    "seal",
]

ENVELOPE_VERSION = 1
NONCE = 32  # bytes of the HMAC key; RFC 2104 section 3 asks for at least the hash's length
EVENT_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_ACTOR: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,79}")
SLUG: Final = re.compile(r"[a-z0-9-]{1,80}")

Entropy = Callable[[int], bytes]
"""Gives that many unguessable bytes; `events.entropy.drawn` outside tests."""


class Filed(NamedTuple):
    """A development on its way into the log.

    `id` is a UUIDv7 (RFC 9562) in lower case, the idempotency key; `filed_by` names who files;
    `cause` is the id of the event that brought this one about; `correlation` ties together all
    that came of one request.
    """

    id: str
    filed_by: str
    development: Development
    private: Private | None = None
    cause: str | None = None
    correlation: str | None = None


class Prepared(NamedTuple):
    """An event encoded and committed to, lacking only what the log assigns.

    `contents` are `body`, `body_nonce`, `private` and `private_nonce` of `Sealed`.
    """

    id: bytes
    kind: str
    schema: int
    before_position: bytes
    before_time: bytes
    before_version: bytes
    contents: tuple[bytes, bytes, bytes, bytes]

    @property
    def body(self) -> bytes:
        """The canonical bytes of the development."""
        return self.contents[0]

    @property
    def private(self) -> bytes:
        """The canonical bytes of the private part; empty when there is none."""
        return self.contents[2]


class Sealed(NamedTuple):
    """An event as it is stored, with what an auditor needs to check it. Never leaves the desk."""

    position: int
    story: str
    version: int
    id: bytes
    kind: str
    schema: int
    recorded_ms: int
    envelope: bytes
    body: bytes | None
    body_nonce: bytes | None
    private: bytes | None
    private_nonce: bytes | None


class Recorded(NamedTuple):
    """An event as readers of the log get it: where it stands, when it was recorded, what it says.

    `position` is its place in the log, `version` its place in its story, both from 1;
    `recorded_ms` is milliseconds since 1970 UTC and never goes back from event to event.
    """

    position: int
    story: str
    version: int
    recorded_ms: int
    envelope: bytes
    development: Happening

    @property
    def recorded_at(self) -> str:
        """`recorded_ms` as RFC 3339 in UTC."""
        return instant(self.recorded_ms)

    @property
    def provenance(self) -> dict[str, Any]:
        """The envelope as a JSON object: `id`, `filed_by`, `cause`, commitments and the rest."""
        found: dict[str, Any] = orjson.loads(self.envelope)
        return found


@lru_cache(maxsize=64)  # the events of a commit share their time, and one event asks often
def instant(milliseconds: int) -> str:
    """Write milliseconds since 1970 as RFC 3339 in UTC with three decimals."""
    seconds, thousandths = divmod(milliseconds, 1000)
    return f"{_second(seconds)}.{thousandths:03d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


# All of `Occurred` but its words.
_DATES: Final = tuple(name for name in sorted(Occurred.model_fields) if name != "text")
_dates_of: Final = attrgetter(*_DATES)
_is_event_id: Final = EVENT_ID.fullmatch
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))
# A key of 32 bytes is filled up with zeros to the hash's block of 64; this is what they become.
_INNER_REST: Final = b"\x36" * 32
_OUTER_REST: Final = b"\x5c" * 32
_INNER_BODY: Final = _INNER_REST + b"body\x00"
_INNER_PRIVATE: Final = _INNER_REST + b"private\x00"


def commit(nonce: bytes, label: bytes, content: bytes) -> str:
    """Commit to bytes: HMAC-SHA256 (RFC 2104) under a 32-byte nonce, in hexadecimal.

    Written out because the library's takes twice as long, once for each of a million events;
    a test holds the two against each other.
    """
    inner = sha256(nonce.translate(_INNER) + _INNER_REST + label + b"\x00" + content).digest()
    return sha256(nonce.translate(_OUTER) + _OUTER_REST + inner).hexdigest()


def prepare(story: str, filed: Filed, entropy: Entropy) -> Prepared:
    """Do for one event what `prepare_batch` does for many."""
    return prepare_batch(story, (filed,), entropy)[0]


def prepare_batch(story: str, batch: Sequence[Filed], entropy: Entropy) -> list[Prepared]:
    """Encode and commit, as far as it goes without knowing the places in the log.

    Args:
        story: slug of the stream.
        batch: the events.
        entropy: source of the nonces, two of 32 bytes for each event.

    Raises:
        Refused: story, id, cause, correlation or `filed_by` are not of their form.
    """
    if not SLUG.fullmatch(story):
        raise Refused("story-slug", "story", "1 to 80 of a-z, 0-9 and -", repr(story))
    nonces = entropy(2 * NONCE * len(batch))
    # The steps of `commit`, with the keys of the whole batch made in one go.
    inner, outer = nonces.translate(_INNER), nonces.translate(_OUTER)
    start, prepared = 0, list[Prepared]()
    make = tuple.__new__  # the class's own takes twice as long
    for event_id, filed_by, development, private, cause, correlation in batch:
        middle, end = start + NONCE, start + 2 * NONCE
        kind = development.kind
        body = encode(development)
        hidden = b"" if private is None else encode_private(private)
        of_body = sha256(inner[start:middle] + _INNER_BODY + body).digest()
        of_private = sha256(inner[middle:end] + _INNER_PRIVATE + hidden).digest()
        to_body = sha256(outer[start:middle] + _OUTER_REST + of_body).hexdigest()
        to_private = sha256(outer[middle:end] + _OUTER_REST + of_private).hexdigest()
        if not _is_event_id(event_id):
            raise _no_event_id("id", event_id)
        by, dates = _by(filed_by), _dates(kind, *_dates_of(development.occurred))
        links = _links(cause, correlation) if cause or correlation else ""
        schema, before_version = _before_version(story, kind)
        event = (
            bytes.fromhex(event_id.replace("-", "")),
            kind,
            schema,
            f'{{"body":"{to_body}"{links}{by}{event_id}{dates}'.encode(),
            f',"private":"{to_private}","recorded_at":"'.encode(),
            before_version,
            (body, nonces[start:middle], hidden, nonces[middle:end]),
        )
        prepared.append(make(Prepared, event))
        start = end
    return prepared


@lru_cache(maxsize=1024)
def _by(filed_by: str) -> str:
    if not _ACTOR.fullmatch(filed_by):
        raise Refused(
            "filed-by", "filed_by", "1 to 80 letters, digits or . _ : @ -", repr(filed_by)
        )
    return f',"filed_by":"{filed_by}","id":"'


def _links(cause: str | None, correlation: str | None) -> str:
    links = ""
    for name, event_id in (("cause", cause), ("correlation", correlation)):
        if event_id is not None:
            if not _is_event_id(event_id):
                raise _no_event_id(name, event_id)
            links = f'{links},"{name}":"{event_id}"'
    return links


@lru_cache(maxsize=1024)
def _before_version(story: str, kind: str) -> tuple[int, bytes]:
    schema = SCHEMAS[kind]
    return schema, (
        f'","schema":{schema},"story":"{story}","v":{ENVELOPE_VERSION},"version":'.encode()
    )


@lru_cache(maxsize=4096)
def _dates(kind: str, *dates: str | None) -> str:
    """Write a kind and an `Occurred` without its words; the events of a day share few of these."""
    named = zip(_DATES, dates, strict=True)
    occurred = canonical({name: date for name, date in named if date is not None}).decode()
    return f'","kind":"{kind}","occurred":{occurred},"position":'


def seal(prepared: Prepared, position: int, version: int, recorded_ms: int) -> bytes:
    """Give the envelope's canonical bytes, complete with what the log assigned."""
    return b"%b%d%b%b%b%d}" % (
        prepared.before_position,
        position,
        prepared.before_time,
        instant(recorded_ms).encode(),
        prepared.before_version,
        version,
    )


def recorded(sealed: Sealed) -> Recorded:
    """Give what readers get of a stored event."""
    return Recorded(
        sealed.position,
        sealed.story,
        sealed.version,
        sealed.recorded_ms,
        sealed.envelope,
        decode(sealed.kind, sealed.schema, sealed.body),
    )


def _no_event_id(field: str, text: str) -> Refused:
    return Refused("event-id", field, "a UUIDv7 in lower case", repr(text))
