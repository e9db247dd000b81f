"""Records on their way to the broker: idempotent, acknowledged by all, and always bounded.

A producer whose broker is gone keeps what it was given and tries without end, and so does its
`stop`. Both are bounded here: a producer that lets a deadline pass is discarded for a new one.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from events.kafka.address import Address
from events.kafka.leaving import started
from events.kafka.records import MOST_BYTES, Headers

__all__ = ["Producer"]

BATCH_BYTES = 1024 * 1024  # of small records that share a request while one is on its way
BLOCKS_TOGETHER = 200  # blocks of keys, of 4 KiB each, that fit into such a request
STOP_SECONDS = 2.0  # that a producer has to send what it holds before it is let go


class Producer:
    """Sends records to the one partition of a topic, in the order in which they are given.

    Args:
        address: the log.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._producer: AIOKafkaProducer | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()

    async def send_together(
        self, topic: str, records: Sequence[tuple[Headers, bytes]], stamp: int | None
    ) -> "tuple[asyncio.Future[Any], int]":
        """Give the producer the first record and those that fit into a request beside it.

        One by one, each would cost the library several times as much.

        Args:
            topic: where they go.
            records: headers and value of each.
            stamp: their time, milliseconds since 1970 UTC, on a topic that believes producers.

        Returns:
            What is resolved when the broker has them, and how many they are.

        Raises:
            KafkaError: there is no broker, or it was not ready within a request's time.
        """
        producer = self._producer or await self._begin()
        batch, taken = producer.create_batch(), 0
        for headers, value in records:
            if batch.append(key=None, value=value, timestamp=stamp, headers=headers) is None:
                break
            taken += 1
        return await producer.send_batch(batch, topic, partition=0), taken

    async def send_keys(self, topic: str, blocks: Sequence[tuple[bytes, bytes]]) -> None:
        """Send blocks of keys with their numbers and wait until the broker has them all."""
        producer = self._producer or await self._begin()
        sent = []
        for start in range(0, len(blocks), BLOCKS_TOGETHER):
            batch = producer.create_batch()
            for number, block in blocks[start : start + BLOCKS_TOGETHER]:
                batch.append(key=number, value=block, timestamp=None)
            sent.append(await producer.send_batch(batch, topic, partition=0))
        await asyncio.gather(*sent)

    async def _begin(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is not None:
                return self._producer
            producer = AIOKafkaProducer(
                **self._address.client(),
                acks="all",
                enable_idempotence=True,
                linger_ms=0,
                max_batch_size=BATCH_BYTES,
                max_request_size=MOST_BYTES + BATCH_BYTES,
            )
            try:
                await started(producer)
            except BaseException:
                self._let_go(producer)
                raise
            self._producer = producer
            return producer

    def discard(self) -> None:
        """Begin anew with the next record; what this producer still holds may yet arrive."""
        producer, self._producer = self._producer, None
        if producer is not None:
            self._let_go(producer)

    def _let_go(self, producer: AIOKafkaProducer) -> None:
        task = asyncio.create_task(_end(producer))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Let go of every producer, within a bound."""
        self.discard()
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=3 * STOP_SECONDS)


async def _end(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await producer.stop()
    except (KafkaError, TimeoutError, OSError):
        # `stop` waits for what cannot be sent; ending its sender takes reaching inside.
        sender = producer._sender  # noqa: SLF001 - there is no other way
        task = sender.sender_task
        if task is not None:
            task.cancel()
        with contextlib.suppress(KafkaError, TimeoutError, OSError):
            async with asyncio.timeout(STOP_SECONDS):
                await producer.client.close()
        if task is not None:
            await asyncio.wait([task], timeout=STOP_SECONDS)
