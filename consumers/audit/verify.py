"""Whether the log still is what was written: every byte held against the audit tree."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from events.codec import canonical
from events.envelope import Sealed, commit, instant
from events.errors import LogDamaged
from events.log import ERASES, Log
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
) -> Verified:
    """Read the whole log and prove it; memory grows with the number of stories alone.

    Args:
        log: the log.
        progress: told how far it is.
        kept: roots that the log had at earlier sizes, by size; it must still begin so.
        pause: waited for now and then.

    Raises:
        LogDamaged: naming the first position at fault, 0 where that cannot be told.
    """
    checking = asyncio.create_task(log.check())
    try:
        found = await _verify(log, progress, kept or {}, pause)
        await checking
    finally:
        checking.cancel()
    return found


async def _verify(
    log: Log, progress: Progress, kept: Mapping[int, bytes], pause: Pause | None
) -> Verified:
    head = await log.head()
    run = _Run(log.url, kept)
    if kept and max(kept) > head.size:
        raise LogDamaged(
            log.url, head.size + 1, f"{max(kept)} events, as were there before", f"{head.size}"
        )
    async for event in log.read_sealed(upto=head.size):
        run.take(event)
        if run.size % TOLD_EVERY == 0:
            progress(run.size, head.size)
            if pause is not None:
                await pause()
    root = run.root()
    if run.size != head.size:
        raise LogDamaged(log.url, run.size + 1, f"{head.size} events", f"{run.size}")
    # Read before the head: what was appended meanwhile stands in the tree by then.
    beyond = [event.position async for event in log.read_sealed(head.size, upto=head.size + 1)]
    if beyond and (await log.head()).size < beyond[0]:
        raise LogDamaged(log.url, beyond[0], "no event past the tree", "one")
    if root != head.root:
        raise LogDamaged(log.url, 0, f"tree root {head.root.hex()}", root.hex())
    if run.last_ms != head.recorded_ms:
        last = instant(run.last_ms)
        raise LogDamaged(
            log.url, 0, f"the time of the last event, {last}", instant(head.recorded_ms)
        )
    run.hold_remains(await log.remains())
    progress(run.size, head.size)
    return Verified(run.size, root.hex(), len(run.versions), run.erased)


class _Run:
    """One reading of the log, event by event."""

    def __init__(self, url: str, kept: Mapping[int, bytes]) -> None:
        self.size = 0
        self.versions: dict[str, int] = {}
        self.erased = 0
        self._url = url
        self._kept = kept
        self.last_ms = 0
        self._missing: dict[tuple[str, int, str], int] = {}
        self._said: dict[int, bytes] = {}  # what is left of erased bodies, by position
        self._tree = Frontier()
        self._leaves: list[bytes] = []  # not in the tree yet: many at a time cost less

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
        if event.kind == ERASES and event.body is not None:
            self._note_erased(event.story, event.body)
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

    def _note_erased(self, story: str, redaction: bytes) -> None:
        """Contents may be missing where a later event of the story says that they were erased."""
        for erasure in orjson.loads(redaction).get("erases", ()):
            body, private = ((story, erasure["version"], part) for part in ("body", "private"))
            if "remains" in erasure and body in self._missing:
                self._said[self._missing[body]] = erasure["remains"].encode()
                self._missing.pop(private, None)  # some logs keep both under one key

    def hold_remains(self, remains: Mapping[int, bytes]) -> None:
        """Hold what is missing, and what readers are given of it, against the redactions."""
        for (_, _, part), position in sorted(self._missing.items(), key=lambda each: each[1]):
            if position not in self._said:
                expected = f"its {part}, or an event that redacted it"
                raise LogDamaged(self._url, position, expected, "neither")
        for position in sorted({*remains, *self._said}):
            if remains.get(position) != self._said.get(position):
                expected = "what the redaction left of its body"
                raise LogDamaged(self._url, position, expected, "something else")

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


_at: Final = lru_cache(maxsize=64)(instant)  # a commit's events share their time


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
    if not exact:
        raise LogDamaged(url, event.position, "an envelope in canonical JSON", "other bytes")
    stored = {
        "position": event.position,
        "story": event.story,
        "version": event.version,
        "kind": event.kind,
        "schema": event.schema,
        "recorded_at": instant(event.recorded_ms),
        "id": _uuid(event.id),
    }
    for name, value in stored.items():
        if envelope.get(name) != value:
            raise LogDamaged(url, event.position, f"{name} {envelope.get(name)}", str(value))
    if event.version != version:
        raise LogDamaged(url, event.position, f"version {version}", f"version {event.version}")
    if event.recorded_ms < last_ms:
        raise LogDamaged(
            url, event.position, f"a time not before {instant(last_ms)}", instant(event.recorded_ms)
        )
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
