"""Asking again and again, for what has no way to call: a broker, a page, another process."""

import asyncio
from collections.abc import Awaitable, Callable

__all__ = ["eventually"]

EVERY_SECONDS = 0.01  # short beside whatever is waited for, and long enough to let it work


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    """Wait until something holds that wakes nobody; TimeoutError when it does not in time.

    Whoever can be woken waits for that instead: a position, an event, a line of output.
    """
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - what it asks about cannot set an event here
            await asyncio.sleep(EVERY_SECONDS)
