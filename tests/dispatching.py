"""A log that is filed into and alerts at work on it, step by step."""

from typing import Any

from conftest import Clock
from filings import ADA

from consumers.alerts.dispatch import Dispatch
from consumers.alerts.policy import load
from consumers.views import Views
from events.alerts import AlertDecision
from events.envelope import Recorded
from events.log import Log
from producers.intake import take
from producers.publisher import Publisher

POLICY = """
[levels.urgent]
wait = "30s"
interval = "5m"

[[route]]
name = "outcomes"
level = "urgent"
kinds = ["outcome-reported"]

[[route]]
name = "words"
level = "regular"
kinds = ["quote-added"]
"""


class Wire:
    """A log that is filed into and alerts at work on it."""

    def __init__(self, log: Log, clock: Clock, views: str = ":memory:") -> None:
        self.log = log
        self.clock = clock
        self.publisher = Publisher(log, clock)
        self.views = Views(views, clock)
        self.dispatch = Dispatch(log, self.views, load(POLICY), clock)

    def another(self, views: str = ":memory:") -> "Wire":
        """Another worker on the same log."""
        return Wire(self.log, self.clock, views)

    async def file(self, kind: str, story: str = "a-story", **fields: Any) -> None:
        fields.setdefault("headline", f"A {kind} happens")
        await self.publisher.file(take({"story": story, "kind": kind, **fields}), ADA)

    async def opened(self, story: str = "a-story") -> None:
        await self.file("story-opened", story, title="A story")

    async def decisions(self) -> list[Recorded]:
        events = [event async for event in self.log.read()]
        return [event for event in events if isinstance(event.development, AlertDecision)]

    async def said(self) -> list[str]:
        return [event.development.kind for event in await self.decisions()]
