"""Whatever order things happen in, nobody is told twice and every correction finds its own."""

import asyncio
from typing import Any

from hypothesis import settings
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
from consumers.delivery.rows import Delivery, End, Planned
from consumers.delivery.signing import Vault
from consumers.delivery.wishes import Wishes

TARGETS = ("webhook:a", "webhook:b", "webhook:c")
STORIES = ("one", "two")
# What may come of a try: the state of the delivery, and whether the target may have got it.
ENDS = (("delivered", True), ("retry", True), ("retry", False), ("failed", True), ("failed", False))


class Sending(RuleBasedStateMachine):
    """Alerts are issued, tried, corrected, replayed and orphaned, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.ledger = Ledger(":memory:")
        self.deliveries = Deliveries(self.ledger)
        self.now = 1_000_000
        self.position = 0
        self.under_way: dict[int, Delivery] = {}
        self.planned: list[Planned] = []
        self.got: dict[tuple[str, str], int] = {}  # (event, target) → times taken for good
        self.may_have: set[tuple[str, str]] = set()  # (alert, target)
        self.unknown: set[tuple[str, str]] = set()  # of those, whose try did not surely fail

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    @initialize()
    def register(self) -> None:
        endpoints = Endpoints(self.ledger, Vault(None), lambda: self.now)
        for target in TARGETS:
            name = target.partition(":")[2]
            self.run(endpoints.register("https://x.example/", Wishes(), name=name))

    @rule(story=st.sampled_from(STORIES), to=st.sets(st.sampled_from(TARGETS), min_size=1))
    def issue(self, story: str, to: set[str]) -> None:
        self.position += 1
        rows = [self._plan(story, target, "alert-issued") for target in sorted(to)]
        self.planned += rows
        self.run(self.deliveries.plan(rows, (self.position, b""), self.now))

    def _plan(self, story: str, target: str, kind: str) -> Planned:
        name = f"A{self.position}"
        return Planned(
            *(f"event-{name}", target, self.position, story, name, kind, "regular"),
            fast=kind != "alert-issued",
            state="pending",
            reason="a drill",
            due_ms=self.now,
        )

    @precondition(lambda self: self.planned)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        again = data.draw(st.sampled_from(self.planned))
        self.run(self.deliveries.plan([again], (0, b""), self.now))

    @precondition(lambda self: self.planned)
    @rule(to=st.sampled_from(TARGETS), most=st.integers(1, 3))
    def claim(self, to: str, most: int) -> None:
        for one in self.run(self.deliveries.claim({to: most}, most, self.now)):
            self.under_way[one.delivery] = one
            self.may_have.add((one.alert, to))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), end=st.sampled_from(ENDS))
    def end(self, data: st.DataObject, end: Any) -> None:
        one = self.under_way.pop(data.draw(st.sampled_from(sorted(self.under_way))))
        state, may_have = end
        ended = End(
            *(one.delivery, one.tries, state, self.now, self.now, 1),
            may_have=may_have or state == "delivered",
        )
        assert not self.run(self.deliveries.turn(ended, one.target, 0, self.now))
        if ended.may_have:
            self.unknown.add((one.alert, one.target))
        if state == "delivered":
            key = (one.event, one.target)
            self.got[key] = self.got.get(key, 0) + 1

    @precondition(lambda self: self.planned)
    @rule(to=st.sampled_from(TARGETS))
    def recover(self, to: str) -> None:
        """A target is sent what it missed."""
        self.run(self.deliveries.recover(to, 0, self.now))

    @precondition(lambda self: self.under_way)
    @rule()
    def kill(self) -> None:
        """The process is gone, and another takes over."""
        self.unknown |= {(one.alert, one.target) for one in self.under_way.values()}
        self.under_way.clear()
        self.run(self.deliveries.adopt(self.now))

    @precondition(lambda self: self.planned)
    @rule(data=st.data())
    def correct(self, data: st.DataObject) -> None:
        alerts = [row for row in self.planned if row.kind == "alert-issued"]
        wrong = data.draw(st.sampled_from(alerts))
        self.position += 1
        correction = self._plan(wrong.story, "", "alert-corrected")
        place = (self.position, b"")
        found = self.run(self.deliveries.chase(correction, [wrong.alert], place, self.now))
        told = {target for alert, target in self.may_have if alert == wrong.alert}
        owed = {row.target for row in alerts if row.alert == wrong.alert}
        assert set(found) <= told & owed, "somebody is told of a correction who got nothing"
        sure = {target for event, target in self.got if event == wrong.event}
        sure |= {one.target for one in self.under_way.values() if one.alert == wrong.alert}
        sure |= {target for alert, target in self.unknown if alert == wrong.alert}
        assert sure <= set(found), "somebody who may have got the alert is not told"
        self.planned += [correction._replace(target=target) for target in found]

    @invariant()
    def nobody_gets_it_twice(self) -> None:
        assert all(times == 1 for times in self.got.values())

    @invariant()
    def of_each_story_one_is_under_way(self) -> None:
        lanes = [(one.target, one.story) for one in self.under_way.values()]
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
    """Nobody is sent an alert twice, and whoever may have got it is told of its correction."""
    run_state_machine_as_test(
        Sending, settings=settings(max_examples=200, stateful_step_count=40, deadline=None)
    )
