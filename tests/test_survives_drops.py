"""A subscriber that is cut anywhere misses nothing and is told nothing twice."""

import asyncio
import random
from pathlib import Path

import pytest
from conftest import Clock
from serving import Served, served

from consumers.feed.live import Limits
from dateline.wiring import newsroom

REQUEST = "GET /v1/feed?since=0 HTTP/1.1\r\nHost: localhost\r\n{}Connection: close\r\n\r\n"


async def read_some(desk: Served, cursor: str | None, most: int) -> bytes:
    """Read so many bytes of the feed over a socket and hang up, wherever that is."""
    host, port = desk.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(REQUEST.format(f"Last-Event-ID: {cursor}\r\n" if cursor else "").encode())
    received = bytearray()
    while len(received) < most:
        chunk = await reader.read(most - len(received))
        if not chunk:
            break
        received += chunk
    writer.transport.abort()
    return bytes(received)


def whole_events(received: bytes) -> list[tuple[str, str]]:
    """Take the events that arrived whole, as a browser does: (cursor, kind of event)."""
    _, _, body = received.partition(b"\r\n\r\n")
    text = bytearray()
    while body:  # HTTP chunks; the last may be cut
        size, _, rest = body.partition(b"\r\n")
        if not rest:
            break
        length = int(size, 16)
        text += rest[:length]
        body = rest[length + 2 :]
    found = []
    for block in text.decode(errors="replace").split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line[0] != ":")
        if "data" in fields:
            found.append((fields["id"], fields.get("event", "message")))
    return found


@pytest.mark.parametrize("drops", [300, pytest.param(10_000, marks=pytest.mark.torture)])
async def test_cut_at_any_byte(tmp_path: Path, clock: Clock, drops: int) -> None:
    """Who is cut after any number of bytes goes on from its cursor: all, once, in order."""
    chance = random.Random(drops)
    async with (
        newsroom(f"sqlite:///{tmp_path}/news.db", clock) as room,
        served(room, Limits(heartbeat=0.005, rotation=0.01, from_one=10_000)) as desk,
    ):
        await desk.file("a-drill", "story-opened", title="A drill")
        filed = 1
        cursor: str | None = None
        seen: list[int] = []
        for number in range(drops):
            if number % 3 == 0:
                kind = chance.choice(["quote-added", "development-reported"])
                more = {"label": "note"} if kind == "development-reported" else {}
                await desk.file("a-drill", kind, headline="x" * chance.randrange(1, 280), **more)
                filed += 1
            for told, event in whole_events(
                await read_some(desk, cursor, chance.randrange(1, 4_000))
            ):
                cursor = told
                if event == "message":
                    seen.append(int(told.split(".")[1]))
                assert event != "reset"
        while len(seen) < filed:
            for told, event in whole_events(await read_some(desk, cursor, 20_000)):
                cursor = told
                seen += [int(told.split(".")[1])] if event == "message" else []
    assert seen == list(range(1, filed + 1))
