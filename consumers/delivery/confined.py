"""Libraries that make calls of their own, in threads: guarded, cut off in time, read no further.

Apprise speaks through `requests`, which reads an answer whole, however long it is, and counts its
time from one read to the next; so does what speaks to a mail relay. Here they get a call's time in
all, and the beginning of an answer; and whoever hangs keeps no thread that others wait for.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

import requests
import urllib3
from requests.adapters import HTTPAdapter

from consumers.delivery.aside import Aside
from consumers.delivery.guard import SECONDS, Guard, Line
from consumers.delivery.outgoing import MOST_READ

__all__ = ["Confined"]

AT_ONCE = 32  # threads: a service that hangs keeps one for as long as a call may take
GRACE = 1.0  # seconds that a call has to say what it knows, once it is cut off

_T = TypeVar("_T")


class Confined:
    """Runs what blocks, each piece in a thread of its own.

    Args:
        guard: says where it may connect to.
        seconds: that a piece of work has for all its connections.
    """

    def __init__(self, guard: Guard, seconds: float = SECONDS) -> None:
        # Plug-ins make sessions of their own, so all that any session sends is asked.
        HTTPAdapter.send = _send  # type: ignore[method-assign]  # - that is the point
        self._guard = guard
        self._seconds = seconds
        self._aside = Aside(AT_ONCE, "dateline-confined")

    async def run(self, work: Callable[[], _T]) -> _T:
        """Give what a piece of work returns.

        Raises:
            TimeoutError: it did not begin, or not end although all its connections were cut off.
        """
        line = Line()

        def held() -> _T:
            with self._guard.blocking(line):
                return work()

        async with asyncio.timeout(self._seconds):
            working = await self._aside.begin(held)
        try:
            await asyncio.wait((working,), timeout=self._seconds)
            line.cut()
            await asyncio.wait((working,), timeout=GRACE)
        finally:
            line.cut()
        if not working.done():
            raise TimeoutError
        return working.result()


def _send(self: HTTPAdapter, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: ANN401 - handed on
    """Send a request; in a confined thread no more than the beginning of an answer is read."""
    answer = _SEND(self, *args, **kwargs)
    line = Line.here()
    if line is not None:
        if line.is_cut:  # in the middle of its head, which then looks whole
            answer.raw.close()
            raise requests.ReadTimeout("expected an answer in time; found a part of its head")
        # As if it had been read to its end.
        answer._content, answer._content_consumed = _beginning(answer.raw), True  # noqa: SLF001 - the only way to hand `requests` a body
    return answer


_SEND: Final = HTTPAdapter.send


def _beginning(raw: urllib3.BaseHTTPResponse) -> bytes:
    """Read the beginning of a body; the status stands whatever becomes of the rest."""
    try:
        return raw.read(MOST_READ, decode_content=True)
    except (urllib3.exceptions.HTTPError, OSError, ValueError):
        return b""
    finally:
        raw.close()
