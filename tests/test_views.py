"""Views of the log: each event once, bad ones put aside, made anew beside the live one."""

import asyncio
import contextlib
import os
import shutil
import threading
from pathlib import Path

import apsw
import orjson
import pytest
from conftest import STORY, Clock
from filings import development, filed, gathered, note, opening
from noting import noted
from viewing import fresh_contents, import_sample

from consumers.stories.projection import Stories
from consumers.subscription import Subscription
from consumers.views import Position, Views
from dateline.urls import views_path
from dateline.wiring import Newsroom, newsroom
from events.alerts import Alert, AlertCorrected, AlertDeferred, AlertIssued
from events.envelope import instant
from events.errors import NotFound, ViewsUnavailable
from producers.case import Actor
from producers.intake import take


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


async def test_a_view_with_little_memory_is_the_replay(
    room: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more stories than are kept in memory, each goes on from how it stands on disk."""
    monkeypatch.setattr(room.stories._remembered, "_most", 3)
    stories = [f"story-{number}" for number in range(4)]
    waits = {"ref": "P1", "awaited_from": "org:ministry"}
    for what in (
        opening(),
        development("response-awaited", ref="E2", response=waits),
        development("response-received", ref="E3", resolves="P1"),
        development("withdrawn", target="E3", reason="a drill"),
    ):
        for story in stories:
            await room.log.append(story, [filed(what)])
        await room.subscription.catch_up()
    assert list(room.stories.contents()) == await fresh_contents(room.log)


async def test_a_part_that_moves_is_there_once(tmp_path: Path, clock: Clock) -> None:
    """An alert that is decided again and again stands in the view once, after each restart too."""
    url = f"sqlite:///{tmp_path}/news.db"
    about = {"ref": "alert-1", "derived_from": ("d2",), "level": "deferred", "reason": "a drill"}
    alert = Alert.model_validate(about)
    decisions = (AlertDeferred, AlertDeferred, AlertDeferred, AlertIssued, AlertCorrected)
    async with newsroom(url, clock) as room:
        await room.log.append("a", [filed(opening()), note("something")])
    for decision in decisions:
        async with newsroom(url, clock) as room:
            decided = decision(ref="alert-1", headline="something", alert=alert)
            await room.log.append("a", [filed(decided)])
            await room.subscription.catch_up()
            assert not room.views.parked()
            assert len(room.stories.of_alerts("alerts", 9)) == 1
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
    """A consumer that a rebuild overtakes while it works leaves the checkpoint ahead."""
    await import_sample(room)
    events = await gathered(room.log.read())
    other = Views(room.views.path, room.clock)
    with other.transaction():
        other.move("rebuilt", Position(2))
    Subscription(room.log, other, Stories(other), "rebuilt").handle(events[:10])

    class Overtaken(Views):
        """Views of which a new generation takes the place whenever somebody has looked."""

        def position(self, consumer: str) -> Position:
            found = super().position(consumer)
            if not self.connection.in_transaction:
                with other.transaction():
                    other.move(consumer, other.position("rebuilt"))
            return found

    slow = Overtaken(room.views.path, room.clock)
    Subscription(room.log, slow, Stories(slow)).handle(events[:3])
    assert other.position("stories").checkpoint == 10
    slow.close()
    other.close()


async def test_a_running_subscription_keeps_up(room: Newsroom) -> None:
    """A subscription that runs handles new events as they come."""
    running = asyncio.create_task(room.subscription.run())
    await import_sample(room)
    await noted(room.views, lambda: room.views.position("stories").checkpoint == 26)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
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


async def file_some(url: str, clock: Clock, story: str, count: int) -> None:
    async with newsroom(url, clock) as room:
        await room.log.append(story, [filed(opening()), *(note(str(n)) for n in range(1, count))])
        await room.state(story)


@pytest.mark.parametrize("public", [True, False])
async def test_stories_are_listed_page_by_page(room: Newsroom, public: bool) -> None:  # noqa: FBT001 - a parameter
    """However many stories there are, each page gives the next that moved last, and none twice."""
    names = [f"story-{number}" for number in range(7)]
    for name in names:
        await room.log.append(name, [filed(opening())])
    for name in names[2::2]:
        await room.log.append(name, [note("more")])
    held = "2031-01-01T00:00:00Z"
    hidden = filed(opening(embargo_until=held))
    await room.log.append("not-yet", [hidden])
    await room.subscription.catch_up()
    found: list[str] = []
    page = room.stories.summaries(3, public=public)
    while page:
        assert len(page) <= 3
        found += [summary.story for summary in page]
        page = room.stories.summaries(3, page[-1].position, public=public)
    moved = [*names[2::2][::-1], "story-5", "story-3", "story-1", "story-0"]
    assert found == (moved if public else ["not-yet", *moved])


async def test_a_page_of_stories_costs_the_same_among_many(room: Newsroom) -> None:
    """To list the stories that moved last takes no longer where thousands did not move."""

    async def steps_after(more: int) -> int:
        await asyncio.gather(
            *(room.log.append(f"{more}-{n}", [filed(opening())]) for n in range(more))
        )
        await room.subscription.catch_up()
        room.stories.summaries(5, public=True)
        steps = 0

        def step() -> bool:
            nonlocal steps
            steps += 1
            return False

        room.views.public.set_progress_handler(step, 1)
        assert len(room.stories.summaries(5, public=True)) == 5
        room.views.public.set_progress_handler(None)
        return steps

    few = await steps_after(10)
    assert await steps_after(1_000) < 1.5 * few


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
            assert [summary.story for summary in room.stories.summaries(9)] == [story]
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


def test_views_are_not_closed_under_whoever_reads_them(tmp_path: Path) -> None:
    """A worker that is stopped while it looks something up is let finish before the file goes."""
    views = Views(f"{tmp_path}/views.db", lambda: 0)
    at_it, go_on = threading.Event(), threading.Event()
    found: list[object] = []

    def wait(*_nothing: object) -> bool:
        at_it.set()
        return go_on.wait(10)

    views.connection.create_scalar_function("wait", wait)

    def look() -> None:
        with views.lock:
            found.append(views.connection.execute("SELECT wait()").get)

    worker = threading.Thread(target=look)
    closing = threading.Thread(target=views.close)
    worker.start()
    assert at_it.wait(10)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()
    go_on.set()
    worker.join(10)
    closing.join(10)
    assert found == [1]


async def test_the_next_event_of_a_long_story_costs_what_it_does_in_a_short_one(
    room: Newsroom,
) -> None:
    """How long a story is makes no difference to what it takes to bring it up to date."""

    async def steps_for(events: int) -> int:
        """Give SQLite's steps to take in one more event, nothing of the story in memory."""
        await room.log.append("a", [note(f"note {number}") for number in range(events)])
        await room.subscription.catch_up()
        await room.log.append("a", [note("one more")])
        steps = 0

        def step() -> bool:
            nonlocal steps
            steps += 1
            return False

        room.views.connection.set_progress_handler(step, 1)
        await Subscription(room.log, room.views, Stories(room.views)).catch_up()
        room.views.connection.set_progress_handler(None)
        return steps

    await room.log.append("a", [filed(opening())])
    short = await steps_for(20)
    assert await steps_for(2_000) < 1.5 * short
