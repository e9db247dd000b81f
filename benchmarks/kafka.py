"""`python -m benchmarks.kafka`: a log on Kafka beside the library that it speaks to Kafka with.

A real broker, the one that tests use. What is compared is of the same run and the same bytes.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

import psutil
import uuid_utils
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.measuring import Finding
from benchmarks.sample import filed, rows
from dateline.server import settle
from events.envelope import Filed, prepare_batch
from events.kafka.address import Address
from events.kafka.keystore import BLOCK, BLOCK_BYTES
from events.kafka.log import KafkaLog
from events.kafka.records import KEYS_BYTES, Headers, Keys, encode, key_number
from events.log import Expect
from events.sqlite.log import SqliteLog
from producers.importing import BATCH, IN_FLIGHT

__all__ = ["main"]

APPENDERS = 64
STORIES = 1_000
TOGETHER = 20_000  # events that 64 appenders file
ONE_BY_ONE = 1_000
IMPORTED = 20_000
CAUGHT_UP = 1_000_000
MEGABYTE: Final = 1024 * 1024

Record = tuple[Headers, bytes]


def address_of(broker: str, folder: Path, name: str) -> Address:
    """Give a log on topics of its own."""
    own = f"{name}-{uuid.uuid4().hex[:8]}"
    return Address(broker, f"bench-{own}", str(folder / f"{own}.db"))


def events_of(count: int, stories: int) -> list[tuple[str, Filed]]:
    """Give events, each with its story."""
    found = []
    for number, row in enumerate(rows(count, count // max(1, count // stories))):
        found.append((f"story-{number % stories}", filed(row)))
    return found


def encoded(events: Sequence[tuple[str, Filed]], first: bytes) -> tuple[list[Record], list[bytes]]:
    """Give a record for each event, and the blocks of keys that their numbers stand for."""
    blocks = [os.urandom(BLOCK_BYTES) for _ in range(0, len(events), BLOCK)]
    secrets = b"".join(blocks)
    records = []
    for number, (story, event) in enumerate(events):
        at = KEYS_BYTES * number
        own = Keys(key_number(first, number), secrets[at : at + KEYS_BYTES])
        batch = prepare_batch(story, [event], os.urandom)
        records.append(encode(str(uuid_utils.uuid7()), Expect.ANY, batch, own))
    return records, blocks


@asynccontextmanager
async def producing(broker: str) -> AsyncIterator[AIOKafkaProducer]:
    """A producer as ours is."""
    producer = AIOKafkaProducer(
        bootstrap_servers=broker,
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        max_batch_size=MEGABYTE,
        max_request_size=32 * MEGABYTE,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def opened(address: Address) -> AsyncIterator[KafkaLog]:
    """A log that is open."""
    log = KafkaLog(address)
    try:
        await log.head()
        yield log
    finally:
        await log.close()


async def plain_topic(broker: str, folder: Path) -> str:
    """Make a topic as a log has it, for records that nobody folds."""
    address = address_of(broker, folder, "plain")
    async with opened(address):
        return address.topic


async def in_flight(works: Sequence[Callable[[], Awaitable[Any]]], most: int) -> float:
    """Do works, so many at a time; gives the seconds.

    Garbage is treated as a server does: what is there before is none of it.
    """
    left = iter(works)

    async def worker() -> None:
        for work in left:
            await work()

    settle()
    start = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(most)))
    return time.perf_counter() - start


async def together(broker: str, folder: Path, share: float) -> list[Finding]:
    """64 appenders, accepted and mirrored, beside as many bare `send_and_wait`."""
    count = int(TOGETHER * share)
    events = events_of(count, STORIES)
    records, _ = encoded(events, bytes(16))
    address = address_of(broker, folder, "together")
    plain = await plain_topic(broker, folder)
    async with opened(address) as log, producing(broker) as producer:
        ours, bare = [], []
        for part in range(0, count, count // 4):
            some = events[part : part + count // 4]
            ours.append(
                await in_flight(
                    [lambda s=s, e=e: log.append(s, [e]) for s, e in some],  # type: ignore[misc]  # the defaults keep each
                    APPENDERS,
                )
            )
            there = records[part : part + count // 4]
            bare.append(
                await in_flight(
                    [
                        lambda h=h, v=v: producer.send_and_wait(  # type: ignore[misc]  # as above
                            plain, v, key=b"bench", headers=h
                        )
                        for h, v in there
                    ],
                    APPENDERS,
                )
            )
    each = count // 4
    share_of = median(b / o for o, b in zip(ours, bare, strict=True))
    return [
        Finding("64 appenders", "ours ÷ send_and_wait, 64 in flight", share_of, "x", 0.5),
        Finding("64 appenders", "ours", each / median(ours), "events/s"),
        Finding("64 appenders", "send_and_wait", each / median(bare), "records/s"),
    ]


async def one_by_one(broker: str, folder: Path, share: float) -> list[Finding]:
    """One append at a time, and one bare `send_and_wait`."""
    count = int(ONE_BY_ONE * share)
    events = events_of(count, STORIES)
    records, _ = encoded(events, bytes(16))
    address = address_of(broker, folder, "one")
    ours, bare = [], []
    plain = await plain_topic(broker, folder)
    async with opened(address) as log, producing(broker) as producer:
        await log.append("warm", [filed(rows(1, 1)[0])])
        await producer.send_and_wait(plain, b"warm", key=b"bench")
        for (story, event), (headers, value) in zip(events, records, strict=True):
            start = time.perf_counter()
            await log.append(story, [event])
            middle = time.perf_counter()
            await producer.send_and_wait(address.keys_topic, value, key=b"bench", headers=headers)
            ours.append(middle - start)
            bare.append(time.perf_counter() - middle)
    times = median(ours) / median(bare)
    return [
        Finding("one at a time", "p50 ÷ p50 of send_and_wait", times, "x", 3.0, at_most=True),
        Finding("one at a time", "ours, p50", median(ours) * 1000, "ms"),
        Finding("one at a time", "send_and_wait, p50", median(bare) * 1000, "ms"),
    ]


async def imported(broker: str, folder: Path, share: float) -> list[Finding]:
    """Batches of a hundred, eight at a time, beside `send_batch` of the same bytes."""
    count = int(IMPORTED * share) // BATCH * BATCH
    events = [event for _, event in events_of(count, STORIES)]
    batches = [(f"story-{at}", events[at : at + BATCH]) for at in range(0, count, BATCH)]
    address = address_of(broker, folder, "import")
    plain = await plain_topic(broker, folder)
    async with opened(address) as log, producing(broker) as producer:
        ours = await in_flight(
            [lambda s=s, b=b: log.append(s, b, 0) for s, b in batches],  # type: ignore[misc]  # as above
            IN_FLIGHT,
        )
        stored: list[tuple[Headers, bytes]] = []
        async for taken in raw(broker, address.topic):
            stored += [(list(each.headers), each.value) for each in taken]

        async def send(headers: Headers, value: bytes) -> None:
            batch = producer.create_batch()
            batch.append(key=b"bench", value=value, timestamp=None, headers=headers)
            await (await producer.send_batch(batch, plain, partition=0))

        bare = await in_flight(
            [lambda h=h, v=v: send(h, v) for h, v in stored],  # type: ignore[misc]  # as above
            IN_FLIGHT,
        )
    return [
        Finding("import", "ours ÷ send_batch of the same bytes", bare / ours, "x", 0.5),
        Finding("import", "ours", count / ours, "events/s"),
        Finding("import", "send_batch", count / bare, "events/s"),
    ]


async def raw(broker: str, topic: str) -> AsyncIterator[list[Any]]:
    """Read a topic from its beginning to its end with `getmany` and nothing else."""
    partition = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=8 * MEGABYTE,
    )
    consumer.assign([partition])
    await consumer.start()
    try:
        end = (await consumer.end_offsets([partition]))[partition]
        consumer.seek(partition, 0)
        while await consumer.position(partition) < end:
            found = await consumer.getmany(partition, timeout_ms=1000, max_records=1_000)
            yield found.get(partition, [])
    finally:
        await consumer.stop()


async def caught_up(broker: str, folder: Path, share: float) -> list[Finding]:
    """A new mirror of a long topic, beside reading it and beside a SQLite import of its events."""
    count = int(CAUGHT_UP * share)
    address = address_of(broker, folder, "long")
    async with opened(address):
        pass
    await fill(broker, address, count)
    settle()
    start = time.perf_counter()
    read = 0
    async for found in raw(broker, address.topic):
        read += len(found)
    bare = time.perf_counter() - start
    assert read == count
    local = await sqlite(folder, count)
    mirror = address._replace(mirror=str(folder / "caught-up.db"))
    process, sizes = psutil.Process(), []
    settle()
    start = time.perf_counter()
    log = KafkaLog(mirror)
    while not log._node.ready.done():  # noqa: SLF001 - a benchmark looks inside
        await asyncio.sleep(0.2)
        sizes.append(_memory(process) / MEGABYTE)
    ours = time.perf_counter() - start
    assert (await log.head()).size == count
    await log.close()
    early = sizes[: max(1, len(sizes) // 4)]
    return [
        Finding("catching up", "ours ÷ the slower", max(bare, local) / ours, "x", 0.6),
        Finding("catching up", "ours", count / ours, "records/s"),
        Finding("catching up", "getmany alone", count / bare, "records/s"),
        Finding("catching up", "SQLite import alone", count / local, "events/s"),
        Finding("catching up", "memory after a quarter", max(early), "MiB"),
        Finding(
            "catching up",
            "memory gained after that",
            max(sizes) - max(early),
            "MiB",
            32.0,
            at_most=True,
        ),
    ]


def _memory(process: psutil.Process) -> int:
    """Give the bytes that a node takes, a process beside it included."""
    found = process.memory_info().rss
    for beside in process.children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended since
            found += beside.memory_info().rss
    return int(found)


async def fill(broker: str, address: Address, count: int) -> None:
    """Put so many records on the topic, and their keys before them."""
    async with producing(broker) as producer:
        for part in range(0, count, 10_000):
            some = events_of(min(10_000, count - part), STORIES)
            first = os.urandom(8) + bytes(8)
            records, blocks = encoded(some, first)
            sent = [
                await producer.send(address.keys_topic, block, key=key_number(first, BLOCK * step))
                for step, block in enumerate(blocks)
            ]
            await asyncio.gather(*sent)
            sent = [
                await producer.send(address.topic, value, headers=headers)
                for headers, value in records
            ]
            await asyncio.gather(*sent)


async def sqlite(folder: Path, count: int) -> float:
    """Import as many events into a SQLite log; gives the seconds."""
    log = SqliteLog(folder / "local.db")
    seconds = 0.0
    for part in range(0, count, 10_000):
        events = [event for _, event in events_of(min(10_000, count - part), STORIES)]
        batches = [(f"s-{part}-{at}", events[at : at + BATCH]) for at in range(0, 10_000, BATCH)]
        seconds += await in_flight(
            [lambda s=s, b=b: log.append(s, b, 0) for s, b in batches if b],  # type: ignore[misc]  # as above
            IN_FLIGHT,
        )
    await log.close()
    return seconds


MEASURED: Final = {
    "together": together,
    "one_by_one": one_by_one,
    "imported": imported,
    "caught_up": caught_up,
}


def main() -> int:
    """Measure; a target that is not reached fails no build."""
    parser = argparse.ArgumentParser("python -m benchmarks.kafka", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("only", nargs="*", help=f"of {', '.join(MEASURED)}")
    asked = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from brokers import Broker, fetched  # noqa: PLC0415 - found through the line above

    with tempfile.TemporaryDirectory(prefix="dateline-bench-") as name:
        folder = Path(name)
        given = os.environ.get("DATELINE_TEST_KAFKA")
        broker = None
        if given is None:
            fetched()
            broker = Broker(folder / "broker").start()
        try:
            for what in asked.only or MEASURED:
                run = MEASURED[what](
                    given or broker.address,  # type: ignore[union-attr]  # one of them is there
                    folder,
                    0.1 if asked.quick else 1.0,
                )
                for finding in asyncio.run(run):
                    show(finding)
        finally:
            if broker is not None:
                broker.stop()
    return 0


def show(finding: Finding) -> None:
    """Print one figure beside its target."""
    target = ""
    if finding.target is not None:
        sign = "<" if finding.at_most else "≥"
        target = f"{sign} {finding.target:g}  {'reached' if finding.reached else 'SHORT'}"
    print(
        f"{finding.benchmark:<15} {finding.what:<38} {finding.figure:>12,.2f} "
        f"{finding.unit:<10} {target}",
        flush=True,
    )


if __name__ == "__main__":
    raise SystemExit(main())
