"""A client that asks over many connections at once, each again as soon as it was answered."""

import asyncio
import time
from collections.abc import Callable

import uvloop

__all__ = ["answers_per_second"]


class _Asker(asyncio.Protocol):
    """One connection; reads no more of an answer than its length."""

    def __init__(self, request: Callable[[], bytes], expected: bytes) -> None:
        self._request = request
        self._expected = expected
        self._left = 0
        self._head = b""
        self.answers = 0
        self.done = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # TCP
        self.transport = transport
        transport.write(self._request())

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
        else:
            self._head += data
            head, found, body = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            assert head.startswith(self._expected), head
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            self._left = int(length or 0) - len(body)
            self._head = b""
        if self._left <= 0:
            self._left = 0
            self.answers += 1
            if self.done:
                self.transport.close()
            else:
                self.transport.write(self._request())


def answers_per_second(
    port: int, connections: int, seconds: float, request: Callable[[], bytes], expected: bytes
) -> float:
    """Ask for some time and give the answers of a second.

    Args:
        port: of the server, on loopback.
        connections: how many ask at the same time.
        seconds: for how long.
        request: makes the bytes of one request.
        expected: how every answer begins.
    """
    return uvloop.run(_ask(port, connections, seconds, request, expected))


async def _ask(
    port: int, connections: int, seconds: float, request: Callable[[], bytes], expected: bytes
) -> float:
    loop = asyncio.get_running_loop()
    askers = [
        (await loop.create_connection(lambda: _Asker(request, expected), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds / 5)  # everything is warm by then
    before = sum(asker.answers for asker in askers)
    start = time.perf_counter()
    await asyncio.sleep(seconds)
    answers = sum(asker.answers for asker in askers) - before
    taken = time.perf_counter() - start
    for asker in askers:
        asker.done = True
        asker.transport.abort()
    return answers / taken
