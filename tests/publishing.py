"""Filings into the story `a` of a newsroom, each as a desk files it, in few words."""

from typing import Any

from filings import ADA

from dateline.wiring import Newsroom
from producers.case import Actor
from producers.intake import take
from producers.publisher import Publisher

__all__ = ["CORRELATION", "filed"]

CORRELATION = "01999999-0000-7000-8000-00000000000c"


async def filed(room: Newsroom | Publisher, kind: str, by: Actor = ADA, /, **fields: Any) -> int:
    """File one thing; returns its position."""
    publisher = room.publisher if isinstance(room, Newsroom) else room
    fields.setdefault("headline", f"A {kind} happens")
    filing = take({"story": "a", "kind": kind, **fields})
    return (await publisher.file(filing, by, correlation=CORRELATION)).position
