"""In any order of things, who is owed an alert hears of the news once, in words that stand."""

import asyncio
from collections import Counter
from typing import Any, NamedTuple

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from consumers.delivery.deliveries import Deliveries
from consumers.delivery.endpoints import Endpoints
from consumers.delivery.ledger import Ledger
from consumers.delivery.message import DIGEST
from consumers.delivery.rows import Delivery, End, Planned
from consumers.delivery.signing import Vault
from consumers.delivery.wishes import Wishes

TARGETS = ("webhook:a", "webhook:b", "webhook:c")
STORIES = ("one", "two")
# What may come of a try: the state of the delivery, and whether the target may have got it.
ENDS = (("delivered", True), ("retry", True), ("retry", False), ("failed", True), ("failed", False))
# How alerts are decided on: sent at once, held, or held for a digest.
HOW = (("pending", False), ("held", False), ("held", True))
# Which of an alert and its corrections the next one names: the policy all of them, people fewer.
NAMED = ("all", "first", "last")
ROWS = "SELECT delivery, event, target, kind, state, digest, overtaken FROM deliveries"


class UnderWay(NamedTuple):
    """What is on its way: a delivery, and what it tells, each with its kind."""

    delivery: Delivery
    told: list[tuple[str, str]]


class Sending(RuleBasedStateMachine):
    """Alerts are issued, held, tried, corrected, retracted, missed and replayed, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.ledger = Ledger(":memory:")
        self.deliveries = Deliveries(self.ledger)
        self.endpoints = Endpoints(self.ledger, Vault(None), lambda: self.now)
        self.now = 1_000_000
        self.position = 0
        self.under_way: dict[int, UnderWay] = {}
        self.planned: list[Planned] = []
        self.words: dict[str, list[str]] = {}  # alert → it and what followed it, in order
        self.about: dict[str, str] = {}  # what followed an alert → the alert
        self.story: dict[str, str] = {}  # of each alert
        self.owed: dict[str, set[str]] = {}  # alert → targets
        self.retracted: set[str] = set()
        self.followed: list[tuple[Planned, list[str]]] = []
        self.by_hand: set[str] = set()  # alerts of which a correction did not name all before it
        self.fell: set[str] = set()  # alerts corrected while on a way that surely failed
        self.got: Counter[tuple[str, str]] = Counter()  # (alert, target) → times taken for good
        self.tried: set[tuple[str, str]] = set()
        self.unknown: set[tuple[str, str]] = set()  # of those, whose try did not surely fail

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def rows(self, more: str = "") -> list[Any]:
        return list(self.run(self.ledger.read(lambda c: c.execute(ROWS + more).fetchall())))

    @initialize()
    def register(self) -> None:
        for target in TARGETS:
            name = target.partition(":")[2]
            self.run(self.endpoints.register("https://x.example/", Wishes(), name=name))

    @rule(
        story=st.sampled_from(STORIES),
        to=st.dictionaries(st.sampled_from(TARGETS), st.sampled_from(HOW), min_size=1),
    )
    def issue(self, story: str, to: dict[str, Any]) -> None:
        planned = self._plan(story, "alert-issued")
        rows = [
            planned._replace(target=target, state=state, digested=digested)
            for target, (state, digested) in sorted(to.items())
        ]
        self.planned += rows
        self.words[planned.alert] = [planned.alert]
        self.about[planned.alert] = planned.alert
        self.story[planned.alert] = story
        self.owed[planned.alert] = set(to)
        self.run(self.deliveries.plan(rows, (self.position, b""), self.now))

    def _plan(self, story: str, kind: str) -> Planned:
        self.position += 1
        name = f"A{self.position}"
        return Planned(
            *(f"event-{name}", "", self.position, story, name, kind, "regular"),
            fast=kind != "alert-issued",
            state="pending",
            reason="a drill",
            due_ms=self.now,
        )

    @precondition(lambda self: self.planned)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        """Another process decides what was decided."""
        before = self.rows()
        what: Any = data.draw(st.sampled_from([*self.planned, *self.followed]))
        if isinstance(what, Planned):
            self.run(self.deliveries.plan([what], (0, b""), self.now))
        else:
            correction, named = what
            self.run(self.deliveries.chase(correction, named, (0, b""), self.now))
        assert self.rows() == before

    @precondition(lambda self: self.planned)
    @rule(to=st.sampled_from(TARGETS), most=st.integers(1, 3))
    def claim(self, to: str, most: int) -> None:
        for one in self.run(self.deliveries.claim({to: most}, most, self.now)):
            told = [(one.alert, one.kind)]
            if one.kind == DIGEST:
                found = self.run(self.deliveries.digested(one.delivery))
                told = [(event.removeprefix("event-"), kind) for _, event, kind in found]
            self.under_way[one.delivery] = UnderWay(one, told)
            for alert, kind in told:
                self._goes_out(alert, kind, to)

    def _goes_out(self, alert: str, kind: str, to: str) -> None:
        words = self.words[self.about[alert]]
        others = {(each, to) for each in words if each != alert}
        if kind == "alert-issued":
            assert not self.unknown & others, "who may have got the alert is alerted again"
        else:
            assert self.tried & others, "somebody is told of a correction who got nothing"
        if kind == "alert-issued" or self.about[alert] not in self.by_hand:
            assert alert == words[-1], "these words do not stand any more"
        self.tried.add((alert, to))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), end=st.sampled_from(ENDS))
    def end(self, data: st.DataObject, end: Any) -> None:
        one, told = self.under_way.pop(data.draw(st.sampled_from(sorted(self.under_way))))
        nothing: Any = ("failed", False)
        state, may_have = end if told else nothing
        ended = End(
            *(one.delivery, one.tries, state, self.now, self.now, 1),
            may_have=may_have,
            digest=one.kind == DIGEST and state != "retry",
        )
        assert not self.run(self.deliveries.turn(ended, one.target, 0, self.now))
        for alert, _ in told:
            if may_have:
                self.unknown.add((alert, one.target))
            elif alert != self.words[self.about[alert]][-1]:
                self.fell.add(self.about[alert])
            self.got[alert, one.target] += state == "delivered"

    @precondition(lambda self: self.planned)
    @rule(to=st.sampled_from(TARGETS))
    def recover(self, to: str) -> None:
        """A target is sent what it missed."""
        self.run(self.deliveries.recover(to, 0, self.now))

    @precondition(lambda self: self.planned)
    @rule(to=st.sampled_from(TARGETS))
    def miss(self, to: str) -> None:
        """A target is disabled for a while."""
        self.run(self.endpoints.disable(to, "a drill"))
        self.run(self.endpoints.enable(to))

    @precondition(lambda self: self.planned)
    @rule(to=st.sampled_from(TARGETS), together=st.booleans())
    def decide_held(self, to: str, together: bool) -> None:  # noqa: FBT001 - drawn
        """Quiet hours end, or it is time for a digest."""
        for held in self.run(self.deliveries.held(self.now)):
            assert held.event.removeprefix("event-") in self.words, "decided on as a correction"
            if held.target == to and not (together and held.digested):
                row: Any = (held.delivery, "pending", "a drill", self.now, self.now)
                self.run(self.deliveries.decide_again(*row, digested=False))
            elif held.target == to:
                digest = self._plan("", DIGEST)._replace(position=0, target=to)
                self.run(self.deliveries.gather(digest, self.now))
                return

    @precondition(lambda self: self.under_way)
    @rule()
    def kill(self) -> None:
        """The process is gone, and another takes over."""
        for one, told in self.under_way.values():
            self.unknown |= {(alert, one.target) for alert, _ in told}
        self.under_way.clear()
        self.run(self.deliveries.adopt(self.now))

    @precondition(lambda self: set(self.words) - self.retracted)
    @rule(data=st.data(), how=st.sampled_from(NAMED))
    def correct(self, data: st.DataObject, how: str) -> None:
        first, correction = self._follow(data, how, "alert-corrected")
        kinds = {row[2]: row[3] for row in self.rows(f" WHERE event = '{correction.event}'")}
        assert set(kinds) == self.owed[first], "somebody hears nothing of the news"
        chased = {target for target, kind in kinds.items() if kind == "alert-corrected"}
        assert chased <= self._tried(first), "somebody is told of a correction who got nothing"
        assert self._may_have(first) <= chased, "who may have got the alert is not told"

    @precondition(lambda self: set(self.words) - self.retracted)
    @rule(data=st.data(), how=st.sampled_from(NAMED[:2]))
    def retract(self, data: st.DataObject, how: str) -> None:
        first, retraction = self._follow(data, how, "alert-retracted")
        self.retracted.add(first)
        found = {row[2] for row in self.rows(f" WHERE event = '{retraction.event}'")}
        assert found <= self._tried(first), "somebody is told of a retraction who got nothing"
        assert self._may_have(first) <= found, "who may have got the alert is not told"

    def _tried(self, first: str) -> set[str]:
        """Give to whom an alert, or one of its corrections, was sent, with whatever end."""
        return {target for alert, target in self.tried if self.about[alert] == first}

    def _may_have(self, first: str) -> set[str]:
        """Give who may have got an alert, or one of its corrections."""
        found = {target for alert, target in self.unknown if self.about[alert] == first}
        for one, told in self.under_way.values():
            found |= {one.target for alert, _ in told if self.about[alert] == first}
        return found

    def _follow(self, data: st.DataObject, how: str, kind: str) -> tuple[str, Planned]:
        """Have a correction or retraction follow an alert that stands."""
        first = data.draw(st.sampled_from(sorted(set(self.words) - self.retracted)))
        words = self.words[first]
        named = {"all": words[:], "first": words[:1], "last": words[-1:]}[how]
        if first in self.fell:
            named = words[:]
        if named != words:
            self.by_hand.add(first)
        following = self._plan(self.story[first], kind)
        self.about[following.alert] = first
        place = (self.position, b"")
        self.run(self.deliveries.chase(following, named, place, self.now))
        self.followed.append((following, named))
        words.append(following.alert)
        return first, following

    @invariant()
    def nobody_gets_it_twice(self) -> None:
        assert all(times <= 1 for times in self.got.values())

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """Whoever is owed an alert got its last words, or can still be sent them."""
        found = {(row[1], row[2]) for row in self.rows() if row[4] != "superseded"}
        for first in set(self.words) - self.retracted:
            last = f"event-{self.words[first][-1]}"
            assert {(last, target) for target in self.owed[first]} <= found

    @invariant()
    def of_each_story_one_is_under_way(self) -> None:
        lanes = [(one.target, one.story) for one, _ in self.under_way.values()]
        assert len(lanes) == len(set(lanes))

    @invariant()
    def the_counts_are_those_of_the_rows(self) -> None:
        asked = "SELECT state, count(*), sum(position > 0) FROM deliveries GROUP BY state"
        rows = self.run(self.ledger.read(lambda c: c.execute(asked).fetchall()))
        tally, states = self.run(self.deliveries.totals())
        assert states == {state: count for state, count, _ in rows}
        of_log = {state: count for state, _, count in rows}
        assert tally.reached == of_log.get("delivered", 0)
        unowed = of_log.get("suppressed", 0) + of_log.get("superseded", 0)
        assert tally.owed == sum(of_log.values()) - unowed

    def teardown(self) -> None:
        self.ledger.close()
        self.loop.close()


def test_every_order_of_events_holds() -> None:
    """Whoever is owed an alert hears of the news once, in words that stand, and what follows it."""
    how = settings(
        max_examples=200,
        stateful_step_count=40,
        deadline=None,
        report_multiple_bugs=False,
        phases=(Phase.reuse, Phase.generate),  # to find fewer steps that fail takes minutes
    )
    run_state_machine_as_test(Sending, settings=how)
