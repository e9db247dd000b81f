"""Outputs: what leaves the newsroom is well formed, says what readers may know, and no more."""

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import jsonschema
import orjson
import pytest
import referencing
from conftest import STORY, Clock
from documents import (
    ATOM,
    GONE,
    OURS,
    PLACE,
    entries,
    link,
    lived,
    outputs,
    parsed,
    schema,
    words_in,
    xml,
)
from filings import Story, opened
from hypothesis import given, settings
from hypothesis import strategies as st
from serving import Served, served
from test_two_folds_agree import told
from viewing import import_sample

from consumers.feed.websub import Patience
from consumers.outputs import atom, json_feed
from consumers.outputs.place import Place
from consumers.outputs.routes import FORMS
from consumers.outputs.told import PAGE
from dateline.server import Outside
from dateline.wiring import Newsroom, newsroom
from events.errors import Refused

LATER = "2031-01-01T00:00:00Z"
HOSTILE: Final = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)> & &amp;lt;",
    "]]><!-- --> {{7*7}} %s \\u003c",
    "line\u2028and\u2029paragraph\u0085next",
    "\u202egnp.exe \u2067isolate",
    "👩\u200d👩\u200d👧\u200d👦" * 20,
)
NOT_XML: Final = "nul\x00 bell\x07 escape\x1b surrogate\ud800 none\ufffe"


@pytest.fixture
async def room(tmp_path: Path, clock: Clock) -> AsyncIterator[Newsroom]:
    clock.now = 1_790_000_000_000
    async with newsroom(f"sqlite:///{tmp_path}/news.db", clock) as made:
        yield made


@pytest.fixture
async def desk(room: Newsroom) -> AsyncIterator[Served]:
    async with served(room) as made:
        yield made


async def get(desk: Served, path: str) -> bytes:
    status, body, _ = await desk.get(path)
    assert status == 200, body
    return body


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        (f"{STORY}.atom", "application/atom+xml"),
        (f"{STORY}.json", "application/feed+json"),
        (f"{STORY}.ninjs.json", "application/json"),
        (f"{STORY}.jsonld", "application/ld+json"),
        (f"{STORY}.rss", "application/rss+xml"),
        ("all.atom", "application/atom+xml"),
        ("all.json", "application/feed+json"),
    ],
)
async def test_each_output_is_served_as_what_it_is(
    room: Newsroom, desk: Served, path: str, media_type: str
) -> None:
    """The sample is served in every format, and not again to whom has it until it changes."""
    await import_sample(room)
    status, body, headers = await desk.get(f"/feeds/{path}")
    assert (status, headers["Content-Type"].partition(";")[0]) == (200, media_type)
    assert headers["Link"] == f'<{desk.url}/feeds/{path}>; rel="self"'
    assert headers["Last-Modified"].endswith(" GMT")
    assert "Eight children reunited" in words_in(path, body)
    had = {"If-None-Match": f'"of another", W/{headers["Etag"]}'}
    assert (await desk.get(f"/feeds/{path}", had))[:2] == (304, b"")
    await desk.file(STORY, "development-reported", label="note")
    assert (await desk.get(f"/feeds/{path}", had))[0] == 200


async def test_what_is_not_out_has_no_output(desk: Served) -> None:
    """A story under embargo is answered like one that never was, whatever key is shown."""
    await desk.file("a-secret", "story-opened", title="Secret", embargo_until=LATER)
    for form in FORMS:
        status, hidden, _ = await desk.get(f"/feeds/a-secret.{form}", desk.bearer())
        never = await desk.get(f"/feeds/b-secret.{form}")
        story = await desk.get("/v1/stories/b-secret")
        assert (status, never[0]) == (404, 404)
        assert hidden.replace(b"a-secret", b"b-secret") == never[1] == story[1]
    assert entries(await get(desk, "/feeds/all.atom")) == {}
    assert (await desk.get("/feeds/No_Slug.atom"))[0] == 404
    assert (await desk.get("/feeds/a-secret.pdf"))[0] == 404


async def test_a_server_goes_by_its_public_name(room: Newsroom) -> None:
    """Links name the public URL and the hub; without them, where the request went."""
    await import_sample(room)
    outside = Outside("https://news.example", "https://hub.example/", Patience(tries=1))
    async with served(room, outside=outside) as desk:
        _, document, headers = await desk.get(f"/feeds/{STORY}.atom")
    own = f"https://news.example/feeds/{STORY}.atom"
    assert headers["Link"] == f'<{own}>; rel="self", <https://hub.example/>; rel="hub"'
    assert (link(document, "self"), link(document, "hub")) == (own, "https://hub.example/")
    async with served(room) as desk:
        _, document, _ = await desk.get(f"/feeds/{STORY}.atom", {"Host": "news.example:8080"})
        assert link(document, "self") == f"http://news.example:8080/feeds/{STORY}.atom"
        _, document, _ = await desk.get(f"/feeds/{STORY}.atom", {"Host": 'x">.example'})
        assert link(document, "self") == f"{desk.url}/feeds/{STORY}.atom"


async def test_the_sample_is_told_newest_first(room: Newsroom) -> None:
    """Atom and JSON Feed give the sample's 23 developments, each under a name that stays."""
    await import_sample(room)
    state = orjson.loads(await room.state(STORY, public=True))
    found = entries(atom.story(state, PLACE))
    names = [item["id"] for item in orjson.loads(json_feed.story(state, PLACE))["items"]]
    assert list(found) == names
    assert (len(names), names[0], names[-1]) == (
        23,
        f"urn:dateline:story:{STORY}:E24",
        f"urn:dateline:story:{STORY}:E02",
    )
    moved = Place("http://elsewhere.example")
    assert list(entries(atom.story(state, moved))) == names


def test_every_format_tells_what_it_can() -> None:
    """Corrections, waits, claims, figures and conflicts stand in the extension of each format."""
    state = lived().state(public=True)
    feed = xml(atom.story(state, PLACE))
    story = feed.find(f"{OURS}story")
    assert story is not None
    for name in ("pending", "claim", "figure", "conflict", "correction"):
        assert story.find(f"{OURS}{name}") is not None, name
    assert story.findtext(f"{OURS}claim/{OURS}text") == "it <b>rained</b>"
    entry = entries(atom.story(state, PLACE))["urn:dateline:story:a-story:N1"]
    correction = entry.find(f"{OURS}development/{OURS}correction")
    assert correction is not None
    assert (correction.findtext(f"{OURS}old"), correction.findtext(f"{OURS}new")) == ("8", "7")
    assert entry.findtext(f"{ATOM}content") == "Eight & more\n\ncame"
    facts = orjson.loads(json_feed.story(state, PLACE))["_dateline"]
    ninjs = orjson.loads(FORMS["ninjs.json"].story(state, PLACE))
    [body] = ninjs["bodies"]
    for shown in (facts, orjson.loads(body["value"])):
        assert [wait["ref"] for wait in shown["pending"]] == ["P1"]
        assert [figure["value"] for figure in shown["figures"]] == [7, 9]
        assert [note["between"] for note in shown["conflicts"]] == [["F1", "F2"]]
    live = orjson.loads(FORMS["jsonld"].story(state, PLACE))
    [update] = [each for each in live["liveBlogUpdate"] if each["@id"].endswith(":N1")]
    assert update["correction"][0]["text"] == "misheard"
    assert update["dateModified"] > update["datePublished"]


def test_a_withdrawn_development_leaves_its_tombstone_everywhere() -> None:
    """Each format says what was withdrawn and why, and none repeats its words."""
    state = lived().state(public=True)
    for form, document in outputs(state).items():
        words = words_in(form, document)
        assert "urn:dateline:story:a-story:N3" in words, form
        assert "it never was" in words, form
        assert "Wrong from the start" not in words, form
    stone = xml(atom.story(state, PLACE)).find(GONE)
    assert stone is not None
    [shown] = [item for item in state["timeline"] if item["status"] == "withdrawn"]
    assert stone.attrib == {"ref": "urn:dateline:story:a-story:N3", "when": shown["withdrawn_at"]}
    ninjs = orjson.loads(FORMS["ninjs.json"].story(state, PLACE))
    assert {each["pubStatus"] for each in ninjs["associations"]} == {"usable", "canceled"}


def test_coverage_ends_when_the_story_is_closed() -> None:
    """A live blog says until when it ran once it runs no more, also when corrected later."""
    story = lived()
    form = FORMS["jsonld"].story
    assert "coverageEndTime" not in orjson.loads(form(story.state(public=True), PLACE))
    story.file("story-closed", reason="done")
    ended = orjson.loads(form(story.state(public=True), PLACE))["coverageEndTime"]
    story.now += 60_000
    story.file("corrected", target="F2", field="value", old=9, new=6, note="again")
    after = orjson.loads(form(story.state(public=True), PLACE))
    assert (after["coverageEndTime"], after["dateModified"] > ended) == (ended, True)


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_stays_text(desk: Served, text: str) -> None:
    """Markup, new lines and turns of direction do nothing anywhere, and nothing is lost."""
    headline = re.sub("[\u2028\u2029\u0085]", " ", text)
    await desk.file("a-drill", "story-opened", title=headline, headline=headline)
    claim = {"ref": "C1", "text": headline}
    await desk.file(
        "a-drill", "statement-issued", headline=headline, body="x < y & <b>z</b>", claims=[claim]
    )
    await desk.file("a-drill", "statement-issued", ref="N3", headline="To be withdrawn")
    await desk.file("a-drill", "withdrawn", target="N3", reason=headline)
    for form in FORMS:
        document = await get(desk, f"/feeds/a-drill.{form}")
        words = words_in(form, document)
        assert words.count("\u202e") == words.count("\u202c"), form
        assert words.count("\u2067") == words.count("\u2069"), form
        if form != "rss":
            assert headline in words, form
    feed = xml(await get(desk, "/feeds/a-drill.atom"))
    texts_of = [*feed.iter(f"{ATOM}title"), *feed.iter(f"{ATOM}content")]
    assert texts_of
    assert {each.get("type") for each in texts_of} == {"text"}
    rss = xml(await get(desk, "/feeds/a-drill.rss"))
    for each in (*rss.iter("title"), *rss.iter("description")):
        assert not re.search(r"<[A-Za-z/!]", each.text or "")


@pytest.mark.parametrize("text", [*HOSTILE, NOT_XML, "\r\n\r\nX-Header: 1", "\x85\u2028\u2029"])
def test_what_xml_and_json_cannot_hold_is_left_out(text: str) -> None:
    """Whatever a state might hold, every document is well formed."""
    state = lived().state(public=True)
    hostile = orjson.loads(orjson.dumps(state))
    hostile["title"] = text
    for item in hostile["timeline"]:
        item |= {"headline": text, "body": text, "reason": text, "occurred": {"text": text}}
    for claim in hostile["claims"].values():
        claim["text"] = text
    for correction in hostile["corrections"]:
        correction |= {"note": text, "old": {text: [text]}, "new": text}
    for form, document in outputs(hostile).items():
        words = words_in(form, document)
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\r\ud800\ufffe]", words), form


@settings(max_examples=50)
@given(draw=st.data())
def test_every_story_makes_documents(draw: st.DataObject) -> None:
    """However a story goes, each of its documents is well formed and names nothing twice."""
    story = told(draw)
    if not story.is_public():
        return
    for form, document in outputs(story.state(public=True)).items():
        found = parsed(form, document)
        if isinstance(found, ET.Element) and form != "rss":
            names = [each.findtext(f"{ATOM}id") for each in found.iter(f"{ATOM}entry")]
            names += [each.get("ref") for each in found.iter(GONE)]
            assert len(names) == len(set(names))
            for each in (found, *found.iter(f"{ATOM}entry")):
                for name in ("id", "title", "updated"):
                    assert len(each.findall(f"{ATOM}{name}")) == 1


ACTS: Final = ("held", "hold-released", "withdrawn", "embargo-broken", "corrected", "refiled")


Filed = tuple[str, int, bool]  # a kind, which development it is about, whether under embargo


@st.composite
def lives(draw: st.DrawFn) -> list[Filed]:
    """What is filed into a story: some developments, then anything about them."""
    news = st.just("development-reported")
    # Seldom closed, since little happens to a story after that.
    kinds = st.sampled_from([*ACTS, *ACTS, "development-reported", "story-closed"])
    which, embargoed = st.integers(0, 20), st.booleans()
    first = draw(st.lists(st.tuples(news, which, embargoed), min_size=3, max_size=6))
    return first + draw(st.lists(st.tuples(kinds, which, embargoed), min_size=5, max_size=20))


def live_on(story: Story, n: int, act: Filed) -> bool:
    """File one thing, its texts marked with its development; says whether it was taken."""
    kind, which, flag = act
    timeline = story.state()["timeline"]
    # Mostly what the act can be done to; what was withdrawn takes nothing more.
    wanted = {"hold-released": "held", "embargo-broken": "embargoed"}.get(kind)
    news = [item for item in timeline if item["status"] == wanted]
    news = news or [item for item in timeline if item["status"] != "withdrawn"]
    target = news[which % len(news)] if news else None
    fields: dict[str, Any] = {}
    if kind == "development-reported":
        text = f"secret{n}x"
        fields = {"ref": f"N{n}", "label": "note", "headline": text, "body": text}
        fields |= {"claims": [{"ref": f"C{n}", "text": text}], "people": [f"person:{text}"]}
        fields |= {"private": {"notes": "never told"}}
        fields |= {"embargo_until": LATER} if flag else {}
    elif kind in ACTS:
        if target is None:
            return False
        number = re.sub(r"\D", "", target["ref"])
        fields = {"target": target["ref"], "reason": "a reason"}
        if kind == "corrected":
            fields = {"target": target["ref"], "field": "headline", "old": target["headline"]}
            fields |= {"new": f"secret{number}x after {n}", "note": f"secret{number}x was wrong"}
        if kind == "refiled":
            fields = {"target": target["ref"], "headline": f"{target['headline']} anew"}
            fields |= {"note": f"secret{number}x mistyped"}
    else:
        fields = {"reason": "a reason"}
    try:
        story.file(kind, **fields)
    except Refused:
        return False
    return True


@settings(max_examples=60)
@given(acts=lives())
def test_nothing_leaves_that_is_not_out(acts: list[Filed]) -> None:
    """No word of what is held, embargoed or withdrawn is in any output, and private words never."""
    story = opened()
    for n, act in enumerate(acts):
        live_on(story, n, act)
    inside, outside = story.state()["timeline"], story.state(public=True)
    hidden = [item["ref"] for item in inside if item["status"] != "published"]
    shown = [item["ref"] for item in inside if item["status"] == "published"]
    for form, document in outputs(outside).items():
        words = words_in(form, document)
        assert "never told" not in words
        for ref in hidden:
            assert f"secret{ref[1:]}x" not in words, form
        for ref in shown:
            assert f"secret{ref[1:]}x" in words, form


@settings(max_examples=60)
@given(acts=lives())
def test_every_change_is_newer_than_the_last(acts: list[Filed]) -> None:
    """Though all happens in one millisecond, a feed is newer after each change that readers see."""
    story = opened()
    before = story.state(public=True)
    for n, act in enumerate(acts):
        taken = live_on(story, n, act)
        after = story.state(public=True)
        old, new = (orjson.loads(json_feed.story(state, PLACE)) for state in (before, after))
        first, then = (atom.story(state, PLACE) for state in (before, after))
        if first != then:
            assert taken
            assert xml(then).findtext(f"{ATOM}updated", "") > xml(first).findtext(
                f"{ATOM}updated", ""
            )
            assert new["_dateline"]["updated"] > old["_dateline"]["updated"]
        was = entries(first)
        for name, entry in entries(then).items():
            updated = entry.findtext(f"{ATOM}updated", "")
            for at in entry.iter(f"{OURS}correction"):
                assert updated >= at.findtext(f"{OURS}recorded-at", "").removesuffix("Z")
            if name not in was:
                continue
            earlier = was[name].findtext(f"{ATOM}updated", "")
            corrected = act[0] == "corrected" and ET.tostring(entry) != ET.tostring(was[name])
            assert updated > earlier if corrected else updated == earlier
        before = after


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
        documents.append(await get(desk, at.removeprefix(desk.url)))
        at = link(documents[-1], "prev-archive")
    assert len(documents) == 3
    found = {name for document in documents for name in entries(document)}
    assert len(found) == 3 * PAGE + 10
    oldest = documents[-1]
    assert xml(oldest).find("{http://purl.org/syndication/history/1.0}archive") is not None
    assert link(oldest, "current") == f"{desk.url}/feeds/a-drill.atom"
    at, seen = "/feeds/a-drill.json", 0
    while at is not None:
        feed = orjson.loads(await get(desk, at.removeprefix(desk.url)))
        seen, at = seen + len(feed["items"]), feed.get("next_url")
    assert seen == 3 * PAGE + 10


async def test_a_complete_page_stays_as_it_is(desk: Served) -> None:
    """What is filed later changes no page; what is put right on one is told again in the feed."""
    await long_story(desk, 3 * PAGE)
    pages = [f"/feeds/a-drill.{form}?page={n}" for n in (1, 2, 3) for form in ("atom", "json")]
    before = [await get(desk, page) for page in pages]
    async with desk.session.get(f"{desk.url}/feeds/a-drill.atom?page=4") as response:
        assert str(response.url) == f"{desk.url}/feeds/a-drill.atom"
    for n in range(200, 260):
        await desk.file("a-drill", "development-reported", label="note", ref=f"N{n}")
    assert [await get(desk, page) for page in pages] == before
    old = {"target": "N5", "field": "headline", "old": "Note 5", "new": "Note V", "note": "typed"}
    await desk.file("a-drill", "corrected", **old)
    await desk.file("a-drill", "withdrawn", target="N6", reason="it never was")
    after = [await get(desk, page) for page in pages]
    assert [a == b for a, b in zip(after, before, strict=True)] == [False] * 2 + [True] * 4
    current = await get(desk, "/feeds/a-drill.atom")
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
    found = list(entries(await get(desk, "/feeds/all.atom")))
    assert (len(found), found[:2]) == (
        100,
        ["urn:dateline:story:three:N1", "urn:dateline:story:two:N59"],
    )
    feed = orjson.loads(await get(desk, "/feeds/all.json"))
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
    feed = entries(await get(desk, "/feeds/all.atom"))
    assert next(iter(feed)) == "urn:dateline:story:one:N2"
    first, second = list(feed.values())[:2]
    for name in ("published", "updated"):
        assert first.findtext(f"{ATOM}{name}", "") > second.findtext(f"{ATOM}{name}", "")
    await desk.file("late", "embargo-broken", target="E1", reason="it is out")
    feed = entries(await get(desk, "/feeds/all.atom"))
    assert list(feed)[:2] == ["urn:dateline:story:late:N1", "urn:dateline:story:one:N2"]
    await desk.file("one", "held", target="N50", reason="to be checked")
    before = [item["id"] for item in orjson.loads(await get(desk, "/feeds/all.json"))["items"]]
    await desk.file("one", "hold-released", target="N50", reason="checked")
    after = [item["id"] for item in orjson.loads(await get(desk, "/feeds/all.json"))["items"]]
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


def test_json_feed_is_as_its_schema_says() -> None:
    """JSON Feeds validate against the published schema of version 1.1."""
    published = schema("feed-1.1-bundled.schema.json")
    made = outputs(lived().state(public=True))
    for form in ("json", "all.json", "page.json"):
        jsonschema.validate(orjson.loads(made[form]), published)


@pytest.mark.parametrize("of", [lived, opened])
def test_ninjs_is_as_its_schema_says(of: Callable[[], Story]) -> None:
    """Ninjs documents validate against the schema that IPTC published for 3.1."""
    published, geo = schema("ninjs-schema_3.1.json"), schema("GeoJSON-schema.json")
    registry: referencing.Registry[Any] = referencing.Registry().with_resource(
        "https://geojson.org/schema/GeoJSON.json", referencing.Resource.from_contents(geo)
    )
    document = orjson.loads(FORMS["ninjs.json"].story(of().state(public=True), PLACE))
    jsonschema.Draft202012Validator(published, registry=registry).validate(document)


def test_live_blogs_are_in_the_words_of_schema_org() -> None:
    """Each property of a LiveBlogPosting is one that schema.org has, with a type that it takes."""
    types = schema("30.0-liveblog-vocabulary.json")["types"]
    state = lived().state(public=True) | {"status": "closed"}

    def check(node: dict[str, Any]) -> str:
        allowed = types[node["@type"]]["properties"]
        for name, value in node.items():
            if name.startswith("@"):
                continue
            assert name in allowed, f"{node['@type']} has no {name}"
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, dict):
                    kinds = set(types[check(each)]["supertypes"])
                else:
                    kinds = {"Text", "URL", "Date", "DateTime", "Number", "Integer"}
                assert kinds & set(allowed[name]), f"{name} takes {allowed[name]}"
        return str(node["@type"])

    live = orjson.loads(FORMS["jsonld"].story(state, PLACE))
    assert check(live) == "LiveBlogPosting"
