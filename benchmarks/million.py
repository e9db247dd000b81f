"""Makes a log as a newsroom would have it after years: a million events in stories of all lengths.

How long stories get is taken from 5,199 live blogs: half of them have fewer than 49 posts, one in
twenty more than 153, the longest 1,418. A few dozen are live at any time, so that their events
stand mixed in the log. One story is far longer than any: 20,000 events.

`python -m benchmarks.million FILE EVENTS` makes one.
"""

import asyncio
import atexit
import random
import subprocess
import sys
import tempfile
from functools import cache
from itertools import count as count_up
from pathlib import Path
from typing import Final

import uuid_utils

from benchmarks.sample import development
from events.developments import (
    Development,
    FigureReported,
    QuoteAdded,
    ResponseAwaited,
    ResponseReceived,
    StoryOpened,
)
from events.envelope import Filed
from events.filing import Claim, Figure
from events.sqlite.log import SqliteLog

__all__ = ["LONGEST", "ORDINARY", "log_of"]

LONGEST, LONGEST_EVENTS = "the-longest-story", 20_000
ORDINARY = "story-000007"

# Posts in a live blog at each twentieth of all blogs, shortest to longest.
_POSTS: Final = (
    *(10, 20, 25, 28, 31, 33, 36, 39, 42, 45, 49, 53, 57, 62, 68, 74, 81, 93, 111, 153, 1_418),
)
_LIVE = 48  # stories that are live at the same time
_TOGETHER = 25  # events of one story that are filed together; an append


@cache
def log_of(events: int) -> Path:
    """Give a log of so many events, made once for each run of the benchmarks."""
    folder = tempfile.TemporaryDirectory(prefix="dateline-bench-")
    atexit.register(folder.cleanup)
    path = Path(folder.name) / "log.db"
    # In a process of its own, so that what it leaves in memory weighs on no measurement.
    subprocess.run([sys.executable, "-m", "benchmarks.million", path, str(events)], check=True)
    return path


async def _make(path: Path, events: int) -> None:
    chance = random.Random(events)  # noqa: S311 - every run gets the same stories
    log = SqliteLog(path)
    names = (f"story-{number:06d}" for number in count_up())
    live = {next(names): _length(chance) for _ in range(_LIVE)}
    live[LONGEST] = min(LONGEST_EVENTS, events // 10)
    versions = dict.fromkeys(live, 0)
    left = events
    while left > 0:
        appends = []
        for story, length in list(live.items()):
            size = min(_TOGETHER, length - versions[story], left)
            if size:
                batch = [_filed(versions[story] + number) for number in range(1, size + 1)]
                appends.append(log.append(story, batch, versions[story]))
            versions[story] += size
            left -= size
            if versions[story] == length:
                del live[story], versions[story]
                fresh = next(names)
                live[fresh], versions[fresh] = _length(chance), 0
        await asyncio.gather(*appends)
    await log.close()


def _length(chance: random.Random) -> int:
    """Draw a story's length: a twentieth of all blogs at random, and a place within it."""
    place = chance.random() * (len(_POSTS) - 1)
    lower = int(place)
    # The last twentieth holds few long ones; a straight line to the longest would make them many.
    part = (place - lower) ** (1 if lower < len(_POSTS) - 2 else 8)
    return int(_POSTS[lower] + part * (_POSTS[lower + 1] - _POSTS[lower]))


def _filed(version: int) -> Filed:
    return Filed(str(uuid_utils.uuid7()), "desk:benchmark", _development(version))


@cache
def _development(version: int) -> Development:
    """Give what stories have at a version; refs are a story's own, so stories can share it."""
    ref, headline = f"E{version}", f"What became known at step {version} of this story"
    match version % 10:
        case 1 if version == 1:
            return StoryOpened(ref=ref, headline=headline, title="A story of its day", urgency=3)
        case 3:
            return QuoteAdded(
                ref=ref,
                headline=headline,
                body="“We have heard nothing since the morning,” the mayor said.",
                claims=(Claim(ref=f"C{version}", text="nothing was heard since the morning"),),
            )
        case 5:
            figure = Figure(ref=f"F{version}", measure="people-evacuated", value=version)
            return FigureReported(ref=ref, headline=headline, figures=(figure,))
        case 7:
            return ResponseAwaited.model_validate(
                {
                    "ref": ref,
                    "headline": headline,
                    "response": {"ref": f"P{version}", "awaited_from": "org:ministry"},
                }
            )
        case 9:
            return ResponseReceived(ref=ref, headline=headline, resolves=f"P{version - 2}")
        case _:
            return development(version)


if __name__ == "__main__":
    asyncio.run(_make(Path(sys.argv[1]), int(sys.argv[2])))
