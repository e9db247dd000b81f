"""What is done about each alert in the log: for every target that wants it one decision, written.

The reaction acts on the world, so it never looks back: it begins at the end of the log, and where
the log is another than it was, at the end of that one. What was decided stands in the ledger in
the same transaction that moves it on.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from consumers.alerts.targets import (
    CHASES,
    Already,
    Notice,
    Sent,
    Target,
    Targets,
    Verdict,
    left_alone_until,
    notice_of,
    verdict_on,
    wants,
)
from consumers.delivery.deliveries import Deliveries
from consumers.delivery.endpoints import Endpoint, Endpoints
from consumers.delivery.message import DIGEST
from consumers.delivery.rows import Held, Planned, State
from events.alerts import AlertCorrected, AlertDecision, AlertIssued, AlertRetracted
from events.editorial import Redacted
from events.envelope import Recorded
from events.log import Clock, Log
from events.tree import leaf_hash

__all__ = ["Reaction"]

MOVE = 1_000  # events after which the checkpoint moves on although none was an alert
LOOK = 1.0  # seconds between looks for what was held and is to be decided again
_STATES: Final[dict[str, State]] = {
    "send": "pending",
    "hold": "held",
    "digest": "held",
    "suppress": "suppressed",
}

log = structlog.get_logger()


class Reaction:
    """Turns alerts into deliveries.

    Args:
        source: the log.
        deliveries: where each decision is written.
        endpoints: whom alerts may go to.
        begin: begins with what is to be sent to some targets now, of one story or of all.
        forget: lets go of what is remembered of the log's words, because some were erased.
        clock: milliseconds since 1970 UTC.
    """

    def __init__(  # noqa: PLR0917 - it ties together what it is made of
        self,
        source: Log,
        deliveries: Deliveries,
        endpoints: Endpoints,
        begin: Callable[[Sequence[str], str | None], None],
        forget: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._log = source
        self._deliveries = deliveries
        self._endpoints = endpoints
        self._begin = begin
        self._forget = forget
        self._clock = clock
        self._targets = Targets(())
        self._changes = -1
        self._moved = 0
        # What was sent is asked and the next decided on it by one at a time, or all would see room.
        self._deciding = asyncio.Lock()

    async def run(self) -> None:
        """Act on each alert as it is recorded, and on what was held when its time has come."""
        position = await self.place()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._decide_held())
            while True:
                position = await self.catch_up(position, await self._log.grown(position))

    async def place(self) -> int:
        """Give the position to go on from: the end of a log that was never acted on."""
        known = await self._deliveries.checkpoint()
        size = (await self._log.head()).size
        if known is not None and await self._leaf(known[0]) == known[1]:
            return known[0]
        if known is not None:
            log.warning("alerts begin at the end of another log", position=size)
        await self._deliveries.begin_at(size, await self._leaf(size))
        return size

    async def _leaf(self, position: int) -> bytes:
        here = self._log.read(position - 1, upto=position) if position else None
        leaves = [leaf_hash(event.envelope) async for event in here] if here else []
        return leaves[0] if leaves else b""

    async def catch_up(self, after: int, upto: int) -> int:
        """Act on the events past a position, up to and with another, which is given back."""
        event: Recorded | None = None
        async for event in self._log.read(after, upto=upto):
            match event.development:
                case AlertIssued() | AlertCorrected() | AlertRetracted() as decision:
                    await self._act(event, decision)
                case Redacted():
                    self._forget()
        if event is not None and event.position >= self._moved + MOVE:
            await self._deliveries.plan((), _place(event), self._clock())
            self._moved = event.position
        return upto

    async def _act(self, event: Recorded, decision: AlertDecision) -> None:
        alert, now = notice_of(event), self._clock()
        planned = Planned(
            str(event.provenance["id"]),
            "",
            event.position,
            event.story,
            alert.ref,
            decision.kind,
            alert.level,
            alert.level == "flash" or alert.msg_type != "Alert",
            "pending",
            CHASES,
            now,
        )
        if alert.msg_type != "Alert":
            chased = await self._deliveries.chase(planned, alert.references, _place(event), now)
            self._begin(chased, event.story)
            return
        # However late it comes: what is worth nothing by now is not sent.
        planned = planned._replace(recorded_ms=event.recorded_ms)
        async with self._deciding:
            rows = [self._row(planned, verdict) for verdict in await self._verdicts(planned, alert)]
            await self._deliveries.plan(rows, _place(event), now)
        self._begin([row.target for row in rows if row.state == "pending"], event.story)

    async def _verdicts(self, planned: Planned, alert: Notice) -> list[Verdict]:
        targets = (await self._known()).wanting(alert)
        had = await self._deliveries.had(planned.event)
        already = await self._already(alert, targets, had)
        return [verdict_on(alert, target, already) for target in targets]

    async def _known(self) -> Targets:
        """Give the targets, sorted by what they want anew when they are others."""
        endpoints = await self._endpoints.all()
        if self._changes != self._endpoints.changes:
            self._changes = self._endpoints.changes
            self._targets = Targets(endpoint.target for endpoint in endpoints)
        return self._targets

    async def _already(
        self, alert: Notice, targets: Sequence[Target], had: frozenset[str]
    ) -> Already:
        now = self._clock()
        sent: dict[str, list[Sent]] = {}
        for target in targets:
            throttle = target.throttle.get(alert.level)
            if throttle is not None:
                found = await self._deliveries.sent_since(target.id, now - throttle.within_ms)
                sent[target.id] = [
                    Sent(alert.level, at) for level, at in found if level == alert.level
                ]
        return Already(now, had, sent)

    def _row(self, planned: Planned, verdict: Verdict) -> Planned:
        endpoint = self._endpoints.known(verdict.target)
        if endpoint is not None and endpoint.state != "active":
            return planned._replace(
                target=verdict.target, state="skipped", reason=_why_disabled(endpoint)
            )
        # For each of many targets: put together at once, which `_replace` takes thrice as long for.
        event, _, position, story, alert, kind, level, fast, _, _, due_ms, _, recorded_ms = planned
        return Planned(
            event,
            verdict.target,
            position,
            story,
            alert,
            kind,
            level,
            fast,
            _STATES[verdict.outcome],
            verdict.reason,
            due_ms if verdict.until_ms is None else verdict.until_ms,
            verdict.outcome == "digest",
            recorded_ms,
        )

    async def _decide_held(self) -> None:
        while True:
            await self.decide_held()
            await asyncio.sleep(LOOK)

    async def decide_held(self) -> None:
        """Decide again on what was held until now; what waited for a digest is told in one."""
        due = await self._deliveries.held(self._clock())
        digests: dict[str, list[Held]] = {}
        for held in due:
            if not held.digested:
                async with self._deciding:
                    await self._decide_again(held)
            elif not await self._left_alone(held):
                digests.setdefault(held.target, []).append(held)
        for target, several in digests.items():
            if len(several) > 1:
                await self._tell_together(target, several)
            else:  # one is not a digest
                async with self._deciding:
                    await self._decide_again(several[0])
        self._begin(list({held.target: None for held in due}), None)

    async def _left_alone(self, held: Held) -> bool:
        """Hold what waits for a digest on, where quiet hours began meanwhile."""
        endpoint, now = self._endpoints.known(held.target), self._clock()
        until = endpoint and left_alone_until(endpoint.target, held.level, now)
        if endpoint is None or until is None:
            return False
        why = f"quiet hours in {endpoint.target.timezone}"
        await self._deliveries.decide_again(held.delivery, "held", why, until, now, digested=True)
        return True

    async def _decide_again(self, held: Held) -> None:
        here = self._log.read(held.position - 1, upto=held.position)
        events = [event async for event in here if event.provenance["id"] == held.event]
        endpoint, now = self._endpoints.known(held.target), self._clock()
        if endpoint is None or not events or not isinstance(events[0].development, AlertDecision):
            await self._settle(held, "suppressed", "its target or its words are gone", now)
            return
        alert = notice_of(events[0])
        if not wants(endpoint.target, alert):
            await self._settle(held, "suppressed", "it is not wanted any more", now)
            return
        already = await self._already(alert, [endpoint.target], frozenset())
        verdict = verdict_on(alert, endpoint.target, already)
        await self._deliveries.decide_again(
            held.delivery,
            _STATES[verdict.outcome],
            verdict.reason,
            now if verdict.until_ms is None else verdict.until_ms,
            now,
            digested=verdict.outcome == "digest",
        )

    async def _settle(self, held: Held, state: State, reason: str, now: int) -> None:
        await self._deliveries.decide_again(held.delivery, state, reason, now, now, digested=False)

    async def _tell_together(self, target: str, several: Sequence[Held]) -> None:
        now = self._clock()
        event = f"digest-{several[0].event}"
        digest = Planned(
            event,
            target,
            position=0,
            story="",
            alert=DIGEST,
            kind=DIGEST,
            level="regular",
            fast=False,
            state="pending",
            reason="more than it takes one by one",
            due_ms=now,
        )
        await self._deliveries.gather(digest, now)


def _place(event: Recorded) -> tuple[int, bytes]:
    return event.position, leaf_hash(event.envelope)


def _why_disabled(endpoint: Endpoint) -> str:
    return f"the target is disabled: {endpoint.reason}"
