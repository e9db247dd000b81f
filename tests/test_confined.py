"""What Apprise calls is held to the time and the size that every outgoing call has."""

import asyncio
import contextlib
import gzip
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psutil
import pytest
import requests
from receiving import parcel
from test_kafka_security import certificate

from consumers.delivery.channels.apprised import Apprised
from consumers.delivery.confined import GRACE, Confined
from consumers.delivery.guard import Guard
from consumers.delivery.outgoing import MOST_READ

SECONDS = 1.0  # in place of the fifteen that a call has
SLACK = 1.0  # seconds that a busy machine may need on top
FLOOD = 100 * 1024 * 1024  # bytes
MOST_GROWTH = 8 * 1024 * 1024  # bytes
HEAD = b"HTTP/1.1 200 OK\r\n"

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def answering(answer: Answer, secured: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Answer each request with what `answer` writes; gives the port."""
    answered: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        task = asyncio.ensure_future(answer(reader, writer))
        answered.add(task)
        await asyncio.wait((task,))
        writer.transport.abort()

    async with await asyncio.start_server(one, "127.0.0.1", 0, ssl=secured) as server:
        yield server.sockets[0].getsockname()[1]
        for task in answered:
            task.cancel()
        await asyncio.gather(*answered, return_exceptions=True)


async def floods(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"content-length: %d\r\n\r\n" % FLOOD)
    for _ in range(FLOOD // 65536):
        writer.write(b"x" * 65536)
        await writer.drain()


async def explodes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    body = gzip.compress(bytes(FLOOD))
    writer.write(HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    await reader.read()  # until it is hung up on


async def drips(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.05)  # it is slow by itself, which is what is tried


async def drips_its_head(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    while True:
        writer.write(b"x: y\r\n"[: 1 + int(time.monotonic()) % 2])
        await writer.drain()
        await asyncio.sleep(0.05)  # it is slow by itself, which is what is tried


async def hangs(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()  # until it is hung up on


def _confined() -> Confined:
    return Confined(Guard(allow_loopback=True), SECONDS)


@pytest.mark.parametrize("answer", [floods, explodes])
async def test_a_service_that_floods_is_read_no_further(answer: Answer) -> None:
    """Of an answer to Apprise sixteen kilobytes are read, however it is packed."""
    confined = _confined()
    async with answering(answer) as port:
        url = f"http://127.0.0.1:{port}/"
        await confined.run(lambda: requests.post(url, timeout=5))  # what is loaded once
        before = psutil.Process().memory_info().rss
        got = await confined.run(lambda: requests.post(url, timeout=5))
        assert (got.status_code, len(got.content)) == (200, MOST_READ)
        assert psutil.Process().memory_info().rss - before < MOST_GROWTH
        sent = await Apprised(confined, {}).send(parcel(f"json://127.0.0.1:{port}/"))
        assert sent.delivered


@pytest.mark.parametrize("answer", [drips, drips_its_head, hangs])
@pytest.mark.parametrize("secured", [False, True])
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
async def test_a_service_that_drips_is_cut_off(
    answer: Answer,
    secured: bool,  # noqa: FBT001 - both are tried
    tmp_path: Path,
) -> None:
    """A call by Apprise ends in its time, however slowly bytes come, and its thread with it."""
    channel = Apprised(_confined(), {})
    async with answering(answer, secure(tmp_path) if secured else None) as port:
        address = f"json{'s' if secured else ''}://127.0.0.1:{port}/?verify=no&rto=60&cto=60"
        began = time.monotonic()
        sent = await channel.send(parcel(address))
        assert SECONDS <= time.monotonic() - began < SECONDS + SLACK
    # Whoever said that it has the alert has it, whatever it went on to say.
    assert sent.delivered == (answer is drips)


async def test_what_is_too_late_connects_no_more() -> None:
    """What goes on after its time makes no connection any more."""
    tried: list[Exception] = []

    def late() -> None:
        time.sleep(SECONDS + GRACE / 2)  # code that nothing can interrupt
        try:
            requests.post(f"http://127.0.0.1:{port}/", timeout=5)
        except requests.RequestException as error:
            tried.append(error)

    async with answering(floods) as port:
        await _confined().run(late)
    assert len(tried) == 1


async def test_others_read_answers_whole() -> None:
    """What is read outside of a confined call is read to its end."""

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"content-length: %d\r\n\r\n" % (3 * MOST_READ) + b"x" * 3 * MOST_READ)
        await reader.read()  # until it is hung up on

    _confined()
    async with answering(answers) as port:
        url = f"http://127.0.0.1:{port}/"
        got = await asyncio.to_thread(lambda: requests.post(url, timeout=5))
    assert len(got.content) == 3 * MOST_READ


def secure(folder: Path) -> ssl.SSLContext:
    """Give what a server with a certificate of its own speaks TLS by."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(folder))
    return context


NAMED = """
import asyncio, socket, threading
socket.getaddrinfo = lambda *_, **__: threading.Event().wait()
from consumers.delivery.guard import Guard
from consumers.delivery.outgoing import Unanswered, call

async def main():
    async with Guard().session(0.2) as session:
        try:
            await call(session, "POST", "https://silent.example/", b"")
        except Unanswered as error:
            print(error.error)

asyncio.run(main())
"""
CONFINED = """
import asyncio, threading
from consumers.delivery.confined import Confined
from consumers.delivery.guard import Guard

async def main():
    try:
        await Confined(Guard(), 0.2).run(threading.Event().wait)
    except TimeoutError:
        print("timeout")

asyncio.run(main())
"""


@pytest.mark.parametrize("hangs", [NAMED, CONFINED], ids=["a name server", "a library"])
def test_what_hangs_keeps_no_process_from_its_end(hangs: str) -> None:
    """A server that is stopped ends, though a name server or a relay says nothing for ever."""
    done = subprocess.run(
        [sys.executable, "-c", hangs],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert (done.returncode, done.stdout) == (0, "timeout\n")
