"""What is erased on Kafka is erased in every copy that the topic has of it."""

from pathlib import Path
from typing import cast

import apsw
import pytest
from aiokafka import AIOKafkaConsumer
from asking import eventually
from brokers import topic_of
from filings import gathered, note
from topics import erased_in, keys_on, opened, redaction

from consumers.audit.verify import verify
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


async def test_contents_are_unreadable_on_the_topic(kafka: str, tmp_path: Path) -> None:
    """What is on the broker's disks of an event is its envelope; headline and body are not."""
    address = topic_of(kafka, tmp_path)
    async with opened(address) as log:
        await log.append("a", [note("a headline in plain sight")])
        (event,) = await gathered(log.read_sealed())
    consumer = AIOKafkaConsumer(
        address.topic, bootstrap_servers=kafka, auto_offset_reset="earliest"
    )
    await consumer.start()
    record = await consumer.getone()
    await consumer.stop()
    assert event.kind.encode() in record.value
    assert b"plain sight" not in record.value


async def test_an_erased_event_is_erased_on_every_node(kafka: str, tmp_path: Path) -> None:
    """A redaction erases the words on every node and their keys on the broker; the root stays."""
    address = topic_of(kafka, tmp_path)
    other = address._replace(mirror=str(tmp_path / "other.db"))
    late = address._replace(mirror=str(tmp_path / "late.db"))
    async with opened(address) as first, opened(other) as second:
        await first.append("a", [note("1"), note("a secret of the drill"), note("3")])
        assert await second.grown(2) == 3
        await first.append("a", [redaction("d2", 2)])
        before = await first.head()

        async def unlocked() -> bool:
            """Nobody has a key that the broker still has."""
            blocks = (await keys_on(address)).values()
            return sum(erased_in(block or b"") for block in blocks) == 2

        await eventually(unlocked)
        async with opened(late) as third:
            for log in (first, second, third):
                assert await log.grown(3) == 4
                assert await log.head() == before
                assert (await verify(log, lambda _done, _all: None)).erased == 1
                (event,) = await gathered(log.read(1, upto=2))
                assert event.development.headline == "[redacted]"
    for mirror in (address.mirror, other.mirror, late.mirror):
        for file in Path(mirror).parent.glob(f"{Path(mirror).name}*"):
            assert b"secret of the drill" not in file.read_bytes(), file
        connection = apsw.Connection(mirror)
        rows = connection.execute("SELECT block FROM keys").fetchall()
        assert sum(erased_in(cast("bytes", block)) for (block,) in rows) == 2
        connection.close()
