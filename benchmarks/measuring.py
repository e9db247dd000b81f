"""How a measurement is made: runs that alternate, medians, ratios held against a target.

The machine is shared with whatever else it does, so a single run means little. In each round
every contender runs once, one after the other and each on a new file in the same folder; the
ratio of two contenders is taken within a round, where both saw the same weather, and the median
over the rounds is what counts.
"""

import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

__all__ = ["Effort", "Finding", "Stopwatch", "alternate", "best", "fresh_folder", "ratio"]

MICROSECONDS: Final = 1_000_000


class Effort(NamedTuple):
    """How much is measured: `share` of the events, in `rounds` rounds."""

    share: float
    rounds: int

    def events(self, count: int) -> int:
        """Scale a number of events, to whole hundreds."""
        return max(100, int(count * self.share) // 100 * 100)


class Finding(NamedTuple):
    """One figure, and its target where there is one.

    `at_most` tells a bound from a goal: the first is kept below, the second is reached.
    """

    benchmark: str
    what: str
    figure: float
    unit: str
    target: float | None = None
    at_most: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether the target was met; None for a figure that has none."""
        if self.target is None:
            return None
        return self.figure < self.target if self.at_most else self.figure >= self.target


class Stopwatch:
    """Time spent within `running`, garbage of earlier contenders cleared away before."""

    seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time within."""
        gc.collect()
        start = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - start


Contender = Callable[[Path, Stopwatch], object]
"""Does the whole work in an empty folder; only what it runs under the stopwatch counts."""

Times = Mapping[str, Sequence[float]]
"""Seconds of each contender, round by round."""


def alternate(contenders: Mapping[str, Contender], rounds: int) -> Times:
    """Run every contender once in each round; a first round warms up and is forgotten."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, contender in contenders.items():
            stopwatch = Stopwatch()
            with fresh_folder() as folder:
                contender(folder, stopwatch)
            if number > 0:
                times[name].append(stopwatch.seconds)
    return times


def ratio(times: Times, ours: str, theirs: str, weight: float = 1.0) -> float:
    """Say how many times as fast ours is, by the median of the rounds.

    Args:
        times: what `alternate` measured.
        ours: the contender in question.
        theirs: the contender it is held against.
        weight: events that ours handled for each of theirs.
    """
    rounds = zip(times[ours], times[theirs], strict=True)
    return median(weight * other / own for own, other in rounds)


def best(times: Times, names: Sequence[str]) -> str:
    """Give the fastest of some contenders."""
    return min(names, key=lambda name: median(times[name]))


def costs(benchmark: str, times: Times, events: Mapping[str, int]) -> list[Finding]:
    """Give what an event costs each contender, for information."""
    return [
        Finding(benchmark, name, median(taken) / events[name] * MICROSECONDS, "µs/event")
        for name, taken in times.items()
    ]


@contextmanager
def fresh_folder() -> Iterator[Path]:
    """Give an empty folder where temporary files go, which TMPDIR chooses."""
    with tempfile.TemporaryDirectory(prefix="dateline-bench-") as folder:
        yield Path(folder)
