"""A replay tells what readers had been told by then, whatever was taken back since."""

from typing import Any

from serving import served

from consumers.audit.replay import replay
from dateline.wiring import Newsroom

NOTE: dict[str, Any] = {"kind": "development-reported", "label": "note", "ref": "N"}
PUT_RIGHT: dict[str, Any] = {"field": "headline", "old": "Zebra", "new": "Okapi", "note": "misread"}
ACTS: tuple[dict[str, Any], ...] = (
    {"kind": "story-opened", "title": "A drill"},
    {**NOTE, "headline": "Zebra"},
    {"kind": "held", "target": "N", "reason": "to be checked"},
    {"kind": "hold-released", "target": "N", "reason": "checked"},
    {"kind": "corrected", "target": "N", **PUT_RIGHT},
    {"kind": "withdrawn", "target": "N", "reason": "there was none"},
)


async def test_what_readers_had_been_told_is_what_a_subscriber_got(room: Newsroom) -> None:
    """At each position a replay tells the very updates that a subscriber who listened had got."""
    got = []
    async with served(room) as desk, desk.feed() as live:
        await anext(live)
        for act in ACTS:
            await desk.file("a-drill", **act)
            got += [update.data for update in await live.news(1)]
        for position in range(1, len(ACTS) + 1):
            assert (await replay(room.log, "a-drill", position)).told == got[:position]
