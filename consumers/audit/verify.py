"""Whether the log still is what was written: every byte held against the audit tree."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple, Self

import orjson

from consumers.audit.processes import read_at_once
from consumers.audit.stretch import Aside, Stretch, check_event, moment, stretch_end
from events.envelope import Sealed
from events.errors import LogDamaged
from events.log import ERASES, Head, Log
from events.tree import Frontier

__all__ = ["Verified", "verify"]

TOLD_EVERY = 5_000  # events between two words of progress
TOGETHER = 512  # events of a stretch, where one process reads; a power of two, for the tree

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
    if pause is None:
        reading = read_at_once(log, run.size, head.size, run.kept_within)
        async with aclosing(reading):
            async for read in reading:
                run.join(read)
                progress(run.size, head.size)
    stretch = run.begin(head.size)
    async for event in log.read_sealed(run.size, upto=head.size):
        stretch.take(event)
        if stretch.size == stretch.upto:
            run.join(stretch.end())
            stretch = run.begin(head.size)
        if event.position % TOLD_EVERY == 0:
            progress(run.size, head.size)
            if pause is not None:
                await pause()
    run.join(stretch.end())
    if run.size != head.size:
        raise LogDamaged(log.url, run.size + 1, f"{head.size} events", f"{run.size}")
    root = run.root()
    if root != head.root:
        raise LogDamaged(log.url, 0, f"tree root {head.root.hex()}", root.hex())
    if run.last_ms != head.recorded_ms:
        expected = f"the time of the last event, {moment(run.last_ms)}"
        raise LogDamaged(log.url, 0, expected, moment(head.recorded_ms))
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

    def expect_kept(self, size: int) -> None:
        """Refuse a log that is shorter than one that was known before.

        Raises:
            LogDamaged: it is shorter.
        """
        known = max(self._kept, default=0)
        if known > size:
            expected = f"{known} events, as were there before"
            raise LogDamaged(self._url, size + 1, expected, f"{size}")

    def begin(self, end: int) -> Stretch:
        """Begin to read on, as far as one tree goes."""
        upto = stretch_end(self.size, TOGETHER, end)
        return Stretch(self.size, upto, self.kept_within(self.size, upto))

    def kept_within(self, after: int, upto: int) -> list[int]:
        """Give the sizes at which a root was known before."""
        return [size for size in self._kept if after < size <= upto]

    def join(self, stretch: Stretch) -> None:
        """Hold a stretch against what is known of the events before it, and go on from its end.

        Raises:
            LogDamaged: the tree was another one at a size that was kept.
            ValueError: it does not begin there.
        """
        if stretch.after != self.size:
            raise ValueError(f"a stretch behind {stretch.after} does not begin at {self.size}")
        if stretch.size == self.size:
            return
        self._hold_against_before(stretch)
        self.versions.update(stretch.versions)
        for size, tree in stretch.trees.items():
            whole = self._tree.joined(tree)
            if whole.root != self._kept[size]:
                expected = f"root {self._kept[size].hex()} over the first {size} events"
                raise LogDamaged(self._url, 0, expected, whole.root.hex())
        self._tree = self._tree.joined(stretch.tree)
        self.last_ms = stretch.last_ms
        self.size = stretch.size

    def _hold_against_before(self, stretch: Stretch) -> None:
        """Look at what was put aside, and at where stories go on; the first at fault is told."""
        breaks = [
            (position, f"version {self.versions.get(story, 0) + 1}", f"version {version}")
            for story, (version, position) in stretch.begins.items()
            if version != self.versions.get(story, 0) + 1
        ]
        if stretch.first_ms < self.last_ms:
            expected = f"a time not before {moment(self.last_ms)}"
            breaks.append((stretch.after + 1, expected, moment(stretch.first_ms)))
        broken = min(breaks, default=None)
        for aside in stretch.aside:
            if broken is not None and broken[0] < aside.position:
                break
            self._look_at(aside)
        if broken is not None:
            raise LogDamaged(self._url, *broken)

    def _look_at(self, aside: Aside) -> None:
        event, position, version, last_ms = aside
        if event.position != position:
            raise LogDamaged(self._url, position, "an event", f"position {event.position}")
        check_event(self._url, event, version, last_ms)
        self._note_missing(event)
        if event.kind == ERASES:
            self._redactions.append((event.position, event.story))
            if event.body is not None:
                self._note_erased(event, event.body)

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
            if erasure.private:
                self._excused.add(place)
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
        """Hold an event against the redaction of it: by now what it erases is gone.

        Raises:
            LogDamaged: it is there again.
        """
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
        return self._tree.root
