"""A program that files without end, or a given number of times, and says what was acknowledged.

Run as `filing_process.py URL STORY COUNT [MODE]`; it prints `POSITION ID` for each event that the
log acknowledged, and `WRONG` for each that lost a race. MODE `unsynced` leaves out the sync of
each commit (a planted bug for the power cut); `race` files at the version it saw.
"""

import asyncio
import contextlib
import sys

import uuid_utils

from dateline import telemetry
from dateline.wiring import newsroom
from events.errors import DatelineError, Refused, WrongVersion
from events.log import Expect
from events.sqlite.log import SqliteLog
from producers.case import Actor
from producers.intake import Filing, take
from producers.publisher import Publisher


def filing(story: str, kind: str, number: int) -> Filing:
    content = {
        "story": story,
        "kind": kind,
        "id": str(uuid_utils.uuid7()),
        "headline": f"Drill number {number} of {story}",
        "body": "A drill. " * 20,
        "people": [f"person:p{number % 5}"],
    }
    return take(content | ({"title": story} if kind == "story-opened" else {}))


async def work(url: str, story: str, count: int, mode: str) -> None:
    async with newsroom(url) as room:
        if mode == "unsynced" and isinstance(room.log, SqliteLog):
            connection = room.log._writer._connection
            assert connection is not None
            connection.pragma("synchronous", "NORMAL")
        actor = Actor("desk:drill")
        if not (await room.publisher.desk(story)).version:
            with contextlib.suppress(Refused):  # another process opened it first
                await tell(room.publisher, filing(story, "story-opened", 0), actor, Expect.ANY)
        for number in range(1, count + 1):
            expected: int | Expect = Expect.ANY
            if mode == "race":
                expected = (await room.publisher.desk(story)).version
            await tell(room.publisher, filing(story, "quote-added", number), actor, expected)


async def tell(publisher: Publisher, what: Filing, actor: Actor, expected: int | Expect) -> None:
    try:
        receipt = await publisher.file(what, actor, expected)
    except WrongVersion:
        if isinstance(expected, Expect):
            raise
        print("WRONG", flush=True)  # noqa: T201 - the program's answer
    else:
        if not isinstance(expected, Expect) and receipt.version != expected + 1:
            print("MOVED", flush=True)  # noqa: T201 - the program's answer
        print(receipt.position, receipt.id, flush=True)  # noqa: T201 - the program's answer


def main(url: str, story: str, count: str, mode: str = "plain") -> int:
    telemetry.configure("error")
    try:
        asyncio.run(work(url, story, int(count), mode))
    except DatelineError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
