"""Waiting until something stands in the auditor's book: whoever writes there wakes the test."""

import asyncio
from collections.abc import Callable

from consumers.audit.book import Book

__all__ = ["noted"]


async def noted(book: Book, holds: Callable[[], object], seconds: float = 20) -> None:
    """Wait until something holds of what is noted; TimeoutError when it does not in time."""
    loop, written = asyncio.get_running_loop(), asyncio.Event()

    def wake(*_: object) -> None:
        # The writer may be another thread. It has the book to itself until all is written, so
        # that whoever looks from now on sees the whole.
        loop.call_soon_threadsafe(written.set)

    book.connection.set_update_hook(wake)
    try:
        async with asyncio.timeout(seconds):
            while not holds():
                await written.wait()
                written.clear()
    finally:
        book.connection.set_update_hook(None)
