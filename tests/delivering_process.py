"""A process that sends alerts and dies at one place: python delivering_process.py LOG PLACE NTH.

It ends by itself, with 0, once nothing is left to be sent.
"""

import asyncio
import os
import signal
import sys
from typing import Any

from asking import eventually

from consumers.delivery.channels.webhook import Webhooks
from consumers.delivery.deliveries import Deliveries
from consumers.delivery.reaction import Reaction
from dateline.outbox import Sending, outbox
from dateline.wiring import newsroom

LONGEST_SECONDS = 60  # as long as those who started it wait for its end
PLACES = ("decided", "planned", "claimed", "sent", "recorded")


def main(log: str, place: str, nth: int) -> None:
    left = nth

    def strike(here: str) -> None:
        nonlocal left
        if here == place:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    _between(Reaction, "_act", "decided", "planned", strike)
    _between(Webhooks, "send", "claimed", "sent", strike)
    _between(Deliveries, "turn", "", "recorded", strike)
    asyncio.run(_deliver(log))


def _between(kind: Any, name: str, before: str, after: str, strike: Any) -> None:
    work = getattr(kind, name)

    async def struck(*arguments: Any, **named: Any) -> Any:
        strike(before)
        found = await work(*arguments, **named)
        strike(after)
        return found

    setattr(kind, name, struck)


async def _deliver(log: str) -> None:
    how = Sending(allow_loopback=True)
    async with newsroom(log) as room, outbox(room, log, how) as out:
        work = [asyncio.ensure_future(each()) for each in out.work().values()]
        size = (await room.log.head()).size
        await eventually(lambda: _all_done(out, size), LONGEST_SECONDS)
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)


async def _all_done(out: Any, size: int) -> bool:
    placed = await out.deliveries.checkpoint()
    _, states = await out.deliveries.totals()
    return placed and placed[0] >= size and set(states) <= {"delivered"}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
