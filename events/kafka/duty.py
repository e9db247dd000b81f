"""One worker at a time for each duty, whichever of the nodes it is: the broker's groups choose it.

A node that dies is noticed when its heartbeats stay away, and another takes over. It may be alive
after all and go on for a while; so a duty must be one that does no harm when two do it: what it
appends has ids that follow from what it is about, and the log arbitrates.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener

from events.kafka.address import Address
from events.kafka.leaving import let_go, started

__all__ = ["on_duty"]

SESSION_MS = 10_000  # without a heartbeat, after which a node is thought dead
HEARTBEAT_MS = 2_000  # between two: five may be missed before a node is thought dead
LOOK_MS = 500  # between two looks at whether the work has ended
LEAVE_SECONDS = 3.0  # that a node has to say that it leaves

Work = Callable[[], Awaitable[None]]

telemetry = structlog.get_logger()


async def on_duty(address: Address, duty: str, work: Work) -> None:
    """Do some work whenever it is this node's turn, until it ends or is cancelled.

    Args:
        address: the log.
        duty: its name, the same on every node; of `[a-z0-9-]`.
        work: what is to be done; cancelled when another node takes over.

    Raises:
        KafkaError: the broker is out of reach; try again.
        Exception: whatever the work raises.
    """
    turn = _Turn(duty, work)
    consumer = AIOKafkaConsumer(
        **address.client(),
        group_id=f"{address.topic}.{duty}",
        enable_auto_commit=False,
        auto_offset_reset="latest",
        session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=HEARTBEAT_MS,
    )
    consumer.subscribe([address.topic], listener=turn)
    try:
        await started(consumer)
        while not turn.ended():
            # Asked for, so that the group sees a member that is alive; nothing is fetched.
            assigned = consumer.assignment()
            consumer.pause(*assigned)
            await consumer.getmany(timeout_ms=LOOK_MS)
    finally:
        await turn.end()
        await let_go(consumer, LEAVE_SECONDS)


class _Turn(ConsumerRebalanceListener):  # type: ignore[misc]  # the library has no types
    """Begins the work when the one partition is ours, and cancels it when it is not any more."""

    def __init__(self, duty: str, work: Work) -> None:
        self._duty = duty
        self._work = work
        self._task: asyncio.Future[None] | None = None

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """It is our turn, if there is anything."""
        if list(assigned) and self._task is None:
            telemetry.info("on duty", work=self._duty)
            self._task = asyncio.ensure_future(self._work())

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """It may be another's turn."""
        del revoked
        await self.end()

    def ended(self) -> bool:
        """Whether the work has ended by itself; raises what it raised."""
        if self._task is None or not self._task.done():
            return False
        self._task.result()
        return True

    async def end(self) -> None:
        """Stop working."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            telemetry.info("off duty", work=self._duty)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
