"""Outputs of texts that try to be more than text: they stay words, and documents stay whole."""

import re
from typing import Final

import orjson
import pytest
from documents import ATOM, HOSTILE, PLACE, lived, outputs, words_in, xml
from filings import opened
from serving import Served

from consumers.outputs import atom, json_feed
from consumers.outputs.routes import FORMS

NOT_XML: Final = "nul\x00 bell\x07 escape\x1b surrogate\ud800 none\ufffe"


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
        document = await desk.read(f"/feeds/a-drill.{form}")
        words = words_in(form, document)
        assert words.count("\u202e") == words.count("\u202c"), form
        assert words.count("\u2067") == words.count("\u2069"), form
        if form != "rss":
            assert headline in words, form
    feed = xml(await desk.read("/feeds/a-drill.atom"))
    texts_of = [*feed.iter(f"{ATOM}title"), *feed.iter(f"{ATOM}content")]
    assert texts_of
    assert {each.get("type") for each in texts_of} == {"text"}
    rss = xml(await desk.read("/feeds/a-drill.rss"))
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


@pytest.mark.parametrize(
    ("filed", "shown"),
    [
        ("https://a.example/100%", "https://a.example/100%25"),
        ("https://a.example/%zz?q=%41", "https://a.example/%25zz?q=%41"),
        ("https://a.example/{x}|^`\\", "https://a.example/%7Bx%7D%7C%5E%60%5C"),
        ("https://a.example/é?a=1&b=[2]", "https://a.example/é?a=1&b=[2]"),
    ],
)
def test_a_link_is_a_url_by_its_standard(filed: str, shown: str) -> None:
    """A link that browsers open and validators would refuse is given as one that both take."""
    story = opened()
    story.file("quote-added", links=[{"url": filed}])
    state = story.state(public=True)
    assert f'"{shown}"'.encode() in atom.story(state, PLACE).replace(b"&amp;", b"&")
    assert orjson.loads(json_feed.story(state, PLACE))["items"][0]["external_url"] == shown
