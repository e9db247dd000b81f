"""A receiver of webhooks on loopback, and an outbox to send to it, for tests."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
import uuid_utils
from aiohttp import web
from asking import eventually
from conftest import Clock
from filings import development

from consumers.delivery.channels import Parcel
from consumers.delivery.endpoints import Endpoint
from consumers.delivery.message import Message
from consumers.delivery.rows import Delivery, Earlier
from consumers.delivery.wishes import Wishes
from dateline.outbox import Outbox, Sending, outbox
from dateline.wiring import Newsroom
from events.envelope import Filed


class Got(NamedTuple):
    """One request as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.body)
        return found


NOW = 1_790_000_000_000
DAY = 24 * 3_600_000
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Receiver:
    """Notes what it gets and answers as it is set to, 204 by default."""

    def __init__(self, answering: Answering | None = None) -> None:
        self.got: list[Got] = []
        self.url = ""
        self.status = 204
        self.headers: dict[str, str] = {}
        self.under_way: Counter[str] = Counter()
        self.most_under_way = 0
        self._answering = answering
        self._some = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.got.append(Got({k.lower(): v for k, v in request.headers.items()}, body))
        self._some.set()
        if self._answering is not None:
            return await self._answering(request)
        return web.Response(status=self.status, headers=self.headers)

    async def wait(self, most: int) -> list[Got]:
        """Wait until so many requests came."""
        async with asyncio.timeout(20):
            while len(self.got) < most:
                self._some.clear()
                await self._some.wait()
        return self.got

    def ids(self) -> list[str]:
        return [got.id for got in self.got]


@asynccontextmanager
async def receiving(answering: Answering | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver(answering)
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@asynccontextmanager
async def sending(
    room: Newsroom, folder: Path, *, at_work: bool = True, chance: float = 0.5
) -> AsyncIterator[Outbox]:
    """Open an outbox on a newsroom, with its work under way if so wished."""
    how = Sending(allow_loopback=True, chance=lambda: chance)
    async with outbox(room, f"sqlite:///{folder}/news.db", how) as made:
        if not at_work:
            yield made
            return
        await made.reaction.place()
        work = [asyncio.ensure_future(each()) for each in made.work().values()]
        try:
            await eventually(lambda: _sends(made))
            yield made
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)


async def hook(out: Outbox, url: str, **wishes: Any) -> tuple[str, str]:
    """Register a webhook; returns its id and its secret."""
    target, secret = await out.endpoints.register(url, Wishes(**wishes))
    assert secret is not None
    return target, secret


async def issue(
    room: Newsroom, story: str = "a-story", kind: str = "alert-issued", **fields: Any
) -> str:
    """Put a decision about an alert into the log, as the policy does; returns its event id."""
    alert = {
        "ref": "A1",
        "level": "regular",
        "derived_from": ["E1"],
        "reason": "a drill",
        **fields,
    }
    event_id = str(uuid_utils.uuid7())
    what = development(kind, headline=f"{alert['ref']} happens", alert=alert)
    await room.log.append(story, [Filed(event_id, "policy", what)])
    return event_id


def at_hour(clock: Clock, hour: float) -> None:
    """Move the clock to an hour of the day that it shows, UTC."""
    clock.now = clock.now // DAY * DAY + int(hour * DAY / 24)


async def _sends(out: Outbox) -> bool:
    return out.sender.sending


async def states(out: Outbox) -> dict[str, int]:
    """How many deliveries are in each state."""
    return (await out.deliveries.totals())[1]


async def counted(out: Outbox, **wanted: int) -> None:
    """Wait until so many deliveries are in each of these states; no others are open."""

    async def reached() -> bool:
        found = {name.replace(" ", "_"): count for name, count in (await states(out)).items()}
        return found == wanted

    try:
        await eventually(reached)
    except TimeoutError:
        pytest.fail(f"{await states(out)} instead of {wanted}")


def parcel(address: str, headline: str = "A drill", *, earlier: tuple[Earlier, ...] = ()) -> Parcel:
    """What a channel is handed, as the sender makes it."""
    made = Delivery._make(
        [
            *(1, "msg_1" if not earlier else "msg_2", "event", "mail:desk", 1, "a-story", "A1"),
            *("alert-issued", "flash", True, 1, 0, NOW, NOW + 1, "a drill"),
        ]
    )
    wishes = Wishes()
    target = wishes.target("mail:desk", "mail")
    endpoint = Endpoint(target, wishes, address, "shown", None, "active", None, NOW, None, None, ())
    said = Message("alert-issued", "flash", "a-story", "A1", headline, "more of it", b"{}")
    return Parcel(made, endpoint, said, NOW, earlier)
