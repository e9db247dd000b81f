"""Records of one partition as they come, past those that the library cannot read.

The library gives no record with a header whose name is not UTF-8, nor any that stands behind it in
the batch that a producer sent: it raises, and would do so for ever. Producers in other languages
can send one. Here such a record is given without headers and value, which is garbage like other.
"""

from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

__all__ = ["Reading", "Record"]

WAIT_MS = 500  # that reading waits for a record
MOST_RECORDS = 4_000  # at a time; a thousand stories touch as many pages, however few they are


class Record(NamedTuple):
    """A record as it stands on a topic; the time of one that cannot be read is the last known."""

    offset: int
    timestamp: int
    timestamp_type: int
    headers: tuple[tuple[str, bytes | None], ...]
    key: bytes | None
    value: bytes | None


class Reading:
    """Reads on from where the consumer is.

    Args:
        consumer: assigned to the partition.
        partition: what is read.
    """

    def __init__(self, consumer: AIOKafkaConsumer, partition: TopicPartition) -> None:
        self._consumer = consumer
        self._partition = partition
        self._careful = 0  # records that are still to be read one by one, to find what cannot be
        self._timestamp = 0

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
            at = await consumer.position(partition)
            found = self._careful > 0
            # Sought in either case: what was read before it and not given would be passed over.
            consumer.seek(partition, at + found)
            self._careful = MOST_RECORDS
            return [Record(at, self._timestamp, 1, (), None, None)] if found else []
        records: list[Any] = taken.get(partition, [])
        if records:
            self._careful = max(0, self._careful - 1)
            self._timestamp = records[-1].timestamp
        return records
