"""Topics that somebody deletes, makes anew, trims or sets otherwise while nodes are at work."""

import asyncio
import gc
import os
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from asking import eventually
from brokers import Broker, fetched, topic_of
from filings import note
from serving import served
from structlog.testing import capture_logs
from topics import foreign, opened

from consumers.relay import relay
from dateline.commands.auditing import voids
from dateline.commands.upkeep import doctor
from dateline.outcomes import REFUSED
from dateline.wiring import expect_there, newsroom
from events.errors import LogDamaged, Refused
from events.kafka.reading import AWAY_MS
from events.kafka.topics import log_settings
from events.sqlite.log import SqliteLog


@asynccontextmanager
async def administrator(address: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def delete(admin: AIOKafkaAdminClient, topic: str) -> None:
    await admin.delete_topics([topic])

    async def gone() -> bool:
        return topic not in await admin.list_topics()

    await eventually(gone)


async def test_a_node_that_stood_still_does_not_mix_two_topics(kafka: str, tmp_path: Path) -> None:
    """A topic made anew while a node stands still is not read on from where the old one was.

    Not even where the new one has more records by then; what the node has stays as it was.
    """
    address = topic_of(kafka, tmp_path)
    thaw = threading.Event()

    async def stand_still() -> None:
        until = time.monotonic() + 2 * AWAY_MS / 1000
        thaw.wait(60)
        threading.Event().wait(max(0.0, until - time.monotonic()))

    async with opened(address) as log, administrator(kafka) as admin:
        await log.append("a", [note("1"), note("2")])
        await log.append("a", [note("3")])
        before = await log.head()
        frozen = log._node.do(stand_still())
        await delete(admin, address.topic)
        async with opened(address._replace(mirror=str(tmp_path / "new.db"))) as new:
            for number in range(9):
                await new.append("b", [note(str(number))])
            thaw.set()
            await asyncio.wrap_future(frozen)
            await new.append("b", [note("10")])
            with pytest.raises(LogDamaged, match="made anew"):
                await log.append("a", [note("4")])
        assert await log._mirror.head() == before


async def test_a_server_whose_topic_is_gone_says_so_and_no_more(kafka: str, tmp_path: Path) -> None:
    """Its own log has what is wrong and where; readers are told neither files nor topics."""
    address = topic_of(kafka, tmp_path)
    url = f"{address.url}?mirror={address.mirror}"
    async with newsroom(url) as room, served(room) as desk, administrator(kafka) as admin:
        await desk.file("harbour-fire", "story-opened", title="Harbour fire (drill)")
        assert (await desk.get("/v1/stories"))[0] == 200
        assert b"dateline_log_answers 1.0\n" in (await desk.get("/metrics"))[1]

        async def lost() -> bool:
            return (await desk.get("/v1/stories"))[0] == 500

        with capture_logs() as said:
            await delete(admin, address.topic)
            async with opened(address._replace(mirror=str(tmp_path / "new.db"))) as new:
                await new.head()
                await eventually(lost)
        answer = (await desk.get("/v1/stories"))[1]
        assert orjson.loads(answer)["title"] == "LogDamaged"
        assert str(tmp_path).encode() not in answer
        assert address.topic.encode() not in answer
        status, numbers = (await desk.get("/metrics"))[:2]
        assert status == 200
        assert b"dateline_log_answers 0.0\n" in numbers
        assert b"dateline_events_total 1.0\n" in numbers
    (line,) = (line for line in said if line["event"] == "log lost")
    assert "made anew" in line["error"]


async def test_a_producers_time_dates_nothing(kafka: str, tmp_path: Path) -> None:
    """Where a topic is set to believe producers, nothing is recorded until that is mended.

    Otherwise an event would have the time of whoever sent it, and another one on each node.
    """
    address = topic_of(kafka, tmp_path)
    topic = ConfigResourceType.TOPIC
    async with (
        opened(address) as first,
        opened(address._replace(mirror=str(tmp_path / "other.db"))) as second,
        administrator(kafka) as admin,
    ):
        await first.append("a", [note("1")])
        await second.grown(0)
        event = note("2")
        for stamped in (False, True):
            settings = log_settings(stamped=stamped)
            await admin.alter_configs([ConfigResource(topic, address.topic, settings)])
            if stamped:
                assert (await first.append("a", [event])).positions == (2,)
                continue
            for log in (first, second):
                with pytest.raises(LogDamaged, match="the time of its producer"):
                    await log.append("a", [event])
        await second.grown(1)
        assert await first.head() == await second.head()


async def test_a_time_that_no_calendar_has_hides_no_void_record(
    kafka: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever time another program gave its record, auditors are shown it with all others."""
    address = topic_of(kafka, tmp_path)
    async with opened(address) as log, administrator(kafka) as admin:
        await log.append("a", [note("1")])
        settings = log_settings(stamped=False) | {"message.timestamp.after.max.ms": str(2**63 - 1)}
        topic = ConfigResource(ConfigResourceType.TOPIC, address.topic, settings)
        await admin.alter_configs([topic])
        async with foreign(address) as producer:
            for time_ms in (2**62, 1):
                await producer.send_and_wait(address.topic, b"x", timestamp_ms=time_ms)
        settings = log_settings(stamped=True)
        await admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, address.topic, settings)]
        )
    async with newsroom(f"{address.url}?mirror={address.mirror}") as room:
        await voids(room, json=False)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("offset 1  at no known time  -  expected a CloudEvent")
    assert second.startswith("offset 2  1970-01-01T00:00:00.001Z  -  expected a CloudEvent")


async def test_keys_that_are_gone_are_not_made_anew(kafka: str, tmp_path: Path) -> None:
    """Without the topic of keys no node opens: readers would be shown a log without words."""
    address = topic_of(kafka, tmp_path)
    late = address._replace(mirror=str(tmp_path / "late.db"))
    async with opened(address) as log:
        await log.append("a", [note("1")])
    async with administrator(kafka) as admin:
        await delete(admin, address.keys_topic)
        for each in (address, late):
            async with opened(each) as log:
                with pytest.raises(LogDamaged, match="whose keys open what") as told:
                    await log.head()
                assert "away" not in str(told.value)
        assert address.keys_topic not in await admin.list_topics()


async def test_a_topic_that_is_gone_is_not_one_that_never_was(kafka: str, tmp_path: Path) -> None:
    """Where a mirror is left of it, nobody is told that there is no log yet, and none is made."""
    address = topic_of(kafka, tmp_path)
    url = f"{address.url}?mirror={address.mirror}"
    async with opened(address) as log:
        await log.append("a", [note("1")])
    async with administrator(kafka) as admin:
        await delete(admin, address.topic)
        with pytest.raises(LogDamaged, match="the mirror alone has them"):
            await expect_there(url)
        assert await doctor(url, json=True) == REFUSED
        async with opened(address) as log:
            with pytest.raises(LogDamaged, match="none of that name"):
                await log.append("a", [note("2")])
        assert address.topic not in await admin.list_topics()


async def test_who_gave_up_waiting_hears_no_more(
    kafka: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Who stops waiting for a log that then turns out to be refused leaves no traceback behind."""
    address = topic_of(kafka, tmp_path)
    async with administrator(kafka) as admin:
        await admin.create_topics([NewTopic(address.topic, 2, 1)])
    async with opened(address) as log:
        waiting = asyncio.create_task(log.head())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(Refused, match="partitions"):
            await log.head()
    del waiting, log
    gc.collect()
    assert not [record.message for record in caplog.records if record.name == "asyncio"]


async def test_a_topic_that_cannot_take_keys_is_refused(kafka: str, tmp_path: Path) -> None:
    """A topic of keys that takes only small records is refused before anything is filed."""
    address = topic_of(kafka, tmp_path)
    settings = {"cleanup.policy": "compact", "retention.ms": "-1", "max.message.bytes": "2000"}
    async with administrator(kafka) as admin:
        await admin.create_topics([NewTopic(address.keys_topic, 1, 1, topic_configs=settings)])
    async with opened(address) as log:
        with pytest.raises(Refused, match=r"keys max\.message\.bytes"):
            await log.head()


async def test_where_the_first_records_are_gone_no_mirror_is_given_up(
    kafka: str, tmp_path: Path
) -> None:
    """A topic that lost its first records is refused, and nobody is told to move a mirror away."""
    address = topic_of(kafka, tmp_path)
    async with opened(address) as log:
        await log.append("a", [note("1")])
        await log.append("a", [note("2")])
    async with administrator(kafka) as admin:
        before = RecordsToDelete(before_offset=1)
        await admin.delete_records({TopicPartition(address.topic, 0): before})
    for each in (address, address._replace(mirror=str(tmp_path / "late.db"))):
        async with opened(each) as log:
            with pytest.raises(LogDamaged, match="all that is left") as told:
                await log.head()
        assert "move" not in str(told.value)


async def test_what_a_broker_lost_is_had_from_a_mirror(kafka: str, tmp_path: Path) -> None:
    """A broker that comes back without its last records is refused, and a mirror has them still.

    Not even where others have filed since; copied to another topic, the log is whole again.
    """
    fetched()
    broker = Broker(tmp_path / "broker")
    await asyncio.to_thread(broker.start)
    address = topic_of(broker.address, tmp_path)
    try:
        async with opened(address) as log:
            for number in range(10):
                await log.append("a", [note(str(number))])
            before = await log.head()
            await asyncio.to_thread(broker.kill)
            lose_half(tmp_path / "broker" / "data" / f"{address.topic}-0")
            await asyncio.to_thread(broker.start)
            async with opened(address._replace(mirror=str(tmp_path / "late.db"))) as late:
                assert 0 < (await late.head()).size < 10
                for number in range(10):
                    await late.append("b", [note(str(number))])
            with pytest.raises(LogDamaged, match="alone has them"):
                await log.append("a", [note("lost?")])
    finally:
        await asyncio.to_thread(broker.stop)
    mirror = SqliteLog(address.mirror)
    async with opened(topic_of(kafka, tmp_path)) as whole:
        await relay(mirror, whole, lambda _done, _all: None)
        assert await whole.head() == before
    await mirror.close()


def lose_half(folder: Path) -> None:
    """Leave of a partition what a power cut may: the first half of its bytes, and no index."""
    segment = folder / f"{0:020}.log"
    os.truncate(segment, segment.stat().st_size // 2)
    for index in [*folder.glob("*.index"), *folder.glob("*.timeindex")]:
        index.unlink()
