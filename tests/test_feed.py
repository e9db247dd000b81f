"""The live feed: whoever subscribes is told everything once, wherever the connection breaks."""

import asyncio
import contextlib
import socket
from typing import Any

import apsw
import orjson
import pytest
from conftest import Clock
from filings import LATER
from serving import Served, served

from consumers.feed import live
from consumers.feed.live import Limits
from dateline.wiring import Newsroom, newsroom


async def test_a_subscriber_is_told_as_it_happens(desk: Served) -> None:
    """Who listens is greeted and then told each development as a CloudEvent."""
    async with desk.feed() as live:
        hello = await anext(live)
        assert (hello.event, hello.data["position"]) == ("hello", 0)
        await desk.file("a-drill", "story-opened", title="A drill")
        await desk.file("a-drill", "development-reported", label="note", ref="N1")
        opened, noted = await live.take(2)
    assert (opened.data["specversion"], opened.data["type"]) == ("1.0", "dateline.story-opened")
    assert opened.data["data"]["changed"]["opening"][0]["headline"] == "A story-opened happens"
    assert noted.data["data"]["ref"] == "N1"
    assert noted.cursor.endswith(".2")


async def test_who_comes_back_is_told_what_was_missed(desk: Served) -> None:
    """After a drop the cursor brings exactly what was missed, then goes on live."""
    await desk.file("a-drill", "story-opened", title="A drill")
    async with desk.feed("?since=0") as live:
        [first] = await live.news(1)
    for _ in range(3):
        await desk.file("a-drill", "development-reported", label="note")
    async with desk.feed(cursor=first.cursor) as live:
        hello, resumed = await live.take(2)
        assert (hello.event, resumed.event) == ("hello", "resume")
        assert resumed.data == {
            "requested": first.cursor,
            "actual": first.cursor,
            "gap": False,
        }
        missed = await live.news(3)
        await desk.file("a-drill", "development-reported", label="note")
        [after] = await live.news(1)
    assert [told.data["data"]["position"] for told in (*missed, after)] == [2, 3, 4, 5]


async def test_a_cursor_of_the_empty_log_is_good_later(desk: Served) -> None:
    """Who subscribed before the first event misses nothing of it."""
    async with desk.feed() as live:
        hello = await anext(live)
    await desk.file("a-drill", "story-opened", title="A drill")
    async with desk.feed(cursor=hello.cursor) as live:
        assert [told.event for told in await live.take(3)] == ["hello", "resume", "message"]


@pytest.mark.parametrize("cursor", ["0123456789ab.1", "{log}.99", "000000000000.3"])
async def test_a_cursor_that_was_never_given_is_reset(room: Newsroom, cursor: str) -> None:
    """A foreign or future cursor is told to start over, and is told nothing old."""
    async with served(room, Limits(behind=0.01)) as desk:
        await told_to_start_over(desk, cursor)


async def told_to_start_over(desk: Served, cursor: str) -> None:
    await desk.file("a-drill", "story-opened", title="A drill")
    async with desk.feed("?since=0") as live:
        [told] = await live.news(1)
    cursor = cursor.format(log=told.cursor.split(".")[0])
    async with desk.feed(cursor=cursor) as live:
        hello, reset = await live.take(2)
        assert (hello.event, reset.event, reset.data["requested"]) == ("hello", "reset", cursor)
        assert (hello.cursor, bool(reset.cursor)) == ("", True)
        await desk.file("a-drill", "development-reported", label="note")
        assert (await anext(live)).data["data"]["position"] == 2


@pytest.mark.parametrize("query", ["?last_event_id={cursor}", "?since={position}"])
async def test_another_server_may_be_ahead(room: Newsroom, clock: Clock, query: str) -> None:
    """Who was told something by one server goes on at another that has yet to read it."""
    async with (
        newsroom(room.log.url, clock) as other,
        served(room) as first,
        served(other) as second,
    ):
        await first.file("a-drill", "story-opened", title="A drill")
        async with second.feed("?since=0") as live:
            name = (await live.news(1))[0].cursor.split(".")[0]
        for _ in range(20):  # the second looks every 20 ms, and must be asked before it looked
            told = await first.file("a-drill", "development-reported", label="note")
            asked = query.format(cursor=f"{name}.{told['position']}", position=told["position"])
            async with second.feed(asked) as live:
                assert (await anext(live)).data["position"] >= told["position"]
                missed = await first.file("a-drill", "development-reported", label="note")
                [news] = await live.news(1)
            assert news.data["data"]["position"] == missed["position"]


@pytest.mark.parametrize(
    "query",
    [
        "?last_event_id=nonsense",
        "?last_event_id=0123456789ab.-1",
        "?since=soon",
        "?kind=no-such-kind",
        "?story=",
        "?story=A-Drill",
        "?story=a-drill&story=b-drill",
        "?kind=corrected&kind=withdrawn",
        "?max_urgency=ten",
        "?last_event_id=0123456789ab.99999999999999999999",
    ],
)
async def test_what_makes_no_sense_is_refused(desk: Served, query: str) -> None:
    """A malformed cursor or filter is answered 400, never with silence."""
    status, body, _ = await desk.get(f"/v1/feed{query}")
    assert (status, orjson.loads(body)["status"]) == (400, 400)


async def test_a_subscriber_may_want_less(room: Newsroom) -> None:
    """Filters pass on what is wanted; the cursor moves past what is not."""
    async with served(room, Limits(heartbeat=0.01)) as desk:
        await desk.file("a-drill", "story-opened", title="A drill")
        await desk.file("b-drill", "story-opened", title="B drill")
        async with desk.feed("?story=b-drill&since=0") as live:
            assert (await live.news(1))[0].data["subject"] == "b-drill"
            await desk.file("a-drill", "development-reported", label="note")
            checkpoint = await anext(live)
            assert (checkpoint.event, checkpoint.data) == ("checkpoint", {"position": 3})
        async with desk.feed("?kind=development-reported&since=0&max_urgency=5") as live:
            assert (await live.news(1))[0].data["data"]["position"] == 3


async def test_what_a_filter_passed_over_is_not_read_again(room: Newsroom) -> None:
    """Who wants nothing of what there is comes back with a cursor behind it."""
    async with served(room) as desk:
        await desk.file("a-drill", "story-opened", title="A drill")
    async with (
        asyncio.timeout(10),
        served(room, Limits(heartbeat=0.01)) as desk,
        desk.feed("?kind=withdrawn&since=0") as live,
    ):
        hello, checkpoint = await live.take(2)
        assert (checkpoint.event, checkpoint.data) == ("checkpoint", {"position": 1})
        assert (hello.cursor[-2:], checkpoint.cursor[-2:]) == (".0", ".1")


async def test_what_a_filter_passes_over_keeps_nobody_waiting(
    room: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long ago a cursor was given, what is wanted is looked for in short stretches."""
    monkeypatch.setattr(live, "STRETCH", 50)
    note = {"kind": "development-reported", "headline": "A drill goes on", "label": "note"}
    async with served(room) as desk:
        await desk.file("a-drill", "story-opened", title="A drill")
        for _ in range(5):
            assert (await desk.post("a-drill", [note] * 100))[0] == 201
        await desk.file("a-drill", "withdrawn", target="d2", reason="a hoax")
    steps: list[int] = []

    def looked(told: dict[str, Any]) -> None:
        steps.append(told["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"])

    async with served(room) as desk:
        room.views.public.trace_v2(apsw.SQLITE_TRACE_PROFILE, looked)
        async with desk.feed("?kind=withdrawn&since=0") as subscriber:
            [told] = await subscriber.news(1)
        room.views.public.trace_v2(0)
    assert told.data["data"]["position"] == 502
    assert max(steps) < 20 * live.STRETCH  # some six to a position


async def test_what_was_taken_back_is_not_told_again(desk: Served) -> None:
    """Words that were held or withdrawn are in nothing that a later subscriber is told."""
    await desk.file("a-drill", "story-opened", title="A drill")
    await desk.file("a-drill", "development-reported", label="note", ref="N1", headline="Zebra")
    await desk.file("a-drill", "development-reported", label="note", ref="N2", headline="Okapi")
    async with desk.feed("?since=0") as live:
        last = (await live.news(3))[-1]
        assert "Okapi" in str(last.data)
        await desk.file("a-drill", "withdrawn", target="N1", reason="a hoax")
        await desk.file("a-drill", "held", target="N2", reason="to be checked")
        killed, held = await live.news(2)
    assert killed.data["data"]["gone"] == ["N1"]
    assert killed.data["data"]["changed"]["timeline"][0]["status"] == "withdrawn"
    assert held.data["data"]["gone"] == ["N2"]
    for query, cursor in (("?since=0", None), ("", last.cursor.split(".")[0] + ".1")):
        async with desk.feed(query, cursor) as live:
            told = await live.news(2 if cursor else 3)
        assert "Zebra" not in str(told)
        assert "Okapi" not in str(told)


async def test_a_released_story_comes_whole(desk: Served) -> None:
    """When an embargo on a story is broken, readers are told all of it at once, and no sooner."""
    embargo = {"embargo_until": LATER}
    async with desk.feed() as live:
        await anext(live)
        await desk.file("a-drill", "story-opened", ref="E1", title="A drill", **embargo)
        await desk.file("a-drill", "development-reported", label="note", headline="Zebra")
        await desk.file("b-drill", "story-opened", title="B drill")
        assert (await anext(live)).data["subject"] == "b-drill"
        await desk.file("a-drill", "embargo-broken", target="E1", reason="it is out")
        [told] = await live.news(1)
    assert told.data["type"] == "dateline.story-opened"
    assert [item["headline"] for item in told.data["data"]["changed"]["timeline"]] == ["Zebra"]


async def test_what_is_taken_back_of_a_whole_is_not_told_again(desk: Served) -> None:
    """When part of what was told together is withdrawn, the rest is told on without it."""
    await desk.file("a-drill", "story-opened", ref="E1", title="A drill", embargo_until=LATER)
    await desk.file("a-drill", "development-reported", label="note", ref="N1", headline="Zebra")
    await desk.file("a-drill", "development-reported", label="note", ref="N2", headline="Okapi")
    await desk.file("a-drill", "embargo-broken", target="E1", reason="it is out")
    await desk.file("a-drill", "withdrawn", target="N1", reason="a hoax")
    async with desk.feed("?since=0") as live:
        await live.news(2)  # by then the withdrawal is told
    async with desk.feed("?since=0") as live:
        whole, _ = await live.news(2)
    assert [item["headline"] for item in whole.data["data"]["changed"]["timeline"]] == ["Okapi"]


async def test_a_story_that_is_held_says_goodbye(desk: Served) -> None:
    """When the opening is held, the story is gone for readers, and they are told that it is."""
    await desk.file("a-drill", "story-opened", ref="E1", title="A drill")
    async with desk.feed("?since=0") as live:
        await live.news(1)
        await desk.file("a-drill", "held", target="E1", reason="to be checked")
        [told] = await live.news(1)
        assert told.data["data"]["gone"] == ["story"]
        assert (await desk.get("/v1/stories/a-drill"))[0] == 404
        await desk.file("a-drill", "hold-released", target="E1", reason="checked")
        [back] = await live.news(1)
    assert back.data["data"]["changed"]["opening"][0]["ref"] == "E1"


async def test_too_many_are_asked_to_come_back(room: Newsroom) -> None:
    """Over the limit a program gets 429 and a time, a browser a stream that tells it to wait."""
    async with served(room, Limits(from_one=1)) as desk, desk.feed() as live:
        await anext(live)
        status, _, headers = await desk.get("/v1/feed")
        assert (status, 30 <= int(headers["Retry-After"]) <= 90) == (429, True)
        async with desk.feed(**{"Sec-Fetch-Mode": "cors"}) as turned_away:
            assert turned_away.response.status == 200
            assert [told.event async for told in turned_away] == ["busy"]


async def test_a_connection_is_renewed_now_and_then(room: Newsroom) -> None:
    """After its time a connection ends in order, and the cursor goes on."""
    async with served(room, Limits(heartbeat=0.01, rotation=0.02)) as desk, desk.feed() as live:
        assert [told.event async for told in live] == ["hello"]


async def test_who_does_not_read_is_cut(room: Newsroom) -> None:
    """A reader that takes nothing loses its connection, and nobody else waits for it."""
    limits = Limits(send_within=0.2)
    async with served(room, limits) as desk, desk.feed("?since=0") as good:
        loop = asyncio.get_running_loop()
        host, port = desk.url.removeprefix("http://").split(":")
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.setblocking(False)  # noqa: FBT003 - the standard library's own name
            await loop.sock_connect(slow, (host, int(port)))
            await loop.sock_sendall(slow, b"GET /v1/feed HTTP/1.1\r\nHost: x\r\n\r\n")
            await desk.file("a-drill", "story-opened", title="A drill")
            reading = asyncio.create_task(good.news(101))
            body = "x" * 20_000
            for _ in range(100):
                await desk.file("a-drill", "development-reported", label="note", body=body)
            await reading
            # Before it is cut it may not read: it would be a reader then like any other.
            async with asyncio.timeout(15):
                while b"dateline_feed_clients 1.0" not in (await desk.get("/metrics"))[1]:
                    pass
            taken = 0
            with contextlib.suppress(ConnectionError):
                while chunk := await loop.sock_recv(slow, 65536):
                    taken += len(chunk)
            assert taken < 100 * len(body)
