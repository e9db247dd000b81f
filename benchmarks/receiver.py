"""A receiver of webhooks that does as little as one can: it counts, and answers 204."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvloop

__all__ = ["Counting", "receiving"]

_LENGTH: Final = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)
_ANSWER: Final = b"HTTP/1.1 204 No Content\r\n\r\n"


class Counting(asyncio.Protocol):
    """One connection; `heard` is called with the first bytes of each request.

    Args:
        heard: called for each request.
    """

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self._heard = heard
        self._held = bytearray()
        self._announced = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # TCP
        """Keep the way back."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._held += data
        if not self._announced:
            self._announced = True
            self._heard(bytes(self._held))
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._held, 0, end)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self._held) < whole:
                return
            del self._held[:whole]
            self._transport.write(_ANSWER)
            self._announced = bool(self._held)
            if self._held:
                self._heard(bytes(self._held))


@contextmanager
def receiving() -> Iterator[int]:
    """Run a receiver in a process of its own; gives its port."""
    command = [sys.executable, "-m", "benchmarks.receiver"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Counting(lambda _: None), "127.0.0.1", 0, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
