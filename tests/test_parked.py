"""A bad event is put aside with the reason, and takes no other with it."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import apsw
import orjson
import pytest
from conftest import STORY, Clock
from disks import needs_root, small_disk
from filings import ADA, development, filed, gathered, note, opening
from viewing import fresh_contents, import_sample

from consumers import turns
from consumers.subscription import TRIES, Subscription
from consumers.views import Position, Views
from dateline.wiring import Newsroom, newsroom
from events.envelope import Recorded
from events.vocabulary import KINDS, Unknown
from producers.intake import take


class Picky:
    """A projection that cannot stand some headlines."""

    name = "picky"

    def __init__(self, views: Views, later: Literal["wait", "pass"] = "pass") -> None:
        self.later: Literal["wait", "pass"] = later
        self.tries: list[int] = []
        self._views = views
        views.connection.execute("CREATE TABLE IF NOT EXISTS seen (position INTEGER PRIMARY KEY)")

    def project(self, generation: int, events: Sequence[Recorded]) -> None:
        assert generation == 1
        for event in events:
            self.tries.append(event.position)
            headline = getattr(event.development, "headline", "")
            self._views.connection.execute("INSERT INTO seen VALUES (?)", (event.position,))
            if headline == "poison":
                raise ValueError(f"cannot stand {headline}")

    def drop(self, generation: int) -> None:
        raise NotImplementedError(generation)

    def seen(self) -> list[int]:
        return [row[0] for row in self._views.connection.execute("SELECT position FROM seen")]


async def with_poison(room: Newsroom) -> None:
    for story, headline in [("a", "1"), ("a", "poison"), ("a", "3"), ("b", "4")]:
        await room.log.append(story, [note(headline)])


async def test_a_bad_event_is_parked_and_the_rest_go_on(room: Newsroom) -> None:
    """An event that keeps failing is tried a few times, parked with the reason, and passed by."""
    await with_poison(room)
    picky = Picky(room.views)
    assert await Subscription(room.log, room.views, picky).catch_up() == 4
    assert picky.seen() == [1, 3, 4]
    (parked,) = room.views.parked("picky")
    assert (parked.position, parked.story, parked.version) == (2, "a", 2)
    assert parked.reason == "ValueError: cannot stand poison"
    assert picky.tries.count(2) == TRIES + 1, "once in the batch, then alone"


async def test_later_events_may_wait_behind_a_parked_one(room: Newsroom) -> None:
    """Where a consumer needs order, later events of that story wait and other stories go on."""
    await with_poison(room)
    picky = Picky(room.views, "wait")
    await Subscription(room.log, room.views, picky).catch_up()
    assert picky.seen() == [1, 4]
    assert [parked.position for parked in room.views.parked("picky")] == [2, 3]


async def test_an_event_that_kills_its_consumer_is_found_and_parked(room: Newsroom) -> None:
    """Tries are counted before they are made, so that a crash counts as a failure."""
    await with_poison(room)
    position = room.views.position("picky")
    with room.views.transaction():
        room.views.move("picky", position._replace(in_hand=4))
    for _ in range(TRIES):
        room.views.count_attempt("picky", 1)
    picky = Picky(room.views)
    await Subscription(room.log, room.views, picky).catch_up()
    reasons = {parked.position: parked.reason for parked in room.views.parked("picky")}
    assert reasons[1] == "the consumer ended while it handled the event"
    assert picky.seen() == [3, 4]


async def test_an_unknown_kind_is_parked_by_the_view_and_stays_in_the_history(
    room: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event of a kind from the future is kept and parked, and crashes nobody."""
    from consumers import subscription  # noqa: PLC0415 - the one test that looks inside
    from events import codec, recall  # noqa: PLC0415 - as above

    await import_sample(room)
    readers = {shape: read for shape, read in codec._READERS.items() if shape[0] != "quote-added"}
    kinds = {kind: model for kind, model in KINDS.items() if kind != "quote-added"}
    monkeypatch.setattr(codec, "_READERS", readers)
    monkeypatch.setattr(codec, "KINDS", kinds)
    monkeypatch.setattr(recall, "_reader", lambda _kind, _schema: None)
    monkeypatch.setattr(subscription, "SCHEMAS", dict.fromkeys(kinds, 1))
    assert await room.subscription.catch_up() == 26
    (parked,) = room.views.parked("stories")
    assert (parked.kind, parked.reason) == ("quote-added", "unknown kind quote-added/1")
    assert len(orjson.loads(await room.state(STORY))["timeline"]) == 22
    assert len(await gathered(room.log.read_versions(STORY))) == 26


async def test_a_poisoned_first_batch_parks_one_event(room: Newsroom) -> None:
    """A bad event among the first of all takes no other with it into the parking place."""
    await import_sample(room)
    stories = room.stories
    ordinary = stories.project

    def poisoned(generation: int, events: Sequence[Recorded]) -> None:
        ordinary(generation, events)
        if any(event.position == 8 for event in events):
            raise ValueError("poison")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stories, "project", poisoned)
        assert await room.subscription.catch_up() == 26
    assert [parked.position for parked in room.views.parked()] == [8]
    assert (await gathered(room.log.read()))[7].development.kind
    assert orjson.loads(await room.state(STORY))["checkpoint"] == 26


@needs_root
async def test_a_full_disk_parks_nothing(tmp_path: Path, clock: Clock) -> None:
    """With no room for views, stories are told from the log; with room again nothing is missing."""
    with small_disk(tmp_path / "disk") as disk:
        async with newsroom(f"sqlite:///{disk}/news.db", clock) as room:
            words = "A drill that fills the disk. " * 600
            await room.log.append("a", [filed(opening())])
            await room.log.append("a", [note(str(n)) for n in range(9)])
            await room.state("a")
            for _ in range(20):
                long = development("development-reported", label="drill", body=words)
                await room.log.append("a", [filed(long)])
            ballast = disk / "ballast"
            with ballast.open("wb", buffering=0) as heavy, contextlib.suppress(OSError):
                while heavy.write(bytes(4096)):
                    pass
            # First no room at all, then enough to count tries and too little for what is tried.
            for room_left in (0, 64, 96, 128, 160):
                os.truncate(ballast, ballast.stat().st_size - room_left * 1024)
                for _ in range(TRIES + 2):
                    assert orjson.loads(await room.state("a"))["version"] == 30
                with ballast.open("ab", buffering=0) as heavy, contextlib.suppress(OSError):
                    while heavy.write(bytes(4096)):
                        pass
            ballast.unlink()
            assert orjson.loads(await room.state("a"))["version"] == 30
            assert not room.views.parked()
            assert list(room.stories.contents()) == await fresh_contents(room.log)


async def test_a_disk_that_fills_within_a_batch_is_no_events_fault(room: Newsroom) -> None:
    """When the views' disk is full SQLite ends the transaction itself, and nothing is parked."""
    await import_sample(room)
    pages = room.views.connection.pragma("page_count")
    for room_left in range(20):
        room.views.connection.pragma("max_page_count", pages + room_left)
        with contextlib.suppress(apsw.FullError):
            await room.subscription.catch_up()
        assert room.views.parked() == []
    room.views.connection.pragma("max_page_count", 100_000)
    await room.subscription.catch_up()
    assert list(room.stories.contents()) == await fresh_contents(room.log)


async def test_who_waits_for_a_turn_counts_nothing(
    room: Newsroom, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one consumer is at work on events, another waits and counts no try of them."""
    await with_poison(room)
    monkeypatch.setattr(turns, "BUSY_SECONDS", 0.02)
    picky = Subscription(room.log, room.views, Picky(room.views))
    other = Views(room.views.path, clock)
    with other.turn(), other.transaction():
        other.move("picky", Position(in_hand=4))
    with other.turn(), pytest.raises(apsw.BusyError):
        await picky.catch_up()
    tries = room.views.connection.execute("SELECT count(*) FROM attempts").get
    assert (tries, room.views.position("picky").checkpoint) == (0, 0)
    assert await picky.catch_up() == 4
    other.close()


async def test_a_skip_outlives_a_rebuild(room: Newsroom) -> None:
    """An event that the desk decided to go on without is not put before it again by a rebuild."""
    await with_poison(room)
    picky = Picky(room.views)
    await Subscription(room.log, room.views, picky).catch_up()
    skip = development("parked-skipped", consumer="picky", parked=2, reason="a drill")
    await room.log.append("a", [filed(skip)])
    await Subscription(room.log, room.views, picky).catch_up()
    assert not room.views.parked()
    anew = Subscription(room.log, room.views, picky, "picky anew")
    room.views.connection.execute("DELETE FROM seen")
    await anew.catch_up()
    assert picky.seen() == [1, 3, 4, 5]
    assert not room.views.parked()


@pytest.mark.parametrize("body", [b"not JSON", b"[]", b'{"kind": "development-reported"}'])
async def test_an_event_that_cannot_be_read_is_parked(room: Newsroom, body: bytes) -> None:
    """An event whose stored bytes are no development is shown as such, parked, and stops nobody."""
    await import_sample(room)
    await room.log.append("a", [filed(opening()), note("2"), note("3")])
    with contextlib.closing(apsw.Connection(room.log.url.removeprefix("sqlite:///"))) as raw:
        raw.execute("DROP TRIGGER contents_are_erased_or_kept")
        raw.execute("UPDATE events SET body = ? WHERE position = 28", (body,))
    assert await room.subscription.catch_up() == 29
    (parked,) = room.views.parked()
    assert (parked.position, parked.reason) == (28, "a body that is no development-reported/1")
    assert [item["headline"] for item in orjson.loads(await room.state("a"))["timeline"]] == ["3"]
    found = [event.development for event in await gathered(room.log.read_versions("a"))]
    assert [isinstance(each, Unknown) for each in found] == [False, True, False]
    await room.publisher.file(take({"story": "a", "kind": "quote-added", "headline": "4"}), ADA)
