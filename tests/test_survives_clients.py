"""Clients that stall, flood or vanish cost others nothing."""

import asyncio
import gzip
import resource
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from conftest import Clock
from serving import Served, served

from consumers.feed.live import Limits
from dateline import receipt
from dateline.server import DRAIN_SECONDS
from dateline.wiring import Newsroom, newsroom

SLOWEST = 0.2  # seconds that a good request may take, of a hundred ninety-nine
MOST = 128 * 1024  # bytes of memory that a connection may cost, both of its ends being here
LEEWAY = 32 * 1024 * 1024  # bytes for all else that happens meanwhile


@pytest.fixture
async def desk(tmp_path: Path, clock: Clock) -> AsyncIterator[Served]:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 20_000), most))
    async with (
        newsroom(f"sqlite:///{tmp_path}/news.db", clock) as room,
        served(room, Limits(from_one=5_000)) as made,
    ):
        await made.file("a-drill", "story-opened", title="A drill")
        yield made


class Caller:
    """A connection that sends what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def call(cls, desk: Served, said: bytes = b"") -> "Caller":
        host, port = desk.url.removeprefix("http://").split(":")
        made = cls(*await asyncio.open_connection(host, int(port), limit=1024))
        made.writer.write(said)
        return made

    async def answer(self) -> bytes:
        """Everything that is said until the connection ends."""
        found = bytearray()
        try:
            while chunk := await self.reader.read(65536):
                found += chunk
        except ConnectionError:
            pass
        self.writer.close()
        return bytes(found)


async def drip(caller: Caller) -> None:
    """Read one byte a second, for ever."""
    while await caller.reader.read(1):  # noqa: ASYNC110 - nothing is waited for
        await asyncio.sleep(1)  # it is slow by itself, which is what is tried


async def good_requests(desk: Served, count: int) -> float:
    """Ask and file in turn; returns the seconds of which ninety-nine in a hundred took less."""
    taken = []
    for number in range(count):
        start = time.perf_counter()
        if number % 5:
            assert (await desk.get("/v1/stories/a-drill"))[0] == 200
        else:
            await desk.file("a-drill", "development-reported", label="note")
        taken.append(time.perf_counter() - start)
    return sorted(taken)[count * 99 // 100 - 1]


HALF = [
    b"GET /v1/stor",
    b"POST /v1/stories/a-drill/developments HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{",
    b"GET /v1/stories HTTP/1.1\r\nHost: x\r\nX-Never: ",
    b"",
]


@pytest.mark.parametrize(
    ("idle", "half"), [(200, 60), pytest.param(2_000, 500, marks=pytest.mark.torture)]
)
async def test_good_requests_are_answered_all_the_while(desk: Served, idle: int, half: int) -> None:
    """Idle, stalled and flooding clients do not slow down who asks for something."""
    listening = b"GET /v1/feed HTTP/1.1\r\nHost: x\r\n\r\n"
    before = psutil.Process().memory_info().rss
    callers = [await Caller.call(desk, listening) for _ in range(idle)]
    for caller in callers:
        assert (await caller.reader.readline()).startswith(b"HTTP/1.1 200")
    callers += [await Caller.call(desk, HALF[number % len(HALF)]) for number in range(half)]
    flood = await Caller.call(desk, b"GET / HTTP/1.1\r\nX-Flood: " + b"x" * 10_000_000)
    callers.append(await Caller.call(desk, listening))
    dripping = asyncio.create_task(drip(callers[-1]))
    assert await good_requests(desk, 200) < SLOWEST
    dripping.cancel()
    assert psutil.Process().memory_info().rss - before < MOST * len(callers) + LEEWAY
    assert (await flood.answer()).startswith((b"HTTP/1.1 431", b""))
    for caller in callers:
        caller.writer.transport.abort()


@pytest.mark.parametrize("said", HALF)
async def test_a_request_that_does_not_arrive_is_not_waited_for(
    desk: Served, said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-sent request is answered 408 after its time, and the connection is closed."""
    monkeypatch.setattr(receipt, "HEADERS_WITHIN", 0.05)
    monkeypatch.setattr(receipt, "BODY_WITHIN", 0.05)
    said = said.replace(b"Host: x", f"Host: x\r\nAuthorization: Bearer {desk.key}".encode())
    caller = await Caller.call(desk, said)
    assert (await caller.answer()).startswith(b"HTTP/1.1 408 ")


async def test_a_server_that_ends_waits_for_no_reader_that_takes_nothing(room: Newsroom) -> None:
    """A subscriber that reads nothing keeps a server from its end no longer than a moment."""
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        async with served(room) as desk:
            await desk.file("a-drill", "story-opened", title="A drill")
            host, port = desk.url.removeprefix("http://").split(":")
            await asyncio.to_thread(deaf.connect, (host, int(port)))
            deaf.sendall(b"GET /v1/feed?since=0 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await asyncio.to_thread(deaf.recv, 8) == b"HTTP/1.1"
            long = [{"kind": "quote-added", "headline": "Q", "body": "b" * 20_000}] * 10
            for _ in range(5):  # a megabyte, which is more than is kept for it anywhere
                assert (await desk.post("a-drill", long))[0] == 201
            began = time.monotonic()
        assert time.monotonic() - began < DRAIN_SECONDS / 2


async def test_headers_have_a_bound(desk: Served) -> None:
    """Headers that do not end are cut off with 431 when they hold more than they may."""
    caller = await Caller.call(desk, b"GET / HTTP/1.1\r\nHost: x\r\n")
    headers = b"".join(b"X-%d: %b\r\n" % (number, b"y" * 100) for number in range(300))
    assert len(headers) < receipt.HEADER_BYTES < len(headers) + 10_000
    caller.writer.write(headers)
    await caller.writer.drain()
    caller.writer.write(b"X-More: " + b"y" * 10_000)
    assert (await caller.answer()).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    ("begun", "more"),
    [
        pytest.param(b"0\r\n", b"X: %b\r\n" % (b"y" * 100), id="trailers"),
        pytest.param(b"0\r\nX: ", b"y" * 100, id="one trailer"),
        pytest.param(b"2;", b"y" * 100, id="an extension of a chunk"),
    ],
)
async def test_what_stands_around_a_body_has_a_bound(
    desk: Served, begun: bytes, more: bytes
) -> None:
    """Trailers and extensions of chunks that do not end are cut off as headers are."""
    said = b"POST /v1/stories/a-drill/developments HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
    said += f"Authorization: Bearer {desk.key}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    caller = await Caller.call(desk, said + b"2\r\n{}\r\n")
    assert await caller.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    caller.writer.write(begun + more * (receipt.HEADER_BYTES // len(more)))
    await caller.writer.drain()
    caller.writer.write(more * 10)
    assert (await caller.answer()).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("hosts", [b"", b"Host: x\r\nHost: y\r\n"])
async def test_a_request_names_its_host_once(desk: Served, hosts: bytes) -> None:
    """A request to no host or to two is refused: feeds name the host that was asked (RFC 9112)."""
    for path in (b"/v1/stories", b"/v1/feed"):
        said = b"GET %b HTTP/1.1\r\n%bConnection: close\r\n\r\n" % (path, hosts)
        answer = await (await Caller.call(desk, said)).answer()
        assert answer.startswith(b"HTTP/1.1 400 "), answer
        assert b'"field":"host"' in answer


async def test_who_says_no_more_is_answered(desk: Served) -> None:
    """A client that closes its own side once it has asked is answered, filings as well."""
    body = b'{"kind":"development-reported","label":"note","headline":"A note"}'
    said = f"Host: x\r\nAuthorization: Bearer {desk.key}\r\n".encode()
    post = b"POST /v1/stories/a-drill/developments HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b"
    asked = (b"GET /v1/stories/a-drill HTTP/1.1\r\n%b\r\n" % said, post % (said, len(body), body))
    for each, status in zip(asked, (b"200", b"201"), strict=True):
        caller = await Caller.call(desk, each)
        caller.writer.write_eof()
        answer = await caller.answer()
        assert answer.startswith(b"HTTP/1.1 " + status), answer
        assert answer.endswith(b"}\n")


async def test_a_client_of_http_1_0_is_sent_no_chunks(desk: Served) -> None:
    """Over HTTP/1.0 what has no length ends with the connection: the feed, and exports."""
    said = f"HTTP/1.0\r\nAuthorization: Bearer {desk.key}\r\n\r\n".encode()
    caller = await Caller.call(desk, b"GET /v1/feed?since=0 " + said)
    head = await caller.reader.readuntil(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert (await caller.reader.readuntil(b"\n\n")).startswith(b"retry: ")
    assert (await caller.reader.readuntil(b"\n\n")).startswith(b"id: ")
    caller.writer.close()
    head, _, packed = (
        await (await Caller.call(desk, b"GET /v1/audit/export " + said)).answer()
    ).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert gzip.decompress(packed).startswith(b"{")
    head, _, state = (
        await (await Caller.call(desk, b"GET /v1/stories/a-drill " + said)).answer()
    ).partition(b"\r\n\r\n")
    assert b"content-length: %d\r\n" % len(state) in head


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"gzip\r\nTransfer-Encoding: chunked"])
async def test_a_body_in_another_coding_is_not_taken_for_plain(desk: Served, coding: bytes) -> None:
    """A body that was packed for the way is refused, and not read as if it were plain."""
    said = b"POST /v1/stories/a-drill/developments HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    said += f"Authorization: Bearer {desk.key}\r\n".encode()
    body = b'{"kind":"development-reported","label":"note","headline":"A note"}'
    said += b"Transfer-Encoding: %b\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (coding, len(body), body)
    assert (await (await Caller.call(desk, said)).answer()).startswith(b"HTTP/1.1 501 ")


async def test_nobody_is_sent_to_the_host_that_they_name(desk: Served) -> None:
    """A path with a slash too many is none, and no answer leads to a host of the asker's own."""
    for path in (b"/v1/stories/", b"/stories/a-drill/", b"/feeds/a-drill.atom/", b"/healthz/"):
        said = b"GET %b HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n" % path
        answer = await (await Caller.call(desk, said)).answer()
        assert answer.startswith(b"HTTP/1.1 404 "), answer
        assert b"elsewhere" not in answer


async def test_a_trailer_is_no_header(desk: Served) -> None:
    """A key that is sent behind the body opens nothing."""
    body = b'{"kind":"story-opened","headline":"A drill begins","title":"A drill"}'
    said = b"POST /v1/stories/b-drill/developments HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    said += b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n" % (len(body), body)
    caller = await Caller.call(desk, said + f"Authorization: Bearer {desk.key}\r\n\r\n".encode())
    assert (await caller.answer()).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS where HTTP is spoken
        b"GET /v1/stories/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/stories/%00%ff%2e%2e HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET http://elsewhere/v1/stories HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"POST /v1/stories/a-drill/developments HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /v1/stories HTTP/1.1\r\nConnection: close\r\n\r\n",  # to no host
        b"DELETE /v1/feed HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /v1/feed HTTP/1.1\r\nHost: x\r\nLast-Event-ID: \x01\xff\r\nConnection: close\r\n\r\n",
        b"GET /v1/stories HTTP/1.1\r\nAuthorization: Bearer \xff\r\nConnection: close\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_no_fault_of_ours(desk: Served, said: bytes) -> None:
    """Nonsense is answered with a refusal or hung up on, never with a fault."""
    caller = await Caller.call(desk, said)
    caller.writer.write_eof()
    answer = await caller.answer()
    assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200")), answer
    assert (
        not answer.startswith(b"HTTP/1.1 4")
        or b"\r\ncontent-type: application/problem+json" in answer
    )
    assert (await desk.get("/v1/stories/a-drill"))[0] == 200
