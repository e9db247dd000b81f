"""The promises of `events.log`, asked of every log there is."""

import asyncio
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
import uuid_utils
from conftest import Clock
from filings import filed, gathered, note, opening, positions
from hypothesis import given, settings
from hypothesis import strategies as st

from events.envelope import Filed
from events.errors import (
    IdReused,
    LogUnavailable,
    PartlyRepeated,
    Refused,
    WrongVersion,
)
from events.log import Expect, Log, follow
from events.memory_log import MemoryLog
from events.sqlite.log import SqliteLog
from events.tree import Frontier


async def test_positions_and_versions_have_no_holes(log: Log) -> None:
    """Positions count the whole log and versions each story, both from one and without holes."""
    first = await log.append("a", [note("1"), note("2")])
    other = await log.append("b", [note("3")])
    last = await log.append("a", [note("4")])
    assert (first.positions, first.versions) == ((1, 2), (1, 2))
    assert (other.positions, other.versions) == ((3,), (1,))
    assert (last.positions, last.versions) == ((4,), (3,))
    assert positions(await gathered(log.read())) == [1, 2, 3, 4]


async def test_a_refused_batch_leaves_nothing(log: Log) -> None:
    """A batch lands whole or not at all."""
    known = note("1")
    await log.append("a", [known])
    with pytest.raises(PartlyRepeated):
        await log.append("a", [note("2"), known])
    with pytest.raises(WrongVersion):
        await log.append("a", [note("3"), note("4")], 7)
    assert (await log.head()).size == 1


async def test_an_empty_batch_is_refused(log: Log) -> None:
    """An append brings at least one event."""
    with pytest.raises(Refused, match="batch-size"):
        await log.append("a", [])


@pytest.mark.parametrize(
    ("expected", "holds_before", "holds_after"),
    [
        (0, True, False),
        (1, False, True),
        (Expect.ANY, True, True),
        (Expect.MUST_NOT_EXIST, True, False),
        (Expect.MUST_EXIST, False, True),
    ],
)
async def test_an_append_may_expect_a_version(
    log: Log,
    expected: int | Expect,
    holds_before: bool,  # noqa: FBT001 - a column of the table above
    holds_after: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    """An append says where its story must be, and is refused when it is elsewhere."""
    for story, holds in (("fresh", holds_before), ("begun", holds_after)):
        if story == "begun":
            await log.append("begun", [note("1")])
        if holds:
            await log.append(story, [note("2")], expected)
        else:
            with pytest.raises(WrongVersion, match=f"story: {story}, found: "):
                await log.append(story, [note("2")], expected)


async def test_a_wrong_version_names_all_three_facts(log: Log) -> None:
    """The error says which story, what was expected and what was found."""
    await log.append("a", [note("1"), note("2")])
    with pytest.raises(WrongVersion) as raised:
        await log.append("a", [note("3")], 1)
    assert (raised.value.story, raised.value.expected, raised.value.found) == ("a", 1, 2)
    assert str(raised.value) == "wrong expected version: 1 (story: a, found: 2)"


async def test_one_of_many_wins(log: Log) -> None:
    """Of all that append with the same expectation exactly one wins, and nobody overwrites."""
    results = await asyncio.gather(
        *(log.append("a", [note(str(n))], 0) for n in range(50)), return_exceptions=True
    )
    lost = [result for result in results if isinstance(result, WrongVersion)]
    assert len(lost) == 49
    assert (await log.head()).size == 1


async def test_a_repeat_gives_the_original_places(log: Log) -> None:
    """The same ids with the same content are answered as the first time, whatever is expected."""
    batch = [note("1"), note("2")]
    first = await log.append("a", batch, 0)
    await log.append("a", [note("3")])
    again = await log.append("a", batch, 0)
    assert (again.positions, again.versions) == (first.positions, first.versions)
    assert (first.duplicate, again.duplicate) == (False, True)
    assert (await log.head()).size == 3


async def test_an_old_repeat_is_recognised_after_restart(tmp_path: Path) -> None:
    """An id is known for the life of the log, not for the life of a process."""
    event = note("1")
    first = SqliteLog(tmp_path / "log.db")
    await first.append("a", [event])
    await first.append("a", [note("2")])
    await first.close()
    second = SqliteLog(tmp_path / "log.db")
    assert (await second.append("a", [event])).duplicate
    await second.close()


async def test_an_id_cannot_mean_two_things(log: Log) -> None:
    """The same id with other content, another story or twice in a batch is an error."""
    event = note("1")
    other = event._replace(development=note("changed").development)
    await log.append("a", [event])
    for story, batch in (("a", [other]), ("b", [event]), ("a", [other, other])):
        with pytest.raises(IdReused, match=event.id):
            await log.append(story, batch)
    assert (await log.head()).size == 1


async def test_private_parts_count_as_content(log: Log) -> None:
    """A repeat with other private notes is not the same event."""
    from events.filing import Private  # noqa: PLC0415 - the one test that needs it

    event = note("1")
    await log.append("a", [event])
    with pytest.raises(IdReused):
        await log.append("a", [event._replace(private=Private(notes="a source"))])


@pytest.mark.parametrize(
    ("story", "event"),
    [
        ("No Slug", note("1")),
        ("", note("1")),
        ("a", filed(opening(), event_id="0190")),
        ("a", filed(opening(), event_id="9f1c0e0a-3b1f-4c57-9c3c-000000000000")),
        ("a", filed(opening(), by='x","y":"')),
    ],
)
async def test_what_has_no_form_is_refused(log: Log, story: str, event: Filed) -> None:
    """A story, an id or a filer that is not of its form never reaches the envelope."""
    with pytest.raises(Refused):
        await log.append(story, [event])
    assert (await log.head()).size == 0


async def test_reading_ranges_and_stories(log: Log) -> None:
    """Reading starts past a position, ends at one, and can keep to a story."""
    for n in range(6):
        await log.append("a" if n % 2 else "b", [note(str(n))])
    assert positions(await gathered(log.read(2, upto=5))) == [3, 4, 5]
    assert positions(await gathered(log.read(2, story="a"))) == [4, 6]
    assert positions(await gathered(log.read(0, story="a", upto=4))) == [2, 4]
    assert [e.version for e in await gathered(log.read_versions("a", 1))] == [2, 3]
    assert await gathered(log.read_versions("nowhere")) == []


async def test_recorded_time_never_goes_back(log: Log, clock: Clock) -> None:
    """A clock that is set back does not take the record back."""
    await log.append("a", [note("1")])
    clock.move(-3_600_000)
    await log.append("a", [note("2")])
    clock.move(7_200_000)
    await log.append("a", [note("3")])
    times = [event.recorded_ms for event in await gathered(log.read())]
    assert times == sorted(times)
    assert times[0] == times[1] < times[2]


async def test_a_time_finds_its_position(log: Log, clock: Clock) -> None:
    """The last position recorded by a moment is found, also between and outside of events."""
    start = clock.now
    for n in range(5):
        clock.now = start + n * 1000
        await log.append("a", [note(str(n))])
    asked = [start - 1, start, start + 500, start + 1000, start + 99_000]
    assert [await log.position_at(ms) for ms in asked] == [0, 1, 1, 2, 5]


async def test_the_tree_covers_every_event(log: Log) -> None:
    """The head's root is the RFC 6962 root over the envelopes, in order."""
    for n in range(13):
        await log.append("a", [note(str(k)) for k in range(n % 3 + 1)])
    tree = Frontier()
    tree.extend([event.envelope for event in await gathered(log.read_sealed())])
    head = await log.head()
    assert (head.size, head.root) == (tree.size, tree.root)


async def test_ids_are_found(log: Log) -> None:
    """Events are found by id; the unknown are left out."""
    event = note("1")
    await log.append("a", [event])
    found = await log.find([event.id, note("2").id])
    assert {key: stored.position for key, stored in found.items()} == {event.id: 1}


async def test_following_has_no_seam(log: Log) -> None:
    """Who follows gets the past, then each new event, none twice and none left out."""
    await log.append("a", [note("before")])
    everything = asyncio.create_task(gathered(follow(log), 60))
    only_b = asyncio.create_task(gathered(follow(log, story="b"), 20))
    for n in range(59):
        await log.append("b" if n % 2 else "a", [note(str(n))])
    assert positions(await everything) == list(range(1, 61))
    assert [event.version for event in await only_b] == list(range(1, 21))


async def test_following_sees_other_openings_of_the_file(tmp_path: Path) -> None:
    """A follower also gets what another opening of the same file appends."""
    here, there = SqliteLog(tmp_path / "log.db"), SqliteLog(tmp_path / "log.db")
    follower = asyncio.create_task(gathered(follow(here), 10))
    for n in range(10):
        await there.append("a", [note(str(n))])
    assert positions(await follower) == list(range(1, 11))
    await here.close()
    await there.close()


async def test_a_closed_log_says_so(log: Log) -> None:
    """A closed log takes nothing and says that it is closed."""
    await log.close()
    with pytest.raises(LogUnavailable, match="closed"):
        await log.append("a", [note("1")])


async def test_closing_finishes_what_was_submitted(tmp_path: Path) -> None:
    """Appends on their way when the log is closed are finished, not forgotten."""
    log = SqliteLog(tmp_path / "log.db")
    appends = [asyncio.create_task(log.append("a", [note(str(n))])) for n in range(20)]
    await asyncio.sleep(0)
    await log.close()
    assert sorted(result.positions[0] for result in await asyncio.gather(*appends)) == list(
        range(1, 21)
    )


async def test_events_cannot_be_changed_or_removed(tmp_path: Path) -> None:
    """The database itself refuses to change, replace or remove an event."""
    log = SqliteLog(tmp_path / "log.db")
    await log.append("a", [note("1"), note("2")])
    await log.close()
    raw = apsw.Connection(str(tmp_path / "log.db"))
    raw.pragma("recursive_triggers", value=True)
    for statement in (
        "DELETE FROM events",
        "UPDATE events SET envelope = x'00'",
        "UPDATE events SET position = 9 WHERE position = 2",
        "UPDATE events SET body = x'00'",
        "UPDATE events SET body = NULL",
        "REPLACE INTO events SELECT * FROM events WHERE position = 1",
    ):
        with pytest.raises(apsw.ConstraintError):
            raw.execute(statement)
    raw.execute("UPDATE events SET body = NULL, body_nonce = NULL WHERE position = 1")
    raw.close()


async def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    """A file that is no log is named as such and left as it is."""
    from events.errors import LogDamaged  # noqa: PLC0415 - the one test that needs it

    text = tmp_path / "text.db"
    text.write_text("not a database " * 100)
    with pytest.raises(LogDamaged, match="a Dateline log"):
        SqliteLog(text)
    foreign = tmp_path / "foreign.db"
    other = apsw.Connection(str(foreign))
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = foreign.read_bytes()
    with pytest.raises(LogDamaged, match="another program"):
        SqliteLog(foreign)
    assert foreign.read_bytes() == before
    with pytest.raises(LogUnavailable):
        SqliteLog(tmp_path / "no" / "such" / "folder.db")


async def test_reading_takes_little_memory(tmp_path: Path) -> None:
    """Reading twenty thousand events takes no more memory than reading two thousand."""
    log = SqliteLog(tmp_path / "log.db")
    peaks = []
    for size in (2_000, 20_000):
        while (await log.head()).size < size:
            await log.append("a", [note("x") for _ in range(1_000)])
        tracemalloc.start()
        async for _event in log.read():
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    await log.close()
    assert peaks[1] < peaks[0] + 1_000_000, f"{peaks} bytes on {sys.platform}"


Step = st.tuples(
    st.sampled_from(["a", "b"]),
    st.integers(1, 3),
    st.one_of(st.integers(0, 6), st.sampled_from(list(Expect))),
    st.sampled_from(["new", "new", "repeat", "reopen"]),
    st.integers(0, 24),
)


def fits(expected: int | Expect, found: int) -> bool:
    """Whether a story of `found` events is where an append expects it, by the words alone."""
    match expected:
        case Expect.ANY:
            return True
        case Expect.MUST_EXIST:
            return found > 0
        case Expect.MUST_NOT_EXIST:
            return found == 0
        case number:
            return number == found


async def run(log: Log, reopened: Callable[[], SqliteLog] | None, steps: list[Any]) -> Log:
    """Append to a log and to plain lists beside it, comparing as it goes; returns the log."""
    model: list[str] = []
    versions = {"a": 0, "b": 0}
    earlier: list[tuple[str, list[Filed], tuple[int, ...]]] = []
    for story, count, expected, act, which in steps:
        if act == "reopen" and reopened is not None:
            await log.close()
            log = reopened()
        if act == "repeat" and earlier:
            told, batch, places = earlier[which % len(earlier)]
            again = await log.append(told, batch, expected)
            assert (again.positions, again.duplicate) == (places, True)
            continue
        batch = [note(str(n)) for n in range(count)]
        if not fits(expected, versions[story]):
            with pytest.raises(WrongVersion):
                await log.append(story, batch, expected)
            continue
        places = (await log.append(story, batch, expected)).positions
        assert places == tuple(range(len(model) + 1, len(model) + count + 1))
        model += [event.id for event in batch]
        versions[story] += count
        earlier.append((story, batch, places))
    assert [event.provenance["id"] async for event in log.read()] == model
    return log


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@settings(max_examples=50)
@given(steps=st.lists(Step, max_size=25))
async def test_any_sequence_of_appends_agrees_with_a_model(
    kind: str, tmp_path: Path, steps: list[Any]
) -> None:
    """Whatever is appended, repeated and reopened, a log holds what a plain list would."""
    if kind == "memory":
        await run(MemoryLog(), None, steps)
        return
    path = tmp_path / f"{uuid_utils.uuid7()}.db"
    log = await run(SqliteLog(path), lambda: SqliteLog(path), steps)
    await log.close()
