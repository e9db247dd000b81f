"""A story with alerts decided on it, in memory, by a clock that is moved."""

from typing import Any

from filings import ADA, BEN, Story

from consumers.alerts.decide import BY, decide
from consumers.alerts.match import Routing, Rules
from consumers.alerts.parts import STORY, Alerted, Known, Part
from consumers.alerts.policy import Policy, load
from consumers.alerts.watch import apply, evolve, fold
from events.alerts import AlertDecision
from events.codec import canonical, decode, encode
from events.envelope import Filed, Recorded
from events.vocabulary import SCHEMAS
from producers.desk import evolve as evolve_desk

POLICY = """
[levels.urgent]
wait = "30s"
interval = "5m"

[[inhibit]]
by = "flash"
mutes = ["urgent", "regular"]
for = "10m"

[overdue]
level = "regular"
after = "1m"

[[route]]
name = "deaths"
level = "flash"
kinds = ["figure-reported"]
urgency = 1

[[route]]
name = "outcomes"
level = "urgent"
kinds = ["outcome-reported", "response-received"]

[[route]]
name = "remarks"
level = "regular"
kinds = ["remarks-delivered", "quote-added"]
"""
COUNT = {"ref": "F1", "measure": "children", "value": 9, "source": "person:a"}


def rules_of(policy: str | Policy, begin: int | None = 0) -> Rules:
    made = load(policy) if isinstance(policy, str) else policy
    return Rules(made, Routing(made), begin)


class Alerting(Story):
    """A story whose events are watched and whose decisions are recorded as they are made."""

    def __init__(self, policy: str | Policy, *, settles: bool = True, **opening: Any) -> None:
        super().__init__()
        self.rules = rules_of(policy)
        self.watched: dict[str, Part] = {}
        self.settles = settles
        self.filed_alerts: list[Filed] = []
        self.file("story-opened", ref="E1", title="A story", **opening)

    def record(
        self, happening: Any, by: str = "desk:ada", id_: str = "", cause: str | None = None
    ) -> None:
        version = len(self.events) + 1
        facts = {"filed_by": by, "id": id_ or f"event-{version}"}
        envelope = canonical(facts | ({"cause": cause} if cause else {}))
        event = Recorded(version, "a-story", version, self.now, envelope, happening)
        self.events.append(event)
        self.desk.update(evolve_desk(self.desk, event))
        apply(self.watched, evolve(self.watched, event, self.rules))
        if self.settles and by != BY:
            self.settle()

    def settle(self) -> list[Filed]:
        """Decide what is due and record it."""
        known = self.watched[STORY]
        if isinstance(known, Known) and known.unlearned:
            self.watched = fold(self.events, self.rules)
        due = [key for key, part in self.watched.items() if part.due_ms is not None]
        decided = decide("a-story", self.watched, due, self.rules, self.now)
        for one in decided:
            self.put(one)
        return decided

    def put(self, one: Filed) -> None:
        kind = one.development.kind
        again = decode(kind, SCHEMAS[kind], encode(one.development))
        assert again == one.development
        assert one.id not in {each.id for each in self.filed_alerts}, "it was decided before"
        self.filed_alerts.append(one)
        self.record(again, one.filed_by, one.id, one.cause)

    def move(self, seconds: float) -> None:
        """Let time pass, deciding at each moment at which something is due."""
        end = self.now + int(seconds * 1000)
        while True:
            dues = [part.due_ms for part in self.watched.values() if part.due_ms is not None]
            first = min((due for due in dues if due <= end), default=None)
            if first is None:
                break
            self.now = max(self.now, first)
            before = len(self.events)
            self.settle()
            assert len(self.events) > before, "what was due was not decided"
        self.now = end

    @property
    def said(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """What was decided so far: kind, alert and developments."""
        return [
            (e.development.kind.removeprefix("alert-"), e.development.alert.ref,
             e.development.alert.derived_from)
            for e in self.events
            if isinstance(e.development, AlertDecision)
        ]  # fmt: skip

    @property
    def last(self) -> AlertDecision:
        found = [e.development for e in self.events if isinstance(e.development, AlertDecision)]
        return found[-1]

    def followed_by(self, kind: str) -> list[str]:
        """The alerts that decisions of a kind follow, in order."""
        made = [e.development for e in self.events if e.development.kind == f"alert-{kind}"]
        return [each.alert.references[0] for each in made if isinstance(each, AlertDecision)]

    def alerted(self, ref: str) -> Alerted:
        part = self.watched[ref]
        assert isinstance(part, Alerted)
        return part


def flashed(story: Alerting, ref: str = "E2") -> None:
    """File something that goes out as a flash at once: one files it, another publishes it."""
    reporter = ADA._replace(needs_second=True)
    story.file("figure-reported", by=reporter, ref=ref, figures=[COUNT], urgency=1)
    story.file("published", by=BEN, target=ref)
