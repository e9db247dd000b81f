"""A record as it was taken from the topic, and how one is known again."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple, Self

from events.kafka.records import Offer

__all__ = ["LOG_APPEND_TIME", "Last", "Taken"]

LOG_APPEND_TIME = 1  # the type of a time that the broker set


class Taken(NamedTuple):
    """A record as it was read from the topic; `appended_ms` is the topic's LogAppendTime.

    `offer` is what it asks, where that is known without reading it. The time of one that is not
    `stamped` is its producer's.
    """

    offset: int
    appended_ms: int
    headers: Sequence[tuple[str, bytes | None]]
    value: bytes | None
    offer: Offer | None = None
    stamped: bool = True

    @classmethod
    def read(cls, record: Any, *, stamped: bool, offer: Offer | None = None) -> Self:  # noqa: ANN401 - the library has no types
        """Give a record as the library has it.

        Args:
            record: as it was read.
            stamped: whether it has to be stamped by the broker.
            offer: what it asks, where that is known.
        """
        by_broker = record.timestamp_type == LOG_APPEND_TIME or not stamped
        return cls(record.offset, record.timestamp, record.headers, record.value, offer, by_broker)

    @property
    def hash(self) -> bytes:
        """SHA-256 of its value, by which it is known again: 32 bytes."""
        return _hash(self.value)


class Last(NamedTuple):
    """A record by which a topic is known again: its offset, -1 before the first, and its hash."""

    offset: int
    hash: bytes

    def recognises(self, offset: int, value: bytes | None) -> bool:
        """Whether a record that was read from the topic is this one."""
        return offset == self.offset and self.hash == _hash(value)


def _hash(value: bytes | None) -> bytes:
    return sha256(value or b"").digest()
