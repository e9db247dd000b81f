"""What programs that are none of ours put on a topic, where the library itself gives up."""

from pathlib import Path
from typing import Any

import pytest
import uuid_utils
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from asking import eventually
from brokers import topic_of
from filings import gathered, note
from topics import foreign, forged, opened

from events.envelope import prepare_batch
from events.kafka.address import Address
from events.kafka.records import KEYS_BYTES, Keys, encode
from events.log import Expect

REDACTION = (
    b'{"erases":[{"private":true,"remains":"{}","version":%d}],"fields":["headline"],'
    b'"kind":"redacted","legal_basis":"a drill","ordered_by":"desk:ada",'
    b'"reason_code":"drill","target":"d3"}'
)


class Latin(str):
    """A header's name in another encoding than UTF-8, as producers in C can send it."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return super().encode("latin-1")


async def send_as_one(address: Address, topic: str, records: list[tuple[Any, bytes]]) -> None:
    """Send records in one batch, made by that part of the library which takes any header."""
    async with foreign(address) as producer:
        batch = producer.create_batch()
        batch._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, 1_000_000)
        for headers, value in records:
            batch.append(key=b"key", value=value, timestamp=None, headers=headers)
        await (await producer.send_batch(batch, topic, partition=0))


def append_of(story: str, text: str) -> tuple[Any, bytes]:
    keys = Keys(text[:1].encode() * 8 + bytes(8), b"k" * KEYS_BYTES)
    batch = prepare_batch(story, [note(text)], bytes)
    return encode(str(uuid_utils.uuid7()), Expect.ANY, batch, keys)


async def test_a_header_of_strange_letters_stops_no_node(kafka: str, tmp_path: Path) -> None:
    """A header whose name is not UTF-8 is garbage, on either topic; what stands before it counts.

    What stands behind it in the same batch is void too, on every node alike.
    """
    address = topic_of(kafka, tmp_path)
    other = address._replace(mirror=str(tmp_path / "other.db"))
    late = address._replace(mirror=str(tmp_path / "late.db"))
    strange = ([(Latin("größe"), b"1")], b"value")
    async with opened(address) as first, opened(other) as second:
        await first.append("a", [note("1")])
        await second.head()
        await send_as_one(address, address.keys_topic, [strange])
        for _ in range(2):
            before = [append_of("a", "before"), append_of("b", "before too")]
            await send_as_one(address, address.topic, [*before, strange, append_of("a", "x")])
            assert (await first.append("c", [note("goes on")])).duplicate is False
        size = (await first.head()).size
        assert size == 7
        assert await second.grown(size - 1) == size
        heads = [await first.head(), await second.head()]
        async with opened(late) as third:
            heads.append(await third.head())
            voids = [await first.voids(), await second.voids(), await third.voids()]
        assert len(set(heads)) == 1
        assert [void.why for void in voids[0]] == ["garbage"] * 4
        offsets = [[void.offset for void in each] for each in voids]
        assert offsets[0] == offsets[1] == offsets[2]
    # It may also be the last that a mirror knows.
    async with opened(address) as first:
        await send_as_one(address, address.topic, [strange])
        assert (await first.append("c", [note("again")])).positions == (8,)
        await send_as_one(address, address.topic, [strange])
    async with opened(address) as first:
        assert (await first.append("c", [note("and again")])).positions == (9,)


async def test_what_the_broker_writes_for_itself_is_no_lag(kafka: str, tmp_path: Path) -> None:
    """Where another program's transaction ends, the topic has a record that no reader sees.

    A mirror that is past it is behind by nothing; what the transaction sent is void, kept or not.
    """
    address = topic_of(kafka, tmp_path)
    async with opened(address) as log:
        await log.append("a", [note("1")])
        async with foreign(address, transactional_id=address.topic) as producer:
            async with producer.transaction():
                await producer.send_and_wait(address.topic, b"kept")
            await producer.begin_transaction()
            await producer.send_and_wait(address.topic, b"taken back")
            await producer.abort_transaction()

            async def caught_up() -> bool:
                lag = await log.lag()
                return (lag.records, lag.voids) == (0, 2)

            await eventually(caught_up)
            assert (await log.append("a", [note("2")])).positions == (2,)


async def test_a_large_batch_that_cannot_be_read_keeps_nobody_waiting(
    kafka: str, tmp_path: Path
) -> None:
    """Behind thousands of records that are void with the first of them, an append is answered."""
    address = topic_of(kafka, tmp_path)
    batch = [([(Latin("größe"), b"1")], b""), *[([], b"")] * 29_999]
    async with opened(address) as log:
        await log.append("a", [note("1")])
        await send_as_one(address, address.topic, batch)
        assert (await log.append("a", [note("2")])).positions == (2,)
        assert (await log.lag()).voids == len(batch)


async def test_a_void_record_is_one_that_is_there(kafka: str, tmp_path: Path) -> None:
    """What cannot be read is void at its own offset, also behind what the broker wrote for itself.

    So a node that follows and one that comes later list the same.
    """
    address = topic_of(kafka, tmp_path)
    strange = ([(Latin("größe"), b"1")], b"value")
    async with opened(address) as log:
        await log.append("a", [note("1")])
        async with foreign(address, transactional_id=address.topic) as producer:
            await producer.begin_transaction()
            await producer.send_and_wait(address.topic, b"taken back")
            await producer.abort_transaction()
        await send_as_one(address, address.topic, [strange])
        assert (await log.append("a", [note("2")])).positions == (2,)
        voids = [void.offset for void in await log.voids()]
    async with opened(address._replace(mirror=str(tmp_path / "late.db"))) as late:
        assert [void.offset for void in await late.voids()] == voids == [1, 3]


@pytest.mark.parametrize("version", [2, 3, 2**63, 2**70])
async def test_a_redaction_erases_nothing_that_comes_later(
    kafka: str, tmp_path: Path, version: int
) -> None:
    """A forged redaction of what is not there yet stops no node, and all have the same events."""
    address = topic_of(kafka, tmp_path)
    body = REDACTION % version
    async with opened(address) as log:
        await log.append("a", [note("1")])
        await forged(address, b"12345678", b"redacted", body)
        assert (await log.append("a", [note("3")])).positions == (3,)
        async with opened(address._replace(mirror=str(tmp_path / "late.db"))) as late:
            for each in (log, late):
                (event,) = await gathered(each.read(2))
                assert event.development.headline == "3"
