"""A stretch of the log held against itself: what needs no knowledge of the events before it.

Wherever it begins, an event's contents, envelope and place can be proved, and so can that versions
and times go on from one event to the next. What remains, a `Stretch` tells whoever puts the
stretches together: how it begins, how it ends, its part of the tree, and each event that is not
just as the log writes one.
"""

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any, Final, NamedTuple, Self

import orjson

from events.codec import canonical
from events.envelope import SLUG, Sealed, commit, instant
from events.errors import LogDamaged
from events.log import ERASES
from events.tree import Frontier

__all__ = ["Aside", "Stretch", "check_event", "moment", "stretch_end"]

LEAVES = 512  # envelopes that go into the tree in one go


class Aside(NamedTuple):
    """An event to be looked at, where it should stand in log and story, and the time before it."""

    event: Sealed
    position: int
    version: int
    last_ms: int


class Stretch:
    """So many events that follow each other, taken one by one.

    Args:
        after: the position before the first.
        upto: the position of the last.
        kept: sizes of the log within the stretch at which its tree is wanted.
    """

    def __init__(self, after: int, upto: int, kept: Collection[int] = ()) -> None:
        self.after = after
        self.upto = upto
        self.size = after
        self.tree = Frontier()
        self.trees: dict[int, Frontier] = {}  # at the sizes that are kept
        self.first_ms = self.last_ms = 0
        self.begins: dict[str, tuple[int, int]] = {}  # version and position, by story
        self.versions: dict[str, int] = {}
        self.aside: list[Aside] = []
        self._kept = frozenset(kept)
        self._leaves: list[bytes] = []  # not in the tree yet: many at a time cost less

    def take(self, event: Sealed) -> None:
        """Take the next event, and put it aside unless it is wholly as the log writes one."""
        story, last_ms, recorded_ms = event.story, self.last_ms, event.recorded_ms
        known = self.versions.get(story)
        if known is None:
            version = event.version
            self.begins[story] = (version, event.position)
        else:
            version = known + 1
        self.size += 1
        if self.size == self.after + 1:
            self.first_ms = last_ms = recorded_ms
        if (
            recorded_ms < last_ms
            or event.position != self.size
            or event.kind == ERASES
            or not _is_sound(event, version)
        ):
            self.aside.append(Aside(event, self.size, version, last_ms))
        self.versions[story] = version
        self.last_ms = recorded_ms
        self._leaves.append(event.envelope)
        if self.size in self._kept:
            self._grow()
            self.trees[self.size] = Frontier(self.tree.size, self.tree.hashes)
        elif len(self._leaves) == LEAVES:
            self._grow()

    def end(self) -> Self:
        """Give it as it is, its tree over all that was taken."""
        self._grow()
        return self

    def _grow(self) -> None:
        self.tree.extend(self._leaves)
        self._leaves.clear()


def stretch_end(after: int, most: int, end: int) -> int:
    """Say how far a stretch may go whose tree is to be joined to that of the events before it.

    Args:
        after: the position before its first.
        most: events that it has at most; a power of two.
        end: the last position there is.
    """
    aligned = after & -after or most
    return min(after + min(aligned, most), end)


_ID = b"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# What stands between the commitment to the body and the id, and between the id and the position.
_BEFORE_ID: Final = re.compile(
    b'(?:,"cause":"%b")?(?:,"correlation":"%b")?,"filed_by":"[A-Za-z0-9._:@-]+","id":"' % (_ID, _ID)
)
_AFTER_ID: Final = re.compile(b'","kind":"([a-z-]+)","occurred":({[^\\\\]*})')
_DASHES = slice(8, 24, 5)  # where a UUID has them, every other place being a digit


def _is_sound(event: Sealed, version: int) -> bool:
    """Whether an event is exactly as the log writes one; what is not is looked at by `check_event`.

    The envelope is put together again from the columns and the contents rather than taken apart,
    which proves the same at half the cost.
    """
    position, story, found, event_id, kind, schema, ms, envelope, body, key, private, key_2 = event
    if body is None or key is None or private is None or key_2 is None or found != version:
        return False
    if not _is_slug(story):
        return False
    opening = b'{"body":"%b"' % commit(key, b"body", body).encode()
    ending = (
        f',"position":{position},"private":"{commit(key_2, b"private", private)}",'
        f'"recorded_at":"{moment(ms)}","schema":{schema},"story":"{story}","v":1,'
        f'"version":{version}}}'
    ).encode()
    at = envelope.find(b'"id":"', len(opening)) + 6
    text = envelope[at : at + 36]
    return (
        envelope.startswith(opening)
        and envelope.endswith(ending)
        and text.replace(b"-", b"") == event_id.hex().encode()
        and text[_DASHES] == b"----"
        and _begins_well(envelope[len(opening) : at])
        and _goes_on_well(envelope[at + 36 : -len(ending)], kind)
    )


@lru_cache(maxsize=64)  # a commit's events share their time
def moment(recorded_ms: int) -> str:
    """Give a moment as envelopes have it; one that no calendar has, in milliseconds."""
    try:
        return instant(recorded_ms)
    except (OSError, OverflowError, ValueError):
        return f"{recorded_ms} ms"


@lru_cache(maxsize=4_096)
def _is_slug(story: str) -> bool:
    """Whether it is one that may be written into JSON as it is."""
    return SLUG.fullmatch(story) is not None


@lru_cache(maxsize=4_096)
def _begins_well(text: bytes) -> bool:
    """Whether what stands before the id may stand there; few filers share many events."""
    return _BEFORE_ID.fullmatch(text) is not None


@lru_cache(maxsize=4_096)
def _goes_on_well(text: bytes, kind: str) -> bool:
    """Whether kind and dates may stand behind the id; the events of a day share few of these."""
    found = _AFTER_ID.fullmatch(text)
    if found is None or found[1] != kind.encode():
        return False
    try:
        return canonical(orjson.loads(found[2])) == found[2]
    except (orjson.JSONDecodeError, UnicodeDecodeError):
        return False


def check_event(url: str, event: Sealed, version: int, last_ms: int) -> None:
    """Hold one stored event against its envelope, its commitments and its place.

    Raises:
        LogDamaged: it is not what was recorded.
    """
    try:
        envelope: dict[str, Any] = orjson.loads(event.envelope)
        exact = canonical(envelope) == event.envelope
    except (orjson.JSONDecodeError, UnicodeDecodeError):
        raise LogDamaged(url, event.position, "an envelope in JSON", "other bytes") from None
    if not isinstance(envelope, dict):
        raise LogDamaged(url, event.position, "an envelope: a JSON object", "another value")
    if not exact:
        raise LogDamaged(url, event.position, "an envelope in canonical JSON", "other bytes")
    if not _is_slug(event.story):
        raise LogDamaged(url, event.position, "a story's slug", repr(event.story))
    stored = {
        "position": event.position,
        "story": event.story,
        "version": event.version,
        "kind": event.kind,
        "schema": event.schema,
        "recorded_at": moment(event.recorded_ms),
        "id": _uuid(event.id),
    }
    for name, value in stored.items():
        if envelope.get(name) != value:
            raise LogDamaged(url, event.position, f"{name} {envelope.get(name)}", str(value))
    if event.version != version:
        raise LogDamaged(url, event.position, f"version {version}", f"version {event.version}")
    if event.recorded_ms < last_ms:
        expected = f"a time not before {moment(last_ms)}"
        raise LogDamaged(url, event.position, expected, moment(event.recorded_ms))
    for label, nonce, content in (
        ("body", event.body_nonce, event.body),
        ("private", event.private_nonce, event.private),
    ):
        if content is None and nonce is None:
            continue
        if content is None or nonce is None:
            raise LogDamaged(
                url, event.position, f"the {label} with its nonce, or neither", "one of them"
            )
        if commit(nonce, label.encode(), content) != envelope.get(label):
            raise LogDamaged(url, event.position, f"the {label} that was committed to", "another")


def _uuid(event_id: bytes) -> str:
    text = event_id.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
