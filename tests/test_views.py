"""Views of the log: each event once, bad ones put aside, made anew beside the live one."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Literal

import apsw
import orjson
import pytest
from conftest import SAMPLE, STORY, Clock
from disks import needs_root, small_disk
from filings import development, filed, gathered, note, opening

from consumers.rebuild import rebuild
from consumers.stories import Stories
from consumers.subscription import TRIES, Subscription
from consumers.views import Position, Views
from dateline.wiring import Newsroom, newsroom, views_path
from events.envelope import Recorded, instant
from events.errors import NotFound, RebuildUnderWay, ViewsUnavailable
from events.log import Log
from events.vocabulary import KINDS
from producers.case import Actor
from producers.importing import Import
from producers.intake import take


@pytest.fixture
async def room(tmp_path: Path, clock: Clock) -> AsyncIterator[Newsroom]:
    clock.now = 1_790_000_000_000
    async with newsroom(f"sqlite:///{tmp_path}/news.db", clock) as made:
        yield made


async def import_sample(room: Newsroom) -> None:
    run = Import(room.log, room.publisher, Actor("import"), room.clock, lambda *_: None)
    await run.run(SAMPLE.read_bytes().splitlines())


async def fresh_contents(log: Log) -> list[tuple[str, str, str]]:
    """What a new view of the whole log holds."""
    views = Views(":memory:", Clock())
    stories = Stories(views)
    await Subscription(log, views, stories).catch_up()
    found = list(stories.contents())
    views.close()
    return found


async def test_the_sample_looks_as_the_vocabulary_says(room: Newsroom) -> None:
    """After the sample: 23 developments, the Kremlin awaited, figures with whose they are."""
    await import_sample(room)
    state = orjson.loads(await room.state(STORY))
    assert (state["status"], len(state["timeline"]), len(state["conflicts"])) == ("open", 23, 2)
    assert [wait["ref"] for wait in state["pending"]] == ["P1"]
    assert state["pending"][0]["awaited_from"] == "org:kremlin"
    assert [wait["ref"] for wait in state["resolved"]] == ["P2"]
    figures = state["figures"]
    assert (figures["F1"]["value"], figures["F1"]["parts"]) == (8, ["F1a", "F1b"])
    assert (figures["F1b"]["value"], figures["F1b"]["parts"]) == (5, ["F1c"])
    assert (figures["F3"]["value"], figures["F3"]["words"]) == (None, "thousands")
    assert (figures["F4"]["value"], figures["F4"]["qualifier"]) == (19000, "more-than")
    assert figures["F4"]["source"] is None
    assert state["lead"]["ref"] == "E04"
    assert (state["version"], state["checkpoint"]) == (26, 26)


async def test_the_view_is_the_replay(room: Newsroom) -> None:
    """The view kept event by event is byte for byte the view of a fresh replay."""
    await import_sample(room)
    for n in range(20):
        await room.log.append(f"other-{n % 3}", [filed(opening(headline=str(n)))])
        await room.subscription.catch_up()
    assert list(room.stories.contents()) == await fresh_contents(room.log)


async def test_a_new_view_picks_up_where_the_last_stopped(room: Newsroom) -> None:
    """After a restart only what is new is read."""
    await import_sample(room)
    await room.subscription.catch_up()
    again = Subscription(room.log, room.views, Stories(room.views))
    await room.log.append("a", [filed(opening())])
    assert await again.catch_up() == 27
    assert list(room.stories.contents()) == await fresh_contents(room.log)


async def test_two_processes_may_keep_one_view(room: Newsroom) -> None:
    """Two consumers of one view share the work and do none of it twice."""
    await import_sample(room)
    other = Views(room.views.path, room.clock)
    workers = [room.subscription, Subscription(room.log, other, Stories(other))]
    for n in range(30):
        await room.log.append("a" if n % 2 else "b", [note(str(n))])
        await asyncio.gather(*(worker.catch_up() for worker in workers))
    other.close()
    assert list(room.stories.contents()) == await fresh_contents(room.log)


async def test_a_checkpoint_is_never_taken_back(room: Newsroom) -> None:
    """A consumer that was overtaken between reading and writing leaves the checkpoint ahead."""
    await import_sample(room)
    other = Views(room.views.path, room.clock)

    class Overtaken(Views):
        """Views in which another consumer is always faster."""

        def position(self, consumer: str) -> Position:
            found = super().position(consumer)
            if not self.connection.in_transaction:
                quick = Subscription(room.log, other, Stories(other))
                quick.handle(events[: found.checkpoint + 10])
            return found

    events = await gathered(room.log.read())
    slow = Overtaken(room.views.path, room.clock)
    Subscription(room.log, slow, Stories(slow)).handle(events[:3])
    assert other.position("stories").checkpoint == 10
    slow.close()
    other.close()


async def test_a_running_subscription_keeps_up(room: Newsroom) -> None:
    """A subscription that runs handles new events as they come."""
    running = asyncio.create_task(room.subscription.run())
    await import_sample(room)
    while room.views.position("stories").checkpoint < 26:  # noqa: ASYNC110 - waits for a position
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert list(room.stories.contents()) == await fresh_contents(room.log)


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
    from events import codec  # noqa: PLC0415 - the one test that looks inside

    await import_sample(room)
    readers = {shape: read for shape, read in codec._READERS.items() if shape[0] != "quote-added"}
    kinds = {kind: model for kind, model in KINDS.items() if kind != "quote-added"}
    monkeypatch.setattr(codec, "_READERS", readers)
    monkeypatch.setattr(codec, "KINDS", kinds)
    assert await room.subscription.catch_up() == 26
    (parked,) = room.views.parked("stories")
    assert (parked.kind, parked.reason) == ("quote-added", "unknown kind quote-added/1")
    assert len(orjson.loads(await room.state(STORY))["timeline"]) == 22
    assert len(await gathered(room.log.read_versions(STORY))) == 26


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


async def test_a_lost_view_is_made_anew(tmp_path: Path) -> None:
    """The file of views may be deleted; the next reader makes it again."""
    url = f"sqlite:///{tmp_path}/news.db"
    async with newsroom(url) as room:
        await import_sample(room)
        before = await room.state(STORY)
    for name in os.listdir(tmp_path):  # noqa: PTH208 - pathlib would block as well
        if name.startswith("news.views.db"):
            os.unlink(tmp_path / name)  # noqa: PTH108 - as above
    async with newsroom(url) as room:
        assert orjson.loads(await room.state(STORY)) == orjson.loads(before)
        with pytest.raises(NotFound):
            await room.state("no-such-story")


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


async def file_some(url: str, clock: Clock, story: str, count: int) -> None:
    async with newsroom(url, clock) as room:
        await room.log.append(story, [filed(opening()), *(note(str(n)) for n in range(1, count))])
        await room.state(story)


async def test_views_know_their_log(tmp_path: Path, clock: Clock) -> None:
    """Another log in the place of the first is shown as it is, shorter or longer than the first."""
    url, other = f"sqlite:///{tmp_path}/news.db", tmp_path / "elsewhere"
    await file_some(url, clock, "first", 5)
    for story, count in (("shorter", 2), ("longer", 9)):
        other.mkdir()
        for file in tmp_path.glob("news.db*"):
            file.rename(other / file.name)
        shutil.rmtree(other)
        await file_some(url, clock, story, count)
        async with newsroom(url, clock) as room:
            assert [summary.story for summary in room.stories.summaries()] == [story]
            assert orjson.loads(await room.state(story))["version"] == count
            assert list(room.stories.contents()) == await fresh_contents(room.log)


def test_each_log_has_views_of_its_own() -> None:
    """Logs whose names differ only by their ending or behind a dot do not share their views."""
    names = ("desk", "desk.db", "desk.2025", "desk.2026", "a.b.db", "a.b")
    views = {views_path(f"sqlite:///{name}") for name in names}
    assert len(views) == len(names)
    assert views.isdisjoint(names)


async def test_what_is_no_view_is_left_alone(tmp_path: Path, clock: Clock) -> None:
    """A log that lies where the views of another belong is refused as such and not touched."""
    async with newsroom(f"sqlite:///{tmp_path}/x.views.db", clock) as room:
        await room.log.append("a", [filed(opening())])
    async with newsroom(f"sqlite:///{tmp_path}/x.db", clock) as room:
        await room.log.append("b", [filed(opening())])
        with pytest.raises(ViewsUnavailable, match="another program's database"):
            await room.state("b")
    async with newsroom(f"sqlite:///{tmp_path}/x.views.db", clock) as room:
        assert (await room.log.head()).size == 1


@pytest.mark.parametrize("damage", ["torn", "noise", "inner"])
async def test_damaged_views_are_set_aside(tmp_path: Path, clock: Clock, damage: str) -> None:
    """Views that are torn or overwritten are put aside and made anew; filing never needs them."""
    url, views = f"sqlite:///{tmp_path}/news.db", tmp_path / "news.views.db"
    await file_some(url, clock, "a", 400)
    good = views.read_bytes()
    bad = {
        "torn": good[:100],
        "noise": bytes(range(256)) * 64,
        "inner": good[:8192] + bytes(b ^ 0x5A for b in good[8192:]),
    }
    views.write_bytes(bad[damage])
    async with newsroom(url, clock) as room:
        await room.log.append("a", [note("filed all the same")])
    with contextlib.suppress(ViewsUnavailable):
        async with newsroom(url, clock) as room:
            await room.state("a")
    async with newsroom(url, clock) as room:
        assert orjson.loads(await room.state("a"))["version"] == 401
        assert not room.views.parked()
    assert (tmp_path / "news.views.db.damaged").exists()


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


async def test_a_state_is_shown_as_other_processes_have_moved_it(room: Newsroom) -> None:
    """What readers were shown before is not shown again once another process moved the story."""
    await import_sample(room)
    before = await room.state(STORY, public=True)
    assert await room.state(STORY, public=True) is before
    async with newsroom(room.log.url, room.clock) as other:
        note = {"story": STORY, "kind": "development-reported", "label": "note", "headline": "New"}
        await other.publisher.file(take(note), Actor("desk:ada"))
        await other.subscription.catch_up()
    assert orjson.loads(await room.state(STORY, public=True))["lead"] is not None
    assert b'"New"' in await room.state(STORY, public=True)


async def test_a_wait_runs_late_in_a_state_that_was_shown_before(
    room: Newsroom, clock: Clock
) -> None:
    """An answer that is due shows as overdue once its time has passed, with nothing filed since."""
    await import_sample(room)
    due = instant(clock.now + 1_000)
    wait = {"ref": "P9", "awaited_from": "org:kremlin", "due_at": due}
    filing = {"story": STORY, "kind": "response-awaited", "headline": "No word", "response": wait}
    await room.publisher.file(take(filing), Actor("desk:ada"))
    for moved, overdue in ((0, False), (1_001, True)):
        clock.move(moved)
        state = orjson.loads(await room.state(STORY, public=True))
        assert {w["ref"]: w["overdue"] for w in state["pending"]}["P9"] is overdue


async def test_a_readers_query_cannot_reach_the_rest(room: Newsroom) -> None:
    """SQLite itself refuses whatever would show more than readers may see, whoever asks it how."""
    await import_sample(room)
    await room.subscription.catch_up()
    public = room.views.public
    assert public.execute("SELECT count(*) FROM public_parts_1").get > 20
    for attempt in (
        "SELECT content FROM story_parts_1",
        "SELECT count(*) FROM story_parts_1",
        "SELECT content FROM newsroom_parts_1",
        "SELECT event FROM story_updates_1",
        "SELECT content FROM public_parts_1 UNION SELECT content FROM story_parts_1",
        "SELECT (SELECT content FROM story_parts_1 LIMIT 1) FROM public_parts_1",
        "SELECT reason FROM parked",
        "SELECT sql FROM sqlite_schema",
        "ATTACH 'other.db' AS other",
        "PRAGMA writable_schema = 1",
        "CREATE TEMP VIEW public_mine AS SELECT * FROM story_parts_1",
        "DELETE FROM public_parts_1",
        "WITH public_x AS (SELECT content FROM story_parts_1) SELECT * FROM public_x",
        "SELECT * FROM (SELECT content FROM story_parts_1) AS public_x",
    ):
        with pytest.raises((apsw.AuthError, apsw.SQLError, apsw.ReadOnlyError)):
            public.execute(attempt).fetchall()


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
