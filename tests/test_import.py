"""Importing history: whole stories, any number of times, ending as if never interrupted."""

import asyncio
import gzip
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from conftest import SAMPLE, STORY, Clock, Entropy
from filings import gathered

from events.envelope import Filed
from events.errors import LogUnavailable, WrongVersion
from events.log import Appended, Expect, ExpectedVersion, Log
from events.memory_log import MemoryLog
from producers.case import Actor
from producers.importing import BATCH, Import, Imported
from producers.intake import take
from producers.publisher import Publisher

NOW = 1_790_000_000_000


async def run(log: Log, lines: Iterable[bytes]) -> Imported:
    clock = Clock(NOW)
    publisher = Publisher(log, clock)
    return await Import(log, publisher, Actor("import"), clock, lambda *_: None).run(lines)


def filing(story: str, ref: str, kind: str = "quote-added", **fields: Any) -> bytes:
    more = {"title": story} if kind == "story-opened" else {}
    return orjson.dumps(
        {"story": story, "ref": ref, "kind": kind, "headline": f"{ref} happens"} | more | fields
    )


def many(stories: int, each: int) -> list[bytes]:
    """Stories that run beside each other, each line with its own time."""
    lines = []
    for n in range(each):
        for k in range(stories):
            kind = "quote-added" if n else "story-opened"
            minute = n * stories + k
            at = f"2025-10-10T{minute // 60:02d}:{minute % 60:02d}:00Z"
            lines.append(filing(f"story-{k}", f"E{n}", kind, filed_at=at))
    return lines


class Cut(MemoryLog):
    """A log that is pulled away after so many appends, and plugged in again later."""

    def __init__(self) -> None:
        super().__init__(Clock(NOW), Nonces())
        self.left = 10**9

    async def append(
        self, story: str, events: Sequence[Filed], expected: ExpectedVersion = Expect.ANY
    ) -> Appended:
        if self.left <= 0:
            raise LogUnavailable(self.url, "cut off by the test")
        self.left -= 1
        return await super().append(story, events, expected)


class Nonces(Entropy):
    """The same nonce for the same place in the log, however often an append is tried."""


async def test_the_sample_is_imported_whole_and_once() -> None:
    """All 26 filings of the sample land once, however often the file is imported."""
    log = MemoryLog()
    lines = SAMPLE.read_bytes().splitlines()
    assert (await run(log, lines))[:3] == (26, 0, 0)
    root = (await log.head()).root
    assert (await run(log, lines))[:3] == (0, 26, 0)
    assert (await log.head()).root == root


async def test_ids_are_the_same_for_the_same_line() -> None:
    """Ids that are left out come from story and ref, so that two imports agree."""
    ids = []
    for _ in range(2):
        log = MemoryLog()
        await run(log, SAMPLE.read_bytes().splitlines())
        ids.append([event.provenance["id"] for event in await gathered(log.read())])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 26


@pytest.mark.parametrize(
    "cuts", [range(0, 200, 5), pytest.param(range(200), marks=pytest.mark.torture)]
)
async def test_an_import_cut_anywhere_ends_the_same(cuts: Iterable[int]) -> None:
    """Cut short anywhere, with lines doubled and out of order, it resumes to the identical root."""
    clean = many(5, 50)
    whole = Cut()
    assert (await run(whole, clean)).appended == 250
    expected = await whole.head()
    for cut in cuts:
        shuffled = [*clean, *random.Random(cut).sample(clean, 60)]
        random.Random(cut + 1).shuffle(shuffled)
        log = Cut()
        log.left = cut
        with pytest.raises(LogUnavailable):
            await run(log, shuffled)
        log.left = 10**9
        random.Random(cut + 2).shuffle(shuffled)
        done = await run(log, shuffled)
        assert done.known == cut
        assert await log.head() == expected, f"cut after {cut} appends"


async def test_a_bad_line_is_named_and_its_story_left_whole() -> None:
    """Nothing of a story with a bad line goes in, others do; a line of no story might be any's."""
    lines = [
        filing("good", "E1", "story-opened"),
        filing("bad", "E1", "story-opened"),
        filing("bad", "E2", "corrected", target="E9", field="headline", old="a", new="b", note="n"),
        filing("good", "E2"),
        b"{not json",
        filing("worse", "E1", "story-opened", headline="\x1b[31mred"),
        filing("good", "E2", headline="another under the same ref"),
    ]
    log = MemoryLog()
    done = await run(log, lines)
    assert [(bad.line, bad.story) for bad in done.bad] == [
        (3, "bad"),
        (5, None),
        (6, "worse"),
        (7, "good"),
    ]
    assert done.appended == 0
    lines.pop()
    assert (await run(log, lines)).appended == 0
    lines.remove(b"{not json")
    assert (await run(log, lines)).appended == 2
    assert {event.story for event in await gathered(log.read())} == {"good"}


async def test_history_older_than_the_clock_of_ids_is_imported() -> None:
    """Archives from before 1970 are imported, in their order and repeatably."""
    lines = [
        filing("old", "E2", filed_at="1969-07-21T02:56:00Z"),
        filing("old", "E1", "story-opened", filed_at="1961-05-25T00:00:00Z"),
    ]
    log = MemoryLog()
    assert (await run(log, lines)).appended == 2
    assert (await run(log, lines)).known == 2
    refs = [event.development.ref for event in await gathered(log.read())]
    assert refs == ["E1", "E2"]


async def test_a_correction_to_nothing_is_imported() -> None:
    """Null as an old or new value survives the way through an import."""
    fixed = {"target": "E1", "field": "body", "note": "n"}
    lines = [
        filing("a", "E1", "story-opened"),
        filing("a", "E2", "corrected", old=None, new="Text", **fixed),
        filing("a", "E3", "corrected", old="Text", new=None, **fixed),
    ]
    assert (await run(MemoryLog(), lines)).appended == 3


async def test_a_changed_line_is_not_taken_for_the_recorded_one() -> None:
    """When a line's content changed since it was imported, it is named and nothing happens."""
    log = MemoryLog()
    await run(log, [filing("a", "E1", "story-opened")])
    done = await run(
        log, [filing("a", "E1", "story-opened", headline="changed"), filing("a", "E2")]
    )
    assert [bad.line for bad in done.bad] == [1]
    assert (await log.head()).size == 1


async def test_long_stories_go_in_by_batches() -> None:
    """A long story is appended in batches and its versions have no holes."""
    lines = [filing("a", "E0", "story-opened")]
    lines += [filing("a", f"E{n}") for n in range(1, 3 * BATCH)]
    log = MemoryLog()
    assert (await run(log, lines)).appended == 3 * BATCH
    versions = [event.version for event in await gathered(log.read_versions("a"))]
    assert versions == list(range(1, 3 * BATCH + 1))


async def test_order_is_that_of_first_publication() -> None:
    """Lines go in by the time of first publication, whatever their order in the file."""
    log = MemoryLog()
    lines = many(3, 4)
    await run(log, reversed(lines))
    events = await gathered(log.read())
    assert [(e.story, e.development.ref) for e in events] == [
        (orjson.loads(line)["story"], orjson.loads(line)["ref"]) for line in lines
    ]


async def test_a_mark_before_the_text_is_no_part_of_it() -> None:
    """Files that an editor began with a byte order mark are imported like any others."""
    opening, quote = filing("a", "E1", "story-opened"), filing("a", "E2")
    done = await run(MemoryLog(), [b"\xef\xbb\xbf" + opening, b"\r\n", quote])
    assert (done.appended, done.bad) == (2, [])


def test_compressed_files_are_read(tmp_path: Path) -> None:
    """A gzip file is unpacked whatever its name; a torn one is refused with a sentence."""
    from dateline.cli.run import run as dateline  # noqa: PLC0415 - the tests of files go through the CLI

    packed = tmp_path / "story.jsonl.gz"
    packed.write_bytes(gzip.compress(SAMPLE.read_bytes()))
    url = f"sqlite:///{tmp_path}/log.db"
    assert dateline(["import", str(packed), "--log", url]) == 0
    torn = tmp_path / "torn.jsonl.gz"
    torn.write_bytes(packed.read_bytes()[:-200])
    assert dateline(["import", str(torn), "--log", url]) == 1
    assert dateline(["import", str(tmp_path / "absent"), "--log", url]) == 1


async def test_others_may_file_meanwhile() -> None:
    """Stories that are not in the file are filed into while an import runs."""
    log = MemoryLog()
    clock = Clock(NOW)
    publisher = Publisher(log, clock)
    importing = asyncio.create_task(run(log, many(2, 30)))
    opened = orjson.loads(filing("other", "E1", "story-opened"))
    receipt = await publisher.file(take(opened), Actor("desk:ada"))
    assert (await importing).appended == 60
    assert receipt.version == 1
    assert STORY != "other"


class Overtaken(MemoryLog):
    """A log into which somebody else files before some of the appends of an import."""

    def __init__(self, before: Iterable[int]) -> None:
        super().__init__()
        self.before = set(before)
        self.appends = 0

    async def append(
        self, story: str, events: Sequence[Filed], expected: ExpectedVersion = Expect.ANY
    ) -> Appended:
        self.appends += 1
        if self.appends in self.before:
            live = take({"story": story, "kind": "quote-added", "headline": "meanwhile"})
            other = Filed(live.id, "desk:ada", live.development)
            await super().append(story, [other], Expect.ANY)
        return await super().append(story, events, expected)


async def test_others_may_file_into_the_same_story_meanwhile() -> None:
    """An import goes on when its story moved on, with every line once and others' in between."""
    lines = [filing("a", "E1", "story-opened")]
    quote = {"story": "a", "kind": "quote-added"}
    lines += [orjson.dumps(quote | {"headline": f"line {n}"}) for n in range(BATCH * 4)]
    log = Overtaken({2, 3, 8})
    assert await run(log, lines[:1]) == Imported(1, 0, 0, [])
    done = await run(log, lines)
    assert (done.appended, done.known, done.left, done.bad) == (BATCH * 4, 1, 0, [])
    stood = [event.development for event in await gathered(log.read())]
    told = [one.headline for one in stood if one.headline.startswith("line ")]
    assert told == [f"line {n}" for n in range(BATCH * 4)]
    assert len(stood) == BATCH * 4 + 1 + len(log.before)
    assert (await run(log, lines)).known == len(lines)


async def test_what_another_import_was_faster_with_was_not_imported_by_this_one() -> None:
    """Two imports of one file at the same time say together what went in, once."""
    log = MemoryLog()
    lines = many(2, BATCH)
    both = await asyncio.gather(run(log, lines), run(log, lines))
    assert sum(done.appended for done in both) == len(lines)
    assert [done.appended + done.known for done in both] == [len(lines)] * 2


async def test_who_is_always_overtaken_is_told_at_last() -> None:
    """An import that others overtake each time ends with the reason, and can be run again."""
    log = Overtaken(range(2, 1_000))
    lines = [filing("a", "E1", "story-opened"), filing("a", "E2")]
    await run(log, lines[:1])
    with pytest.raises(WrongVersion):
        await run(log, lines)
