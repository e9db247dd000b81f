"""A WebSub hub is told which feeds changed, and whatever becomes of it holds up nobody."""

import asyncio
import io
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from aiohttp import web
from conftest import Clock
from filings import LATER
from pydantic import ValidationError
from serving import served

from consumers.delivery.guard import Guard
from consumers.feed.websub import Patience
from consumers.outputs.routes import FORMS, FORMS_OF_ALL
from dateline import telemetry
from dateline.server import Outside
from dateline.settings import Settings
from dateline.wiring import Newsroom, newsroom


@pytest.fixture
async def room(tmp_path: Path, clock: Clock) -> AsyncIterator[Newsroom]:
    clock.now = 1_790_000_000_000
    async with newsroom(f"sqlite:///{tmp_path}/news.db", clock) as made:
        yield made


class Hub:
    """A WebSub hub that notes what it is told, and refuses as often as it is set to."""

    def __init__(self, refusing: int = 0) -> None:
        self.told: asyncio.Queue[str] = asyncio.Queue()
        self.refusing = refusing
        self.url = ""

    async def publish(self, request: web.Request) -> web.Response:
        form = await request.post()
        if self.refusing:
            self.refusing -= 1
            return web.Response(status=503)
        assert form["hub.mode"] == "publish"
        self.told.put_nowait(str(form["hub.url"]))
        return web.Response(status=204)

    async def take(self, most: int) -> list[str]:
        async with asyncio.timeout(20):
            return [await self.told.get() for _ in range(most)]


class Heard(io.StringIO):
    """What the program says of its work; whoever waits for words in it is woken by them."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def write(self, text: str) -> int:
        self._more.set()
        return super().write(text)

    async def until(self, words: str) -> None:
        async with asyncio.timeout(20):
            while words not in self.getvalue():
                self._more.clear()
                await self._more.wait()


@pytest.fixture
async def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    made = Heard()
    monkeypatch.setattr(sys, "stderr", made)
    telemetry.configure("warning")
    return made


@asynccontextmanager
async def hub_at_work(refusing: int = 0) -> AsyncIterator[Hub]:
    hub = Hub(refusing)
    app = web.Application()
    app.router.add_post("/", hub.publish)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    hub.url = f"http://{host}:{port}/"
    try:
        yield hub
    finally:
        await runner.cleanup()


def topics(*stories: str) -> set[str]:
    found = {f"https://news.example/feeds/{story}.{form}" for story in stories for form in FORMS}
    return found | {f"https://news.example/feeds/all.{form}" for form in FORMS_OF_ALL}


HERE: Final = Guard(allow_loopback=True)
QUICK: Final = Patience(gather=0.2, answer_within=5.0, tries=3, again_after=0.05)


async def test_a_hub_is_told_of_what_changed(room: Newsroom) -> None:
    """Once something changed, the hub is told of each of its feeds, once for several changes."""
    async with hub_at_work() as hub:
        outside = Outside("https://news.example", hub.url, QUICK._replace(gather=1.0), guard=HERE)
        async with served(room, outside=outside) as desk:
            await desk.file("a-drill", "story-opened", title="A drill")
            for _ in range(3):
                await desk.file("a-drill", "development-reported", label="note")
            first = await hub.take(len(FORMS) + len(FORMS_OF_ALL))
            assert set(first) == topics("a-drill")
            await desk.file("a-secret", "story-opened", title="Secret", embargo_until=LATER)
            await desk.file("b-drill", "story-opened", title="Another")
            second = await hub.take(len(FORMS) + len(FORMS_OF_ALL))
            assert set(second) == topics("b-drill")
        assert hub.told.empty()


async def test_a_hub_that_refuses_is_told_again(room: Newsroom) -> None:
    """A hub that is busy for a moment misses nothing."""
    async with hub_at_work(refusing=9) as hub:
        outside = Outside("https://news.example", hub.url, QUICK, guard=HERE)
        async with served(room, outside=outside) as desk:
            await desk.file("a-drill", "story-opened", title="A drill")
            told_of = await hub.take(len(FORMS) + len(FORMS_OF_ALL))
            assert set(told_of) == topics("a-drill")


async def test_a_hub_that_is_gone_stops_nobody(room: Newsroom, heard: Heard) -> None:
    """With a dead hub the live feed goes on and filings are taken; the log says it was given up."""
    async with hub_at_work() as hub:
        gone = hub.url
    patience = QUICK._replace(gather=0.0, tries=2)
    async with served(
        room, outside=Outside("https://news.example", gone, patience, guard=HERE)
    ) as desk:
        async with desk.feed() as live:
            await anext(live)
            await desk.file("a-drill", "story-opened", title="A drill")
            [update] = await live.news(1)
            assert update.data["data"]["story"] == "a-drill"
        await heard.until('"given_up": true')
    assert "hub not told" in heard.getvalue()


def test_a_hub_needs_to_know_us_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub without a public URL is refused with a reason; a slash at a URL's end is no matter."""
    monkeypatch.setenv("DATELINE_HUB", "https://hub.example/")
    with pytest.raises(ValidationError, match="DATELINE_PUBLIC_URL"):
        Settings()
    monkeypatch.setenv("DATELINE_PUBLIC_URL", "https://news.example/")
    assert Settings().public_url == "https://news.example"


async def test_a_hub_is_held_to_the_guard(room: Newsroom, heard: Heard) -> None:
    """A hub that is set to an address within, or comes to lead there, is not called."""
    async with hub_at_work() as hub:
        outside = Outside("https://news.example", hub.url, QUICK._replace(tries=1))
        async with served(room, outside=outside) as desk:
            await desk.file("a-drill", "story-opened", title="A drill")
            await heard.until('"given_up": true')
        assert "not-public" in heard.getvalue()
        assert hub.told.empty()
