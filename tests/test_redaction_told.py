"""Readers are told of a redaction of what they were shown, whenever they come, and of no other."""

from typing import Any

import orjson
import pytest
from filings import LATER
from publishing import filed
from redactions import LAW

from consumers.feed.bulletin import Wanted
from consumers.outputs.told import published, raised, updated
from consumers.rebuild import rebuild
from dateline.wiring import Newsroom

WORDS = "zqtold-of the words that a court ordered to be erased"
NOTES = {"notes": f"beside it: {WORDS}"}


async def told(room: Newsroom) -> list[tuple[str, dict[str, Any]]]:
    """What somebody is told who reads the live feed from its beginning: types and data."""
    await room.subscription.catch_up()
    size = (await room.log.head()).size
    found = [orjson.loads(each.event) for each in room.stories.updates(0, size, 100, Wanted())]
    return [(each["type"], each["data"]) for each in found]


async def redact(room: Newsroom, target: str, field: str) -> int:
    return await filed(room, "redacted", target=target, fields=[field], headline=None, **LAW)


async def shown_as_a_headline(room: Newsroom) -> tuple[str, str]:
    await filed(room, "quote-added", ref="Q", headline=WORDS)
    return "Q", "headline"


async def shown_as_a_body(room: Newsroom) -> tuple[str, str]:
    await filed(room, "quote-added", ref="Q", headline="A quote", body=WORDS, private=NOTES)
    return "Q", "contents"


async def shown_as_a_claim(room: Newsroom) -> tuple[str, str]:
    await filed(room, "quote-added", ref="Q", claims=[{"ref": "C1", "text": WORDS}])
    return "C1", "text"


async def shown_with_all_claims(room: Newsroom) -> tuple[str, str]:
    await filed(room, "quote-added", ref="Q", claims=[{"ref": "C1", "text": WORDS}])
    return "Q", "claims"


async def shown_with_all_figures(room: Newsroom) -> tuple[str, str]:
    figure = {"ref": "F1", "measure": "children", "value": 8, "source_text": WORDS}
    await filed(room, "figure-reported", ref="Q", figures=[figure])
    return "Q", "figures"


async def shown_with_all_of_it(room: Newsroom) -> tuple[str, str]:
    await filed(room, "quote-added", ref="Q", claims=[{"ref": "C1", "text": WORDS}])
    return "Q", "contents"


async def shown_as_a_reason(room: Newsroom) -> tuple[str, str]:
    await filed(room, "quote-added", ref="Q")
    await filed(room, "withdrawn", ref="W", target="Q", reason=WORDS, headline=None)
    return "W", "reason"


async def shown_where_it_was_refiled(room: Newsroom) -> tuple[str, str]:
    await filed(room, "quote-added", ref="Q")
    await filed(room, "refiled", ref="R", target="Q", body=WORDS, note="a drill", headline=None)
    return "R", "body"


async def shown_in_another(room: Newsroom) -> tuple[str, str]:
    await filed(room, "quote-added", ref="Q", headline=f"It was said: {WORDS}", private=NOTES)
    await filed(room, "quote-added", ref="E", body=WORDS, embargo_until=LATER)
    return "E", "body"


async def hidden_by_an_embargo(room: Newsroom) -> tuple[str, str]:
    await filed(room, "quote-added", ref="E", headline=WORDS, embargo_until=LATER)
    return "E", "headline"


async def hidden_in_notes(room: Newsroom) -> tuple[str, str]:
    await filed(room, "quote-added", ref="Q", private=NOTES)
    return "Q", "private"


async def hidden_in_the_notes_of_another(room: Newsroom) -> tuple[str, str]:
    await filed(room, "quote-added", ref="Q", private=NOTES)
    await filed(room, "quote-added", ref="E", headline=WORDS, embargo_until=LATER)
    return "E", "contents"


async def hidden_as_a_reason(room: Newsroom) -> tuple[str, str]:
    await filed(room, "quote-added", ref="E", embargo_until=LATER)
    await filed(room, "held", ref="H", target="E", reason=WORDS, headline=None)
    return "H", "reason"


async def hidden_since_it_was_withdrawn(room: Newsroom) -> tuple[str, str]:
    await filed(room, "quote-added", ref="Q", headline=WORDS)
    await filed(room, "withdrawn", ref="W", target="Q", reason="untrue", headline=None)
    return "Q", "headline"


@pytest.mark.parametrize(
    "place",
    [
        shown_as_a_headline,
        shown_as_a_body,
        shown_as_a_claim,
        shown_with_all_claims,
        shown_with_all_figures,
        shown_with_all_of_it,
        shown_as_a_reason,
        shown_where_it_was_refiled,
        shown_in_another,
    ],
)
async def test_who_comes_later_is_told_of_a_redaction_as_well(room: Newsroom, place: Any) -> None:
    """What readers were shown is taken back from all of them, whenever they come, for ever."""
    await filed(room, "story-opened", title="A story")
    target, field = await place(room)
    position = await redact(room, target, field)
    at_once = (await told(room))[-1]
    await room.cleaning.clean()
    for _ in range(2):
        assert not room.views.parked()
        state = await room.state("a", public=True)
        assert WORDS.encode() not in state
        assert orjson.loads(state)["version"] == orjson.loads(state)["position"] == position
        kind, data = (await told(room))[-1]
        assert (kind, data["position"]) == ("dateline.redacted", position)
        assert data["changed"]
        assert WORDS not in str(await told(room))
        assert (kind, data) == at_once
        await rebuild(room.log, room.views, room.stories, lambda _done, _total: None)


@pytest.mark.parametrize(
    "place",
    [
        hidden_by_an_embargo,
        hidden_in_notes,
        hidden_in_the_notes_of_another,
        hidden_as_a_reason,
        hidden_since_it_was_withdrawn,
    ],
)
async def test_nobody_is_told_of_a_redaction_of_what_they_never_saw(
    room: Newsroom, place: Any
) -> None:
    """What readers were not shown is erased without one byte that tells them so."""
    await filed(room, "story-opened", title="A story")
    target, field = await place(room)
    before = await room.state("a", public=True), await told(room)
    await redact(room, target, field)
    assert (await room.state("a", public=True), await told(room)) == before
    await room.cleaning.clean()
    assert (await room.state("a", public=True), await told(room)) == before


@pytest.mark.parametrize(
    ("target", "field"), [("Q", "headline"), ("Q", "contents"), ("C1", "text"), ("K", "note")]
)
async def test_a_redaction_is_the_last_change_of_what_it_took_from(
    room: Newsroom, target: str, field: str
) -> None:
    """Whoever goes by the times of entries takes the redacted one up, whenever it looks."""
    await filed(room, "story-opened", title="A story")
    claim = {"ref": "C1", "text": WORDS, "speaker": "org:un"}
    await filed(room, "quote-added", ref="Q", headline=WORDS, claims=[claim])
    fixed = {"target": "Q", "field": "urgency", "old": 5, "new": 4, "note": WORDS}
    await filed(room, "corrected", ref="K", headline=None, **fixed)

    async def entry() -> dict[str, str]:
        state = orjson.loads(await room.state("a", public=True))
        (item,) = state["timeline"]
        assert updated(state, item) <= raised(state["recorded_at"], state["position"])
        return {"updated": updated(state, item), "published": published(state, item)}

    before = await entry()
    await redact(room, target, field)
    after = await entry()
    assert after["updated"] > before["updated"]
    assert after["published"] == before["published"]
    await room.cleaning.clean()
    assert await entry() == after
