"""The subscribers in `examples/`, each run as its reader would, and cut off in the middle."""

import asyncio
import functools
import http.server
import os
import shutil
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from browsing import browser
from serving import Served

from consumers.feed import live as feed

EXAMPLES = Path(__file__).parents[1] / "examples"
FILED = 12
PROGRAMS = {
    "subscribe.py": [sys.executable],
    "subscribe.mjs": ["node"],
    "subscribe.sh": ["sh"],
}


class Cutting:
    """A way to the server that ends each connection after some bytes, wherever that is.

    The first is cut in the greeting, every later one further on, so that all is told in the end.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self.cut = 0
        self.most = 150

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        back.write(await reader.readuntil(b"\r\n\r\n"))
        left, self.most = self.most, self.most * 4
        while left > 0 and (chunk := await there.read(min(left, 4096))):
            writer.write(chunk)
            left -= len(chunk)
        self.cut += 1
        for each in (writer, back):
            each.transport.abort()


@asynccontextmanager
async def cutting(desk: Served) -> AsyncIterator[tuple[str, Cutting]]:
    """Give a URL of the feed that cuts whoever reads it, and the cutter."""
    cutter = Cutting(int(desk.url.rpartition(":")[2]))
    server = await asyncio.start_server(cutter, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/v1/feed?since=0", cutter


async def file_all(desk: Served) -> None:
    await desk.file("a-drill", "story-opened", title="A drill")
    for number in range(1, FILED):
        text = f"Note {number}: 100 % <b>ü</b> 👩‍👧 : \\ 'quoted'  twice"
        await desk.file("a-drill", "development-reported", label="note", headline=text)


def position(line: str) -> int:
    told: dict[str, Any] = orjson.loads(line)
    assert told["specversion"] == "1.0"
    found: int = told["data"]["position"]
    return found


def expect_tools(name: str) -> None:
    """Skip an example that this machine has no program for."""
    for tool in (PROGRAMS[name][0], *(["curl"] if name.endswith(".sh") else [])):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is missing: install it")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let subscribers come back sooner than in earnest."""
    monkeypatch.setattr(feed, "RETRY_MS", (50, 100))


@pytest.mark.parametrize("name", PROGRAMS)
async def test_a_subscriber_misses_nothing(desk: Served, name: str) -> None:
    """Cut off wherever it is, each example prints every update, once and in order."""
    program = PROGRAMS[name]
    expect_tools(name)
    async with cutting(desk) as (url, cutter):
        process = await asyncio.create_subprocess_exec(
            *program, EXAMPLES / name, url,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            await file_all(desk)
            async with asyncio.timeout(60):
                lines = [(await process.stdout.readline()).decode() for _ in range(FILED)]
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # a shell has children
            await process.wait()
    assert [position(line) for line in lines] == list(range(1, FILED + 1))
    assert cutter.cut > 1


@pytest.mark.parametrize("name", PROGRAMS)
async def test_a_subscriber_stops_where_there_is_no_feed(desk: Served, name: str) -> None:
    """Where nothing will ever come an example says why, without a URL its usage, and ends."""
    expect_tools(name)
    for path, words in (
        ("/v1/nowhere", "does not answer: "),
        ("/v1/webhooks", "does not answer: "),  # which takes a key
        ("/", "is no feed: it answers "),
        (None, "usage: "),
    ):
        process = await asyncio.create_subprocess_exec(
            *PROGRAMS[name], EXAMPLES / name, *([] if path is None else [f"{desk.url}{path}"]),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(60):
            out, told = await process.communicate()
        assert (process.returncode, out) == (1, b"")
        assert words in told.decode()
        assert told.count(b"\n") == 1


@contextmanager
def elsewhere() -> Iterator[str]:
    """Serve the examples from another origin than the feed's, as the page of somebody else."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=EXAMPLES)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


async def test_a_page_of_somebody_else_misses_nothing(desk: Served, tmp_path: Path) -> None:
    """In a browser, on a page from elsewhere, every update is shown once and in order."""
    async with cutting(desk) as (url, cutter), browser(tmp_path) as page:
        cutter.most = 1_000  # a browser takes cut headers for whole ones, and gives up for good
        with elsewhere() as origin:
            await page.open(f"{origin}/subscribe.html?feed={url}")
            await file_all(desk)
            await page.until(f"document.querySelectorAll('li').length >= {FILED}")
            shown = "[...document.querySelectorAll('li')].map(line => line.textContent)"
            lines = await page.evaluate(shown)
            assert await page.evaluate("document.querySelectorAll('b').length") == 0
    assert [position(line) for line in lines] == list(range(1, FILED + 1))
    assert cutter.cut > 1


async def test_a_page_says_that_there_is_no_feed(desk: Served, tmp_path: Path) -> None:
    """In a browser, a feed that is none is named, and how the page is to be called."""
    async with browser(tmp_path) as page:
        with elsewhere() as origin:
            await page.open(f"{origin}/subscribe.html?feed={desk.url}/v1/nowhere")
            await page.until("document.querySelectorAll('li').length >= 1")
            shown = await page.evaluate("document.querySelector('li').textContent")
    assert "Usage: subscribe.html?feed=URL" in shown
