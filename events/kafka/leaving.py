"""Clients started and let go of within a bound, whatever state the broker has left them in.

A consumer that stops cancels its fetches and waits for them. One that was pausing after a failure
passes its cancellation on, as if whoever stops the consumer had been cancelled, and the connections
stay open. So it stops in a task of its own. A client that is cancelled while it starts leaves a
connection open that nobody has; so it starts in one, too.
"""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer

__all__ = ["let_go", "started"]

START_SECONDS = 2.0  # that a client which is not needed any more has to finish its start


async def started(client: Any) -> None:  # noqa: ANN401 - a consumer, a producer or an administrator
    """Start a client; when this is cancelled, its start may end so that all of it can be closed.

    Raises:
        KafkaError: there is no broker, or it does not let us in.
    """
    task = asyncio.create_task(client.start())
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=START_SECONDS)
        task.add_done_callback(_heard)
        task.cancel()
        raise


async def let_go(consumer: AIOKafkaConsumer, seconds: float) -> None:
    """Stop a consumer, and close its connections in any case.

    Args:
        consumer: the one that is not needed any more.
        seconds: for each of the two; what takes longer is cancelled and not waited for.
    """
    for work in (consumer.stop, consumer._client.close):  # noqa: SLF001 - `stop` may end before
        task = asyncio.create_task(work())
        task.add_done_callback(_heard)
        try:
            await asyncio.wait([task], timeout=seconds)
        finally:
            task.cancel()


def _heard(task: "asyncio.Task[None]") -> None:
    """Take note of how it ended: nobody can do anything about it."""
    if not task.cancelled():
        task.exception()
