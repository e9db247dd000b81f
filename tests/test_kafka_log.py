"""A log on Kafka is the same log on every machine, whatever else is on its topic."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
import uuid_utils
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from asking import eventually
from brokers import topic_of
from filings import filed, gathered, note, opening
from topics import block_of, foreign, forged, opened

from consumers.audit.verify import verify
from dateline.wiring import newsroom
from events.envelope import prepare_batch
from events.errors import LogDamaged, LogUnavailable, NotFound, Refused, WrongVersion
from events.kafka.address import Address, BadAddress
from events.kafka.log import KafkaLog
from events.kafka.records import KEYS_BYTES, Keys, encode
from events.kafka.topics import log_settings
from events.log import Expect
from events.vocabulary import Unknown
from producers.case import Actor
from producers.intake import take


async def test_every_node_has_the_same_log(kafka: str, tmp_path: Path) -> None:
    """Nodes that race on the same stories agree on every byte, and so does one that comes late."""
    address = topic_of(kafka, tmp_path)
    other = address._replace(mirror=str(tmp_path / "other.db"))
    late = address._replace(mirror=str(tmp_path / "late.db"))
    async with opened(address) as first, opened(other) as second:
        await asyncio.gather(first.head(), second.head())
        results = await asyncio.gather(
            *(
                log.append(f"story-{n % 3}", [note(str(n)), note("and")], n // 6)
                for n in range(60)
                for log in (first, second)
            ),
            return_exceptions=True,
        )
        won = [result for result in results if not isinstance(result, BaseException)]
        assert all(isinstance(result, WrongVersion) for result in results if result not in won)
        # Whoever was told of a place is the only one there, and the next to read sees it.
        places = [position for result in won for position in result.positions]
        assert sorted(places) == list(range(1, len(places) + 1))
        await second.append("the-last", [note("x")])
        size = await first.grown(len(places))
        heads = [await first.head(), await second.head()]
        async with opened(late) as third:
            heads.append(await third.head())
            assert (await verify(third, lambda _done, _all: None)).events == size
    assert len(set(heads)) == 1


async def test_a_mirror_goes_on_where_it_was(kafka: str, tmp_path: Path) -> None:
    """A node that starts again knows what it knew, and recognises what is appended again."""
    address = topic_of(kafka, tmp_path)
    event = note("1")
    async with opened(address) as log:
        await log.append("a", [event])
        await log.append("a", [note("2")])
        before = await log.head()
    async with opened(address) as log:
        assert await log.head() == before
        assert (await log.append("a", [event], 0)).duplicate


async def test_two_processes_share_a_mirror(kafka: str, tmp_path: Path) -> None:
    """Programs in the same folder share one mirror, and each is told what became of its appends."""
    address = topic_of(kafka, tmp_path)
    async with opened(address) as first, opened(address) as second:
        await asyncio.gather(first.head(), second.head())
        results = await asyncio.gather(
            *(log.append("a", [note(str(n))]) for n in range(40) for log in (first, second))
        )
        assert sorted(result.versions[0] for result in results) == list(range(1, 81))
        assert not any(result.duplicate for result in results)
        assert await first.voids() == []
        assert (await verify(first, lambda _done, _all: None)).events == 80


def garbage(story: str) -> Sequence[tuple[Sequence[tuple[str, bytes | None]], bytes | None]]:
    """Records that are no appends, each in another way."""
    nested = b'"occurred":{"at":%b%b}' % (b"[" * 900, b"]" * 900)
    keys = Keys(bytes(16), b"k" * KEYS_BYTES)
    batch = prepare_batch(story, [note("forged")], bytes)
    headers, value = encode("attempt", Expect.ANY, batch, keys)
    named = dict(headers)
    return [
        ([], b"hello"),
        ([], b""),
        ([("ce_type", b"\xff\xfe")], None),
        (headers, value[:-1]),
        (headers, value + b"x"),
        (headers, value.replace(b'"filed_by":"', b'"filed_by":"\\')),
        (headers, value.replace(b'"kind":"development', b'"kind":"DEVELOPMENT')),
        (headers, value[:16]),
        (headers, value[:16] + b"\x04" + value[17:]),
        (headers, value + encode("attempt", Expect.ANY, batch, keys)[1][25:]),
        (list((named | {"ce_type": None}).items()), value),
        (list((named | {"ce_id": None}).items()), value),
        with_dates(story, nested, keys),
        (list((named | {"ce_type": b"dateline.append.v1"}).items()), value),
        (list((named | {"ce_type": b"dateline.relay.v2"}).items()), value),
        (headers, value + value[25:]),
    ]


def with_dates(
    story: str, occurred: bytes, keys: Keys
) -> tuple[Sequence[tuple[str, bytes]], bytes]:
    """An append that is whole but for when it occurred."""
    (event,) = prepare_batch(story, [note("forged")], bytes)
    dated = event.before_position.replace(b'"occurred":{"basis":"unstated"}', occurred)
    return encode("attempt", Expect.ANY, [event._replace(before_position=dated)], keys)


async def test_garbage_is_void_and_nothing_stops(kafka: str, tmp_path: Path) -> None:
    """What others put on the topic gets no place, is kept with the reason, and stops nothing."""
    address = topic_of(kafka, tmp_path)
    async with opened(address) as log:
        await log.append("a", [note("1")])
        async with foreign(address) as producer:
            for headers, value in garbage("a"):
                await producer.send_and_wait(address.topic, value, key=b"k", headers=headers)
        assert (await log.append("a", [note("2")])).positions == (2,)
        voids = await log.voids()
    assert len(voids) == len(garbage("a"))
    assert all(void.why == "garbage" and "expected" in void.reason for void in voids)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_every_codec_is_read(kafka: str, tmp_path: Path, codec: str) -> None:
    """What another producer compressed is read like everything else."""
    address = topic_of(kafka, tmp_path)
    keys = Keys(bytes(16), bytes(range(KEYS_BYTES)))
    batch = prepare_batch("a", [note("compressed " * 20)], bytes)
    headers, value = encode(str(uuid_utils.uuid7()), 0, batch, keys)
    async with opened(address) as log:
        await log.head()
        async with foreign(address, compression_type=codec) as producer:
            await producer.send_and_wait(address.keys_topic, block_of(keys), key=keys.first)
            await producer.send_and_wait(address.topic, value, headers=headers)
        assert await log.grown(0) == 1
        (event,) = await gathered(log.read())
    assert event.development.headline.startswith("compressed")


async def test_what_others_wrote_is_held_against_the_whole_model(
    kafka: str, tmp_path: Path
) -> None:
    """A body that another program put on the topic is read in full: no control character passes."""
    address = topic_of(kafka, tmp_path)
    keys = Keys(bytes(16), bytes(range(KEYS_BYTES)))
    (event,) = prepare_batch("a", [note("x")], bytes)
    body = event.body.replace(b'"headline":"x"', b'"headline":"\\u001b[2J"')
    event = event._replace(contents=(body, *event.contents[1:]))
    headers, value = encode(str(uuid_utils.uuid7()), 0, [event], keys)
    async with opened(address) as log:
        await log.head()
        async with foreign(address) as producer:
            await producer.send_and_wait(address.keys_topic, block_of(keys), key=keys.first)
            await producer.send_and_wait(address.topic, value, headers=headers)
        assert await log.grown(0) == 1
        (found,) = await gathered(log.read())
    assert isinstance(found.development, Unknown)


async def test_a_taken_version_is_void_for_auditors(kafka: str, tmp_path: Path) -> None:
    """An append that lost is on the topic for ever; auditors see it, and why it has no place."""
    address = topic_of(kafka, tmp_path)
    async with opened(address) as log:
        await log.append("a", [note("1")])
        with pytest.raises(WrongVersion):
            await log.append("a", [note("2")], 0)
        (void,) = await log.voids()
    assert (void.story, void.why) == ("a", "wrong version")
    assert void.reason == "wrong expected version: 0 (story: a, found: 1)"


@pytest.mark.parametrize(
    ("partitions", "setting", "value"),
    [
        (2, "", ""),
        (1, "retention.ms", "604800000"),
        (1, "retention.bytes", "1000000"),
        (1, "cleanup.policy", "compact"),
        (1, "message.timestamp.type", "CreateTime"),
    ],
)
async def test_a_topic_that_cannot_hold_a_log_is_refused(
    kafka: str, tmp_path: Path, partitions: int, setting: str, value: str
) -> None:
    """A topic that would lose, reorder or misdate events is refused with the setting's name."""
    address = topic_of(kafka, tmp_path)
    settings = log_settings(stamped=True) | ({setting: value} if setting else {})
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(address.topic, partitions, 1, topic_configs=settings)])
    await admin.close()
    async with opened(address) as log:
        with pytest.raises(Refused, match=setting or "partitions") as refused:
            await log.head()
    assert value in str(refused.value)


async def test_looking_makes_no_topic(kafka: str, tmp_path: Path) -> None:
    """A mistyped name finds no log, rather than an empty one."""
    log = KafkaLog(topic_of(kafka, tmp_path), make=False)
    with pytest.raises(NotFound):
        await log.head()
    await log.close()


async def test_a_topic_made_anew_is_not_taken_for_the_old(kafka: str, tmp_path: Path) -> None:
    """A mirror of a topic that is gone says so; it is not mixed with what has the name now."""
    address = topic_of(kafka, tmp_path)
    async with opened(address) as log:
        await log.append("a", [note("1")])
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.delete_topics([address.topic])

    async def gone() -> bool:
        return address.topic not in await admin.list_topics()

    await eventually(gone)
    await admin.close()
    async with opened(address._replace(mirror=str(tmp_path / "new.db"))) as log:
        await log.append("a", [note("2")])
    async with opened(address) as log:
        with pytest.raises(LogDamaged, match="made anew"):
            await log.head()


async def test_a_log_of_its_own_is_no_mirror(kafka: str, tmp_path: Path) -> None:
    """A SQLite log is never taken for a mirror and overwritten with a topic."""
    from events.sqlite.log import SqliteLog  # noqa: PLC0415 - the one test that needs it

    address = topic_of(kafka, tmp_path)
    own = SqliteLog(address.mirror)
    await own.append("a", [note("1")])
    await own.close()
    with pytest.raises(LogDamaged, match="a log of its own"):
        KafkaLog(address)


async def test_no_broker_is_said_within_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody answers, that is said, and nobody waits for ever."""
    monkeypatch.setattr("events.kafka.log.OPEN_SECONDS", 0.5)
    log = KafkaLog(topic_of("127.0.0.1:1", tmp_path))
    with pytest.raises(LogUnavailable, match=r"not open after 0\.5 s"):
        await log.append("a", [filed(opening())])
    await log.close()


async def test_who_files_is_told_once_that_nobody_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filing waits for a broker as long as opening takes, not that long for every try."""
    monkeypatch.setattr("events.kafka.log.OPEN_SECONDS", 2)
    async with newsroom(f"kafka://127.0.0.1:1/none?mirror={tmp_path}/none.db") as room:
        async with asyncio.timeout(8):
            with pytest.raises(LogUnavailable):
                await room.publisher.file(
                    take({"story": "a", "kind": "story-opened", "headline": "x", "title": "t"}),
                    Actor("desk:ada"),
                )


@pytest.mark.parametrize(
    "url",
    [
        "kafka://host:9092",
        "kafka://user:secret@host:9092/topic",
        "kafka://host:9092/topic?password=secret",
        "kafka://host:9092/topic?security=sasl_ssl",
        "kafka://host:9092/topic?security=none",
        "kafka://host:9092/to/pic",
        "kafka://host:secret/topic",
        "kafka://host:99999/topic",
        "kafka://host:9092,/topic",
        "kafka://host:9092/topic#secret",
        "kafka://[::1/secret",
        f"kafka://{'secret' * 11}:9092/topic",
        "kafka://ho..st:9092/topic",
        "kafka://host:9092/topic?mirror=secret&mirror=other",
        # Whoever names these believes that they are used.
        "kafka://host:9092/topic?ca=secret",
        "kafka://host:9092/topic?credentials=secret",
        "kafka://host:9092/topic?security=ssl&credentials=secret",
        "kafka://host:9092/topic?security=ssl&key=secret",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_secrets(url: str) -> None:
    """A URL is checked before it is used, and what might be a password is not repeated."""
    with pytest.raises(BadAddress) as refused:
        Address.parse(url)
    assert "secret" not in str(refused.value)


async def test_what_others_say_wrongly_is_parked(kafka: str, tmp_path: Path) -> None:
    """An unknown kind, a headline of a megabyte, a redaction of nonsense: kept, and parked."""
    address = topic_of(kafka, tmp_path)
    async with newsroom(f"{address.url}?mirror={address.mirror}") as room:
        await room.log.append("a", [filed(opening())])
        headline = b'"headline":"' + b"x" * 1_000_000 + b'"'
        for number, (kind, body) in enumerate(
            [
                (b"volcano-erupted", b'{"kind":"volcano-erupted"}'),
                (b"quote-added", b"{" + headline + b',"kind":"quote-added"}'),
                (b"quote-added", b"no JSON"),
                (b"redacted", b'{"erases":[{"version":"first"}],"kind":"redacted"}'),
            ]
        ):
            await forged(address, bytes([number] * 8), kind, body)
        assert await room.log.grown(4) == 5
        await room.subscription.catch_up()
        parked = [event.position for event in room.views.parked()]
        assert parked == [2, 3, 4, 5]
        assert (await room.log.append("a", [note("goes on")])).positions == (6,)
