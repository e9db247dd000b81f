"""Outputs: what leaves the newsroom is well formed, says what readers may know, and no more."""

from collections.abc import Callable
from typing import Any

import jsonschema
import orjson
import pytest
import referencing
from conftest import STORY
from documents import ATOM, GONE, OURS, PLACE, entries, link, lived, outputs, schema, words_in, xml
from filings import LATER, Story, opened
from serving import Served, served
from viewing import import_sample

from consumers.feed.websub import Patience
from consumers.outputs import atom, json_feed
from consumers.outputs.place import Place
from consumers.outputs.routes import FORMS
from dateline.server import Outside
from dateline.wiring import Newsroom


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
    assert entries(await desk.read("/feeds/all.atom")) == {}
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
