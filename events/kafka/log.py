"""The log on a Kafka topic, for any number of machines: the log arbitrates, a mirror is read."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import uuid_utils

from events.codec import decode
from events.entropy import drawn
from events.envelope import Entropy, Filed, Prepared, Recorded, Sealed, prepare_batch
from events.errors import LogDamaged, LogUnavailable, Refused, WrongVersion
from events.kafka.address import Address
from events.kafka.arbitration import Places, Void, Why
from events.kafka.follower import Lag
from events.kafka.irregular import VoidRecord
from events.kafka.keys import KeyRing
from events.kafka.node import APPEND_SECONDS, Node, Submission
from events.kafka.records import MOST_BYTES, Headers, Keys, Offer, asked, encode, encode_relay
from events.kafka.records import decode as decode_record
from events.log import (
    Appended,
    Clock,
    Elsewhere,
    Expect,
    ExpectedVersion,
    Head,
    Leaf,
    check_batch,
    repeats,
)
from events.sqlite.log import SqliteLog

__all__ = ["KafkaLog"]

LOOK_SECONDS = 0.2  # between two looks at how far the mirror is, while it catches up
OPEN_SECONDS = 20.0  # without a word from the broker, after which opening is given up


class KafkaLog:
    """A log on one partition of a Kafka topic, read through a mirror in a SQLite file.

    It opens when it is first used: it catches up with the topic and then answers.

    Args:
        address: where it is, and where its mirror is.
        clock: stamps records in place of the broker; for tests, which move it.
        entropy: source of nonces and keys.
        make: make the topics where they are not there.
        told: is told how far the mirror is, and how far it has to go, while somebody waits for it.

    Raises:
        LogUnavailable, LogDamaged: the mirror cannot be used.
    """

    def __init__(
        self,
        address: Address,
        clock: Clock | None = None,
        entropy: Entropy = drawn,
        *,
        make: bool = True,
        told: Callable[[int, int], None] | None = None,
    ) -> None:
        self.address = address
        self.url = address.url
        self._entropy = entropy
        self._node = Node(address, clock, make=make, folded=self._folded)
        self._mirror = SqliteLog(address.mirror, reading=decode)  # others write to a topic too
        self._keys = KeyRing(entropy, self._node.publish_keys, self._node.do)
        self._submitted: dict[asyncio.AbstractEventLoop, list[Submission]] = {}
        self._closed = False
        self._opening = time.monotonic()
        self._told = told
        self._node.start()

    def _folded(self, size: int) -> None:
        self._mirror.announce(size)

    async def append(
        self, story: str, events: Sequence[Filed], expected: ExpectedVersion = Expect.ANY
    ) -> Appended:
        """See `events.log.Log.append`."""
        self._check_open()
        batch = prepare_batch(story, check_batch(events), self._entropy)
        if len(batch) > 1:
            repeats(story, batch, {})  # refuses an id that comes twice
        if not self._node.open:
            await self._opened(reading=False)
        deadline = time.monotonic() + APPEND_SECONDS
        keys = self._keys.cut(len(batch)) or await self._take(len(batch), deadline)
        attempt = str(uuid_utils.uuid7())
        headers, value = encode(attempt, expected, batch, keys)
        if len(value) > MOST_BYTES:
            most = f"at most {MOST_BYTES} bytes in one append"
            raise Refused("batch-size", "events", most, str(len(value)))
        offer = asked(attempt, story, expected, batch, keys)
        outcome = await self._submit(headers, value, offer, deadline)
        if isinstance(outcome, Places):
            return Appended(outcome.positions, outcome.versions)
        return await self._void(story, batch, expected, outcome)

    async def _void(
        self, story: str, batch: Sequence[Prepared], expected: ExpectedVersion, void: Void
    ) -> Appended:
        """Say why an append got no place of its own; it may have had one for long."""
        if void.why is Why.WRONG_VERSION:
            wanted = expected.value if isinstance(expected, Expect) else expected
            raise WrongVersion(story, wanted, void.found)
        if void.why in {Why.REPEATED, Why.PARTLY_REPEATED}:
            known = await self._mirror.find([_text(event.id) for event in batch])
            again = repeats(story, batch, {stored.id: stored for stored in known.values()})
            if again is not None:
                return again
        raise LogDamaged(self.url, 0, "an append to be taken", void.reason)

    async def _take(self, count: int, deadline: float) -> Keys:
        """Have keys in the time of the append that they are for."""
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return await self._keys.take(count)
        except TimeoutError:
            why = f"keys were not published within {APPEND_SECONDS:g} s"
            raise LogUnavailable(self.url, why) from None

    def _submit(
        self, headers: Headers, value: bytes, offer: Offer, deadline: float
    ) -> "asyncio.Future[Places | Void]":
        self._check_open()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Places | Void] = loop.create_future()
        submitted = self._submitted.get(loop)
        if submitted is None:
            # All appends of this turn of the loop go to the node together.
            submitted = self._submitted[loop] = []
            loop.call_soon(self._hand_over, loop)
        submitted.append(Submission(headers, value, offer, future, deadline))
        return future

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        submitted = self._submitted.pop(loop, [])
        if submitted:
            self._node.submit(submitted)

    async def read(
        self, after: int = 0, *, upto: int | None = None, story: str | None = None
    ) -> AsyncIterator[Recorded]:
        """See `events.log.Log.read`."""
        await self._opened()
        async for event in self._mirror.read(after, upto=upto, story=story):
            yield event

    async def read_versions(self, story: str, after: int = 0) -> AsyncIterator[Recorded]:
        """See `events.log.Log.read_versions`."""
        await self._opened()
        async for event in self._mirror.read_versions(story, after):
            yield event

    async def read_sealed(
        self, after: int = 0, *, upto: int | None = None
    ) -> AsyncIterator[Sealed]:
        """See `events.log.Log.read_sealed`."""
        await self._opened()
        async for event in self._mirror.read_sealed(after, upto=upto):
            yield event

    def reading_elsewhere(self) -> Elsewhere | None:
        """See `events.log.Log.reading_elsewhere`: the mirror is a file like others."""
        return self._mirror.reading_elsewhere()

    async def read_leaves(self, after: int, upto: int) -> AsyncIterator[Sequence[Leaf]]:
        """See `events.log.Log.read_leaves`."""
        await self._opened()
        async for page in self._mirror.read_leaves(after, upto):
            yield page

    async def grown(self, after: int) -> int:
        """See `events.log.Log.grown`."""
        await self._opened()
        return await self._mirror.grown(after)

    async def head(self) -> Head:
        """See `events.log.Log.head`."""
        await self._opened()
        return await self._mirror.head()

    async def find(self, ids: Sequence[str]) -> Mapping[str, Sealed]:
        """See `events.log.Log.find`."""
        await self._opened()
        return await self._mirror.find(ids)

    async def check(self) -> None:
        """See `events.log.Log.check`."""
        await self._opened()
        await self._mirror.check()

    async def remains(self) -> Mapping[int, bytes]:
        """See `events.log.Log.remains`."""
        await self._opened()
        return await self._mirror.remains()

    async def position_at(self, recorded_ms: int) -> int:
        """See `events.log.Log.position_at`."""
        await self._opened()
        return await self._mirror.position_at(recorded_ms)

    async def relay(self, events: Sequence[Sealed]) -> None:
        """Take events of another log with the places and times that they have there.

        Raises:
            LogDamaged: they are not the next events of this log.
            LogUnavailable: unknown whether they were taken; safe to send again.
        """
        await self._opened(reading=False)
        until = time.monotonic() + APPEND_SECONDS
        keys = await self._take(len(events), until)
        headers, value = encode_relay(str(uuid_utils.uuid7()), events, keys)
        offer = decode_record(headers, value)
        outcome = await self._submit(headers, value, offer, until)
        # All ids known: an earlier attempt arrived after all. The roots tell whether it is so.
        if isinstance(outcome, Void) and outcome.why is not Why.REPEATED:
            first = events[0].position
            expected = "a log that goes on with the events to be copied"
            raise LogDamaged(self.url, first, expected, f"them refused: {outcome.reason}")

    async def voids(self) -> list[VoidRecord]:
        """Give the records that got no place, for audits: the last ones, at most 1,000."""
        await self._opened()
        return await asyncio.wrap_future(self._node.do(self._node.voids()))

    async def lag(self) -> Lag:
        """Say how this node's mirror stands to the topic."""
        await self._opened()
        return await asyncio.wrap_future(self._node.do(self._node.lag()))

    async def erased(self) -> None:
        """Wait until what redactions erased is gone: its keys on the broker, old pages here.

        Raises:
            LogUnavailable: it is not yet; it goes on, and may be asked again.
        """
        await self._opened()
        await asyncio.wrap_future(self._node.do(self._node.erased()))

    async def close(self) -> None:
        """See `events.log.Log.close`."""
        if self._closed:
            return
        self._closed = True
        for loop in list(self._submitted):
            self._hand_over(loop)
        await asyncio.get_running_loop().run_in_executor(None, self._node.close)
        await self._mirror.close()

    async def _opened(self, *, reading: bool = True) -> None:
        """Wait until the mirror has caught up once."""
        self._check_open()
        if self._node.failed is not None:
            raise self._node.failed
        if self._node.ready.done():
            return
        ready = asyncio.wrap_future(self._node.ready)
        # Whoever gives up waiting does not hear of it: what became of it is asked for anew.
        ready.add_done_callback(lambda done: done.cancelled() or done.exception())
        while not ready.done():
            left = self._patience()
            if left <= 0:
                why = f"not open after {OPEN_SECONDS:g} s ({self._node.why})"
                raise LogUnavailable(self.url, why, reading=reading)
            await asyncio.wait({ready}, timeout=min(left, LOOK_SECONDS))
            if self._told is not None:
                self._told(*self._node.way())
        ready.result()

    def _patience(self) -> float:
        """Give the seconds that opening may still take: more as long as the mirror moves on.

        Counted from the first who waited: whoever asks again is not kept as long again.
        """
        return max(self._opening, self._node.moved) + OPEN_SECONDS - time.monotonic()

    def _check_open(self) -> None:
        if self._closed:
            raise LogUnavailable(self.url, "it is closed")


def _text(event_id: bytes) -> str:
    found = event_id.hex()
    return f"{found[:8]}-{found[8:12]}-{found[12:16]}-{found[16:20]}-{found[20:]}"
