"""Both topics of a log read in order into this node's mirror, from where it is, for ever."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from events.errors import LogDamaged, LogError
from events.kafka.address import Address
from events.kafka.ahead import Stretch, is_far, read_ahead
from events.kafka.arbitration import Places, Void
from events.kafka.mirror import Folded, KeysBehind, Mirror
from events.kafka.reading import AWAY_MS, Reading, consuming, now_ms
from events.kafka.records import Offer
from events.kafka.taken import Last, Taken
from events.kafka.topics import keys_gone, made_anew, prepared

__all__ = ["Follower", "Lag", "Outcome"]

READ_AGAIN_SECONDS = 0.02  # after the last of our own records, until others are looked for again

Outcome = tuple[bytes, Places | Void | LogError]
"""What became of an attempt to append."""


class Lag(NamedTuple):
    """How a mirror stands to its topic.

    `records` is what it is known to be behind, and `seconds` for how long it has been, or may have
    been while the broker was silent; `voids` are records without a place, and
    `disagreements` those that were sent by a node with another root.
    """

    records: int
    seconds: float
    voids: int
    disagreements: int


class Follower:
    """Reads and folds; runs in the event loop of its node.

    Args:
        address: the log.
        mirror: what it folds into.
        own: gives what a record asks that was sent from here and is still waited for.
        folded: called after each commit with what became of attempts, and the size of the log.
        caught_up: called whenever the mirror is at the end of the topic.
        make: make topics that are not there.
        stamped: whether the broker stamps records with its time.
    """

    def __init__(
        self,
        address: Address,
        mirror: Mirror,
        *,
        own: Callable[[Sequence[tuple[str, bytes | None]], bytes | None], Offer | None],
        folded: Callable[[Sequence[Outcome], int], None],
        caught_up: Callable[[], None],
        make: bool,
        stamped: bool,
    ) -> None:
        self._address = address
        self._mirror = mirror
        self._own = own
        self._folded = folded
        self._caught_up = caught_up
        self._make = make
        self._stamped = stamped
        self._record = TopicPartition(address.topic, 0)
        self._key = TopicPartition(address.keys_topic, 0)
        self._reading: AIOKafkaConsumer | None = None  # once at the end of the topic
        self._read_again: asyncio.TimerHandle | None = None
        self._topic: Reading | None = None  # how it is read
        self._keys_read = asyncio.Event()
        self._keys_at = 0
        self._end = 0
        self._told: int | None = None  # the next record that who waits here is to be told of
        self._position = 0  # where reading goes on: past records of the broker's own
        self._behind_since: float | None = None

    async def run(self) -> None:
        """Read until something goes wrong.

        Raises:
            NotFound, Refused: the topics are not there, or not as they must be.
            LogDamaged: the topic is not the one that the mirror is of.
            LogUnavailable, KafkaError: the broker is out of reach.
        """
        await prepared(self._address, make=self._make, stamped=self._stamped)
        async with (
            consuming(self._address, self._key) as keys,
            consuming(self._address, self._record) as records,
        ):
            reading = asyncio.create_task(self._follow_keys(keys))
            folding = asyncio.create_task(self._follow(records, keys))
            try:
                done, _ = await asyncio.wait(
                    (reading, folding), return_when=asyncio.FIRST_COMPLETED
                )
                done.pop().result()
            except OffsetOutOfRangeError as error:
                if self._key in error.args[0]:
                    raise keys_gone(self._address, "fewer records than were read") from error
                raise made_anew(self._address, "fewer records than it has read") from error
            finally:
                self._reading = None
                for task in (reading, folding):
                    task.cancel()
                await asyncio.gather(reading, folding, return_exceptions=True)

    async def _follow(self, records: AIOKafkaConsumer, keys: AIOKafkaConsumer) -> None:
        partition, last = self._record, self._begin(records)
        beginning = (await records.beginning_offsets([partition]))[partition]
        self._end = (await records.end_offsets([partition]))[partition]
        if beginning > 0:
            raise self._damaged(
                "the records from 0 on the topic",
                f"those from {beginning} on; mirrors that have those before are all that is left",
            )
        if self._end <= last.offset:
            raise made_anew(self._address, f"no record {last.offset}")
        unknown = last.offset >= 0
        alone = False  # whether a process beside this one could not read
        reading = self._topic = Reading(records, partition)
        while True:
            taken = await reading.take()
            if reading.was_away():
                # What was read is read once more, behind the last record that the mirror knows.
                self._reading, last = None, self._begin(records)
                unknown = last.offset >= 0
                continue
            batch = [
                Taken.read(each, stamped=self._stamped, offer=self._own(each.headers, each.value))
                for each in taken
            ]
            if unknown:
                unknown = not self._passes(last, batch)
            if batch:
                await self._fold(batch, keys)
            await self._note(records)
            if not (unknown or alone) and is_far(self._end - self._position):
                alone = not await self._follow_ahead(keys)
                records.seek(partition, self._position)

    async def _follow_ahead(self, keys: AIOKafkaConsumer) -> bool:
        """Fold what a process beside this one reads; gives whether it read anything."""
        start = self._position
        stretch = Stretch(self._address, start, self._end, self._stamped)
        # Before all keys were read, the process would find closed what they open.
        keys_read = partial(self._read_keys_to_their_end, keys)
        async with aclosing(read_ahead(stretch, keys_read)) as batches:
            async for batch in batches:
                await self._fold(batch, keys)
                self._position = batch[-1].offset + 1
        return self._position > start

    def _begin(self, records: AIOKafkaConsumer) -> Last:
        """Go to the last record that the mirror knows, and give it.

        Or further back: another program may have folded there what somebody waits for here.
        """
        last = self._mirror.last()
        if self._told is None:
            self._told = last.offset + 1
        records.seek(self._record, max(min(last.offset, self._told), 0))
        return last

    def _passes(self, last: Last, batch: Sequence[Taken]) -> bool:
        """Whether the last record that the mirror knows is among those that were read."""
        record = next((each for each in batch if each.offset >= last.offset), None)
        if record is not None and not last.recognises(record.offset, record.value):
            raise made_anew(self._address, f"another record {last.offset}")
        return record is not None

    async def _note(self, records: AIOKafkaConsumer) -> None:
        """See how far behind the mirror is, and open the log once it has caught up."""
        # Offsets have gaps: what counts is where reading goes on, not what was read.
        position = self._position = await records.position(self._record)
        self._end = max(self._end, records.highwater(self._record) or 0)
        if position >= self._end:
            self._behind_since = None
            self._reading = records
            self._caught_up()
        elif self._behind_since is None:
            self._behind_since = time.monotonic()

    def acknowledged(self, sent: list[Taken]) -> None:
        """Fold records that this node sent and the broker took, unless another's stand before.

        Their offsets say so: what stands at the next one, and is known already, need not be read
        back. While nothing else comes, nothing is fetched; a gap says that something did.
        """
        records, topic, last = self._reading, self._topic, sent[-1].offset
        if records is None or topic is None:
            return
        if sent[0].offset < 0:  # the broker does not say where a repeat stands
            return
        self._end = max(self._end, last + 1)
        folded: list[Folded | None] = []
        # Nor is what this node sent before passed over, where another program was first to fold it.
        if sent[0].offset == self._told and now_ms() - topic.heard_ms <= AWAY_MS:
            with suppress(Exception):  # it is met again where the topic is read
                folded = self._mirror.fold(sent, unread=True)
        if not folded:
            records.resume(self._record)
            return
        topic.heard_ms = now_ms()
        records.pause(self._record)
        records.seek(self._record, last + 1)
        if self._read_again is not None:
            self._read_again.cancel()
        loop = asyncio.get_running_loop()
        self._read_again = loop.call_later(READ_AGAIN_SECONDS, records.resume, self._record)
        self._tell(sent, folded)

    async def _fold(self, batch: list[Taken], keys: AIOKafkaConsumer) -> None:
        try:
            folded = self._mirror.fold(batch)
        except KeysBehind:
            await self._read_keys_to_their_end(keys)
            folded = self._mirror.fold(batch, all_keys=True)
        self._tell(batch, folded)

    def _tell(self, batch: list[Taken], folded: list[Folded | None]) -> None:
        outcomes: list[Outcome] = []
        for record, each in zip(batch, folded, strict=True):
            if each is not None:
                outcomes.append((each.attempt, each.outcome))
            elif record.offer is not None:
                ids = [parcel.prepared.id for parcel in record.offer.parcels]
                outcomes.append((record.offer.attempt, self._mirror.outcome(record.offset, ids)))
        self._told = batch[-1].offset + 1
        self._folded(outcomes, self._mirror.size)

    async def _follow_keys(self, keys: AIOKafkaConsumer) -> None:
        partition = self._key
        self._keys_at = self._mirror.checkpoint().next_key
        beginning = (await keys.beginning_offsets([partition]))[partition]
        self._keys_at = max(self._keys_at, beginning)
        keys.seek(partition, self._keys_at)
        reading = Reading(keys, partition)
        while True:
            found = [(each.key or b"", each.value) for each in await reading.take()]
            position = await keys.position(partition)
            if position != self._keys_at:
                self._mirror.fold_keys(found, position)
            self._keys_at = position
            self._keys_read.set()

    async def _read_keys_to_their_end(self, keys: AIOKafkaConsumer) -> None:
        end = (await keys.end_offsets([self._key]))[self._key]
        while self._keys_at < end:
            self._keys_read.clear()
            await self._keys_read.wait()

    def _damaged(self, expected: str, found: str) -> LogDamaged:
        return LogDamaged(self._address.url, 0, expected, found)

    def way(self) -> tuple[int, int]:
        """Say how many records of the topic were read, and how many there are."""
        return min(self._position, self._end), self._end

    def lag(self) -> Lag:
        """Say how far behind the mirror is."""
        read = max(self._position, self._mirror.checkpoint().next_offset)
        behind = max(0, self._end - read)
        since = self._behind_since
        seconds = time.monotonic() - since if since is not None and behind else 0.0
        silent = now_ms() - (self._topic.heard_ms if self._topic else 0)
        if silent > AWAY_MS:  # nobody knows what is on the topic since
            seconds = max(seconds, silent / 1000)
        return Lag(behind, seconds, *self._mirror.irregular.counts())
