"""The two topics of a log, made as they must be, or refused where they are otherwise."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import apsw
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from aiokafka.protocol.metadata import MetadataRequest

from events.errors import LogDamaged, LogUnavailable, NotFound, Refused
from events.kafka.address import Address
from events.kafka.leaving import let_go, started
from events.kafka.producer import BATCH_BYTES
from events.kafka.records import MOST_BYTES

__all__ = ["exists", "keys_gone", "log_settings", "made_anew", "prepared"]

REPLICAS = 3  # copies of a topic, where there are that many brokers
IN_SYNC = 2  # of them have a record before it is acknowledged
FRAMING = 64 * 1024  # bytes that Kafka adds around the largest record
LEADER_SECONDS = 10.0  # that a new topic has to get a leader
CONNECT_SECONDS = 1.0  # that a broker has to answer whoever asks why it did not
LOOK_AGAIN = 0.05  # seconds between two looks for it

_FOR_EVER: Final = {"retention.ms": "-1", "retention.bytes": "-1"}
_KEYS: Final = {
    **_FOR_EVER,
    "cleanup.policy": "compact",
    # Erased keys leave the disks within about a day; that they were erased is kept for ever.
    "delete.retention.ms": str(2**63 - 1),
    "max.compaction.lag.ms": str(24 * 3600 * 1000),
    "segment.ms": str(3600 * 1000),
    "min.cleanable.dirty.ratio": "0.01",
    "max.message.bytes": str(BATCH_BYTES),
}
# The rest may be chosen otherwise by whoever runs the broker.
_KEYS_CHECKED: Final = ("cleanup.policy", "retention.ms", "retention.bytes", "max.message.bytes")


def log_settings(*, stamped: bool) -> dict[str, str]:
    """Give the settings that a topic of events must have.

    Args:
        stamped: whether the broker stamps records with its time, as it must outside of tests.
    """
    return {
        **_FOR_EVER,
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime" if stamped else "CreateTime",
        "max.message.bytes": str(MOST_BYTES + FRAMING),
    }


@asynccontextmanager
async def administration(address: Address) -> AsyncIterator[AIOKafkaAdminClient]:
    """Connect to the broker to look after topics.

    Raises:
        LogUnavailable: there is none, or it does not let us in.
    """
    admin = AIOKafkaAdminClient(**address.client())
    try:
        await started(admin)
        yield admin
    except KafkaConnectionError as error:
        raise LogUnavailable(address.url, await _unreachable(address), reading=True) from error
    except (KafkaError, TimeoutError, OSError) as error:
        why = f"{type(error).__name__} while asking for its topics"
        raise LogUnavailable(address.url, why, reading=True) from error
    finally:
        await admin.close()


async def _unreachable(address: Address) -> str:
    """Say why nobody lets us in, as far as can be told; the library tells its log alone."""
    found, asked = [], f"security={address.security}"
    if address.credentials:
        asked += f", mechanism={address.mechanism}, user and password"
    for host, port in address.brokers:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            found.append(f"{host}:{port} does not answer")
        except OSError as error:
            number = error.errno or 0  # below 0 it is one of looking up names
            found.append(f"{host}:{port}: {os.strerror(number) if number > 0 else error.strerror}")
        else:
            writer.close()
            found.append(f"{host}:{port} takes connections, but does not go on with ours ({asked})")
    return "; ".join(found)


async def exists(address: Address) -> bool:
    """Whether the log's topic is there.

    Raises:
        LogDamaged: it is not, and was: this node has a mirror of it.
        Refused: we may not see it.
        LogUnavailable: the broker cannot be asked.
    """
    async with administration(address) as admin:
        if address.topic in await _seen(admin, [address.topic]):
            return True
    if _mirrored(address.mirror):
        raise made_anew(address, "none of that name")
    return False


async def _seen(admin: AIOKafkaAdminClient, names: list[str]) -> set[str]:
    """Give which of the topics are there; one that we may not see is not called gone."""
    # As a question about them it would make them, on a broker that makes what is asked for.
    asking = MetadataRequest(names, allow_auto_topic_creation=False)
    answer = await admin._send_request(asking)  # noqa: SLF001 - there is no other way
    found = {topic["topic"]: topic["error_code"] for topic in answer.to_object()["topics"]}
    for name, code in found.items():
        if code == TopicAuthorizationFailedError.errno:
            raise Refused("topic", name, "leave to see it", "Topic authorization failed")
    return {name for name, code in found.items() if code != UnknownTopicOrPartitionError.errno}


def _mirrored(path: str) -> bool:
    """Whether a mirror has read of its topic; looking makes none."""
    try:
        connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
        with contextlib.closing(connection):
            return bool(connection.execute("SELECT next_offset FROM mirror").get)
    except apsw.Error:  # there is no such file, or it is something else
        return False


def made_anew(address: Address, found: str) -> LogDamaged:
    """Say that the topic is not the one that the mirror is of."""
    return LogDamaged(
        address.url,
        0,
        f"the topic that {address.mirror} is the mirror of",
        f"{found}; if the topic was made anew, move the mirror away; if it lost records, the "
        "mirror alone has them",
    )


async def prepared(address: Address, *, make: bool, stamped: bool) -> None:
    """Have both topics as they must be.

    Args:
        address: the log.
        make: make what is not there.
        stamped: see `log_settings`.

    Raises:
        NotFound: the log is not there.
        Refused: a topic has other settings than a log needs.
        LogDamaged: events are there, and the topic of their keys is not; or a mirror of them is
            there, and their topic is not.
        LogUnavailable: the broker cannot be asked.
    """
    wanted = {address.topic: log_settings(stamped=stamped), address.keys_topic: _KEYS}
    async with administration(address) as admin:
        there = await _seen(admin, list(wanted))
        if address.topic not in there and _mirrored(address.mirror):
            raise made_anew(address, "none of that name")
        if not make and address.topic not in there:
            raise NotFound("log", f"{address.url} (the first filing makes one)")
        if wanted.keys() - there == {address.keys_topic} and not await _is_empty(address):
            raise keys_gone(address, "none of that name")
        if wanted.keys() - there:
            await _make(admin, {name: wanted[name] for name in wanted.keys() - there})
        await _check_partitions(admin, address, list(wanted))
        await _check_settings(admin, address.topic, wanted[address.topic])
        keys = {name: _KEYS[name] for name in _KEYS_CHECKED}
        await _check_settings(admin, address.keys_topic, keys)


def keys_gone(address: Address, found: str) -> LogDamaged:
    """Say that the topic of keys is not what it was; a new one would have readers without words."""
    expected = f"topic {address.keys_topic}, whose keys open what {address.topic} says"
    return LogDamaged(
        address.url, 0, expected, f"{found}; mirrors that have read it are all that is left"
    )


async def _is_empty(address: Address) -> bool:
    partition = TopicPartition(address.topic, 0)
    consumer = AIOKafkaConsumer(**address.client())
    try:
        await started(consumer)
        end: int = (await consumer.end_offsets([partition]))[partition]
    finally:
        await let_go(consumer, LEADER_SECONDS)
    return end == 0


async def _make(admin: AIOKafkaAdminClient, wanted: Mapping[str, dict[str, str]]) -> None:
    brokers = len((await admin.describe_cluster())["brokers"])
    replicas = REPLICAS if brokers >= REPLICAS else 1
    in_sync = {"min.insync.replicas": str(IN_SYNC if replicas == REPLICAS else 1)}
    made = await admin.create_topics(
        [
            NewTopic(name, 1, replicas, topic_configs=settings | in_sync)
            for name, settings in wanted.items()
        ]
    )
    for name, code, *said in made.topic_errors:
        already = 36
        if code not in {0, already}:
            raise Refused("topic", name, "to make it", str(said[0] if said else code))


async def _check_partitions(admin: AIOKafkaAdminClient, address: Address, names: list[str]) -> None:
    """Wait until each topic has a leader, and see that it has one partition."""
    deadline = asyncio.get_running_loop().time() + LEADER_SECONDS
    while True:
        topics = {topic["topic"]: topic for topic in await admin.describe_topics(names)}
        partitions = [topics[name]["partitions"] for name in names if name in topics]
        led = [all(part["leader"] >= 0 for part in each) and each for each in partitions]
        if len(led) == len(names) and all(led):
            break
        if asyncio.get_running_loop().time() > deadline:
            raise LogUnavailable(address.url, "its topics have no leader", reading=True)
        await asyncio.sleep(LOOK_AGAIN)
    for name, each in zip(names, partitions, strict=True):
        if len(each) != 1:
            raise Refused("topic", f"{name} partitions", "1, as there is one order", str(len(each)))


async def _check_settings(admin: AIOKafkaAdminClient, name: str, wanted: Mapping[str, str]) -> None:
    resource = ConfigResource(ConfigResourceType.TOPIC, name)
    found: dict[str, Any] = {}
    for response in await admin.describe_configs([resource]):
        for code, said, _type, _name, entries in response.resources:
            if code:
                raise Refused("topic", name, "to see its settings", str(said or code))
            found |= {entry[0]: entry[1] for entry in entries}
    for setting, value in wanted.items():
        enough = setting == "max.message.bytes" and int(found.get(setting) or 0) >= int(value)
        if found.get(setting) != value and not enough:
            raise Refused("topic", f"{name} {setting}", value, str(found.get(setting)))
