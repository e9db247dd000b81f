"""A view is made anew beside the live one, and takes its place when it is done."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import STORY, Clock
from filings import filed, opening
from viewing import fresh_contents, import_sample

from consumers.feed.bulletin import Wanted
from consumers.rebuild import rebuild
from dateline.wiring import Newsroom, newsroom
from events.errors import RebuildUnderWay


async def test_a_rebuild_is_byte_equal_and_swaps_at_the_end(room: Newsroom) -> None:
    """A rebuilt view is the live one byte for byte, and readers keep the old until it is done."""
    await import_sample(room)
    await room.subscription.catch_up()
    before = list(room.stories.contents())
    told: list[tuple[int, int]] = []
    assert await rebuild(room.log, room.views, room.stories, lambda *a: told.append(a)) == 26
    assert list(room.stories.contents()) == before
    assert told[-1] == (26, 26)
    assert room.views.position("stories").generation == 2
    await room.log.append("a", [filed(opening())])
    await room.subscription.catch_up()
    assert list(room.stories.contents()) == await fresh_contents(room.log)


async def test_a_cancelled_rebuild_changes_nothing(room: Newsroom) -> None:
    """A rebuild that is broken off leaves the live view as it was, and can be run again."""
    await import_sample(room)
    await room.subscription.catch_up()
    before = list(room.stories.contents())

    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await rebuild(room.log, room.views, room.stories, stop)
    assert list(room.stories.contents()) == before
    assert room.views.position("stories").generation == 1
    await rebuild(room.log, room.views, room.stories, lambda *_: None)
    assert list(room.stories.contents()) == before


async def test_events_filed_during_a_rebuild_are_in_both_views(room: Newsroom) -> None:
    """The live view goes on during a rebuild, and the new one has caught up when it takes over."""
    await import_sample(room)

    def meanwhile(done: int, _total: int) -> None:
        if done == 26:
            appended.append(asyncio.ensure_future(room.log.append("a", [filed(opening())])))

    appended: list[asyncio.Future[Any]] = []
    await rebuild(room.log, room.views, room.stories, meanwhile)
    await asyncio.gather(*appended)
    await room.subscription.catch_up()
    assert list(room.stories.contents()) == await fresh_contents(room.log)


async def test_two_rebuilds_do_not_meet(room: Newsroom, clock: Clock) -> None:
    """A second rebuild beside the first is refused; the view is whole, and may be rebuilt after."""
    await import_sample(room)
    refused = []

    async with newsroom(room.log.url, clock) as second:

        def meanwhile(_done: int, _size: int) -> None:
            with pytest.raises(RebuildUnderWay) as raised, second.views.alone():
                pass
            refused.append(raised.value)

        await rebuild(room.log, room.views, room.stories, meanwhile)
        assert refused
        await rebuild(second.log, second.views, second.stories, lambda *_: None)
        assert list(second.stories.contents()) == await fresh_contents(room.log)


async def test_a_list_is_whole_while_a_view_is_exchanged(tmp_path: Path) -> None:
    """Whoever lists stories while another program rebuilds their view is given all of them."""
    url = f"sqlite:///{tmp_path}/news.db"
    async with newsroom(url) as builder, newsroom(url) as reader:
        await import_sample(builder)
        await builder.subscription.catch_up()
        done = threading.Event()

        def read() -> set[int]:
            found = set()
            while not done.is_set():
                found.add(len(reader.stories.summaries(9)))
                found.add(1 + len(reader.stories.embargoes()))
                found.add(len(reader.stories.updates(0, 26, 1, Wanted())))
                assert reader.stories.last_told()
                assert reader.stories.state(STORY, "2031-01-01T00:00:00Z", public=True)
            return found

        reading = asyncio.create_task(asyncio.to_thread(read))
        for _ in range(20):
            await rebuild(builder.log, builder.views, builder.stories, lambda *_: None)
        done.set()
        assert await reading == {1}


async def test_a_reader_makes_no_table_that_is_there(tmp_path: Path) -> None:
    """Who reads a view that took another's place makes nothing that is being taken away."""
    url = f"sqlite:///{tmp_path}/news.db"
    async with newsroom(url) as builder, newsroom(url) as reader:
        await import_sample(builder)
        await builder.subscription.catch_up()
        await rebuild(builder.log, builder.views, builder.stories, lambda *_: None)
        asked: list[str] = []

        def note(_cursor: object, sql: str, _with: object) -> bool:
            asked.append(sql)
            return True

        reader.views.connection.exec_trace = note
        assert len(reader.stories.summaries(9)) == 1
        assert asked
        assert not [sql for sql in asked if "CREATE" in sql]
