"""From one machine to many: a log is copied to Kafka as it is, and whatever happens on the way."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from brokers import topic_of
from filings import gathered, note
from topics import erased_in, keys_on, redaction

from consumers.relay import relay
from events.errors import Conflict, LogDamaged
from events.kafka.address import Address
from events.kafka.log import KafkaLog
from events.sqlite.log import SqliteLog


@asynccontextmanager
async def logs(address: Address, folder: Path) -> AsyncIterator[tuple[SqliteLog, KafkaLog]]:
    source, target = SqliteLog(folder / "log.db"), KafkaLog(address)
    try:
        yield source, target
    finally:
        await source.close()
        await target.close()


def quiet(_done: int, _all: int) -> None: ...


async def test_a_copy_has_the_same_root(kafka: str, tmp_path: Path) -> None:
    """Every event has the same bytes, place and time in the copy: the two roots are one."""
    async with logs(topic_of(kafka, tmp_path), tmp_path) as (source, target):
        for n in range(30):
            await source.append(f"story-{n % 4}", [note(str(k)) for k in range(n % 3 + 1)])
        done = await relay(source, target, quiet)
        assert await target.head() == await source.head()
        assert done.copied == done.events == (await source.head()).size
        assert await gathered(target.read()) == await gathered(source.read())
        assert (await relay(source, target, quiet)).copied == 0


async def test_a_copy_goes_on_as_a_log(kafka: str, tmp_path: Path) -> None:
    """Once copied, the newsroom files on into Kafka; times and versions go on from there."""
    async with logs(topic_of(kafka, tmp_path), tmp_path) as (source, target):
        event = note("1")
        await source.append("a", [event])
        await relay(source, target, quiet)
        assert (await target.append("a", [event])).duplicate
        assert (await target.append("a", [note("2")], 1)).positions == (2,)
        times = [found.recorded_ms for found in await gathered(target.read())]
        assert times == sorted(times)


async def test_copying_twice_at_once_copies_once(kafka: str, tmp_path: Path) -> None:
    """A relay that is thought dead and is not does no harm beside the one that replaced it."""
    address = topic_of(kafka, tmp_path)
    async with logs(address, tmp_path) as (source, target):
        zombie = KafkaLog(address._replace(mirror=str(tmp_path / "zombie.db")))
        for n in range(40):
            await source.append("a", [note(str(n))])
        await asyncio.gather(
            relay(source, target, quiet), relay(source, zombie, quiet), return_exceptions=True
        )
        await relay(source, target, quiet)
        assert await target.head() == await source.head()
        await zombie.close()


async def test_a_relay_follows(kafka: str, tmp_path: Path) -> None:
    """What is filed while the copying goes on arrives too, until it is told to stop."""
    async with logs(topic_of(kafka, tmp_path), tmp_path) as (source, target):
        await source.append("a", [note("before")])
        work = asyncio.create_task(relay(source, target, quiet, follow=True))
        for n in range(20):
            await source.append("a", [note(str(n))])
        while await target.grown((await target.head()).size - 1) < 21:
            await target.grown((await target.head()).size)
        work.cancel()
        assert (await target.head()).root == (await source.head()).root


async def test_a_log_with_events_of_its_own_is_no_copy(kafka: str, tmp_path: Path) -> None:
    """A relay into a log that says something else is refused, and changes nothing there."""
    async with logs(topic_of(kafka, tmp_path), tmp_path) as (source, target):
        await source.append("a", [note("1")])
        await target.append("b", [note("2")])
        before = await target.head()
        with pytest.raises(LogDamaged, match="position 1"):
            await relay(source, target, quiet)
        # Past that check, each record is refused by the log itself.
        events = await gathered(source.read_sealed())
        with pytest.raises(LogDamaged, match="expected position 2"):
            await target.relay(events)
        assert await target.head() == before


async def test_a_copy_that_went_on_by_itself_is_not_called_damaged(
    kafka: str, tmp_path: Path
) -> None:
    """Into a log that was filed into after it had been copied nothing more is copied."""
    async with logs(topic_of(kafka, tmp_path), tmp_path) as (source, target):
        await source.append("a", [note("1")])
        await relay(source, target, quiet)
        await target.append("a", [note("2")])
        with pytest.raises(Conflict, match=r"went on without .* at most the 1 .* found 2"):
            await relay(source, target, quiet)


async def test_what_is_redacted_on_the_way_is_erased_in_the_copy(
    kafka: str, tmp_path: Path
) -> None:
    """Words that were copied, and redacted in the old log before it was left, go from both."""
    address = topic_of(kafka, tmp_path)
    async with logs(address, tmp_path) as (source, target):
        await source.append("a", [note("1"), note("a secret of the drill"), note("3")])
        await relay(source, target, quiet)
        await source.append("a", [redaction("d2", 2)])
        await relay(source, target, quiet)
        await target.erased()
        (event,) = await gathered(target.read(1, upto=2))
        assert event.development.headline == "[redacted]"
        blocks = (await keys_on(address)).values()
        assert sum(erased_in(block or b"") for block in blocks) == 2
    for file in tmp_path.iterdir():
        assert b"secret of the drill" not in file.read_bytes(), file


async def test_a_log_whose_clock_was_ahead_is_told_so(kafka: str, tmp_path: Path) -> None:
    """What was recorded later than the broker's now cannot be copied yet; which times is said."""

    def ahead() -> int:
        return int(time.time() * 1000) + 300_000

    source, target = SqliteLog(tmp_path / "log.db", ahead), KafkaLog(topic_of(kafka, tmp_path))
    await source.append("a", [note("1")])
    with pytest.raises(LogDamaged, match=r"to a minute past the broker's, 20.*; found 20"):
        await relay(source, target, quiet)
    assert (await target.head()).size == 0
    await source.close()
    await target.close()
