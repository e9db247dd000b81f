"""Pages: readable without a script, kept current by one, and nothing that was filed is ever run."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from browsing import Page, browser
from conftest import STORY
from documents import ATOM, HOSTILE, entries
from filings import LATER
from serving import Served
from viewing import import_sample

from consumers.outputs.routes import FORMS
from dateline.wiring import Newsroom

EMOJI = "👩\u200d👩\u200d👧\u200d👦" * 40  # 280 characters, as long as a headline may be
TEXTS = [
    *HOSTILE,
    EMOJI,
    "javascript:alert(1)",
    "' onmouseover='alert(1)",
    '"><svg onload=alert(1)>',
]


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    async with browser(tmp_path) as made:
        yield made


async def html(desk: Served, path: str) -> str:
    status, body, headers = await desk.get(path)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    return body.decode()


async def hostile_story(desk: Served, text: str) -> str:
    """File a text wherever a filing has a place for it; returns it as a headline may hold it."""
    text = text.replace("\u0085", " ")
    line = re.sub("[\u2028\u2029]", " ", text)
    await desk.file("a-drill", "story-opened", title=line, headline=line)
    figure = {"ref": "F1", "measure": "children", "words": text, "source_text": text}
    await desk.file(
        "a-drill", "figure-reported", ref="N2", headline=line, figures=[figure],
        body=f"<p>{text}</p>\n<a href='javascript:alert(2)'>x</a>{text}",
        claims=[{"ref": "C1", "text": text}],
        attribution={"source_text": text, "verb": line[:200]},
        links=[{"url": "https://example.org/?a=1&b='x'", "title": line[:200]}],
        occurred={"basis": "stated", "text": text},
    )  # fmt: skip
    await desk.file("a-drill", "statement-issued", ref="N3", headline="To be withdrawn")
    await desk.file("a-drill", "withdrawn", target="N3", reason=text)
    old = {"target": "N2", "field": "headline", "old": line, "new": f"{line[:200]}.", "note": text}
    await desk.file("a-drill", "corrected", **old)
    return f"{line[:200]}."


def words(text: str) -> str:
    return " ".join(re.sub("[\u202a-\u202e\u2066-\u2069]", "", text).split())


@pytest.mark.parametrize("text", TEXTS)
async def test_hostile_text_is_only_shown(desk: Served, page: Page, text: str) -> None:
    """In a browser whatever was filed stays text: nothing runs, loads, or breaks a document."""
    headline = await hostile_story(desk, text)
    for path in ("/stories/a-drill", "/"):
        await page.open(f"{desk.url}{path}")
        for forbidden in ("img", "svg", "iframe", "[onerror]", "[onload]", "[onmouseover]",
                          "script:not([src])", "[style]", "[href^='javascript:']"):  # fmt: skip
            assert await page.evaluate(f'document.querySelectorAll("{forbidden}").length') == 0
    await page.open(f"{desk.url}/stories/a-drill")
    shown = await page.evaluate("document.querySelector('#N2 h2').textContent")
    assert words(shown) == words(headline)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for form in FORMS:
        assert await page.evaluate(as_read(f"/feeds/a-drill.{form}")) == "well formed", form
    assert page.said == []


def as_read(path: str) -> str:
    """Give the expression by which a browser reads a document."""
    xml = "new DOMParser().parseFromString(text, 'application/xml').querySelector('parsererror')"
    read = f"{xml} ? 'broken' : 'well formed'"
    if "json" in path:
        read = "JSON.parse(text) && 'well formed'"
    return f"fetch({path!r}).then(answer => answer.text()).then(text => {read})"


async def test_a_page_keeps_itself_current(desk: Served, page: Page) -> None:
    """Who has a page open sees what is filed, corrected and withdrawn, and is told so."""
    await desk.file("a-drill", "story-opened", title="A drill")
    await page.open(f"{desk.url}/stories/a-drill")
    await page.until("document.getElementById('live').textContent === 'Live'")
    await desk.file("a-drill", "statement-issued", ref="N2", headline="First word")
    await page.until("document.querySelector('#N2 h2')?.textContent.trim() === 'First word'")
    assert await page.evaluate("document.getElementById('live').textContent") == "New: First word"
    old = {"target": "N2", "field": "headline", "old": "First word", "new": "Last word"}
    await desk.file("a-drill", "corrected", **old, note="misheard")
    await page.until("document.querySelector('#N2 h2').textContent.trim() === 'Last word'")
    await desk.file("a-drill", "withdrawn", target="N2", reason="a hoax")
    await page.until("document.querySelector('#N2 .withdrawn')?.textContent.includes('a hoax')")
    await page.open(f"{desk.url}/")
    await page.until("document.getElementById('live').textContent === 'Live'")
    await desk.file("b-drill", "story-opened", title="Another")
    await page.until("document.querySelectorAll('.stories li').length === 2")
    assert page.said == []


async def test_a_page_is_whole_without_a_script(room: Newsroom, desk: Served) -> None:
    """The sample's page tells all of the story as it is sent, and allows nothing inline."""
    await import_sample(room)
    text = await html(desk, f"/stories/{STORY}")
    _, body, headers = await desk.get(f"/stories/{STORY}")
    assert body.decode() == text
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'")
    assert "unsafe" not in policy
    for said in ("Eight children reunited", "An answer from Kremlin", "more than 19,000", "eight"):
        assert said in text
    assert re.findall(r"<script[^>]*>", text) == ['<script src="/assets/live.js" defer>']
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", text)
    assert (await desk.get(f"/stories/{STORY}", {"If-None-Match": headers["Etag"]}))[0] == 304


async def test_outputs_lead_to_pages(room: Newsroom, desk: Served) -> None:
    """Every link of a feed to a development leads to its place on the story's page."""
    await import_sample(room)
    text = await html(desk, f"/stories/{STORY}")
    _, feed, _ = await desk.get(f"/feeds/{STORY}.atom")
    for entry in entries(feed).values():
        url = link_of(entry)
        assert url.startswith(f"{desk.url}/stories/{STORY}#")
        assert f'id="{url.partition("#")[2]}"' in text


def link_of(entry: ET.Element) -> str:
    links = {each.get("rel"): each.get("href") for each in entry.findall(f"{ATOM}link")}
    return str(links["alternate"])


async def test_a_page_can_be_used_by_everybody(room: Newsroom, desk: Served, page: Page) -> None:
    """A page says its language and title, has one heading of each first rank, and fits a phone."""
    await import_sample(room)
    await page.do(
        "Emulation.setDeviceMetricsOverride",
        width=320, height=640, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip
    for path in ("/", f"/stories/{STORY}"):
        await page.open(f"{desk.url}{path}")
        assert await page.evaluate("document.documentElement.lang") == "en"
        assert await page.evaluate("document.title.length > 0")
        assert await page.evaluate("document.querySelectorAll('h1, main').length") == 2
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320
        nameless = "[...document.links].filter(link => !link.textContent.trim()).length"
        assert await page.evaluate(nameless) == 0
        tree: Any = await page.do("Accessibility.getFullAXTree")
        roles = {node["role"]["value"] for node in tree["nodes"] if "role" in node}
        assert {"main", "banner", "status", "list"} <= roles


async def test_a_page_of_what_is_not_out_is_as_of_nothing(desk: Served) -> None:
    """A story under embargo has the page of a story that never was, whatever key is shown."""
    await desk.file("a-secret", "story-opened", title="Secret", embargo_until=LATER)
    hidden = await desk.get("/stories/a-secret", desk.bearer())
    never = await desk.get("/stories/b-secret")
    assert (hidden[0], hidden[1]) == (404, never[1])
    assert "Secret" not in await html(desk, "/")
