"""The demonstration: one real story filed, watched, looked back at, corrected and verified."""

import asyncio
import tempfile
from importlib import resources
from pathlib import Path
from typing import Final

import orjson

from consumers.audit import verify
from consumers.moments import as_of
from dateline import printing
from dateline.outcomes import DONE
from dateline.wiring import Newsroom, newsroom
from events.log import follow
from producers.case import Actor
from producers.importing import Import
from producers.intake import take

__all__ = ["play"]

STORY: Final = "us-russia-ukraine-children"
EARLIER: Final = 10  # a position in the middle, before the figures were told apart


async def play() -> int:
    """Play the demonstration on a log of its own, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="dateline-demo-") as folder:
        async with newsroom(f"sqlite:///{folder}/demo.db") as room:
            await _file_story(room)
            _heading("The story now")
            printing.show_state(orjson.loads(await room.state(STORY)))
            _heading(f"The story as it was known at position {EARLIER}")
            earlier = await as_of(room.log, STORY, EARLIER)
            printing.show_state(orjson.loads(earlier or b"{}"))
            await _correct(room)
            _heading("The record")
            proved = await verify(room.log, lambda _done, _total: None)
            printing.line(
                f"{proved.events} events are as they were recorded; tree root {proved.root}"
            )
    return DONE


async def _file_story(room: Newsroom) -> None:
    """Import the story while a second reader follows the log."""
    _heading(f"Filing {STORY}: one day's real story, 26 developments")
    lines = _sample().splitlines()
    follower = asyncio.create_task(_watch(room, len(lines)))
    run = Import(room.log, room.publisher, Actor("desk:demo"), room.clock, _quiet)
    done = await run.run(lines)
    await follower
    printing.line(f"{done.appended} developments filed")


async def _watch(room: Newsroom, count: int) -> None:
    async for event in follow(room.log):
        printing.show_event(event)
        if event.position == count:
            return


async def _correct(room: Newsroom) -> None:
    _heading("A drill: the desk corrects a figure")
    filing = {
        "story": STORY,
        "kind": "corrected",
        "target": "F2",
        "field": "words",
        "old": "more than three years",
        "new": "more than three and a half years",
        "note": "DRILL: shows a correction, says nothing about the news",
    }
    receipt = await room.publisher.file(take(filing), Actor("desk:demo"))
    state = orjson.loads(await room.state(STORY))
    item = next(item for item in state["timeline"] if item["corrected"])
    printing.line(f"{receipt.ref} at position {receipt.position}: {item['ref']} is now labelled")
    for correction in item["corrections"]:
        printing.line(
            f"  {correction['target']}.{correction['field']}: "
            f"{correction['old']} → {correction['new']} ({correction['note']})"
        )


def _heading(text: str) -> None:
    printing.line()
    printing.line(text, "bold")


def _quiet(_step: str, _done: int, _total: int) -> None:
    """The follower shows what happens; progress beside it would be noise."""


def _sample() -> bytes:
    """Give the sample story: shipped with the package, or beside it in a checkout."""
    shipped = resources.files("dateline") / "sample.jsonl"
    if shipped.is_file():
        return shipped.read_bytes()
    return (Path(__file__).parents[1] / "examples" / "developments.jsonl").read_bytes()
