"""Servers as processes of their own, with what they cost, and clients that wait for their news."""

import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson
import psutil

__all__ = ["Listeners", "Serving", "ours", "peer"]

READY_WITHIN = 30.0  # seconds
TICKS: Final = os.sysconf("SC_CLK_TCK")


class Serving:
    """A server process, seen from outside.

    Args:
        process: it.
        port: where it listens, on loopback.
        feed: path of its feed.
        key: what it takes filings with, empty for a peer.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int, feed: str, key: str) -> None:
        self.process = process
        self.port = port
        self.feed = feed
        self.key = key

    def cpu_seconds(self) -> float:
        """Give what the process has spent, in all its threads."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def memory(self) -> int:
        """Give the bytes of memory that are the process's own."""
        return int(psutil.Process(self.process.pid).memory_full_info().uss)

    def post(self, path: str, content: Any) -> bytes:  # noqa: ANN401 - any JSON value
        """Send one request and read the answer."""
        body = orjson.dumps(content)
        return self._ask("POST", path, body)

    def get(self, path: str) -> bytes:
        """Ask for something and read the answer."""
        return self._ask("GET", path, b"")

    def _ask(self, method: str, path: str, body: bytes) -> bytes:
        held = f"Authorization: Bearer {self.key}\r\n" if self.key else ""
        request = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{held}Connection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(request.encode() + body)
            return b"".join(iter(lambda: connection.recv(65536), b""))


class Listeners:
    """Many connections to a feed, read by one thread that looks only for the end of a burst.

    Args:
        serving: the server.
        count: how many.
    """

    def __init__(self, serving: Serving, count: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._sockets = [
            socket.create_connection(("127.0.0.1", serving.port)) for _ in range(count)
        ]
        request = f"GET {serving.feed} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        for connection in self._sockets:
            connection.sendall(request)
        for connection in self._sockets:
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            connection.setblocking(False)  # noqa: FBT003 - the standard library's own name
            self._selector.register(connection, selectors.EVENT_READ)

    def drain(self, seconds: float) -> None:
        """Read whatever comes within a time."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            for key, _ in self._selector.select(0.05):
                key.fileobj.recv(1 << 20)  # type: ignore[union-attr] # a socket

    def until(self, marker: bytes) -> int:
        """Read until every connection has seen a marker; returns the bytes read."""
        left = {connection.fileno(): b"" for connection in self._sockets}
        total = 0
        while left:
            for key, _ in self._selector.select(10):
                chunk = key.fileobj.recv(1 << 20)  # type: ignore[union-attr] # a socket
                assert chunk, "a listener was cut"
                total += len(chunk)
                if key.fd in left:
                    seen = left[key.fd] + chunk
                    if marker in seen:
                        del left[key.fd]
                    else:
                        left[key.fd] = seen[-len(marker) :]
        return total

    def close(self) -> None:
        """Hang up."""
        self._selector.close()
        for connection in self._sockets:
            connection.close()


@contextmanager
def ours(folder: Path) -> Iterator[Serving]:
    """Run `dateline serve` on a new log."""
    url = f"sqlite:///{folder / 'news.db'}"
    bin_ = Path(sys.executable).parent
    environment = os.environ | {"DATELINE_LOG": url, "DATELINE_CLIENTS_FROM_ONE": "5000"}
    made = subprocess.run(
        [bin_ / "dateline", "keys", "create", "bench", "--scope", "file", "--json"],
        env=environment, check=True, capture_output=True,
    )  # fmt: skip
    key = orjson.loads(made.stdout)["key"]
    command: list[Any] = [bin_ / "dateline", "serve", "--port", "0"]
    with _running(command, environment, subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(b":")[2])
        yield Serving(process, port, "/v1/feed", key)


@contextmanager
def peer(name: str) -> Iterator[Serving]:
    """Run one of `benchmarks.feed_peers` on uvicorn, with the loop and parser that ours has."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "uvicorn", f"benchmarks.feed_peers:{name}", "--port", str(port),
        "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error",
    ]  # fmt: skip
    with _running(command, dict(os.environ), None) as process:
        _until_open(port)
        yield Serving(process, port, "/feed", "")


@contextmanager
def _running(
    command: Sequence[Any], environment: dict[str, str], stdout: int | None
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env=environment, stdout=stdout)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _until_open(port: int) -> None:
    ends = time.monotonic() + READY_WITHIN
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.05)
        else:
            return
