"""A broker that dies, freezes or is cut off: nothing is lost or doubled, and nobody hangs."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from brokers import Broker, fetched, topic_of
from storms import recovered, storm
from witness import acknowledged, check, programs

from events.kafka.log import KafkaLog


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """A broker of one's own, to be disturbed."""
    fetched()
    made = Broker(tmp_path / "broker")
    try:
        yield await asyncio.to_thread(made.start)
    finally:
        await asyncio.to_thread(made.stop)


@pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.torture)])
@pytest.mark.timeout(1800)
async def test_a_broker_that_is_killed_loses_nothing(
    broker: Broker, tmp_path: Path, times: int
) -> None:
    """Killed under load and started again, a broker is back at work within thirty seconds."""
    async with storm(topic_of(broker.address, tmp_path), tmp_path) as history:
        for _ in range(times):
            await history.goes_on()

            async def kill() -> None:
                await asyncio.to_thread(broker.kill)
                await asyncio.to_thread(broker.start)

            await recovered(history, kill)
        await history.goes_on()
    assert history.acknowledged


@pytest.mark.torture
@pytest.mark.timeout(1800)
async def test_a_frozen_broker_is_outlasted(broker: Broker, tmp_path: Path) -> None:
    """A broker that stands still for fifteen seconds, five times, keeps nobody waiting for ever."""
    async with storm(topic_of(broker.address, tmp_path), tmp_path) as history:
        for _ in range(5):
            await history.goes_on()

            async def freeze() -> None:
                broker.freeze()
                await asyncio.sleep(15)  # so long it is frozen
                broker.thaw()

            await recovered(history, freeze)


@pytest.mark.torture
@pytest.mark.timeout(1800)
async def test_nodes_come_and_go(broker: Broker, tmp_path: Path) -> None:
    """Nodes that end at any moment, and mirrors that are deleted, change nothing for the others."""
    address = topic_of(broker.address, tmp_path)
    async with storm(address, tmp_path) as history:
        for number in range(10):
            mirror = tmp_path / f"passing-{number % 2}.db"
            log = KafkaLog(address._replace(mirror=str(mirror)))
            before = len(history.acknowledged)
            head = await log.head()
            assert head.size >= before
            await log.close()
            if number % 4 == 3:
                for file in tmp_path.glob(f"{mirror.name}*"):
                    file.unlink()


NAMESPACE = "dateline-drill"
HERE, THERE = "10.213.77.1", "10.213.77.2"


def ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True, capture_output=True)


def cut(way: str, *, off: bool) -> None:
    """Let packets vanish on their way there, back, or both, or let them pass again."""
    act = "add" if off else "delete"
    if way in {"there", "both"}:
        ip(f"route {act} blackhole {THERE}/32")
    if way in {"back", "both"}:
        ip(f"-n {NAMESPACE} route {act} blackhole {HERE}/32")


@pytest.fixture
async def distant(tmp_path: Path) -> AsyncIterator[Broker]:
    """A broker in a network of its own, which can be cut off."""
    fetched()
    try:
        ip(f"netns add {NAMESPACE}")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no network can be made here: needs iproute2 and the right to use it")
    try:
        ip(f"link add dateline0 type veth peer name dateline1 netns {NAMESPACE}")
        ip(f"address add {HERE}/30 dev dateline0")
        ip("link set dateline0 up")
        ip(f"-n {NAMESPACE} address add {THERE}/30 dev dateline1")
        ip(f"-n {NAMESPACE} link set dateline1 up")
        ip(f"-n {NAMESPACE} link set lo up")
        within = ("ip", "netns", "exec", NAMESPACE)
        made = Broker(tmp_path / "broker", f"{THERE}:9092", within)
        try:
            yield await asyncio.to_thread(made.start)
        finally:
            await asyncio.to_thread(made.stop)
    finally:
        ip(f"netns delete {NAMESPACE}")


@pytest.mark.torture
@pytest.mark.timeout(1800)
async def test_a_network_that_swallows_packets_is_outlasted(
    distant: Broker, tmp_path: Path
) -> None:
    """Twenty times for five seconds, packets vanish one way or both; nothing is lost by it."""
    async with storm(topic_of(distant.address, tmp_path), tmp_path) as history:
        for number in range(20):
            way = ("there", "back", "both")[number % 3]
            await history.goes_on()

            async def vanish(way: str = way) -> None:
                cut(way, off=True)
                await asyncio.sleep(5)  # so long they vanish
                cut(way, off=False)

            await recovered(history, vanish)


@pytest.mark.parametrize("times", [1, pytest.param(10, marks=pytest.mark.torture)])
async def test_a_node_that_is_killed_loses_nothing(kafka: str, tmp_path: Path, times: int) -> None:
    """Killed while it files, a node starts again on the mirror it left, and all of it is there."""
    address = topic_of(kafka, tmp_path)
    url = f"{address.url}?mirror={address.mirror}"
    promised: dict[str, int] = {}
    for number in range(times):
        with programs() as start:
            program = start("filing_process.py", url, f"story-{number}", "100000")
            await asyncio.to_thread(program.wait_for, 30 + number)
            program.kill()
            _, lines, _ = await asyncio.to_thread(program.finish)
        promised |= acknowledged(lines)
        for mirror in (address.mirror, str(tmp_path / "other.db")):
            log = KafkaLog(address._replace(mirror=mirror))
            assert await check(log, promised) >= len(promised)
            await log.close()
