"""An answer leaves in one piece: its head waits for the first of its body.

uvicorn writes the two apart, which costs a second call of the kernel and wakes the reader twice.
"""

import asyncio
from typing import Any

__all__ = ["Sending"]

_CONTINUE = b"HTTP/1.1 100 "


class Sending:
    """A connection's transport, as far as uvicorn's protocol uses it; see `asyncio.Transport`."""

    __slots__ = ("_head", "_starts", "_transport", "abort", "get_extra_info", "is_closing",
                 "pause_reading", "resume_reading")  # fmt: skip

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._starts = True
        self._head = b""
        self.abort = transport.abort
        self.get_extra_info: Any = transport.get_extra_info
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def write(self, data: bytes) -> None:
        """Send, but for the head of an answer, which is kept for what comes next."""
        if self._starts and not data.startswith(_CONTINUE):
            self._starts = False
            self._head = data
            return
        if self._head:
            data, self._head = self._head + data, b""
        self._transport.write(data)

    def ended(self) -> None:
        """Send what is left of an answer; the next write begins another."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""
        self._starts = True

    def close(self) -> None:
        """Hang up once everything is sent."""
        self.ended()
        self._transport.close()
