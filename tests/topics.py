"""What tests do with the topics of a log on Kafka, beside what the log does with them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uuid_utils
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from filings import development, filed, note

from events.codec import encode as encode_body
from events.envelope import Filed, prepare_batch
from events.kafka.address import Address
from events.kafka.keystore import BLOCK_BYTES
from events.kafka.log import KafkaLog
from events.kafka.records import ERASED_KEY, KEYS_BYTES, Keys, encode
from events.log import Expect


@asynccontextmanager
async def opened(address: Address) -> AsyncIterator[KafkaLog]:
    log = KafkaLog(address)
    try:
        yield log
    finally:
        await log.close()


@asynccontextmanager
async def foreign(address: Address, **settings: Any) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that is none of ours."""
    producer = AIOKafkaProducer(bootstrap_servers=address.servers, **settings)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


def redaction(target: str, version: int) -> Filed:
    """A redaction as the desk decides it, of a whole event."""
    left = development("development-reported", ref=target, label="note", headline="[redacted]")
    return filed(
        development(
            "redacted",
            target=target,
            fields=["headline"],
            reason_code="drill",
            legal_basis="a drill",
            ordered_by="desk:ada",
            erases=[{"version": version, "remains": encode_body(left).decode(), "private": True}],
        )
    )


def block_of(keys: Keys) -> bytes:
    """A block that begins with the keys of an event, and would open nothing else."""
    return keys.secrets + b"?" * (BLOCK_BYTES - len(keys.secrets))


def erased_in(block: bytes) -> int:
    """How many keys of a block are gone."""
    parts = range(0, len(block), len(ERASED_KEY))
    return [block[at : at + len(ERASED_KEY)] for at in parts].count(ERASED_KEY)


async def keys_on(address: Address) -> dict[bytes, bytes | None]:
    """What the topic of keys says of each block in the end."""
    partition = TopicPartition(address.keys_topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=address.servers)
    consumer.assign([partition])
    await consumer.start()
    await consumer.seek_to_beginning(partition)
    end = (await consumer.end_offsets([partition]))[partition]
    found: dict[bytes, bytes | None] = {}
    while await consumer.position(partition) < end:
        for record in (await consumer.getmany(partition, timeout_ms=500)).get(partition, []):
            found[record.key] = record.value
    await consumer.stop()
    return found


async def forged(address: Address, prefix: bytes, kind: bytes, body: bytes) -> None:
    """Append with what is needed to do so properly, but for what is said."""
    keys = Keys(prefix + bytes(8), b"k" * KEYS_BYTES)
    (event,) = prepare_batch("a", [note("x")], bytes)
    swapped = event._replace(
        before_position=event.before_position.replace(b"development-reported", kind),
        contents=(body, bytes(32), b"", bytes(32)),
    )
    headers, value = encode(str(uuid_utils.uuid7()), Expect.ANY, [swapped], keys)
    async with foreign(address, max_request_size=4_000_000) as producer:
        await producer.send_and_wait(address.keys_topic, block_of(keys), key=keys.first)
        await producer.send_and_wait(address.topic, value, headers=headers)
