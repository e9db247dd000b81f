"""From a filing to the log: overtaken, interrupted or repeated, it lands once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import Clock
from filings import ADA, BEN, gathered

from events.envelope import Filed, Sealed
from events.errors import IdReused, LogUnavailable, Refused, WrongVersion
from events.log import Appended, Expect, ExpectedVersion, Log
from events.memory_log import MemoryLog
from producers.case import Actor
from producers.intake import Filing, take
from producers.publisher import TRIES, Publisher, Receipt

EVENT_ID = "01999999-0000-7000-8000-000000000001"


def filing(kind: str = "quote-added", **fields: Any) -> Filing:
    more = {"title": "A story"} if kind == "story-opened" else {}
    return take({"story": "a", "kind": kind, "headline": "It happens"} | more | fields)


async def no_pause(_seconds: float) -> None:
    """Time passes without being waited for."""


def publisher(log: Log) -> Publisher:
    return Publisher(log, Clock(), no_pause)


class Unsure(MemoryLog):
    """A log that takes an event and then cannot say so, as many times as it is told."""

    def __init__(self, failures: int) -> None:
        super().__init__(Clock())
        self.failures = failures

    async def append(
        self, story: str, events: Sequence[Filed], expected: ExpectedVersion = Expect.ANY
    ) -> Appended:
        places = await super().append(story, events, expected)
        if self.failures:
            self.failures -= 1
            raise LogUnavailable(self.url, "the answer was lost")
        return places


class Meanwhile(MemoryLog):
    """A log in which something happens right after somebody looked for ids."""

    def __init__(self) -> None:
        super().__init__(Clock())
        self.happens: Callable[[], Awaitable[object]] | None = None

    async def find(self, ids: Sequence[str]) -> Mapping[str, Sealed]:
        found = await super().find(ids)
        happens, self.happens = self.happens, None
        if happens is not None:
            await happens()
        return found


class Deaf(MemoryLog):
    """A log that takes nothing and says that it does not know."""

    tries = 0

    async def append(
        self, story: str, events: Sequence[Filed], expected: ExpectedVersion = Expect.ANY
    ) -> Appended:
        self.tries += 1
        raise LogUnavailable(self.url, f"no answer to {len(events)} for {story} at {expected}")


async def test_filers_overtake_each_other_and_all_get_in(log: Log) -> None:
    """Two desks filing into one story decide anew when the other was faster; nothing is lost."""
    first, second = publisher(log), publisher(log)
    await first.file(filing("story-opened"), ADA)
    done = await asyncio.gather(
        *(
            desk.file(filing(), who)
            for _ in range(10)
            for desk, who in ((first, ADA), (second, BEN))
        ),
        return_exceptions=True,
    )
    refused = [result for result in done if isinstance(result, BaseException)]
    assert all(isinstance(error, WrongVersion) for error in refused), refused
    versions = [event.version for event in await gathered(log.read_versions("a"))]
    assert versions == list(range(1, 22 - len(refused)))


async def test_an_unsure_log_is_asked_again_with_the_same_id() -> None:
    """When the log cannot say whether it took an event, the same id is sent and lands once."""
    log = Unsure(2)
    receipt = await publisher(log).file(filing("story-opened", id=EVENT_ID), ADA)
    assert (receipt.position, receipt.duplicate) == (1, True)
    assert (await log.head()).size == 1


async def test_an_id_made_here_is_repeated_too() -> None:
    """Also an id that the filer did not choose stays the same over all tries."""
    log = Unsure(1)
    receipt = await publisher(log).file(filing("story-opened"), ADA)
    assert (receipt.version, (await log.head()).size) == (1, 1)


async def test_tries_are_bounded() -> None:
    """A log that never answers is given up on, with the word that repeating is safe."""
    log = Deaf()
    with pytest.raises(LogUnavailable, match="safe to retry"):
        await publisher(log).file(filing("story-opened"), ADA)
    assert log.tries == TRIES


async def test_a_named_version_is_not_retried(log: Log) -> None:
    """Who expects a version is told when the story is elsewhere, and nothing is filed."""
    desk = publisher(log)
    await desk.file(filing("story-opened"), ADA, 0)
    with pytest.raises(WrongVersion) as raised:
        await desk.file(filing(), ADA, 0)
    assert (raised.value.expected, raised.value.found) == (0, 1)
    assert (await desk.file(filing(), ADA, 1)).version == 2


async def test_the_same_filing_is_answered_as_before(log: Log) -> None:
    """A repeated filing gets its first receipt, also when the story has closed since."""
    desk = publisher(log)
    await desk.file(filing("story-opened"), ADA)
    first = await desk.file(filing(id=EVENT_ID), Actor(ADA.name, needs_second=True))
    await desk.file(filing("story-closed", reason="over"), ADA)
    again = await desk.file(filing(id=EVENT_ID), ADA)
    assert again == first._replace(duplicate=True)
    with pytest.raises(IdReused):
        await desk.file(filing(id=EVENT_ID, urgency=1), ADA)


async def test_several_filings_land_together_or_not_at_all(log: Log) -> None:
    """Filings sent together are judged on top of each other and recorded as one."""
    desk = publisher(log)
    wait = {"ref": "P1", "awaited_from": "org:k"}
    three = [
        filing("story-opened"),
        filing("response-awaited", response=wait),
        filing("response-received", resolves="P1"),
    ]
    with pytest.raises(Refused):
        await desk.file_all([*three, filing("response-received", resolves="P1")], ADA)
    assert (await log.head()).size == 0
    receipts = await desk.file_all(three, ADA)
    assert [receipt.version for receipt in receipts] == [1, 2, 3]


async def test_what_is_remembered_of_a_story_is_not_trusted(log: Log) -> None:
    """A filing is judged by the story as it is, also when another process has moved it on."""
    ours, theirs = publisher(log), publisher(log)
    await ours.file(filing("story-opened", title="A drill", ref="E1"), ADA)
    await theirs.file(filing("quote-added", ref="Q"), ADA)
    with pytest.raises(Refused, match="ref-free"):
        await ours.file(filing("quote-added", ref="Q"), ADA)
    await theirs.file(filing("quote-added", ref="R"), ADA)
    kill = filing("withdrawn", target="R", reason="a hoax")
    assert (await ours.file(kill, ADA, Expect.MUST_EXIST)).version == 4
    await theirs.file(filing("story-closed", reason="over"), ADA)
    with pytest.raises(Refused, match="story-closed"):
        await ours.file(filing("quote-added"), ADA, Expect.MUST_EXIST)


OPENING = filing("story-opened", id=EVENT_ID)
SEVERAL = [filing(id=f"01999999-0000-7000-8000-00000000010{n}") for n in range(3)]


@pytest.mark.parametrize(
    ("filings", "expected"),
    [([OPENING], Expect.ANY), ([OPENING], 0), (SEVERAL, Expect.ANY), (SEVERAL, 1)],
)
async def test_the_same_filing_twice_at_once_is_recorded_once(
    filings: list[Filing], expected: ExpectedVersion
) -> None:
    """Who sends a filing again before the first is answered gets its places, and no refusal."""
    log = Meanwhile()
    one, other = publisher(log), publisher(log)
    if filings is SEVERAL:
        await one.file(OPENING, ADA)
    first: list[Receipt] = []

    async def happens() -> None:
        first.extend(await one.file_all(filings, ADA, expected))

    log.happens = happens
    again = await other.file_all(filings, ADA, expected)
    assert again == [receipt._replace(duplicate=True) for receipt in first]
    assert (await log.head()).size == len(filings) + (filings is SEVERAL)
    refused = filing(id=filings[0].id, headline="It did not happen")
    with pytest.raises(IdReused):
        await other.file(refused, ADA)


async def test_what_is_remembered_of_an_embargo_is_what_the_log_says() -> None:
    """Whoever goes on with a story after an embargo judges as one who reads the story anew."""
    clock = Clock()
    log = MemoryLog(clock)
    one = Publisher(log, clock, no_pause)
    await one.file(OPENING, ADA)
    clock.move(36_000_000)
    await one.file(filing(), ADA)
    clock.move(-36_000_000)  # set right; the log's time stays ahead
    in_an_hour = datetime.fromtimestamp(clock.now / 1000 + 3600, UTC).isoformat()
    await one.file(filing(embargo_until=in_an_hour), ADA)
    before = datetime.fromtimestamp(clock.now / 1000 - 3600, UTC).isoformat()
    await one.file(filing(embargo_until=in_an_hour, filed_at=before), ADA)
    assert dict(await one.desk("a")) == dict(await publisher(log).desk("a"))
