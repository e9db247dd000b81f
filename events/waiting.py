"""Who waits for an append is told of it in their own event loop, from whatever thread did it."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

from events.errors import LogError

__all__ = ["settle", "tell"]

T = TypeVar("T")

Told = tuple[asyncio.Future[T], T | LogError]
"""Who waits, and what for; an error is raised where they wait."""


def tell(told: Iterable[Told[T]]) -> None:
    """Wake each event loop once for all who wait in it. From any thread."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Told[T]]] = {}
    for each in told:
        by_loop.setdefault(each[0].get_loop(), []).append(each)
    for loop, some in by_loop.items():
        with suppress(RuntimeError):  # the loop closed without waiting; nobody is left to be told
            loop.call_soon_threadsafe(settle, some)


def settle(told: Sequence[Told[T]]) -> None:
    """Tell those who wait in this event loop, and have not given up."""
    for future, outcome in told:
        if future.done():
            continue
        if isinstance(outcome, LogError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
