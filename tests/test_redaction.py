"""What the desk redacts is gone from every file and from every reader's view."""

import asyncio
import json
from pathlib import Path
from typing import Any
from unittest import mock

import apsw
import pytest
from conftest import Clock
from filings import ADA, LATER, note
from noting import noted
from publishing import filed
from redactions import BODY, CORRECTED, KEPT, LAW, NOTES, story, traces
from serving import served
from viewing import watched

from consumers.alerts.policy import load
from consumers.audit import export as exporting
from consumers.audit.stand_alone import check
from consumers.rebuild import rebuild
from dateline.cli.run import run
from dateline.commands.auditing import wanted_export
from dateline.wiring import Newsroom, newsroom
from events import codec
from events.errors import Refused
from events.log import Log
from events.vocabulary import SCHEMAS, Unknown
from producers.intake import take
from producers.publisher import Publisher


async def test_redacted_words_are_in_no_file(tmp_path: Path, clock: Clock) -> None:
    """A redaction takes words out of the log, its write-ahead log, views, exports and copies."""
    async with newsroom(f"sqlite:///{tmp_path}/news.db", clock) as room:
        await story(room)
        await room.state("a")
        assert list(traces(tmp_path, BODY)) != []
        await filed(room, "redacted", target="Q", fields=["body", "private"], **LAW)
        assert await room.cleaning.clean() == 1
        assert list(traces(tmp_path, BODY, CORRECTED, NOTES)) == []
        state = json.loads(await room.state("a"))
        shown = next(item for item in state["timeline"] if item["ref"] == "Q")
        assert shown["headline"] == KEPT
        assert "body" not in shown
        await rebuild(room.log, room.views, room.stories, lambda _done, _total: None)
        proved = await room.auditor.verify(lambda _done, _total: None)
        assert (proved.events, proved.erased) == (5, 3)
        for parts in ("internal", "private", "public"):
            file = tmp_path / f"{parts}.jsonl.gz"
            wanted = await wanted_export(room, None, parts)
            await exporting.write(room.auditor, wanted, str(file), lambda _done, _total: None)
            assert check(str(file)).events == 5
    copy = tmp_path / "copy.db"
    async with newsroom(f"sqlite:///{tmp_path}/news.db", clock) as room:
        await room.log.head()
    assert await in_thread(["backup", str(copy), "--log", f"sqlite:///{tmp_path}/news.db"]) == 0
    assert list(traces(tmp_path, BODY, CORRECTED, NOTES)) == []


async def in_thread(arguments: list[str]) -> int:
    return await asyncio.to_thread(run, arguments)


async def test_a_story_is_told_without_the_words(log: Log, clock: Clock) -> None:
    """Each event that held the words is read without them, by every reader of every kind of log."""
    publisher = Publisher(log, clock)
    await story(publisher)
    await filed(publisher, "redacted", target="Q", fields=["body", "private"], **LAW)
    events = [event async for event in log.read_versions("a")]
    texts = [event.development.model_dump_json() for event in events]  # type: ignore[union-attr]  # - all are known
    assert not [text for text in texts if "zqerase" in text]
    assert [event.development.kind for event in events] == [
        "story-opened", "quote-added", "corrected", "development-reported", "redacted",
    ]  # fmt: skip
    assert "It was said: [redacted]. So." in texts[3]
    assert await log.find([]) == {}
    sealed = [event async for event in log.read_sealed()]
    assert [event.body is None for event in sealed] == [False, True, True, True, False]
    assert [event.private is None for event in sealed] == [False, True, False, False, False]


async def test_a_second_redaction_leaves_nothing_of_the_first(
    room: Newsroom, tmp_path: Path
) -> None:
    """What the first redaction had left of an event goes with the second, from the act as well."""
    await story(room)
    words = "zqerase04 another field of the same event"
    await filed(room, "quote-added", ref="R", headline=words, body=BODY)
    await filed(room, "redacted", target="R", fields=["body"], **LAW)
    await filed(room, "redacted", target="R", fields=["headline"], **LAW)
    await room.cleaning.clean()
    assert list(traces(tmp_path, words, BODY)) == []
    assert (await room.auditor.verify(lambda *_: None)).events == 7
    wanted = await wanted_export(room, None, "internal")
    file = tmp_path / "log.jsonl.gz"
    await exporting.write(room.auditor, wanted, str(file), lambda *_: None)
    assert check(str(file)).erased >= 4


async def test_nothing_under_a_legal_hold_is_erased(room: Newsroom) -> None:
    """While a hold is on a development or on its story, nothing of it is erased."""
    await story(room)
    redaction = {"target": "Q", "fields": ["body", "private"], **LAW}
    for target in ({"target": "Q"}, {}):
        await filed(room, "legal-hold-placed", reason="a suit", **target)
        with pytest.raises(Refused, match="legal-hold"):
            await filed(room, "redacted", **redaction)
        await filed(room, "legal-hold-lifted", reason="it is over", **target)
    assert (await room.auditor.verify(lambda *_: None)).erased == 0
    await filed(room, "redacted", **redaction)
    assert (await room.auditor.verify(lambda *_: None)).erased == 3


async def test_only_the_desk_says_what_is_erased(room: Newsroom) -> None:
    """Nobody who files can name the events whose contents go, nor hide an erasure among others."""
    await story(room)
    with pytest.raises(Refused, match="redact-erases"):
        await filed(room, "redacted", target="Q", fields=["body"], erases=[{"version": 1}], **LAW)
    redaction = {"story": "a", "kind": "redacted", "target": "Q", "fields": ["body"], **LAW}
    note = {"story": "a", "kind": "development-reported", "label": "note", "headline": "x"}
    with pytest.raises(Refused, match="redact-alone"):
        await room.publisher.file_all([take(note), take(redaction)], ADA)


async def test_the_same_redaction_again_is_answered_as_before(room: Newsroom) -> None:
    """A redaction that is sent again with its id is known, whatever the desk had added to it."""
    await story(room)
    event_id = "01999999-0000-7000-8000-000000000001"
    redaction = {"story": "a", "kind": "redacted", "target": "Q", "fields": ["body"], **LAW}
    first, again = [
        await room.publisher.file(take({"id": event_id, **redaction}), ADA) for _ in range(2)
    ]
    assert again == first._replace(duplicate=True)


async def test_a_server_cleans_up_after_a_redaction(room: Newsroom, tmp_path: Path) -> None:
    """A redaction that is filed over HTTP is followed up in every file while the server runs."""
    async with served(room) as desk:
        await desk.file("a", "story-opened", title="A story")
        await desk.file("a", "quote-added", ref="Q", body=BODY)
        assert BODY.encode() in (await desk.get("/v1/stories/a"))[1]
        await desk.file("a", "redacted", target="Q", fields=["body"], **LAW)
        book = room.auditor.book
        await noted(book, lambda: [each.cleaned_ms for each in book.redactions()] == [room.clock()])
        assert BODY.encode() not in (await desk.get("/v1/stories/a"))[1]
        assert BODY.encode() not in (await desk.get("/v1/stories/a/developments"))[1]
        assert list(traces(tmp_path, BODY)) == []


async def test_an_older_log_is_brought_up_to_date(room: Newsroom, tmp_path: Path) -> None:
    """A log from before anything could be erased opens, and erases, like any other."""
    await story(room)
    url = room.log.url
    await room.log.close()
    raw = apsw.Connection(url.removeprefix("sqlite:///"))
    raw.execute("DROP TABLE remains")
    raw.pragma("user_version", 1)
    raw.close()
    async with newsroom(url) as again:
        await filed(again, "redacted", target="Q", fields=["body"], **LAW)
        assert (await again.auditor.verify(lambda *_: None)).erased == 3


async def test_alerts_forget_redacted_words_as_well(tmp_path: Path, clock: Clock) -> None:
    """What alerts remember of a story is cleaned too, if need be by the server that sends them."""
    url, headline = f"sqlite:///{tmp_path}/news.db", f"{BODY} in a headline"
    policy = load('[[route]]\nname = "words"\nlevel = "regular"\nkinds = ["quote-added"]\n')
    async with newsroom(url, clock) as room:
        room.policy = policy
        assert room.dispatch is not None
        await filed(room, "story-opened", title="A story")
        await room.dispatch.decide_due()  # from here on it is news
        await filed(room, "quote-added", ref="Q", headline=headline, embargo_until=LATER)
        await room.dispatch.decide_due()
        assert headline in str(watched(room.views))
    async with newsroom(url, clock) as room:
        await filed(room, "redacted", target="Q", fields=["headline"], **LAW)
        assert await room.cleaning.clean() == 0
        assert list(traces(tmp_path, headline)) != []
    async with newsroom(url, clock) as room:
        room.policy = policy
        assert await room.cleaning.clean() == 1
        assert list(traces(tmp_path, headline)) == []


async def test_events_of_unknown_kinds_lose_the_words_as_well(log: Log, clock: Clock) -> None:
    """A later Dateline's event is changed as it is stored: nobody here has to understand it."""
    publisher = Publisher(log, clock)
    await filed(publisher, "story-opened", title="A story")
    await filed(publisher, "quote-added", ref="Q", body=BODY)
    strange = note("x")
    object.__setattr__(strange.development, "kind", "told-tomorrow")  # as a later version files it
    with (
        mock.patch.dict(SCHEMAS, {"told-tomorrow": 7}),
        mock.patch.dict(
            codec._WRITERS,
            {"told-tomorrow": lambda *_, **__: b'{"said":"%b, they said"}' % BODY.encode()},
        ),
    ):
        await log.append("a", [strange])
    await filed(publisher, "redacted", target="Q", fields=["body"], **LAW)
    events = [event async for event in log.read_versions("a")]
    assert events[2].development == Unknown("told-tomorrow", 7, {"said": "[redacted], they said"})


async def test_every_text_can_be_redacted(room: Newsroom, tmp_path: Path) -> None:
    """Claims, words of figures and titles go as headlines do; what must say something says so."""
    words = [f"zqtext{number:02} of a drill, in some field" for number in range(3)]
    await filed(room, "story-opened", ref="E1", title=words[0])
    figure = {"ref": "F1", "measure": "children", "words": words[2], "source": "org:a"}
    claim = {"ref": "C1", "text": words[1]}
    await filed(room, "figure-reported", ref="Q", claims=[claim], figures=[figure])
    for target, field in (("E1", "title"), ("Q", "claims.C1.text"), ("Q", "figures.F1.words")):
        await filed(room, "redacted", target=target, fields=[field], **LAW)
    await room.cleaning.clean()
    assert list(traces(tmp_path, *words)) == []
    state = json.loads(await room.state("a"))
    assert state["title"] == "[redacted]"
    assert (await room.auditor.verify(lambda *_: None)).events == 5


async def test_a_short_word_is_erased_only_where_it_was_meant(room: Newsroom) -> None:
    """A word that stands in many places goes from the field that was named, and stays elsewhere."""
    await filed(room, "story-opened", title="A story")
    who = {"speaker": "org:a", "verb": "insists"}
    for ref in ("Q", "R"):
        await filed(room, "quote-added", ref=ref, attribution=who)
    await filed(room, "redacted", target="Q", fields=["attribution.verb"], **LAW)
    events: list[Any] = [event.development async for event in room.log.read_versions("a")]
    assert [event.attribution.verb for event in events[1:3]] == [None, "insists"]
    assert (await room.auditor.verify(lambda *_: None)).erased == 1
