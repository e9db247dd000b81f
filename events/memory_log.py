"""The log in memory: for tests and for trying things out; it forgets everything when it closes."""

import asyncio
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Mapping, Sequence

import orjson

from events.entropy import drawn
from events.envelope import (
    Entropy,
    Filed,
    Prepared,
    Recorded,
    Sealed,
    prepare_batch,
    recorded,
    seal,
)
from events.errors import LogUnavailable
from events.log import (
    ERASES,
    Appended,
    Clock,
    Expect,
    ExpectedVersion,
    Head,
    Leaf,
    check_batch,
    check_version,
    repeats,
)
from events.tree import Frontier

__all__ = ["MemoryLog", "wall_clock"]


def wall_clock() -> int:
    """Give the time of day in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


class MemoryLog:
    """A log that keeps the contract of `events.log` but for surviving its process.

    Args:
        clock: time of recording.
        entropy: source of nonces.
    """

    url = "memory:"

    def __init__(self, clock: Clock = wall_clock, entropy: Entropy = drawn) -> None:
        self._clock = clock
        self._entropy = entropy
        self._events: list[Sealed] = []
        self._stories: dict[str, list[Sealed]] = {}
        self._ids: dict[bytes, Sealed] = {}
        self._tree = Frontier()
        self._remains: dict[int, bytes] = {}
        self._grown = asyncio.Event()
        self._closed = False

    async def append(
        self, story: str, events: Sequence[Filed], expected: ExpectedVersion = Expect.ANY
    ) -> Appended:
        """See `events.log.Log.append`."""
        self._check_open()
        batch = prepare_batch(story, check_batch(events), self._entropy)
        places = repeats(story, batch, self._known(batch))
        if places is not None:
            return places
        stream = self._stories.get(story, [])
        check_version(story, expected, len(stream))
        now = max(self._clock(), self._events[-1].recorded_ms if self._events else 0)
        sealed = [
            _stored(story, event, len(self._events) + n, len(stream) + n, now)
            for n, event in enumerate(batch, 1)
        ]
        self._events += sealed
        self._stories.setdefault(story, []).extend(sealed)
        self._ids.update((event.id, event) for event in sealed)
        self._tree.extend(event.envelope for event in sealed)
        for event in sealed:
            if event.kind == ERASES and event.body is not None:
                self._erase(event.story, event.body)
        self._grown.set()
        self._grown = asyncio.Event()
        return Appended(
            tuple(event.position for event in sealed), tuple(event.version for event in sealed)
        )

    async def read(
        self, after: int = 0, *, upto: int | None = None, story: str | None = None
    ) -> AsyncIterator[Recorded]:
        """See `events.log.Log.read`."""
        async for event in self.read_sealed(after, upto=upto):
            if story is None or event.story == story:
                yield self._told(event)

    async def read_versions(self, story: str, after: int = 0) -> AsyncIterator[Recorded]:
        """See `events.log.Log.read_versions`."""
        for event in self._stories.get(story, [])[after:]:
            yield self._told(event)

    async def read_sealed(
        self, after: int = 0, *, upto: int | None = None
    ) -> AsyncIterator[Sealed]:
        """See `events.log.Log.read_sealed`."""
        last = len(self._events) if upto is None else min(upto, len(self._events))
        for place in range(after, last):
            yield self._events[place]

    def reading_elsewhere(self) -> None:
        """See `events.log.Log.reading_elsewhere`: nobody else has this memory."""

    async def read_leaves(self, after: int, upto: int) -> AsyncIterator[Sequence[Leaf]]:
        """See `events.log.Log.read_leaves`."""
        yield [
            Leaf(event.position, event.story, event.kind, event.envelope)
            for event in self._events[after:upto]
        ]

    async def grown(self, after: int) -> int:
        """See `events.log.Log.grown`."""
        self._check_open()
        while len(self._events) <= after:
            await self._grown.wait()
            self._check_open()
        return len(self._events)

    async def head(self) -> Head:
        """See `events.log.Log.head`."""
        last = self._events[-1].recorded_ms if self._events else 0
        return Head(len(self._events), self._tree.root, last)

    async def find(self, ids: Sequence[str]) -> Mapping[str, Sealed]:
        """See `events.log.Log.find`."""
        keys = {event_id: bytes.fromhex(event_id.replace("-", "")) for event_id in ids}
        return {text: self._ids[key] for text, key in keys.items() if key in self._ids}

    async def check(self) -> None:
        """See `events.log.Log.check`; there is nothing between this log and its events."""

    async def remains(self) -> Mapping[int, bytes]:
        """See `events.log.Log.remains`."""
        return dict(self._remains)

    async def position_at(self, recorded_ms: int) -> int:
        """See `events.log.Log.position_at`."""
        return bisect_right(self._events, recorded_ms, key=lambda event: event.recorded_ms)

    async def close(self) -> None:
        """See `events.log.Log.close`."""
        self._closed = True
        self._grown.set()

    def _erase(self, story: str, body: bytes) -> None:
        """Erase what a redaction says; see `events.sqlite.erasure`."""
        stream = self._stories[story]
        for erasure in orjson.loads(body).get("erases", ()):
            event = stream[erasure["version"] - 1]
            if "remains" in erasure:
                self._remains[event.position] = erasure["remains"].encode()
                event = event._replace(body=None, body_nonce=None)
            if erasure.get("private"):
                event = event._replace(private=None, private_nonce=None)
            stream[event.version - 1] = event
            self._events[event.position - 1] = event
            self._ids[event.id] = event

    def _told(self, event: Sealed) -> Recorded:
        """Give an event to readers: of a body that was erased, what is left of it."""
        if event.body is None:
            event = event._replace(body=self._remains.get(event.position))
        return recorded(event)

    def _known(self, batch: Sequence[Prepared]) -> dict[bytes, Sealed]:
        return {event.id: self._ids[event.id] for event in batch if event.id in self._ids}

    def _check_open(self) -> None:
        if self._closed:
            raise LogUnavailable(self.url, "it is closed")


def _stored(story: str, event: Prepared, position: int, version: int, now: int) -> Sealed:
    return Sealed(
        position,
        story,
        version,
        event.id,
        event.kind,
        event.schema,
        now,
        seal(event, position, version, now),
        *event.contents,
    )
