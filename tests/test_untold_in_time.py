"""How long an answer takes tells no more than the answer: nothing of what is not released."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest
from filings import ADA, LATER
from serving import Served, served

from dateline.wiring import Newsroom
from events.errors import NotFound
from producers.intake import take

EVENTS = 3_000  # of a story that nobody may know of; looking through them takes a while
TIMES_AS_LONG = 3.0  # that it may take beside one that there never was, on a busy machine


@pytest.fixture
async def desk(room: Newsroom) -> AsyncIterator[Served]:
    opening = {"story": "hidden", "kind": "story-opened", "title": "T", "headline": "H"}
    await room.publisher.file(take(opening | {"embargo_until": LATER}), ADA)
    note = {"story": "hidden", "kind": "development-reported", "label": "note", "headline": "N"}
    for _ in range(EVENTS // 500):
        await room.publisher.file_all([take(note) for _ in range(500)], ADA)
    await room.subscription.catch_up()
    async with served(room) as made:
        yield made


async def quickest(ask: Callable[[], Awaitable[object]]) -> float:
    """The least that an answer takes: what else the machine does only adds to it."""
    took = []
    for _ in range(25):
        began = time.perf_counter()
        await ask()
        took.append(time.perf_counter() - began)
    return min(took)


async def test_what_is_hidden_takes_no_longer_than_what_never_was(
    room: Newsroom, desk: Served
) -> None:
    """For a story that readers may not know of, 404 takes as long as for one that never was."""

    async def state(story: str) -> None:
        with suppress(NotFound):
            await room.state(story, public=True)

    async def as_of(story: str) -> None:
        assert (await desk.get(f"/v1/stories/{story}?as_of=3"))[0] == 404

    for ask in (state, as_of):
        hidden, never = await quickest(lambda: ask("hidden")), await quickest(lambda: ask("never"))  # noqa: B023 - asked at once
        assert hidden < never * TIMES_AS_LONG, ask.__name__
