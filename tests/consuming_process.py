"""A program that keeps the view of a log current until it is ended: `consuming_process.py URL`."""

import asyncio
import sys

from dateline import telemetry
from dateline.wiring import newsroom


async def work(url: str) -> None:
    async with newsroom(url) as room:
        await room.subscription.run()


if __name__ == "__main__":
    telemetry.configure("error")
    asyncio.run(work(sys.argv[1]))
