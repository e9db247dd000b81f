"""Whether the log still is what was written: every byte held against the audit tree."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, Self

import orjson

from events.codec import canonical
from events.envelope import Sealed, commit, instant
from events.errors import LogDamaged
from events.log import ERASES, Head, Log
from events.tree import Frontier

__all__ = ["Verified", "verify"]

TOLD_EVERY = 5_000  # events between two words of progress
TOGETHER = 512  # envelopes that go into the tree in one go

Progress = Callable[[int, int], None]
"""Called with the events verified and the events there are."""

Pause = Callable[[], Awaitable[None]]
"""Waited for every 5,000 events by whoever verifies beside other work."""


class Verified(NamedTuple):
    """What was proved: so many events, the tree's root, and how many have had contents erased."""

    events: int
    root: str
    stories: int
    erased: int


async def verify(
    log: Log,
    progress: Progress,
    kept: Mapping[int, bytes] | None = None,
    pause: Pause | None = None,
    redactions: list[tuple[int, str]] | None = None,
) -> Verified:
    """Read the whole log and prove it; memory grows with the number of stories alone.

    Args:
        log: the log.
        progress: told how far it is.
        kept: roots that the log had at earlier sizes, by size; it must still begin so.
        pause: waited for now and then.
        redactions: takes the position and story of each.

    Raises:
        LogDamaged: naming the first position at fault, 0 where that cannot be told.
    """
    checking = asyncio.create_task(log.check())
    try:
        run = _Run(log.url, kept or {}, [] if redactions is None else redactions)
        found = await _verify(log, run, progress, pause)
        await checking
    finally:
        checking.cancel()
    return found


async def _verify(log: Log, run: "_Run", progress: Progress, pause: Pause | None) -> Verified:
    head = await log.head()
    run.expect_kept(head.size)
    before = await _read_on(log, run, head, progress, pause)
    while before:
        # Words may be erased while the log is read: the redaction that says so is past its end.
        head = await log.head()
        now = await _read_on(log, run, head, progress, pause)
        for position in sorted(before & now.keys()):
            raise LogDamaged(log.url, position, *now[position])
        before = now
    progress(run.size, head.size)
    return Verified(run.size, run.root().hex(), len(run.versions), run.erased)


async def _read_on(
    log: Log, run: "_Run", head: Head, progress: Progress, pause: Pause | None
) -> "Doubts":
    """Read on up to a head, hold it against that, and give what only later events may explain."""
    async for event in log.read_sealed(run.size, upto=head.size):
        run.take(event)
        if run.size % TOLD_EVERY == 0:
            progress(run.size, head.size)
            if pause is not None:
                await pause()
    if run.size != head.size:
        raise LogDamaged(log.url, run.size + 1, f"{head.size} events", f"{run.size}")
    root = run.root()
    if root != head.root:
        raise LogDamaged(log.url, 0, f"tree root {head.root.hex()}", root.hex())
    if run.last_ms != head.recorded_ms:
        expected = f"the time of the last event, {_at(run.last_ms)}"
        raise LogDamaged(log.url, 0, expected, _at(head.recorded_ms))
    for (story, version), redaction in run.standing().items():
        run.take_again(await _again(log, story, version), redaction)
    return run.doubts(await log.remains())


async def _again(log: Log, story: str, version: int) -> Sealed:
    """Give an event as it is stored now; it was whole when it was read."""
    async for event in log.read_versions(story, version - 1):
        async for sealed in log.read_sealed(event.position - 1, upto=event.position):
            return sealed
    raise LogDamaged(log.url, 0, f"version {version} of {story}, which was there", "none")


Doubts = dict[int, tuple[str, str]]
"""By position, what was expected there and what was found."""


class Erasure(NamedTuple):
    """What a redaction erases of a version: its body but for what remains, and its private part."""

    version: int
    remains: bytes | None
    private: bool

    @classmethod
    def of(cls, stated: dict[str, Any]) -> Self:
        """Read it as the redaction has it."""
        remains = stated.get("remains")
        left = None if remains is None else remains.encode()
        return cls(stated["version"], left, bool(stated.get("private")))


class _Run:
    """One reading of the log, event by event."""

    def __init__(
        self, url: str, kept: Mapping[int, bytes], redactions: list[tuple[int, str]]
    ) -> None:
        self.size = 0
        self.versions: dict[str, int] = {}
        self.erased = 0
        self._url = url
        self._kept = kept
        self._redactions = redactions
        self.last_ms = 0
        self._missing: dict[tuple[str, int, str], int] = {}
        self._said: dict[int, bytes] = {}  # what is left of erased bodies, by position
        self._excused: set[tuple[str, int]] = set()  # whose private part may be missing
        self._standing: dict[tuple[str, int], tuple[int, Erasure]] = {}
        self._tree = Frontier()
        self._leaves: list[bytes] = []  # not in the tree yet: many at a time cost less

    def expect_kept(self, size: int) -> None:
        """Refuse a log that is shorter than one that was known before."""
        known = max(self._kept, default=0)
        if known > size:
            expected = f"{known} events, as were there before"
            raise LogDamaged(self._url, size + 1, expected, f"{size}")

    def take(self, event: Sealed) -> None:
        """Hold one event against what is known of those before it."""
        size = self.size + 1
        if event.position != size:
            raise LogDamaged(self._url, size, "an event", f"position {event.position}")
        version = self.versions.get(event.story, 0) + 1
        if not (event.recorded_ms >= self.last_ms and _is_sound(event, version)):
            _check(self._url, event, version, self.last_ms)
            self._note_missing(event)
        self.versions[event.story] = version
        self.last_ms = event.recorded_ms
        self.size = size
        if event.kind == ERASES:
            self._redactions.append((event.position, event.story))
            if event.body is not None:
                self._note_erased(event, event.body)
        self._leaves.append(event.envelope)
        if size in self._kept:
            self._hold_against(self._kept[size])
        elif len(self._leaves) == TOGETHER:
            self.root()

    def _note_missing(self, event: Sealed) -> None:
        self.erased += event.body is None or event.private is None
        place = (event.story, event.version)
        if event.body is None:
            self._missing[*place, "body"] = event.position
        if event.private is None:
            self._missing[*place, "private"] = event.position

    def _note_erased(self, event: Sealed, redaction: bytes) -> None:
        """Contents are missing where a later event of the story says that they were erased."""
        try:
            erasures = [Erasure.of(each) for each in orjson.loads(redaction).get("erases", ())]
        except (AttributeError, KeyError, TypeError, ValueError):
            expected = "a redaction that says what it erases"
            raise LogDamaged(self._url, event.position, expected, "another") from None
        for erasure in erasures:
            place = (event.story, erasure.version)
            if erasure.remains is None:
                continue
            self._excused.add(place)  # some logs keep both parts under one key
            if (*place, "body") in self._missing:
                self._said[self._missing[*place, "body"]] = erasure.remains
            if self._stands(place, erasure):
                self._standing[place] = (event.position, erasure)

    def _stands(self, place: tuple[str, int], erasure: "Erasure") -> bool:
        gone = [(*place, part) in self._missing for part in ("body", "private")]
        return not (gone[0] and (gone[1] or not erasure.private))

    def standing(self) -> "dict[tuple[str, int], tuple[int, Erasure]]":
        """Give what was whole when it was read though a redaction that was read says otherwise.

        Each is given once, by story and version, with the redaction's position and what it erases.
        """
        found, self._standing = self._standing, {}
        return found

    def take_again(self, event: Sealed, redaction: "tuple[int, Erasure]") -> None:
        """Hold an event against the redaction of it: by now what it erases is gone."""
        position, erasure = redaction
        if event.body is not None or (erasure.private and event.private is not None):
            expected = f"nothing of what the event at position {position} erased"
            raise LogDamaged(self._url, event.position, expected, "it, put back")
        place = (event.story, event.version)
        if not any((*place, part) in self._missing for part in ("body", "private")):
            self.erased += 1
        self._missing[*place, "body"] = event.position
        if erasure.remains is not None:
            self._said[event.position] = erasure.remains
        if event.private is None:
            self._missing[*place, "private"] = event.position

    def doubts(self, remains: Mapping[int, bytes]) -> "Doubts":
        """Hold what is missing, and what readers are given of it, against the redactions.

        Gives by position what was expected and found instead.
        """
        found: Doubts = {}
        for position in {*remains, *self._said}:
            if remains.get(position) != self._said.get(position):
                found[position] = ("what the redaction left of its body", "something else")
        for (*place, part), position in self._missing.items():
            excused = position in self._said if part == "body" else tuple(place) in self._excused
            if not excused:
                found[position] = (f"its {part}, or an event that redacted it", "neither")
        return found

    def root(self) -> bytes:
        """Give the root over all that was taken."""
        self._tree.extend(self._leaves)
        self._leaves.clear()
        return self._tree.root

    def _hold_against(self, kept: bytes) -> None:
        root = self.root()
        if root != kept:
            expected = f"root {kept.hex()} over the first {self.size} events"
            raise LogDamaged(self._url, 0, expected, root.hex())


_ID = b"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# What stands between the commitment to the body and the id, and between the id and the position.
_BEFORE_ID: Final = re.compile(
    b'(?:,"cause":"%b")?(?:,"correlation":"%b")?,"filed_by":"[A-Za-z0-9._:@-]+","id":"' % (_ID, _ID)
)
_AFTER_ID: Final = re.compile(b'","kind":"([a-z-]+)","occurred":({[^\\\\]*})')
_DASHES = slice(8, 24, 5)  # where a UUID has them, every other place being a digit


def _is_sound(event: Sealed, version: int) -> bool:
    """Whether an event is exactly as the log writes one; what is not is looked at by `_check`.

    The envelope is put together again from the columns and the contents rather than taken apart,
    which proves the same at half the cost.
    """
    position, story, found, event_id, kind, schema, ms, envelope, body, key, private, key_2 = event
    if body is None or key is None or private is None or key_2 is None or found != version:
        return False
    opening = b'{"body":"%b"' % commit(key, b"body", body).encode()
    ending = (
        f',"position":{position},"private":"{commit(key_2, b"private", private)}",'
        f'"recorded_at":"{_at(ms)}","schema":{schema},"story":"{story}","v":1,'
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
def _at(recorded_ms: int) -> str:
    """Give a moment as envelopes have it; one that no calendar has, in milliseconds."""
    try:
        return instant(recorded_ms)
    except (OSError, OverflowError, ValueError):
        return f"{recorded_ms} ms"


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


def _check(url: str, event: Sealed, version: int, last_ms: int) -> None:
    """Hold one stored event against its envelope, its commitments and its place."""
    try:
        envelope: dict[str, Any] = orjson.loads(event.envelope)
        exact = canonical(envelope) == event.envelope
    except (orjson.JSONDecodeError, UnicodeDecodeError):
        raise LogDamaged(url, event.position, "an envelope in JSON", "other bytes") from None
    if not isinstance(envelope, dict):
        raise LogDamaged(url, event.position, "an envelope: a JSON object", "another value")
    if not exact:
        raise LogDamaged(url, event.position, "an envelope in canonical JSON", "other bytes")
    stored = {
        "position": event.position,
        "story": event.story,
        "version": event.version,
        "kind": event.kind,
        "schema": event.schema,
        "recorded_at": _at(event.recorded_ms),
        "id": _uuid(event.id),
    }
    for name, value in stored.items():
        if envelope.get(name) != value:
            raise LogDamaged(url, event.position, f"{name} {envelope.get(name)}", str(value))
    if event.version != version:
        raise LogDamaged(url, event.position, f"version {version}", f"version {event.version}")
    if event.recorded_ms < last_ms:
        expected = f"a time not before {_at(last_ms)}"
        raise LogDamaged(url, event.position, expected, _at(event.recorded_ms))
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
