"""Threads for what may block for long: nothing waits for them, not even the end of the process.

Those of a `ThreadPoolExecutor` are waited for when the interpreter ends, whatever it was told.
"""

import asyncio
import contextlib
from collections.abc import Callable
from threading import Thread
from typing import Any, TypeVar

__all__ = ["Aside"]

_T = TypeVar("_T")


class Aside:
    """Runs what blocks, each piece in a thread of its own.

    Args:
        most: pieces at a time; one that hangs keeps its place until it ends.
        name: what its threads are called.
    """

    def __init__(self, most: int, name: str) -> None:
        self._free = asyncio.Semaphore(most)
        self._name = name

    async def begin(self, work: Callable[[], _T]) -> asyncio.Future[_T]:
        """Begin with a piece of work once there is a place, and give what will come of it."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        coming: asyncio.Future[_T] = loop.create_future()
        coming.add_done_callback(_heard)

        def tell(result: Any, error: Exception | None) -> None:  # noqa: ANN401 - what the work gives
            self._free.release()
            if coming.done():  # whoever waited was cancelled
                return
            if error is None:
                coming.set_result(result)
            else:
                coming.set_exception(error)

        def run() -> None:
            result, error = None, None
            try:
                result = work()
            except Exception as raised:  # noqa: BLE001 - told to whoever waits
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
                loop.call_soon_threadsafe(tell, result, error)

        try:
            Thread(target=run, name=self._name, daemon=True).start()
        except RuntimeError:  # there are too many threads
            self._free.release()
            raise
        return coming


def _heard(ended: asyncio.Future[Any]) -> None:
    """Take note of how work ended that nobody waits for any more."""
    if not ended.cancelled():
        ended.exception()
