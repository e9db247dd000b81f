"""Waiting until something stands in a book or a view: whoever writes there wakes the test."""

import asyncio
from collections.abc import Callable

from consumers.audit.book import Book
from consumers.views import Views

__all__ = ["noted"]


async def noted(where: Book | Views, holds: Callable[[], object], seconds: float = 20) -> None:
    """Wait until something holds of what is noted; TimeoutError when it does not in time."""
    loop, written = asyncio.get_running_loop(), asyncio.Event()

    def wake(*_: object) -> None:
        # The writer may be another thread. It has the file's lock until all is written, so that
        # whoever looks from now on sees the whole.
        loop.call_soon_threadsafe(written.set)

    with where.lock:
        where.connection.set_update_hook(wake)
    try:
        async with asyncio.timeout(seconds):
            while not holds():
                await written.wait()
                written.clear()
    finally:
        with where.lock:
            where.connection.set_update_hook(None)
