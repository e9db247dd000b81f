"""A redaction reaches every word that it names, says what it did, and leaves every output whole."""

import asyncio
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from documents import ATOM, parsed
from filings import opening
from publishing import filed as file
from redactions import LAW, traces
from serving import Served, served
from vocabulary_examples import full as shared

from consumers.audit.replay import replay
from consumers.audit.report import html, report
from consumers.outputs.routes import FORMS
from consumers.rebuild import rebuild
from consumers.stories.story import fold
from dateline.cli.run import run
from dateline.wiring import Newsroom
from events.codec import canonical, decode, encode
from events.editorial import Redacted
from events.envelope import Recorded
from events.errors import Refused
from events.redaction import Leaf, leaves
from events.vocabulary import KINDS, SCHEMAS, AnyDevelopment
from producers.erasing import Stored, erasures

NAME = "person:zq-long-name-of-one"
SAME = "zqsame01 words that two developments share"


PLANTED = (
    "zqword, some words of a drill",
    *(f"{sort}:zq-a-name-of-a-drill" for sort in ("person", "place", "org")),
    "https://example.org/zq-a-drill",
    "zq-measure-of-a-drill",
    47_114_711,
    "1999-12-31",
    "P4711D",
)


def full(kind: str) -> dict[str, Any]:
    """An example of a kind that may be written into."""
    return deepcopy(shared(kind))


async def redact(room: Newsroom, target: str, *fields: str) -> Redacted:
    """Redact, clean up, and give the act as it was recorded."""
    await file(room, "redacted", target=target, fields=list(fields), headline=None, **LAW)
    await room.cleaning.clean()
    events = [event async for event in room.log.read_versions("a")]
    act = events[-1].development
    assert isinstance(act, Redacted)
    return act


async def test_a_hold_protects_words_wherever_they_are_asked_for(
    room: Newsroom, tmp_path: Path
) -> None:
    """A redaction is refused while anything that holds the same words is under a legal hold."""
    await file(room, "story-opened", title="A story")
    for ref in ("Q", "R"):
        await file(room, "quote-added", ref=ref, body=SAME)
    await file(room, "legal-hold-placed", target="Q", reason="a suit")
    with pytest.raises(Refused, match=r"legal-hold.*one on Q"):
        await redact(room, "R", "body")
    assert (await room.auditor.verify(lambda *_: None)).erased == 0
    await file(room, "legal-hold-lifted", target="Q", reason="it is over")
    await redact(room, "R", "body")
    assert list(traces(tmp_path, SAME)) == []


async def test_words_go_from_the_whole_event(room: Newsroom, tmp_path: Path) -> None:
    """A name goes from every list and field of the event that holds it, its private part too."""
    await file(room, "story-opened", title="A story")
    said = {"speaker": NAME, "form": "remarks"}
    others = [NAME, "person:b"]
    notes = {"notes": f"we spoke to {NAME}"}
    await file(room, "quote-added", ref="Q", attribution=said, people=others, private=notes)
    act = await redact(room, "Q", "attribution.speaker")
    assert list(traces(tmp_path, NAME)) == []
    (erased,) = act.erases or ()
    assert json.loads(erased.remains or "")["people"] == ["person:b"]
    assert erased.private


async def test_words_that_cannot_go_stop_the_redaction(room: Newsroom) -> None:
    """Where words stand in what holds the story together, nothing is erased and the place named."""
    await file(room, "story-opened", title="A story")
    await file(room, "quote-added", ref="zqref-of-a-long-name", body="zqref-of-a-long-name")
    with pytest.raises(Refused) as refused:
        await redact(room, "zqref-of-a-long-name", "body")
    assert (refused.value.rule, refused.value.found) == (
        "erasable",
        "some of them in ref at version 2, which has to stay",
    )
    assert (await room.log.head()).size == 2


async def test_nothing_is_erased_where_nothing_is(room: Newsroom) -> None:
    """A redaction of what holds nothing is refused and says so."""
    await file(room, "story-opened", title="A story")
    await file(room, "quote-added", ref="Q", people=["person:a"])
    for field in ("body", "people.1", "links", "claims", "private", "attribution.speaker"):
        with pytest.raises(Refused, match=r"redact-something.*Q has no "):
            await redact(room, "Q", field)


async def test_nothing_is_erased_twice(room: Newsroom) -> None:
    """A redaction of what was redacted before is refused, and nothing more is recorded."""
    await file(room, "story-opened", title="A story")
    said = {"speaker": NAME, "form": "remarks"}
    await file(room, "quote-added", ref="Q", headline=SAME, attribution=said)
    for fields in (["headline"], ["attribution.speaker"], ["contents"]):
        await redact(room, "Q", *fields)
        size = (await room.log.head()).size
        with pytest.raises(Refused, match=r"redact-something.*Q"):
            await redact(room, "Q", *fields)
        assert (await room.log.head()).size == size


async def test_what_holds_a_story_together_stays(room: Newsroom) -> None:
    """Refs, kinds and times are not redacted, and no refusal repeats what stands in a field."""
    await file(room, "story-opened", title="A story", ref="E1", urgency=3)
    for field in ("ref", "kind", "position", "public", "urgency", "people.name"):
        with pytest.raises(Refused, match="redactable") as refused:
            await redact(room, "E1", field)
        assert "E1" not in refused.value.found.removesuffix("by which E1 hangs")
    with pytest.raises(Refused, match="ref-known"):
        await redact(room, "E9", "body")
    law = {**LAW, "reason_code": "Two Words"}
    with pytest.raises(Refused, match="reason-code"):
        await file(room, "redacted", target="E1", fields=["headline"], headline=None, **law)


async def test_reasons_and_notes_of_acts_are_redacted(room: Newsroom, tmp_path: Path) -> None:
    """What was said in holding, withdrawing, correcting or redacting goes like any other words."""
    words = [f"zqact{number:02} a name that nobody should have written" for number in range(5)]
    await file(room, "story-opened", title="A story")
    await file(room, "quote-added", ref="Q", headline="old words")
    await file(room, "held", ref="H", target="Q", reason=words[0])
    await file(room, "hold-released", target="Q", reason="a drill")
    put_right = {"field": "headline", "old": "old words", "new": "new words"}
    await file(room, "corrected", ref="K", target="Q", note=words[1], **put_right)
    await file(room, "withdrawn", ref="W", target="Q", reason=words[2])
    law = {**LAW, "legal_basis": words[3]}
    await file(room, "redacted", ref="X", target="Q", fields=["headline"], **law)
    for ref, field in (("H", "reason"), ("K", "note"), ("W", "reason"), ("X", "legal_basis")):
        await redact(room, ref, field)
    assert list(traces(tmp_path, *words)) == []
    assert "zqact" not in str(json.loads(await room.state("a", public=True)))
    assert (await room.auditor.verify(lambda *_: None)).events == 11


async def test_a_number_is_redacted_with_its_history(room: Newsroom) -> None:
    """The value of a figure goes with what it was corrected and revised from and to."""
    await file(room, "story-opened", title="A story")
    counted = [
        {"ref": f"F{n}", "measure": "children", "value": 4711, "source": "org:a"} for n in (1, 2)
    ]
    await file(room, "figure-reported", ref="E", figures=counted)
    fixed = {"target": "F1", "field": "value", "old": 4711, "new": 4712}
    await file(room, "corrected", note="miscounted", **fixed)
    await file(room, "figure-revised", ref="V", target="F1", source="org:a", value=4713)
    await redact(room, "E", "figures.F1.value")
    state = json.loads(await room.state("a"))
    assert [state["figures"][ref]["value"] for ref in ("F1", "F2")] == [None, 4711]
    assert all(number not in str(state) for number in ("4712", "4713"))


async def test_a_list_is_redacted_one_by_one(room: Newsroom, tmp_path: Path) -> None:
    """One entry of a list goes by its number, and readers are told at once what is left of it."""
    await file(room, "story-opened", title="A story")
    links = [
        {"url": f"https://example.org/zqlink-{n}-of-a-drill", "title": f"zqtitle-{n}-of-a-drill"}
        for n in (1, 2)
    ]
    await file(room, "quote-added", ref="Q", people=["person:a", "person:b"], links=links)
    await room.state("a")
    for field in ("people.0", "links.0", "links.0.title"):
        await file(room, "redacted", target="Q", fields=[field], headline=None, **LAW)
        await room.state("a")
    (item,) = json.loads(await room.state("a", public=True))["timeline"]
    assert item["people"] == ["person:b"]
    assert item["links"] == [{"url": links[1]["url"]}]
    await room.cleaning.clean()
    assert json.loads(await room.state("a", public=True))["timeline"] == [item]
    assert list(traces(tmp_path, "zqlink-1-of-a-drill", "zqtitle-1-of-a-drill")) == []


async def test_all_that_an_event_says_is_redacted_at_once(room: Newsroom, tmp_path: Path) -> None:
    """`contents` leaves of an event that it was, of what kind, and what others point at."""
    await file(room, "story-opened", title="A story")
    words = [f"zqall{number:02} words of a drill, all of them" for number in range(4)]
    claim = {"ref": "C1", "text": words[0], "speaker": NAME}
    figure = {"ref": "F1", "measure": "children", "words": words[1], "source": NAME}
    await file(
        room, "figure-reported", ref="Q", headline=words[2], body=words[3], claims=[claim],
        figures=[figure], private={"notes": words[0]},
    )  # fmt: skip
    await redact(room, "Q", "contents")
    assert list(traces(tmp_path, *words, NAME)) == []
    state = json.loads(await room.state("a", public=True))
    assert (list(state["claims"]), list(state["figures"])) == (["C1"], ["F1"])


async def test_who_is_named_elsewhere_stays_named(room: Newsroom) -> None:
    """All that one event says is erased, and its speaker goes on to speak in the others."""
    await file(room, "story-opened", title="A story")
    for ref in ("Q", "R"):
        await file(room, "quote-added", ref=ref, attribution={"speaker": NAME}, headline=SAME)
    act = await redact(room, "Q", "contents")
    left = [json.loads(erasure.remains or "") for erasure in act.erases or ()]
    assert [body["headline"] for body in left] == ["[redacted]"] * 2
    assert [body.get("attribution", {}).get("speaker") for body in left] == [None, NAME]


def planted(kind: str, path: str) -> tuple[dict[str, Any], object]:
    """An example of a kind with words in one field that stand nowhere else."""
    for words in PLANTED:
        content = full(kind)
        leaf = at(kind, content, path)
        leaf.holder[leaf.name] = words
        try:
            return json.loads(encode(AnyDevelopment.validate_python(content))), words
        except ValueError:
            continue  # another sort of words stands there
    raise AssertionError(path)


def at(kind: str, content: dict[str, Any], path: str) -> Leaf:
    return next(leaf for leaf in leaves(KINDS[kind], content) if leaf.path == path)


def named(content: dict[str, Any], path: str) -> str:
    """The field that a path is redacted by: claims and figures go by their refs."""
    first, *rest = path.split(".")
    if first in ("claims", "figures"):
        rest[0] = content[first][int(rest[0])]["ref"]
    return ".".join((first, *rest))


def recorded(version: int, body: bytes) -> Recorded:
    kind = json.loads(body)["kind"]
    facts = {"kind": kind, "schema": SCHEMAS[kind], "filed_by": "desk:ada", "id": f"e{version}"}
    happening = decode(kind, SCHEMAS[kind], body)
    return Recorded(version, "a", version, 1_760_000_000_000, canonical(facts), happening)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_field_of_every_kind_can_be_redacted(kind: str) -> None:
    """Each text, name and number of each kind can be erased, and what is left is still read."""
    first = recorded(1, encode(opening(ref="E1")))
    for path in [leaf.path for leaf in leaves(KINDS[kind], full(kind)) if leaf.may_go]:
        content, words = planted(kind, path)
        event = recorded(2, canonical(content))
        act = Redacted(ref="X", target="E9", fields=(named(content, path),), **LAW)
        stored = Stored({1: encode(first.development), 2: canonical(content)}, {})  # type: ignore[arg-type]  # - all are known
        (erased,) = erasures(act, [first, event], stored, lambda _ref: False)
        assert str(words) not in (erased.remains or ""), path
        act = act.model_copy(update={"erases": (erased,)})
        left = recorded(2, (erased.remains or "").encode())
        assert type(left.development) is KINDS[kind], path
        # As whoever was there sees it, and whoever reads it afterwards.
        for told in (event, left):
            parts = fold([first, told, recorded(3, encode(act))])
            assert told is event or str(words) not in str(parts.values()), path


async def rich(desk: Served) -> None:
    """A story in which outputs have every field to show."""
    await desk.file("a", "story-opened", ref="E1", title="A story")
    shown = ("headline", "body", "attribution", "occurred", "people", "places", "orgs", "links")
    example = full("figure-reported")
    fields = {name: example[name] for name in (*shown, "media", "figures", "claims")}
    fields["attribution"] = {**fields["attribution"], "at": "E1"}
    fields["figures"][0].pop("part_of")
    await desk.file("a", "figure-reported", ref="E2", urgency=1, **fields)
    wait = {"ref": "P1", "awaited_from": "org:kremlin", "about": ["C1"], "note": "asked by letter"}
    await desk.file("a", "response-awaited", ref="E3", response=wait)
    remarks = {"ref": "R1", "speaker": "person:a", "venue": "a room"}
    await desk.file("a", "remarks-delivered", ref="E4", remarks=remarks)
    letter = {"ref": "L1", "from": "person:a", "to": "person:b"}
    await desk.file("a", "letter-sent", ref="E5", letter=letter)
    post = {"ref": "M1", "author": "person:a", "medium": "video"}
    await desk.file("a", "post-published", ref="E6", post=post)
    await desk.file("a", "quote-added", ref="E7", headline="It never was")
    conflict = {"between": ["F1", "F2"], "nature": "quantity"}
    await desk.file("a", "conflict-noted", ref="X1", conflict=conflict, headline="They differ")
    fixed = {"target": "F1", "field": "value", "old": 8, "new": 7, "note": "misheard"}
    await desk.file("a", "corrected", ref="K1", headline=None, **fixed)
    revised = {"target": "F1", "source": "person:a-speaker", "source_text": "one estimate"}
    await desk.file("a", "figure-revised", ref="V1", value=9, **revised)
    await desk.file("a", "withdrawn", ref="W1", target="E7", reason="untrue", headline=None)


async def test_every_output_shows_a_story_whatever_was_redacted(
    room: Newsroom, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Pages, feeds, the API, reports and replays stay whole whichever field is erased."""
    async with served(room) as desk:
        await rich(desk)
        events = [event async for event in room.log.read_versions("a")]
        for event in events:
            content = json.loads(encode(event.development))  # type: ignore[arg-type]  # - all are known
            free = [leaf for leaf in leaves(KINDS[content["kind"]], content) if leaf.may_go]
            # From the end, so that the entries of a list keep their numbers.
            for leaf in reversed(free):
                try:
                    fields = [named(content, leaf.path)]
                    await file(room, "redacted", target=content["ref"], fields=fields, **LAW)
                except Refused as refused:  # the same word was in another field, and went with it
                    assert refused.rule == "redact-something", leaf.path
                    continue
                await every_output(desk, leaf.path)
        for event in events:
            ref = str(getattr(event.development, "ref", ""))
            assert "erased in part" in html(await report(room.auditor, "a", ref))
        assert (await replay(room.log, "a", (await room.log.head()).size)).readers
        for command in ("story", "history"):
            assert await asyncio.to_thread(run, [command, "a", "--log", room.log.url]) == 0
        assert b"None" not in capsysbinary.readouterr().out
        await room.cleaning.clean()
        before = json.loads(await room.state("a"))
        await rebuild(room.log, room.views, room.stories, lambda _done, _total: None)
        assert json.loads(await room.state("a")) == before
        assert (await room.auditor.verify(lambda *_: None)).erased >= len(events)


async def every_output(desk: Served, why: str) -> None:
    for path in ("/", "/stories/a", "/v1/stories", "/v1/stories/a", "/v1/stories/a/developments"):
        assert (await desk.get(path))[0] == 200, (path, why)
    async with desk.feed("?since=0") as feed:
        assert (feed.response.status, len(await feed.take(1))) == (200, 1), why
    for name in (*(f"a.{form}" for form in FORMS), "all.atom", "all.json"):
        status, body, _ = await desk.get(f"/feeds/{name}")
        assert status == 200, (name, why)
        document = parsed(name, body)
        match name.partition(".")[2]:
            case "json":
                said = [item["content_text"] for item in document["items"]]
            case "jsonld":
                said = [update["headline"] for update in document["liveBlogUpdate"]]
            case "atom":
                said = [each.findtext(f"{ATOM}title") for each in document.iter(f"{ATOM}entry")]
            case "rss":
                said = [each.findtext("title") for each in document.iter("item")]
            case _:
                said = document["headlines"]
        assert all(said), (name, why)
