"""Many nodes on one Kafka log: roles split or together, and each reaction done by one at a time."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from asking import eventually
from brokers import topic_of
from conftest import SAMPLE, Clock
from filings import note
from serving import served
from topics import block_of, foreign, opened
from witness import programs

from consumers.delivery.wishes import Wishes
from dateline.outbox import outbox
from dateline.roles import ALL, roles_of
from dateline.server import Outside
from dateline.wiring import newsroom
from events.envelope import prepare_batch
from events.errors import LogDamaged, LogUnavailable
from events.kafka.address import Address
from events.kafka.duty import on_duty
from events.kafka.follower import Follower, Outcome
from events.kafka.log import KafkaLog
from events.kafka.mirror import Mirror
from events.kafka.records import KEYS_BYTES, Claim, Keys, Offer, asked, claiming, encode
from events.kafka.taken import Taken
from events.kafka.topics import administration
from events.log import Expect

TAKEOVER_SECONDS = 30


async def made(address: Address) -> Address:
    """Make the topics."""
    log = KafkaLog(address)
    await log.append("a", [note("1")])
    await log.close()
    return address


def url_of(address: Address, mirror: str) -> str:
    return f"{address.url}?mirror={mirror}"


async def test_one_node_at_a_time_is_on_duty(kafka: str, tmp_path: Path) -> None:
    """Of three nodes one does the work; when it leaves, another takes over, and never two."""
    address = await made(topic_of(kafka, tmp_path))
    working: list[int] = []
    turns: list[int] = []
    most = 0

    async def work(node: int) -> None:
        nonlocal most
        working.append(node)
        turns.append(node)
        most = max(most, len(working))
        try:
            await asyncio.Event().wait()
        finally:
            working.remove(node)

    nodes = [
        asyncio.create_task(on_duty(address, "drill", lambda node=node: work(node)))  # type: ignore[misc]  # the default keeps the node
        for node in range(3)
    ]

    async def somebody() -> bool:
        return len(working) == 1

    while any(not node.done() for node in nodes):
        await eventually(somebody, TAKEOVER_SECONDS)
        (node,) = working
        nodes[node].cancel()
        await asyncio.gather(nodes[node], return_exceptions=True)
    assert sorted(set(turns)) == [0, 1, 2]
    assert most == 1


async def members(address: Address, duty: str) -> int:
    """How many nodes the broker counts for a duty, once it is settled whose turn it is."""
    async with administration(address) as admin:
        (reply,) = await admin.describe_consumer_groups([f"{address.topic}.{duty}"])
    (group,) = reply.to_object()["groups"]
    return len(group["members"]) if group["state"] == "Stable" else 0


@pytest.mark.torture
async def test_a_killed_node_is_replaced(kafka: str, tmp_path: Path) -> None:
    """When the node on duty is killed without a word, another is on duty within thirty seconds."""
    address = await made(topic_of(kafka, tmp_path))
    with programs() as start:
        nodes = [start("duty_process.py", address.url, "drill") for _ in range(2)]

        def turns() -> list[int]:
            return [len(node.said()) for node in nodes]

        async def chosen() -> bool:
            return any(turns()) and await members(address, "drill") == len(nodes)

        await eventually(chosen, TAKEOVER_SECONDS)
        before = turns()
        on, off = (1, 0) if before[1] else (0, 1)
        nodes[on].kill()
        started = time.monotonic()

        async def replaced() -> bool:
            return turns()[off] > before[off]

        await eventually(replaced, TAKEOVER_SECONDS)
        assert time.monotonic() - started < TAKEOVER_SECONDS
        nodes[off].kill()


async def test_nodes_share_a_newsroom(kafka: str, tmp_path: Path, clock: Clock) -> None:
    """What one node takes, another serves; a node has only the routes of its roles."""
    address = topic_of(kafka, tmp_path)
    urls = [url_of(address, str(tmp_path / f"{name}.db")) for name in ("desk", "feed")]
    async with (
        newsroom(urls[0]) as desks,
        newsroom(urls[1]) as feeds,
        served(desks, outside=Outside(roles=roles_of("desk,clock"))) as desk,
        served(feeds, outside=Outside(roles=roles_of("feed"))) as feed,
    ):
        async with feed.feed("?since=0") as reader:
            await desk.file("harbour-fire", "story-opened", title="Harbour fire (drill)")
            (told,) = await reader.news(1)
        assert told.data["subject"] == "harbour-fire"
        assert (await feed.get("/v1/stories/harbour-fire"))[0] == 200
        status, _ = await feed.post("harbour-fire", {"kind": "quote-added", "headline": "x"})
        assert status in {404, 405}
        assert (await desk.get("/v1/feed"))[0] == 404


async def test_a_node_without_targets_leaves_alerts_to_one_that_has_some(
    kafka: str, tmp_path: Path
) -> None:
    """Targets are a node's own: one that has none is not the one whose turn it is to send."""
    address = topic_of(kafka, tmp_path)
    urls = [url_of(address, str(tmp_path / f"{name}.db")) for name in ("none", "some")]
    async with (
        newsroom(urls[0]) as first,
        newsroom(urls[1]) as second,
        outbox(first, urls[0]) as idle,
        outbox(second, urls[1]) as busy,
    ):
        await busy.registrar.add("console:", Wishes(), name="terminal")
        async with (
            served(first, outbox=idle) as desk,
            served(second, outbox=busy) as other,
        ):
            await desk.file("a", "story-opened", title="A story")

            async def sends() -> bool:
                return b"dateline_sending 1.0" in await other.read("/metrics")

            await eventually(sends, TAKEOVER_SECONDS)
            assert b"dateline_sending 0.0" in await desk.read("/metrics")
            assert await members(address, "alerts") == 1


def test_roles_are_named() -> None:
    """A role that does not exist is refused with those that do."""
    assert roles_of("desk, feed") < ALL
    with pytest.raises(ValueError, match="desk, feed, alerts, clock, hub; found press"):
        roles_of("desk,press")


async def test_a_node_with_another_root_is_noticed(kafka: str, tmp_path: Path) -> None:
    """Each append says which root its node has; one that differs is counted, and doctor tells."""
    address = topic_of(kafka, tmp_path)
    log = KafkaLog(address)
    await log.append("a", [note(str(n)) for n in range(70)])
    assert (await log.lag()).disagreements == 0
    keys = Keys(bytes(16), b"k" * KEYS_BYTES)
    headers, value = encode("x", 9, prepare_batch("a", [note("x")], bytes), keys)
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    for root in (bytes(32), (await log.head()).root):  # of 64 events; of another size
        await producer.send_and_wait(
            address.topic, value, headers=claiming(headers, Claim(64, root))
        )
    await producer.stop()
    await log.append("a", [note("after")])
    lag = await log.lag()
    assert (lag.records, lag.voids, lag.disagreements) == (0, 2, 2)
    await log.close()
    said = run_cli("doctor", "--log", url_of(address, address.mirror))
    assert said.returncode == 1
    assert "2 records from nodes with another root" in said.stdout
    listed = run_cli("audit", "voids", "--log", url_of(address, address.mirror))
    assert listed.stdout.count("wrong expected version: 9 (story: a, found: 70)") == 2


def test_a_copy_of_a_mirror_is_a_log(kafka: str, tmp_path: Path) -> None:
    """A backup of a log on Kafka is a log in a file, with the same events and the same root."""
    url = url_of(topic_of(kafka, tmp_path), str(tmp_path / "mirror.db"))
    run_cli("import", str(SAMPLE), "--log", url)
    copied = run_cli("backup", str(tmp_path / "copy.db"), "--log", url)
    assert copied.returncode == 0, copied.stderr
    there, here = (
        run_cli("audit", "verify", "--json", "--log", each)
        for each in (url, f"sqlite:///{tmp_path}/copy.db")
    )
    assert orjson.loads(there.stdout)["root"] == orjson.loads(here.stdout)["root"]


def run_cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dateline", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_a_program_may_begin_on_a_mirror_that_another_fills(
    kafka: str, tmp_path: Path
) -> None:
    """Who opens a mirror that is being written knows the topic again as it was at that look."""
    address = topic_of(kafka, tmp_path)
    filling = True
    log = KafkaLog(address)
    await log.append("a", [note("1")])

    async def fill() -> None:
        while filling:
            await log.append("a", [note("more")])

    busy = asyncio.create_task(fill())
    for _ in range(20):
        other = KafkaLog(address)
        try:
            await other.head()
        finally:
            await other.close()
    filling = False
    await busy
    await log.close()


async def test_who_shares_a_mirror_is_told_of_each_append(kafka: str, tmp_path: Path) -> None:
    """Where two programs share a mirror, one learns of its own append that the other folded first.

    What it sends next is not folded before it was told of that.
    """
    address = topic_of(kafka, tmp_path)
    sent: dict[bytes, Taken] = {}
    told: list[bytes] = []
    caught_up, all_told = asyncio.Event(), asyncio.Event()

    def folded(outcomes: Sequence[Outcome], _size: int) -> None:
        told.extend(attempt for attempt, _ in outcomes)
        if len(told) == len(sent):
            all_told.set()

    def own(headers: Sequence[tuple[str, bytes | None]], _value: bytes | None) -> Offer | None:
        record = sent.get(headers[0][1] or b"")
        return record and record.offer

    async def send(name: bytes) -> Taken:
        keys = Keys(name * 8 + bytes(8), b"k" * KEYS_BYTES)
        batch = prepare_batch("a", [note("x")], bytes)
        headers, value = encode(name.decode(), Expect.ANY, batch, keys)
        async with foreign(address) as producer:
            await producer.send_and_wait(address.keys_topic, block_of(keys), key=keys.first)
            stands = await producer.send_and_wait(address.topic, value, headers=headers)
        offer = asked(name.decode(), "a", Expect.ANY, batch, keys)
        sent[name] = Taken(stands.offset, stands.timestamp, headers, value, offer)
        return sent[name]

    mirror, others = (Mirror(address.mirror, address.url, address.topic) for _ in range(2))
    follower = Follower(
        address, mirror, own=own, folded=folded, caught_up=caught_up.set, make=True, stamped=True
    )
    following = asyncio.create_task(follower.run())
    await caught_up.wait()
    # While this loop waits for a thread, it reads nothing, and the other program is faster.
    with ThreadPoolExecutor(1) as thread:
        others.fold([thread.submit(asyncio.run, send(b"1")).result()], all_keys=True)
        last = thread.submit(asyncio.run, send(b"2")).result()
    follower.acknowledged([last])
    async with asyncio.timeout(10):
        await all_told.wait()
    assert told == [b"1", b"2"]
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    mirror.close()
    others.close()


async def test_a_spoilt_mirror_is_called_so_at_once(kafka: str, tmp_path: Path) -> None:
    """Who finds that the mirror's file is spoilt says which it is, and that it can be made anew."""
    address = topic_of(kafka, tmp_path)
    async with opened(address) as log:
        await log.append("a", [note(str(number)) for number in range(40)])
    file = Path(address.mirror)
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + b"?" * (len(whole) - 8192))
    with pytest.raises(LogDamaged, match=f"a sound mirror in {file}") as told:
        async with asyncio.timeout(15), opened(address) as log:
            await log.append("a", [note("more")])
    assert "move it away" in str(told.value)
    file.rename(tmp_path / "away.db")
    async with opened(address) as log:
        assert (await log.append("a", [note("more")])).positions == (41,)


async def test_a_machine_whose_time_the_broker_does_not_take_is_told_so(
    kafka: str, tmp_path: Path
) -> None:
    """Nothing is filed there, nor an embargo lifted, and what is wrong is said to be the clock."""
    address = topic_of(kafka, tmp_path)
    # A topic that takes nothing older than a millisecond stands for a clock that is wrong.
    settings = {"cleanup.policy": "compact", "retention.ms": "-1", "retention.bytes": "-1"}
    settings |= {"message.timestamp.before.max.ms": "0"}
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(address.keys_topic, 1, 1, topic_configs=settings)])
    await admin.close()

    async def refused() -> bool:
        async with opened(address) as log:
            try:
                await log.append("a", [note("1")])
            except LogUnavailable as error:
                return "set the clock right" in str(error)
        return False

    await eventually(refused)
