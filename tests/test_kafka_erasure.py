"""What is erased on Kafka is erased in every copy that the topic has of it."""

from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from brokers import eventually, topic_of
from filings import gathered, note
from test_kafka_log import erased_in, keys_on, opened

from events.errors import WrongVersion
from events.kafka.address import Address
from events.kafka.keystore import BLOCK
from events.kafka.records import KEYS_BYTES, Offer, decode
from events.kafka.records import opened as contents_of


async def offers_on(address: Address) -> list[Offer]:
    """All appends on the topic, those that got no place too."""
    consumer = AIOKafkaConsumer(
        address.topic, bootstrap_servers=address.servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        (partition,) = consumer.assignment()
        end = (await consumer.end_offsets([partition]))[partition]
        found: list[Offer] = []
        while await consumer.position(partition) < end:
            taken = await consumer.getmany(partition, timeout_ms=500)
            found += [decode(each.headers, each.value) for each in taken.get(partition, [])]
        return found
    finally:
        await consumer.stop()


async def readable(address: Address) -> list[bytes]:
    """The bodies that whoever has both topics can read."""
    blocks = await keys_on(address)
    found = []
    for offer in await offers_on(address):
        count = int.from_bytes(offer.first_key[8:])
        block = blocks[offer.first_key[:8] + (count - count % BLOCK).to_bytes(8)] or b""
        at = count % BLOCK * KEYS_BYTES
        found += [body for body, *_ in contents_of(offer, block[at:]) if body is not None]
    return found


async def test_an_append_that_got_no_place_cannot_be_read(kafka: str, tmp_path: Path) -> None:
    """Words that lost a race, or were sent again, are on the topic for ever, but without a key.

    Otherwise they could still be read there when the event that has them is erased.
    """
    address = topic_of(kafka, tmp_path)
    other = address._replace(mirror=str(tmp_path / "other.db"))
    event = note("words that may have to be erased")
    async with opened(address) as first, opened(other) as second:
        await first.append("a", [event])
        assert (await first.append("a", [event])).duplicate
        for log in (second, first):
            with pytest.raises(WrongVersion):
                await log.append("a", [note("lost")], 0)
        await second.append("a", [note("and on")])

        async def locked() -> bool:
            return sum(erased_in(block or b"") for block in (await keys_on(address)).values()) == 6

        await eventually(locked)
        await first.erased()
        await second.erased()
    left = await readable(address)
    assert len(left) == 2
    assert not any(b"lost" in body for body in left)
    async with opened(address._replace(mirror=str(tmp_path / "late.db"))) as late:
        assert [event.development.headline for event in await gathered(late.read())] == [
            "words that may have to be erased",
            "and on",
        ]
        assert len(await late.voids()) == 3
