"""Outputs as their readers read them, a story with something of everything, and hostile texts."""

import os
import re
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import orjson
import pytest
from filings import Story, opened

from consumers.outputs import atom, json_feed
from consumers.outputs.place import Place
from consumers.outputs.routes import FORMS, FORMS_OF_ALL
from consumers.outputs.told import Moved

PLACE: Final = Place("https://news.example", "https://hub.example/")
ATOM: Final = "{http://www.w3.org/2005/Atom}"
GONE: Final = "{http://purl.org/atompub/tombstones/1.0}deleted-entry"
OURS: Final = "{urn:dateline:atom:1}"
HOSTILE: Final = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)> & &amp;lt;",
    "]]><!-- --> {{7*7}} %s \\u003c",
    "line\u2028and\u2029paragraph\u0085next",
    "\u202egnp.exe \u2067isolate",
    "👩\u200d👩\u200d👧\u200d👦" * 20,
)
"""Texts that try to be more than text wherever they are shown."""


def outputs(state: dict[str, Any]) -> dict[str, bytes]:
    """Every document that tells of a story."""
    made = {form: FORMS[form].story(state, PLACE) for form in FORMS}
    moved = Moved(state["position"], state["recorded_at"])
    made |= {f"all.{form}": make([state], PLACE, moved) for form, (_, make) in FORMS_OF_ALL.items()}
    made["page.atom"] = atom.archive(state, PLACE, 1)
    made["page.json"] = json_feed.archive(state, PLACE, 1)
    return made


def parsed(form: str, document: bytes) -> Any:
    """Read a document as its readers do; fails where it is not well formed."""
    if form.endswith(("atom", "rss")):
        return xml(document)
    assert not re.search("[<>&\u2028\u2029]", document.decode()), "it could leave a page's script"
    return orjson.loads(document)


def xml(document: bytes) -> ET.Element:
    return ET.fromstring(document)  # noqa: S314 - we wrote it ourselves


def words_in(form: str, document: bytes) -> str:
    """All texts of a document, as its readers have them after parsing."""
    found = parsed(form, document)
    if isinstance(found, ET.Element):
        return "\n".join(
            text
            for element in found.iter()
            for text in (element.text or "", *element.attrib.values())
        )
    return "\n".join(texts(found))


def texts(value: Any) -> list[str]:
    match value:
        case dict():
            return [text for each in value.items() for part in each for text in texts(part)]
        case list():
            return [text for each in value for text in texts(each)]
        case str():
            return [value]
    return []


def entries(document: bytes) -> dict[str, ET.Element]:
    """The entries of an Atom document by id."""
    feed = xml(document)
    return {entry.findtext(f"{ATOM}id", ""): entry for entry in feed.iter(f"{ATOM}entry")}


def link(document: bytes, rel: str) -> str | None:
    """Where a link of an Atom feed leads."""
    found = xml(document).findall(f"{ATOM}link")
    return next((each.get("href") for each in found if each.get("rel") == rel), None)


def schema(name: str) -> dict[str, Any]:
    """A published schema, from the folder that DATELINE_SCHEMAS names."""
    folder = os.environ.get("DATELINE_SCHEMAS")
    path = Path(folder or "none") / name
    if folder is None or not path.is_file():
        pytest.skip(f"{name} is missing: put it into a folder and name that in DATELINE_SCHEMAS")
    found: dict[str, Any] = orjson.loads(path.read_bytes())
    return found


def lived() -> Story:
    """A story to which everything happened that outputs have to show."""
    story = opened(people=["person:a"])
    counts = [{"ref": "F1", "measure": "children", "value": 8, "source": "person:a"}]
    counts += [{"ref": "F2", "measure": "children", "value": 9, "source": "person:b"}]
    claim = {"ref": "C1", "text": "it <b>rained</b>", "speaker": "person:a"}
    story.file(
        "figure-reported",
        ref="N1",
        figures=counts,
        claims=[claim],
        body="<p>Eight &amp; <b>more</b></p><p>came</p>",
        links=[{"url": "https://example.org/?a=1&b=2", "title": "A letter"}],
        people=["person:a"],
        places=["place:b"],
        orgs=["org:c"],
        urgency=2,
    )
    wait = {"ref": "P1", "awaited_from": "org:kremlin", "about": ["F1"]}
    story.file("response-awaited", ref="N2", response=wait)
    story.file("development-reported", ref="N3", label="note", headline="Wrong from the start")
    conflict = {"between": ["F1", "F2"], "nature": "quantity"}
    story.file("conflict-noted", ref="X1", conflict=conflict)
    story.now += 60_000
    story.file("corrected", ref="K1", target="F1", field="value", old=8, new=7, note="misheard")
    story.file("withdrawn", ref="W1", target="N3", reason="it never was", replacement="N1")
    return story
