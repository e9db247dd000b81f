"""What is done with a log on Kafka: imports that are cut short, appends nobody answers, numbers."""

import asyncio
import gc
import logging
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from asking import eventually
from brokers import Broker, fetched, topic_of
from conftest import Clock
from filings import gathered, note
from serving import served
from test_import import NOW, many, run

from dateline.wiring import newsroom
from events.errors import LogUnavailable
from events.kafka.address import Address
from events.kafka.leaving import let_go
from events.kafka.log import KafkaLog

GRACE_SECONDS = 2.0  # for a loop that is busy


def same(size: int) -> bytes:
    """Nonces and keys that come out the same in every run, to compare roots."""
    return b"?" * size


def opened(address: Address) -> KafkaLog:
    return KafkaLog(address, Clock(NOW), same)


@pytest.mark.parametrize("after", [1, 90])
async def test_an_import_cut_short_resumes_to_the_identical_root(
    kafka: str, tmp_path: Path, after: int
) -> None:
    """Cut off and run again, on another machine too, an import ends as one that was not."""
    lines = many(5, 40)
    whole = opened(topic_of(kafka, tmp_path))
    assert (await run(whole, lines)).appended == len(lines)
    expected = await whole.head()
    await whole.close()
    address = topic_of(kafka, tmp_path)
    first = opened(address)
    cut = asyncio.create_task(run(first, lines))
    there = await first.grown(after - 1)
    cut.cancel()
    await asyncio.gather(cut, return_exceptions=True)
    await first.close()
    other = opened(address._replace(mirror=str(tmp_path / "other.db")))
    done = await run(other, lines)
    assert done.known >= there
    assert done.appended + done.known == len(lines)
    assert await other.head() == expected
    await other.close()


async def test_who_appends_to_a_broker_that_died_is_told_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With the broker killed under it, an append says within its deadline that nobody knows.

    The same ids, sent again once the broker is back, are recorded once.
    """
    fetched()
    broker = Broker(tmp_path / "broker")
    await asyncio.to_thread(broker.start)
    monkeypatch.setattr("events.kafka.log.APPEND_SECONDS", 3)
    log = KafkaLog(topic_of(broker.address, tmp_path))
    try:
        await log.append("a", [note("before")])
        await asyncio.to_thread(broker.kill)
        events = [[note(str(n))] for n in range(20)]
        started = time.monotonic()
        answers = await asyncio.gather(
            *(log.append("a", each) for each in events), return_exceptions=True
        )
        assert time.monotonic() - started < 3 + GRACE_SECONDS
        assert all(isinstance(answer, LogUnavailable) for answer in answers)
        assert all("safe to retry" in str(answer) for answer in answers)
        await asyncio.to_thread(broker.start)

        async def again() -> bool:
            try:
                for each in events:
                    await log.append("a", each)
            except LogUnavailable:
                return False
            return True

        await eventually(again)
        headlines = [event.development.headline for event in await gathered(log.read(1))]
        assert sorted(headlines, key=int) == [str(n) for n in range(20)]
    finally:
        await log.close()
        await asyncio.to_thread(broker.stop)
    gc.collect()
    assert not [record for record in caplog.records if record.name == "asyncio"]


class Failing(logging.Handler):
    """Notices that a fetch failed, upon which the library pauses."""

    def __init__(self) -> None:
        super().__init__()
        self.failed = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "Failed fetch messages" in str(record.msg):
            self.failed.set()


async def test_a_node_that_lets_go_of_a_broker_that_died_goes_on(tmp_path: Path) -> None:
    """Whoever lets go of a broker in the middle of its death is not taken for cancelled."""
    fetched()
    broker = Broker(tmp_path / "broker")
    await asyncio.to_thread(broker.start)
    address = topic_of(broker.address, tmp_path)
    log = KafkaLog(address)
    await log.head()
    await log.close()
    consumer = AIOKafkaConsumer(**address.client(), group_id=None)
    consumer.assign([TopicPartition(address.topic, 0)])
    await consumer.start()
    consumer.seek(TopicPartition(address.topic, 0), 0)
    handler = Failing()
    logger = logging.getLogger("aiokafka.consumer.fetcher")
    logger.addHandler(handler)
    try:
        await asyncio.to_thread(broker.kill)
        handler.failed.clear()  # the next failure is seen as it happens
        async with asyncio.timeout(GRACE_SECONDS * 10):
            await handler.failed.wait()
            await let_go(consumer, GRACE_SECONDS)
    finally:
        logger.removeHandler(handler)
        await asyncio.to_thread(broker.stop)


async def test_a_node_tells_how_its_mirror_stands(kafka: str, tmp_path: Path) -> None:
    """/metrics says how far the mirror is behind, how many records are void, and who disagrees."""
    address = topic_of(kafka, tmp_path)
    async with newsroom(f"{address.url}?mirror={address.mirror}") as room, served(room) as desk:
        await desk.file("harbour-fire", "story-opened", title="Harbour fire (drill)")
        producer = AIOKafkaProducer(bootstrap_servers=kafka)
        await producer.start()
        await producer.send_and_wait(address.topic, b"garbage")
        await producer.stop()
        wanted = [
            b"dateline_mirror_lag_records 0.0",
            b"dateline_mirror_lag_seconds 0.0",
            b"dateline_void_records_total 1.0",
            b"dateline_root_disagreements_total 0.0",
        ]

        async def told() -> bool:
            lines = (await desk.get("/metrics"))[1].splitlines()
            return all(line in lines for line in wanted)

        await eventually(told)


async def test_a_node_that_hears_nothing_does_not_say_it_is_current(tmp_path: Path) -> None:
    """While the broker stands still nobody knows what is on it: the lag grows, and goes again."""
    fetched()
    broker = Broker(tmp_path / "broker")
    await asyncio.to_thread(broker.start)
    log = KafkaLog(topic_of(broker.address, tmp_path))

    async def behind() -> bool:
        return (await log.lag()).seconds > 2

    async def current() -> bool:
        return (await log.lag()).seconds == 0

    try:
        await log.append("a", [note("1")])
        await eventually(current)
        broker.freeze()
        await eventually(behind)
        broker.thaw()
        await eventually(current)
        await log.append("a", [note("2")])
        assert await current()
    finally:
        await log.close()
        await asyncio.to_thread(broker.stop)


async def test_an_append_has_one_deadline_for_its_keys_and_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a broker that stands still, the first append of a node waits no longer than others."""
    fetched()
    broker = Broker(tmp_path / "broker")
    await asyncio.to_thread(broker.start)
    monkeypatch.setattr("events.kafka.log.APPEND_SECONDS", 2)
    log = KafkaLog(topic_of(broker.address, tmp_path))
    event = note("1")
    try:
        await log.head()
        broker.freeze()
        started = time.monotonic()
        with pytest.raises(LogUnavailable, match="safe to retry"):
            await log.append("a", [event])
        assert time.monotonic() - started < 2 + GRACE_SECONDS
        broker.thaw()
        assert (await log.append("a", [event])).positions == (1,)
    finally:
        await log.close()
        await asyncio.to_thread(broker.stop)
