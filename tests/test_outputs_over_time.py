"""Outputs to whoever comes back: by page, by time or to the feed of all, nothing is missed."""

from typing import Any

import orjson
import pytest
from conftest import Clock
from documents import ATOM, GONE, entries, link, xml
from filings import LATER
from serving import Served

from consumers.outputs.told import PAGE


async def long_story(desk: Served, notes: int) -> None:
    opening = {"kind": "story-opened", "title": "A drill", "headline": "It opens"}
    note = {"kind": "development-reported", "label": "note"}
    filed = [note | {"ref": f"N{n}", "headline": f"Note {n}"} for n in range(2, notes + 2)]
    for first in range(0, len(filed), 50):
        some = filed[first : first + 50]
        status, answer = await desk.post("a-drill", [opening, *some] if first == 0 else some)
        assert status == 201, answer


async def test_a_long_story_is_found_whole(desk: Served) -> None:
    """Who follows the links of the archive finds every development, page by page."""
    await long_story(desk, 3 * PAGE + 10)
    at: str | None = "/feeds/a-drill.atom"
    documents: list[bytes] = []
    while at is not None:
        documents.append(await desk.read(at.removeprefix(desk.url)))
        at = link(documents[-1], "prev-archive")
    assert len(documents) == 3
    found = {name for document in documents for name in entries(document)}
    assert len(found) == 3 * PAGE + 10
    oldest = documents[-1]
    assert xml(oldest).find("{http://purl.org/syndication/history/1.0}archive") is not None
    assert link(oldest, "current") == f"{desk.url}/feeds/a-drill.atom"
    at, seen = "/feeds/a-drill.json", 0
    while at is not None:
        feed = orjson.loads(await desk.read(at.removeprefix(desk.url)))
        seen, at = seen + len(feed["items"]), feed.get("next_url")
    assert seen == 3 * PAGE + 10


async def test_a_complete_page_stays_as_it_is(desk: Served) -> None:
    """What is filed later changes no page; what is put right on one is told again in the feed."""
    await long_story(desk, 3 * PAGE)
    pages = [f"/feeds/a-drill.{form}?page={n}" for n in (1, 2, 3) for form in ("atom", "json")]
    before = [await desk.read(page) for page in pages]
    async with desk.session.get(f"{desk.url}/feeds/a-drill.atom?page=4") as response:
        assert str(response.url) == f"{desk.url}/feeds/a-drill.atom"
    for n in range(200, 260):
        await desk.file("a-drill", "development-reported", label="note", ref=f"N{n}")
    assert [await desk.read(page) for page in pages] == before
    old = {"target": "N5", "field": "headline", "old": "Note 5", "new": "Note V", "note": "typed"}
    await desk.file("a-drill", "corrected", **old)
    await desk.file("a-drill", "withdrawn", target="N6", reason="it never was")
    after = [await desk.read(page) for page in pages]
    assert [a == b for a, b in zip(after, before, strict=True)] == [False] * 2 + [True] * 4
    current = await desk.read("/feeds/a-drill.atom")
    assert "urn:dateline:story:a-drill:N5" in entries(current)
    stones = [stone.get("ref") for stone in xml(current).iter(GONE)]
    assert stones == ["urn:dateline:story:a-drill:N6"]


@pytest.mark.parametrize(("page", "status"), [("0", 404), ("9", 404), ("-1", 400), ("x", 400)])
async def test_a_page_that_there_is_not(desk: Served, page: str, status: int) -> None:
    """Pages count from one to the last that is complete."""
    await desk.file("a-drill", "story-opened", title="A drill")
    assert (await desk.get(f"/feeds/a-drill.atom?page={page}"))[0] == status


async def test_the_feed_of_all_has_the_latest_of_all(desk: Served) -> None:
    """All stories together: the hundred developments filed last, whichever story they are of."""
    for story in ("one", "two", "three", "four"):
        await desk.file(story, "story-opened", title=f"Story {story}")
    for n in range(60):
        for story in ("one", "two"):
            await desk.file(story, "development-reported", label="note", ref=f"N{n}")
    await desk.file("three", "development-reported", label="note", ref="N1")
    await desk.file("four", "development-reported", label="note", ref="X", embargo_until=LATER)
    found = list(entries(await desk.read("/feeds/all.atom")))
    assert (len(found), found[:2]) == (
        100,
        ["urn:dateline:story:three:N1", "urn:dateline:story:two:N59"],
    )
    feed = orjson.loads(await desk.read("/feeds/all.json"))
    assert [item["id"] for item in feed["items"]] == found


async def test_what_is_released_late_is_news_when_it_is_released(
    desk: Served, clock: Clock
) -> None:
    """A development, or a whole story, that comes out late leads the feed of all from then on."""
    await desk.file("late", "story-opened", title="Late", ref="E1", embargo_until=LATER)
    await desk.file("late", "development-reported", label="note", ref="N1")
    await desk.file("one", "story-opened", title="One")
    held = {"label": "note", "ref": "N2", "embargo_until": LATER}
    await desk.file("one", "development-reported", **held)
    for n in range(3, 110):
        await desk.file("one", "development-reported", label="note", ref=f"N{n}")
    clock.move(60_000)
    await desk.file("one", "embargo-broken", target="N2", reason="it is out")
    feed = entries(await desk.read("/feeds/all.atom"))
    assert next(iter(feed)) == "urn:dateline:story:one:N2"
    first, second = list(feed.values())[:2]
    for name in ("published", "updated"):
        assert first.findtext(f"{ATOM}{name}", "") > second.findtext(f"{ATOM}{name}", "")
    await desk.file("late", "embargo-broken", target="E1", reason="it is out")
    feed = entries(await desk.read("/feeds/all.atom"))
    assert list(feed)[:2] == ["urn:dateline:story:late:N1", "urn:dateline:story:one:N2"]
    await desk.file("one", "held", target="N50", reason="to be checked")
    before = [item["id"] for item in orjson.loads(await desk.read("/feeds/all.json"))["items"]]
    await desk.file("one", "hold-released", target="N50", reason="checked")
    after = [item["id"] for item in orjson.loads(await desk.read("/feeds/all.json"))["items"]]
    assert after[:40] == before[:40]
    assert after.index("urn:dateline:story:one:N50") > 40


async def test_whoever_asks_by_time_misses_nothing(desk: Served, clock: Clock) -> None:
    """If-Modified-Since is answered 304 until something that readers see changes, and no longer."""
    await desk.file("one", "story-opened", title="One", ref="E1")
    await desk.file("two", "story-opened", title="Two", ref="E1")
    await desk.file("one", "development-reported", label="note", ref="N1")
    changes: list[dict[str, Any]] = [
        {"kind": "held", "target": "N1", "reason": "to be checked"},
        {"kind": "hold-released", "target": "N1", "reason": "checked"},
        {"kind": "withdrawn", "target": "N1", "reason": "a hoax"},
        {"kind": "held", "target": "E1", "reason": "all of it"},
    ]
    paths = ("/feeds/one.atom", "/feeds/all.atom", "/feeds/all.json")
    for change in changes:
        for path in paths:
            # In the second of a change nobody is told that nothing changed.
            _, _, headers = await desk.get(path)
            by_time = {"If-Modified-Since": headers["Last-Modified"]}
            assert (await desk.get(path, by_time))[0] == 200
        clock.move(2_000)
        for path in paths:
            _, _, headers = await desk.get(path)
            by_time = {"If-Modified-Since": headers["Last-Modified"]}
            assert (await desk.get(path, by_time))[:2] == (304, b"")
            # The tag decides where there is one, and what is no date is passed over.
            assert (await desk.get(path, by_time | {"If-None-Match": '"another"'}))[0] == 200
            assert (await desk.get(path, {"If-Modified-Since": "of late"}))[0] == 200
        status, answer = await desk.post("one", change)
        assert status == 201, answer
        for path in ("/feeds/all.atom", "/feeds/all.json"):
            assert (await desk.get(path, by_time))[0] == 200
        for_story = 404 if change["target"] == "E1" else 200
        assert (await desk.get("/feeds/one.atom", by_time))[0] == for_story
