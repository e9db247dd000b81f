"""The log as everybody sees it: append, read, follow. One contract, kept by every adapter.

1. One total order: positions 1..n without holes, versions 1..n without holes in each story.
2. A batch lands whole or not at all.
3. Of all appends that expect the same version exactly one wins; the others get WrongVersion.
4. The same id with the same content gives the original positions, marked as a duplicate.
5. After any other failure it is unknown whether the append took place; the same ids may be
   sent again and can neither be lost nor doubled.
6. What was acknowledged stays, through a killed process and a power cut.
7. Events cannot be changed or removed, and no position is used twice.
8. Following goes from the past to the present without a seam.
9. Reading a million events takes no more memory than reading a thousand.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple, Protocol

from events.envelope import Filed, Prepared, Recorded, Sealed
from events.errors import IdReused, PartlyRepeated, Refused, WrongVersion

__all__ = [
    "ERASES",
    "Appended",
    "Clock",
    "Elsewhere",
    "Expect",
    "ExpectedVersion",
    "Head",
    "Leaf",
    "Log",
]

ERASES: Final = "redacted"
"""The kind of event whose recording erases contents; it is appended by itself."""

MOST_IN_A_BATCH = 10_000  # events in one append; bounds the writer's memory and the lock's hold

Clock = Callable[[], int]
"""Gives milliseconds since 1970 UTC."""


Elsewhere = Callable[[int, int], Iterator[Sealed]]
"""Gives the stored events past a position, up to and with another; it can be pickled."""


class Expect(Enum):
    """What an append may expect of its story instead of a version."""

    ANY = "any"
    MUST_EXIST = "must exist"
    MUST_NOT_EXIST = "must not exist"


ExpectedVersion = int | Expect


class Appended(NamedTuple):
    """Where the events of one append stand; `duplicate` when they had been there before."""

    positions: tuple[int, ...]
    versions: tuple[int, ...]
    duplicate: bool = False


class Head(NamedTuple):
    """How far the log goes: its size, the audit tree's root and the last `recorded_ms`."""

    size: int
    root: bytes
    recorded_ms: int


class Leaf(NamedTuple):
    """An event as the audit tree has it, with what tells an auditor whether to look closer."""

    position: int
    story: str
    kind: str
    envelope: bytes


class Log(Protocol):
    """The port that every adapter keeps; see the module's nine promises."""

    @property
    def url(self) -> str:
        """Where the log is, without secrets."""
        ...

    async def append(
        self, story: str, events: Sequence[Filed], expected: ExpectedVersion = Expect.ANY
    ) -> Appended:
        """Put events at the end of a story, all or none.

        Raises:
            WrongVersion: the story is elsewhere.
            IdReused, PartlyRepeated: an id is known with other content, or only some ids are.
            LogUnavailable: unknown whether it took place; safe to retry with the same ids.
        """
        ...

    def read(
        self, after: int = 0, *, upto: int | None = None, story: str | None = None
    ) -> AsyncIterator[Recorded]:
        """Give the events past position `after`, up to and with `upto`, in order."""
        ...

    def read_versions(self, story: str, after: int = 0) -> AsyncIterator[Recorded]:
        """Give a story's events past version `after`, in order."""
        ...

    def read_sealed(self, after: int = 0, *, upto: int | None = None) -> AsyncIterator[Sealed]:
        """Give the stored bytes, private parts and nonces included: for audits alone."""
        ...

    def reading_elsewhere(self) -> Elsewhere | None:
        """Give what reads the stored bytes in another process; None where only this one can."""
        ...

    def read_leaves(self, after: int, upto: int) -> AsyncIterator[Sequence[Leaf]]:
        """Give what the audit tree is made of, page by page: for who keeps up with a busy log."""
        ...

    async def grown(self, after: int) -> int:
        """Wait until the log holds events past `after`, and give its size."""
        ...

    async def head(self) -> Head:
        """Say how far the log goes."""
        ...

    async def find(self, ids: Sequence[str]) -> Mapping[str, Sealed]:
        """Give the stored events of these ids, leaving out the unknown."""
        ...

    async def check(self) -> None:
        """Hold that by which the log finds events against the events themselves.

        Raises:
            LogDamaged: an event would not be found, or another in its place.
        """
        ...

    async def remains(self) -> Mapping[int, bytes]:
        """Give what is left of bodies that were erased, by position, as readers are given it."""
        ...

    async def position_at(self, recorded_ms: int) -> int:
        """Give the last position recorded at or before a moment, 0 when there is none."""
        ...

    async def close(self) -> None:
        """Finish what was accepted and let go of everything; a closed log takes nothing."""
        ...


async def follow(log: Log, after: int = 0, *, story: str | None = None) -> AsyncIterator[Recorded]:
    """Give the events past `after`, then each new one as it is recorded, for ever."""
    while True:
        size = await log.grown(after)
        async for event in log.read(after, upto=size, story=story):
            yield event
        after = size


def check_batch(events: Sequence[Filed]) -> Sequence[Filed]:
    """Refuse a batch of a size that no append takes.

    Raises:
        Refused: it is empty or too large.
    """
    if not 1 <= len(events) <= MOST_IN_A_BATCH:
        raise Refused(
            "batch-size", "events", f"1 to {MOST_IN_A_BATCH} events in one append", str(len(events))
        )
    return events


def check_version(story: str, expected: ExpectedVersion, found: int) -> None:
    """Hold a story's version against what an append expects.

    Raises:
        WrongVersion: they differ.
    """
    if expected is Expect.ANY or expected == found:
        return
    if isinstance(expected, Expect):
        if (found > 0) is (expected is Expect.MUST_EXIST):
            return
        raise WrongVersion(story, expected.value, found)
    raise WrongVersion(story, expected, found)


def repeats(
    story: str, batch: Sequence[Prepared], known: Mapping[bytes, Sealed]
) -> Appended | None:
    """Recognise a batch that the log holds already.

    Args:
        story: the story that the batch is for.
        batch: what is to be appended.
        known: stored events by id, as far as ids of the batch are among them.

    Returns:
        The original places, or None when every id is new.

    Raises:
        IdReused: an id comes twice in the batch, or is known with other content.
        PartlyRepeated: some ids are known and some are not.
    """
    if len({event.id for event in batch}) < len(batch):
        raise IdReused(_twice(batch), "it twice in one batch")
    places = [known[event.id] for event in batch if event.id in known]
    if not places:
        return None
    for event in batch:
        stored = known.get(event.id)
        if stored is not None and not _same(story, event, stored):
            raise IdReused(_text(event.id), f"it at position {stored.position} with other content")
    if len(places) < len(batch):
        raise PartlyRepeated(story, len(places), len(batch))
    return Appended(
        tuple(place.position for place in places),
        tuple(place.version for place in places),
        duplicate=True,
    )


def _same(story: str, event: Prepared, stored: Sealed) -> bool:
    """Erased bytes cannot be compared; there the id speaks alone."""
    return (
        (stored.story, stored.kind, stored.schema) == (story, event.kind, event.schema)
        and (stored.body is None or stored.body == event.body)
        and (stored.private is None or stored.private == event.private)
    )


def _twice(batch: Sequence[Prepared]) -> str:
    seen: set[bytes] = set()
    return next(_text(e.id) for e in batch if e.id in seen or seen.add(e.id))  # type: ignore[func-returns-value]  # - set.add as a step of the search


def _text(event_id: bytes) -> str:
    found = event_id.hex()
    return f"{found[:8]}-{found[8:12]}-{found[12:16]}-{found[16:20]}-{found[20:]}"
