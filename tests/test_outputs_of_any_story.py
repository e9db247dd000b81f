"""Outputs however a story goes: nothing leaves that is not out, and each change is newer."""

import re
from typing import Any, Final
from xml.etree import ElementTree as ET

import orjson
from any_story import told
from documents import ATOM, GONE, OURS, PLACE, entries, outputs, parsed, words_in, xml
from filings import LATER, Story, opened
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.outputs import atom, json_feed
from events.errors import Refused


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
