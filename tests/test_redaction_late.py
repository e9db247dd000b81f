"""Words that a view has are gone from it with the event that erases them, wherever it is read."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from brokers import topic_of
from publishing import filed
from redactions import LAW, traces

from consumers.rebuild import rebuild
from dateline.wiring import Newsroom, newsroom

WORDS = "zqlate01 words that many developments share"
AGAIN = 20  # as many as fill some pages of a view


async def told(room: Newsroom) -> None:
    """Developments that share words, of which one is redacted later."""
    await filed(room, "story-opened", title="A story")
    await filed(room, "quote-added", ref="Q", headline=WORDS)
    for _ in range(AGAIN):
        await filed(room, "quote-added", headline=f"Once more: {WORDS}")


async def redacted(room: Newsroom) -> None:
    await filed(room, "redacted", target="Q", fields=["headline"], headline=None, **LAW)


async def test_a_node_that_was_off_shows_no_erased_words(kafka: str, tmp_path: Path) -> None:
    """A node that was off during an erasure shows none of the words, nor does its view hold any."""
    address = topic_of(kafka, tmp_path)
    here, there = (f"{address.url}?mirror={tmp_path}/{name}.db" for name in ("here", "there"))
    async with newsroom(here) as room:
        await told(room)
        assert WORDS.encode() in await room.state("a")
    async with newsroom(there) as room:
        await redacted(room)
    async with newsroom(here) as room:
        assert WORDS.encode() not in await room.state("a")
        assert WORDS not in str(list(room.stories.contents()))
    assert list(traces(tmp_path, WORDS)) == []  # the other one keeps no view


async def test_what_is_erased_is_not_shown_until_it_is_cleaned_up(room: Newsroom) -> None:
    """From the redaction on no state has the words, whichever development they stood in."""
    await told(room)
    assert WORDS.encode() in await room.state("a", public=True)
    await redacted(room)
    for public in (True, False):
        assert WORDS.encode() not in await room.state("a", public=public)
    assert WORDS not in str(list(room.stories.contents()))


def test_a_rebuild_that_an_erasure_overtakes_has_none_of_the_words(tmp_path: Path) -> None:
    """A view that is made anew while something is erased does not bring it back."""
    url = f"sqlite:///{tmp_path}/news.db"

    async def elsewhere() -> None:
        async with newsroom(url) as room:
            await redacted(room)

    def meanwhile(done: int, _all: int) -> None:
        if done == AGAIN + 2:
            with ThreadPoolExecutor(1) as thread:
                thread.submit(asyncio.run, elsewhere()).result()

    async def here() -> None:
        async with newsroom(url) as room:
            await told(room)
            assert await rebuild(room.log, room.views, room.stories, meanwhile) == AGAIN + 3
            assert WORDS not in str(list(room.stories.contents()))

    asyncio.run(here())
