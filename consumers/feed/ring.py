"""The newest updates in memory, encoded once for everybody who listens.

A listener is a number: that of the update it wants next. Nothing is queued for anybody, so a
thousand listeners cost what one costs, and one who lags behind the ring is found by its number.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable, Sequence
from typing import NamedTuple

from consumers.feed.updates import Update

__all__ = ["Frame", "Portion", "Ring"]

SIZE = 4_096  # updates kept; at the rate of a busy night, an hour


class Frame(NamedTuple):
    """An update with the bytes that go over the wire."""

    update: Update
    wire: bytes


class Portion(NamedTuple):
    """Frames from one number up to another, as one piece; `position` is that of the last."""

    start: int
    end: int
    position: int
    wire: bytes


class Ring:
    """The last `size` frames; numbers count on for ever.

    Args:
        after: the position past which every update will be published here.
        size: how many frames are kept.
    """

    def __init__(self, after: int = 0, size: int = SIZE) -> None:
        self._size = size
        self._after = after
        self._frames: list[Frame] = []
        self._first = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._joined = Portion(0, 0, 0, b"")

    @property
    def end(self) -> int:
        """The number that the next frame will have."""
        return self._first + len(self._frames)

    def publish(self, frames: Sequence[Frame]) -> None:
        """Add frames and wake everybody."""
        self._frames += frames
        # Cut in large pieces, seldom: each cut moves the rest.
        if len(self._frames) > 2 * self._size:
            dropped = len(self._frames) - self._size
            self._first += dropped
            self._after = self._frames[dropped - 1].update.position
            del self._frames[:dropped]
        self.wake()

    def forget(self) -> None:
        """Let go of all frames: what they told was taken back; the numbers count on."""
        if self._frames:
            self._after = self._frames[-1].update.position
            self._first += len(self._frames)
            self._frames = []

    def lags(self, number: int) -> bool:
        """Whether a listener at this number was too slow for the ring."""
        return self.end - number > self._size

    def wake(self) -> None:
        """Let everybody who waits look at the clock and the ring."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def holds(self, number: int) -> bool:
        """Whether a listener at this number has missed nothing."""
        return number >= self._first

    def frames(self, number: int) -> Sequence[Frame]:
        """Give the frames from a number on."""
        return self._frames[number - self._first :]

    def joined(self, number: int) -> Portion:
        """Give all from a number on; whoever asks for the same gets the same object."""
        last = self._joined
        if (last.start, last.end) != (number, self.end):
            frames = self.frames(number)
            wire = b"".join(frame.wire for frame in frames)
            position = frames[-1].update.position if frames else 0
            last = self._joined = Portion(number, self.end, position, wire)
        return last

    def number_after(self, position: int) -> int | None:
        """Give the number of the first frame past a position, None when it may be gone."""
        if position < self._after:
            return None
        return self._first + bisect_right(
            self._frames, position, key=lambda frame: frame.update.position
        )

    def wait(self) -> Awaitable[None]:
        """Wait until something is published, or until everybody is woken."""
        # One for each listener: shared, it would have to be shielded, which costs three times this.
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future
