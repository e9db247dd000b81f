"""A server on a free port, in the test's own loop, and a subscriber that reads its feed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self

import aiohttp
import orjson
from documented import check_documented

from consumers.audit.duty import Schedule
from consumers.feed.live import Limits
from dateline.door import listening, url_of
from dateline.outbox import Outbox
from dateline.server import Outside, Server
from dateline.wiring import Newsroom
from producers.keys import GRANTABLE, Keys

PATIENCE = (
    20.0  # seconds; what the feed owes is there at once, and a busy machine may take some of them
)
SIGNED_OFTEN = Outside(schedule=Schedule(events=3, within=0.05, look=0.01, again=0.05, rest=0.0))
SIGNED_LAST = Outside(schedule=Schedule(events=10_000, within=1_000, look=0.01))  # when it ends


class Told(NamedTuple):
    """One event of the feed as it came over the wire."""

    cursor: str
    event: str
    data: dict[str, Any]


class Subscriber:
    """Reads one connection of the feed, event by event."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    def __aiter__(self) -> Self:
        """Go on where reading stopped."""
        return self

    async def __anext__(self) -> Told:
        """Read one event, comments left out."""
        fields: dict[str, str] = {}
        async for raw in self.response.content:
            text = raw.decode().removesuffix("\n")
            if text:
                name, _, value = text.partition(": ")
                fields[name] = value
            elif "data" in fields:
                return Told(
                    fields.get("id", ""),
                    fields.get("event", "message"),
                    orjson.loads(fields["data"]),
                )
            else:
                fields = {}
        raise StopAsyncIteration

    async def take(self, most: int) -> list[Told]:
        """Read this many events, which come soon or never."""
        async with asyncio.timeout(PATIENCE):
            return [await anext(self) for _ in range(most)]

    async def news(self, most: int) -> list[Told]:
        """Read this many updates, which come soon or never, control events left out."""
        found: list[Told] = []
        async with asyncio.timeout(PATIENCE):
            while len(found) < most:
                told = await anext(self)
                if told.event == "message":
                    found.append(told)
        return found


class Served:
    """A running server as a client sees it."""

    def __init__(self, url: str, session: aiohttp.ClientSession, keys: Keys, key: str) -> None:
        self.url = url
        self.session = session
        self.keys = keys
        self.key = key

    def bearer(self, key: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {key or self.key}"}

    async def post(
        self, story: str, content: Any, *, key: str | None = None, **headers: str
    ) -> tuple[int, Any]:
        """File; returns the status and the answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = content if isinstance(content, bytes) else orjson.dumps(content)
        path = f"{self.url}/v1/stories/{story}/developments"
        held = named | self.bearer(key)
        async with self.session.post(path, data=body, headers=held) as response:
            _hold(response)
            return response.status, orjson.loads(await response.read())

    async def file(self, story: str, kind: str, **fields: Any) -> dict[str, Any]:
        """File what is taken; returns the receipt."""
        fields.setdefault("headline", f"A {kind} happens")
        status, answer = await self.post(story, {"kind": kind, **fields})
        assert status == 201, answer
        receipt: dict[str, Any] = answer
        return receipt

    async def get(
        self, path: str, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        async with self.session.get(f"{self.url}{path}", headers=headers) as response:
            _hold(response)
            return response.status, await response.read(), dict(response.headers)

    async def read(self, path: str) -> bytes:
        """Get what has to be there."""
        status, body, _ = await self.get(path)
        assert status == 200, body
        return body

    @asynccontextmanager
    async def feed(
        self, query: str = "", cursor: str | None = None, **headers: str
    ) -> AsyncIterator[Subscriber]:
        if cursor is not None:
            headers["Last-Event-ID"] = cursor
        async with self.session.get(f"{self.url}/v1/feed{query}", headers=headers) as response:
            yield Subscriber(response)


def _hold(response: aiohttp.ClientResponse) -> None:
    media_type = response.headers.get("Content-Type", "")
    check_documented(response.method, response.url.path, response.status, media_type)


@asynccontextmanager
async def served(
    room: Newsroom,
    limits: Limits = Limits(),  # noqa: B008 - it cannot change
    outside: Outside = Outside(),  # noqa: B008 - it cannot change
    outbox: Outbox | None = None,
) -> AsyncIterator[Served]:
    """Serve a newsroom until the block ends."""
    keys = Keys(":memory:", room.clock)
    key = keys.create("desk", GRANTABLE)
    ready = asyncio.Event()
    with listening("127.0.0.1", 0) as door:
        server = Server(room, keys, ready.set, limits, outside, outbox)
        work = asyncio.create_task(server.serve([door]))
        try:
            await ready.wait()
            connector = aiohttp.TCPConnector(limit=0, force_close=True)
            async with aiohttp.ClientSession(connector=connector) as session:
                yield Served(url_of(door), session, keys, key)
        finally:
            server.should_exit = True
            await work
    keys.close()
