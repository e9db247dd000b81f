"""Records of one partition as they come, past those that the library cannot read.

The library gives no record with a header whose name is not UTF-8, nor any that stands behind it in
the batch that a producer sent: it raises, and would do so for ever. Producers in other languages
can send one. Here such a record is given without headers and value, which is garbage like other.
"""

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from events.kafka.address import Address
from events.kafka.leaving import let_go, started

__all__ = ["AWAY_MS", "Reading", "Record", "consuming", "now_ms"]

FETCH_BYTES = 8 * 1024 * 1024  # fetched ahead of the mirror: bounds memory, and busies the broker
FETCH_MS = 500  # that the broker may hold a fetch until there is something to fetch
AWAY_MS = 1_000  # without a word from the broker, after which the topic may be another
WAIT_MS = 500  # that reading waits for a record
STOP_SECONDS = 2.0  # that a consumer has to let go
MOST_RECORDS = 4_000  # at a time; a thousand stories touch as many pages, however few they are


class Record(NamedTuple):
    """A record as it stands on a topic; the time of one that cannot be read is the last known."""

    offset: int
    timestamp: int
    timestamp_type: int
    headers: tuple[tuple[str, bytes | None], ...]
    key: bytes | None
    value: bytes | None


@contextlib.asynccontextmanager
async def consuming(address: Address, partition: TopicPartition) -> AsyncIterator[AIOKafkaConsumer]:
    """Read a partition from wherever one seeks, of no group.

    Raises:
        LogUnavailable, KafkaError: the broker is out of reach, or does not let us in.
    """
    consumer = AIOKafkaConsumer(
        **address.client(),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",  # the checkpoint says where, and nobody else
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_bytes=FETCH_BYTES,
        fetch_max_wait_ms=FETCH_MS,
    )
    consumer.assign([partition])
    try:
        await started(consumer)
        yield consumer
    finally:
        await let_go(consumer, STOP_SECONDS)


class Reading:
    """Reads on from where the consumer is.

    `heard_ms` is when the broker last spoke of the partition, in milliseconds since 1970 UTC.

    Args:
        consumer: assigned to the partition.
        partition: what is read.
    """

    def __init__(self, consumer: AIOKafkaConsumer, partition: TopicPartition) -> None:
        self._consumer = consumer
        self._partition = partition
        self._careful = 0  # records that are still to be read one by one, to find what cannot be
        self._timestamp = 0
        self.heard_ms = now_ms()

    def _spoilt(self) -> range:
        """Give the offsets from a record that could not be read to the end of its batch.

        As far as that is known from what was fetched with it: it is at least its own. The
        consumer's own place may be before it: the broker writes records for itself, which are
        passed over, and whether they were depends on what was fetched together.
        """
        fetched = self._consumer._fetcher._records[self._partition]  # noqa: SLF001 - there is no other way
        start: int = fetched._partition_records.next_fetch_offset  # noqa: SLF001 - as above
        batches = fetched._partition_records._records  # noqa: SLF001 - as above
        end = batches.next_batch().base_offset if batches.has_next() else start + 1
        return range(start, min(max(end, start + 1), start + MOST_RECORDS))

    async def take(self) -> list[Any]:
        """Give the records that come next, in order; none when none came for a while.

        Raises:
            KafkaError: the broker is out of reach, or has no such records.
        """
        consumer, partition = self._consumer, self._partition
        most = 1 if self._careful else MOST_RECORDS
        try:
            taken = await consumer.getmany(partition, timeout_ms=WAIT_MS, max_records=most)
        except UnicodeDecodeError:
            found = self._careful > 0
            at = await consumer.position(partition)
            spoilt = self._spoilt() if found else range(at, at)
            # Sought in either case: what was read before it and not given would be passed over.
            consumer.seek(partition, spoilt.stop)
            self._careful = MOST_RECORDS
            return [Record(each, self._timestamp, 1, (), None, None) for each in spoilt]
        records: list[Any] = taken.get(partition, [])
        if records:
            self._careful = max(0, self._careful - 1)
            self._timestamp = records[-1].timestamp
        return records

    def was_away(self) -> bool:
        """Whether the broker was silent for so long that the topic may have been made anew."""
        heard_ms = self._consumer.last_poll_timestamp(self._partition) or 0
        silent, self.heard_ms = heard_ms - self.heard_ms, max(heard_ms, self.heard_ms)
        return silent > AWAY_MS


def now_ms() -> int:
    """Tell the time in milliseconds since 1970 UTC."""
    return int(time.time() * 1000)
