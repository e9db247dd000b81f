"""A long stretch of a topic, read by a process beside this one: it decodes and opens while we fold.

Run as a program it is that process: it gets what is to be read from the socket that it is given,
and gives the records back batch by batch, with none at the end.
"""

import asyncio
import gc
import socket
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, closing, suppress
from typing import Any, NamedTuple, cast

from aiokafka import AIOKafkaConsumer, TopicPartition

from events.companion import Companion, Unanswered, messages, packed, processors
from events.envelope import Prepared
from events.kafka.address import Address
from events.kafka.keystore import KeyStore
from events.kafka.reading import Reading, consuming
from events.kafka.records import NOTHING, Garbage, Offer, Parcel, decode, opened
from events.kafka.taken import LOG_APPEND_TIME, Taken
from events.sqlite.file import connect

__all__ = ["Stretch", "is_far", "read_ahead"]

FAR = 50_000  # records from which on the second that a process takes to begin is won back
PATIENCE = 30.0  # seconds for a batch, which takes 0.1: a process that was stopped never answers
RARELY = 100_000  # objects of the process before the collector looks at them: none is a cycle
SWITCH_SECONDS = 0.0005  # that a thread keeps the interpreter while the other has something to send
SILENT_SECONDS = 5.0  # without a record, after which the broker has none, or is out of reach


class Stretch(NamedTuple):
    """Records of a log's topic: from an offset on, up to another.

    `stamped` is whether the broker stamps them with its time.
    """

    address: Address
    start: int
    end: int
    stamped: bool


def is_far(records: int) -> bool:
    """Whether it is worth it to have so many records read by a process of their own."""
    return records >= FAR and processors() > 1


async def read_ahead(
    stretch: Stretch, prepare: Callable[[], Awaitable[None]]
) -> AsyncGenerator[list[Taken], None]:
    """Read records, as far as it goes well.

    Whoever asks reads on behind the last record that is given, if need be behind none; what is
    wrong is seen again then.

    Args:
        stretch: what is read.
        prepare: done while the process begins, and before it reads.
    """
    try:
        reader = await Companion.begin(__spec__.name)
    except OSError:
        return
    try:
        await prepare()
        with suppress(OSError, Unanswered):
            reader.send(stretch)
            while isinstance(batch := await reader.answer(PATIENCE), list) and batch:
                yield [_taken(each, stamped=stretch.stamped) for each in batch]
    finally:
        await reader.end()


async def _serve(descriptor: int) -> None:
    gc.set_threshold(RARELY)
    sys.setswitchinterval(SWITCH_SECONDS)
    end = socket.socket(fileno=descriptor)
    with end.makefile("rb") as source:
        stretch = cast("Stretch", next(messages(source)))
    partition = TopicPartition(stretch.address.topic, 0)
    with closing(connect(stretch.address.mirror, make=False)) as connection:
        connection.pragma("query_only", value=True)
        keys = KeyStore(connection)
        async with consuming(stretch.address, partition) as records:
            records.seek(partition, stretch.start)
            async with aclosing(_batches(records, partition, stretch.end)) as batches:
                sending: asyncio.Future[None] | None = None
                async for batch in batches:
                    sent = [_opened(each, keys) or _closed(each) for each in batch[:-1]]
                    # The last is known again by its bytes.
                    message = packed([*sent, _closed(batch[-1])])
                    if sending is not None:
                        await sending
                    # By a thread: the node takes it once it has folded the one before.
                    sending = asyncio.ensure_future(asyncio.to_thread(end.sendall, message))
                if sending is not None:
                    await sending
    end.sendall(packed([]))


async def _batches(
    records: AIOKafkaConsumer, partition: TopicPartition, end: int
) -> AsyncGenerator[list[Any], None]:
    """Read up to an offset; no further where the topic may have been made anew meanwhile."""
    reading, heard = Reading(records, partition), time.monotonic()
    while await records.position(partition) < end and time.monotonic() - heard < SILENT_SECONDS:
        batch = await reading.take()
        if reading.was_away():
            return
        if batch:
            yield batch
            heard = time.monotonic()


# What goes through the socket are plain tuples: those with a class cost three times as much.


def _closed(record: Any) -> tuple[Any, ...]:  # noqa: ANN401 - the library has no types
    return record.offset, record.timestamp, record.timestamp_type, record.headers, record.value


def _opened(record: Any, keys: KeyStore) -> tuple[Any, ...] | None:  # noqa: ANN401 - as above
    """Give what a record asks with its contents open; None where they stay closed."""
    try:
        offer = decode(record.headers, record.value)
    except Garbage:
        return None
    secrets = keys.find(offer.first_key, len(offer.parcels), all_keys=False)
    if secrets is None:
        return None
    attempt, story, expected, first_key, parcels, claim = offer
    events = [
        ((*parcel.prepared,), parcel.story, parcel.places, contents)
        for parcel, contents in zip(parcels, opened(offer, secrets), strict=True)
    ]
    asked = attempt, story, expected, first_key, claim
    return record.offset, record.timestamp, record.timestamp_type, asked, events


def _taken(sent: tuple[Any, ...], *, stamped: bool) -> Taken:
    """Give a record as it is folded."""
    offset, appended_ms, timestamp_type, asked, rest = sent
    by_broker = timestamp_type == LOG_APPEND_TIME or not stamped
    if rest is None or isinstance(rest, bytes):
        return Taken(offset, appended_ms, asked, rest, None, by_broker)
    attempt, story, expected, first_key, claim = asked
    make = tuple.__new__  # the class's own takes twice as long
    parcels = [
        make(Parcel, (make(Prepared, prepared), story, b"", NOTHING, places, contents))
        for prepared, story, places, contents in rest
    ]
    offer = make(Offer, (attempt, story, expected, first_key, parcels, claim))
    return make(Taken, (offset, appended_ms, (), None, offer, by_broker))


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
