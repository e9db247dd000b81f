"""A client that asks over many connections at once, each again as soon as it was answered."""

import select
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Rate", "answers_per_second"]

PATIENCE = 10.0  # seconds without any answer after which something is wrong


class Rate(NamedTuple):
    """Answers a second, and the CPU seconds that asking for one took: no bottleneck while small."""

    answers: float
    cost: float


class _Asker:
    """One connection; reads no more of an answer than its length."""

    __slots__ = ("_expected", "_head", "_left", "_request", "connection")

    def __init__(self, port: int, request: Callable[[], bytes], expected: bytes) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request
        self._expected = expected
        self._left = 0
        self._head = b""

    def ask(self) -> None:
        self.connection.sendall(self._request())

    def read(self) -> bool:
        """Read what there is; says whether it was the end of an answer."""
        data = self.connection.recv(1 << 20)
        assert data, "the server hung up"
        if self._left:
            self._left -= len(data)
            return self._left <= 0
        self._head += data
        head, found, body = self._head.partition(b"\r\n\r\n")
        if not found:
            return False
        assert head.startswith(self._expected), head
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        self._left = int(length or 0) - len(body)
        self._head = b""
        return self._left <= 0


def answers_per_second(
    port: int, connections: int, seconds: float, request: Callable[[], bytes], expected: bytes
) -> Rate:
    """Ask for some time and count the answers of a second, once everything is warm.

    Args:
        port: of the server, on loopback.
        connections: how many ask at the same time.
        seconds: for how long.
        request: makes the bytes of one request.
        expected: how every answer begins.
    """
    askers = {}
    with select.epoll() as poll:
        for _ in range(connections):
            asker = _Asker(port, request, expected)
            askers[asker.connection.fileno()] = asker
            poll.register(asker.connection, select.EPOLLIN)
            asker.ask()
        _ask(poll, askers, seconds / 5)
        start, spent = time.perf_counter(), time.process_time()
        answers = _ask(poll, askers, seconds)
        taken, spent = time.perf_counter() - start, time.process_time() - spent
    for asker in askers.values():
        asker.connection.close()
    return Rate(answers / taken, spent / answers)


def _ask(poll: select.epoll, askers: dict[int, _Asker], seconds: float) -> int:
    answers, ends = 0, time.perf_counter() + seconds
    while time.perf_counter() < ends:
        ready = poll.poll(PATIENCE)
        assert ready, "nothing was answered"
        for number, _ in ready:
            asker = askers[number]
            if asker.read():
                answers += 1
                asker.ask()
    return answers
