"""One node of a Kafka log: sends what is appended, folds what arrives, tells who waits for it.

It has a thread and an event loop of its own, so that a log may be used from any loop, and a busy
one does not keep the mirror waiting. Whoever appends learns from the mirror what became of it.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, Final, NamedTuple, TypeVar

import apsw
import structlog
from aiokafka.errors import InvalidTimestampError, KafkaError, MessageSizeTooLargeError

from events.errors import LogDamaged, LogError, LogUnavailable, NotFound, Refused
from events.kafka.address import Address
from events.kafka.arbitration import Places, Void
from events.kafka.follower import Follower, Lag, Outcome
from events.kafka.irregular import VoidRecord
from events.kafka.mirror import Mirror
from events.kafka.producer import Producer
from events.kafka.records import Claim, Headers, Offer, claiming
from events.kafka.taken import LOG_APPEND_TIME, Taken
from events.log import Clock
from events.sqlite.file import explain
from events.waiting import tell

__all__ = ["Node", "Submission"]

APPEND_SECONDS = 15.0  # within which an append is known to have taken place, or is told unknown
SEND_SECONDS = 5.0  # that a producer has to make room for more before it is discarded
ERASE_SECONDS = 0.5  # between two looks for keys that the broker is to erase
SWEEP_SECONDS = 0.25  # between two looks for appends that are past it
MOST_WAITING = 20_000  # appends under way in one process; more are turned away
AGAIN_SECONDS = (0.1, 2.0)  # pause before reading is begun anew, at first and at most

_T = TypeVar("_T")
_FATAL: Final = (LogDamaged, NotFound, Refused)

telemetry = structlog.get_logger()


class Submission(NamedTuple):
    """One append on its way: its record, and what reading that would give."""

    headers: Headers
    value: bytes
    offer: Offer
    future: "asyncio.Future[Places | Void]"
    deadline: float


class Node:
    """Runs in its own thread from `start` to `close`.

    Args:
        address: the log.
        clock: stamps records in place of the broker, in tests.
        make: make topics that are not there.
        folded: called in the thread after each commit of the mirror with the size of the log.

    Raises:
        LogUnavailable, LogDamaged: the mirror cannot be used.
    """

    def __init__(
        self, address: Address, clock: Clock | None, *, make: bool, folded: Callable[[int], None]
    ) -> None:
        self._address = address
        self._clock = clock
        self._told = folded
        self._waiting: dict[bytes, Submission] = {}
        self._queue: deque[Submission] = deque()
        self._queued = asyncio.Event()
        self._closing = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._claimed: Claim | None = None
        self._why = "no broker answered"
        self._producer = Producer(address)
        self.ready: Future[None] = Future()
        self.moved = 0.0  # when the mirror last did, by the monotonic clock
        self.open = False  # as `ready` and `failed` say, without their locks
        self.failed: LogError | NotFound | Refused | None = None
        try:
            self._mirror = Mirror(address.mirror, address.url, address.topic)
        except apsw.Error as error:
            raise self._explained(error) from error
        self._follower = Follower(
            address,
            self._mirror,
            own=self._own,
            folded=self._folded,
            caught_up=self._caught_up,
            make=make,
            stamped=clock is None,
        )
        # Not uvloop's: its TLS connections do not end with their loop.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="dateline-kafka", daemon=True)

    @property
    def why(self) -> str:
        """What stood in the way last."""
        return self._why

    def start(self) -> None:
        """Begin to mirror."""
        self._thread.start()

    def way(self) -> tuple[int, int]:
        """Say how many records of the topic were read, and how many there are. From any thread."""
        return self._follower.way()

    def submit(self, submissions: list[Submission]) -> None:
        """Hand over appends; each future is resolved in its own loop. From any thread."""
        self._loop.call_soon_threadsafe(self._accept, submissions)

    def do(self, work: Coroutine[Any, Any, _T]) -> "Future[_T]":
        """Do work in the node's loop. From any thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """Finish what was accepted, then let go of everything. From any thread."""
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._work())
        finally:
            self._loop.run_until_complete(_ended())
            self._mirror.close()
            self._loop.close()

    async def _work(self) -> None:
        tasks = [
            asyncio.create_task(work)
            for work in (self._produce(), self._sweep(), self._read(), self._erase_keys())
        ]
        await self._closing.wait()
        await self._idle.wait()  # each append under way has its deadline
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._producer.close()

    # Sending.

    def _accept(self, submissions: list[Submission]) -> None:
        for each in submissions:
            if self.failed is not None:  # since whoever appends looked
                tell([(each.future, self._stopped(self.failed))])
                continue
            if len(self._waiting) >= MOST_WAITING:
                error = self._unavailable(f"{MOST_WAITING} appends are waiting")
                tell([(each.future, error)])
                continue
            self._waiting[each.offer.attempt] = each
            self._queue.append(each)
            self._idle.clear()
        self._queued.set()

    async def _produce(self) -> None:
        while True:
            await self._queued.wait()
            self._queued.clear()
            while self._queue:
                await self._send()

    async def _send(self) -> None:
        """Send what is queued, as far as it goes into one request."""
        # What is past its deadline is not sent.
        group = [each for each in self._queue if each.offer.attempt in self._waiting]
        self._queue.clear()
        if not group:
            return
        stamp, claim = self._clock() if self._clock else None, self._mirror.claim
        new = claim if self._claimed != claim else None  # what was said is known to every node
        records = [(claiming(group[0].headers, new), group[0].value)]
        records += [(each.headers, each.value) for each in group[1:]]
        try:
            async with asyncio.timeout(SEND_SECONDS):
                sent, taken = await self._producer.send_together(
                    self._address.topic, records, stamp
                )
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again until its deadline
            self._why = f"{type(error).__name__} while sending"
            self._producer.discard()
            self._queue.extendleft(reversed(group))
            await asyncio.sleep(AGAIN_SECONDS[0])
            return
        self._claimed = claim
        self._queue.extendleft(reversed(group[taken:]))
        sent.add_done_callback(lambda done: self._sent(group[:taken], stamp, done))

    def _sent(
        self, group: list[Submission], stamp: int | None, done: "asyncio.Future[Any]"
    ) -> None:
        """Take note of a failure; what became of the records is for the mirror to say."""
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            stands = done.result()
            if stamp is None and stands.timestamp_type != LOG_APPEND_TIME:
                return  # not stamped by the broker: it is judged where it is read
            appended_ms = stands.timestamp if stamp is None else stamp
            self._follower.acknowledged(
                [
                    Taken(offset, appended_ms, each.headers, each.value, each.offer)
                    for offset, each in enumerate(group, stands.offset)
                ]
            )
            return
        self._why = f"{type(error).__name__} from the broker"
        if isinstance(error, MessageSizeTooLargeError):
            self._resolve([(each.offer.attempt, self._unavailable(self._why)) for each in group])
        else:
            self._producer.discard()

    def _own(
        self, headers: Sequence[tuple[str, bytes | None]], value: bytes | None
    ) -> Offer | None:
        """Give what a record asks that was sent from here, if somebody waits for it still."""
        sent = self._waiting.get(headers[0][1] or b"") if headers else None
        if sent is None or sent.value != value:
            return None
        return sent.offer if list(headers[: len(sent.headers)]) == sent.headers else None

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = time.monotonic()
            late = [each for each in self._waiting.values() if each.deadline <= now]
            if late:
                self._producer.discard()
                error = self._unavailable(f"no outcome within {APPEND_SECONDS:g} s ({self._why})")
                self._resolve([(each.offer.attempt, error) for each in late])

    def _unavailable(self, why: str) -> LogUnavailable:
        return LogUnavailable(self._address.url, why)

    def _resolve(self, outcomes: Sequence[Outcome]) -> None:
        found = [(self._waiting.pop(attempt, None), outcome) for attempt, outcome in outcomes]
        tell((each.future, outcome) for each, outcome in found if each is not None)
        if not self._waiting:
            self._idle.set()

    # Reading.

    async def _read(self) -> None:
        pause, longest = AGAIN_SECONDS
        while True:
            try:
                await self._follower.run()
            except _FATAL as error:
                self._fail(error)
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, reading is begun anew
                self._why = f"{type(error).__name__} while reading"
                known = self._explained(error) if isinstance(error, apsw.Error) else error
                if isinstance(known, LogDamaged):
                    self._fail(known)
                    return
                if isinstance(known, LogUnavailable):
                    self._why = known.why
                if self.ready.done():  # before that, whoever opens the log is told
                    telemetry.warning("reading again", log=self._address.url, error=self._why)
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    def _explained(self, error: apsw.Error) -> LogError:
        """Say what is wrong with the mirror's file; where it is spoilt, the topic has all of it."""
        path = self._address.mirror
        found = explain(f"sqlite:///{path}", error, reading=True)
        if isinstance(found, LogDamaged):
            again = f"{found.found}; move it away, with {path}-wal, and it is made anew"
            return LogDamaged(self._address.url, 0, f"a sound mirror in {path}", again)
        if isinstance(found, LogUnavailable):
            return type(found)(self._address.url, f"mirror {path}: {found.why}", reading=True)
        return found

    def _fail(self, error: LogError | NotFound | Refused) -> None:
        """There is no going on: tell everybody who waits, now and later."""
        self.open = False
        if self.ready.done():
            # Who asks a log that was open does nothing wrong, whatever is wrong with its topic.
            self.failed = error = self._stopped(error)
            telemetry.error("log lost", log=self._address.url, error=str(error))
        else:
            self.failed = error
            self.ready.set_exception(error)
        self._resolve([(attempt, self._stopped(error)) for attempt in self._waiting])

    def _stopped(self, error: LogError | NotFound | Refused) -> LogError:
        return error if isinstance(error, LogError) else self._unavailable(str(error))

    def _folded(self, outcomes: Sequence[Outcome], size: int) -> None:
        self.moved = time.monotonic()
        self._told(size)
        self._resolve(outcomes)

    def _caught_up(self) -> None:
        if not self.ready.done():
            self.ready.set_result(None)
            self.open = True

    # Work that others ask for, in the node's loop.

    async def publish_keys(self, blocks: Sequence[tuple[bytes, bytes]]) -> None:
        """Put keys on the broker, and remember them here.

        Raises:
            LogUnavailable: the broker does not take them.
        """
        try:
            async with asyncio.timeout(APPEND_SECONDS):
                await self._producer.send_keys(self._address.keys_topic, blocks)
        except (KafkaError, TimeoutError, OSError) as error:
            self._producer.discard()
            why = f"keys were not published ({type(error).__name__})"
            if isinstance(error, InvalidTimestampError):
                why = "the broker takes nothing of the time that it is here; set the clock right"
            raise LogUnavailable(self._address.url, why) from error
        self._mirror.add_keys(blocks)

    async def _erase_keys(self) -> None:
        """Have the broker erase what redactions erased here; it is told until it has done so."""
        while self.failed is None:  # else it may be another log's
            try:
                if self._mirror.soiled:
                    self._mirror.scrub()
                blocks = self._mirror.keys.condemned() if self.ready.done() else []
                if blocks:
                    async with asyncio.timeout(APPEND_SECONDS):
                        await self._producer.send_keys(self._address.keys_topic, blocks)
            except Exception as error:  # noqa: BLE001 - whatever it is, erasing goes on
                known = self._explained(error) if isinstance(error, apsw.Error) else error
                if isinstance(known, LogDamaged):
                    self._fail(known)
                    return
                telemetry.warning("keys are still to be erased", error=type(error).__name__)
            await asyncio.sleep(ERASE_SECONDS)

    async def erased(self) -> None:
        """Wait until the keys that are to be erased now are, and every page is empty."""
        keys = self._mirror.keys
        # Those of appends that lose a race meanwhile are not waited for.
        wanted = keys.condemned_numbers()
        try:
            async with asyncio.timeout(APPEND_SECONDS):
                while self._mirror.soiled or wanted & keys.condemned_numbers():  # noqa: ASYNC110 - it changes in the file, by any process
                    await asyncio.sleep(ERASE_SECONDS / 10)
        except TimeoutError:
            raise self._unavailable("keys are still to be erased") from None

    async def voids(self) -> list[VoidRecord]:
        """Give the last records that got no place."""
        try:
            return self._mirror.irregular.voids()
        except apsw.Error as error:
            raise self._explained(error) from error

    async def lag(self) -> Lag:
        """Say how far behind the mirror is."""
        try:
            return self._follower.lag()
        except apsw.Error as error:
            raise self._explained(error) from error


async def _ended() -> None:
    """End what a producer whose broker is gone leaves behind in the event loop."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
