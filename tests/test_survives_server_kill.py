"""A server that is killed under load has kept every filing that it acknowledged."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from serving import Subscriber

from dateline.wiring import newsroom

FILERS = 8


class Killed:
    """A `dateline serve` process on one log and one port, killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = "0"
        self.key = ""
        self.process: asyncio.subprocess.Process | None = None

    @property
    def log(self) -> str:
        return f"sqlite:///{self.folder}/news.db"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it and wait until it serves."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "dateline", "serve", "--port", self.port, "--log", self.log,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        line = (await self.process.stdout.readline()).decode()
        assert "serving" in line, (await self.process.stderr.read()).decode()
        self.port = line.strip().rpartition(":")[2]
        if not self.key:
            self.key = (await self.process.stderr.readline()).decode().strip().rpartition(" ")[2]

    async def kill(self, how: signal.Signals = signal.SIGKILL) -> int:
        """End it; returns what it ended with."""
        assert self.process is not None
        os.kill(self.process.pid, how)
        return await self.process.wait()


async def keep_filing(
    server: Killed, session: aiohttp.ClientSession, name: str, promised: dict[str, int]
) -> None:
    """File note after note; an answer that did not come is asked for again with the same key."""
    number = 0
    while True:
        number += 1
        note = {"kind": "development-reported", "label": "note", "headline": f"{name} {number}"}
        receipt = await insist(server, session, note, f"{name}-{number}")
        promised[receipt["id"]] = receipt["position"]


async def insist(
    server: Killed, session: aiohttp.ClientSession, content: dict[str, Any], key: str
) -> dict[str, Any]:
    held = {"Authorization": f"Bearer {server.key}", "Idempotency-Key": key}
    while True:
        path = f"{server.url}/v1/stories/a-drill/developments"
        try:
            async with session.post(path, json=content, headers=held) as response:
                answer: dict[str, Any] = orjson.loads(await response.read())
                assert response.status in (201, 503), answer
                if response.status == 201:
                    return answer
        except aiohttp.ClientError:
            await asyncio.sleep(0)


async def keep_listening(
    server: Killed, session: aiohttp.ClientSession, seen: list[int], grown: asyncio.Condition
) -> None:
    """Listen, and come back with the last cursor whenever the connection breaks."""
    cursor: str | None = None
    while True:
        headers = {"Last-Event-ID": cursor} if cursor else {}
        try:
            async with session.get(f"{server.url}/v1/feed?since=0", headers=headers) as response:
                async for told in Subscriber(response):
                    cursor = told.cursor
                    if told.event == "message":
                        async with grown:
                            seen.append(int(told.cursor.split(".")[1]))
                            grown.notify_all()
        except aiohttp.ClientError:
            await asyncio.sleep(0)


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.torture)])
async def test_every_acknowledged_filing_is_kept(tmp_path: Path, kills: int) -> None:
    """Killed again and again under load: each 201 is in the log, once, and subscribers resume."""
    server = Killed(tmp_path)
    await server.start()
    promised: dict[str, int] = {}
    seen: list[int] = []
    grown = asyncio.Condition()

    async def until(size: int) -> None:
        async with grown:
            await grown.wait_for(lambda: len(seen) >= size)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        opening = {"kind": "story-opened", "title": "A drill", "headline": "It opens"}
        await insist(server, session, opening, "opening")
        work = [asyncio.create_task(keep_listening(server, session, seen, grown))]
        work += [
            asyncio.create_task(keep_filing(server, session, f"filer-{n}", promised))
            for n in range(FILERS)
        ]
        for _ in range(kills):
            await until(len(seen) + 40)
            await server.kill()
            await server.start()
        await until(len(seen) + 40)
        for task in work[1:]:
            task.cancel()
        await asyncio.gather(*work[1:], return_exceptions=True)
        assert await server.kill(signal.SIGTERM) == 0  # what is under way is finished
        async with newsroom(server.log) as room:
            events = [event async for event in room.log.read()]
        await server.start()
        await until(len(events))
        work[0].cancel()
        await asyncio.gather(work[0], return_exceptions=True)
    await server.kill()
    stored = {str(event.provenance["id"]): event.position for event in events}
    assert {event_id: stored.get(event_id) for event_id in promised} == promised
    headlines = [event.development.headline for event in events]  # type: ignore[union-attr] # all are known
    assert len(set(headlines)) == len(headlines)
    assert seen == [event.position for event in events]
