"""The sender: claims what is due in the ledger, sends it, writes down what came of it.

To one target several deliveries are on their way at a time, but one of each story, so that a
correction never overtakes what it corrects. One that waits for its next try does not hold up those
behind it: an endpoint that chokes on one alert still gets the others.
"""

import asyncio
import contextlib
import resource
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, TypeVar

import structlog

from consumers.delivery.breaker import Breaker
from consumers.delivery.channels import Channel, Parcel
from consumers.delivery.deliveries import Deliveries
from consumers.delivery.endpoints import Endpoint, Endpoints
from consumers.delivery.ledger import Ledger
from consumers.delivery.message import DIGEST, Message
from consumers.delivery.outgoing import Outcome
from consumers.delivery.rows import Delivery, Earlier, End, State
from consumers.delivery.schedule import QUICK, Chance, asked_for, next_try
from events.errors import DatelineError, DeliveriesUnavailable, NotFound
from events.log import Clock

__all__ = ["Sender", "Told"]

AT_ONCE = 8  # deliveries on their way to one target, of different stories
AT_ONCE_IN_ALL = 2_000  # sockets; what is beyond waits for the next look
SHARE = 2  # one in so many of the files that a process may open is for them; readers need some too
ASKED = 300  # targets that are asked about in one commit: some milliseconds
LOOK = 0.25  # seconds between looks for what has become due, or another process has written
AGAIN = 1.0  # seconds between tries to write down what came of something
OURS: Final = "ours-"  # begins the error classes that are no target's fault
DRAIN = 5.0  # seconds that what is on its way has to end when the sender is stopped

Compose = Callable[[Delivery], Awaitable[Message | None]]
"""Gives the message of a delivery, None when nothing is left to say."""

Told = Callable[[Endpoint, str], Awaitable[None]]
"""Tells the owner of a target something about it."""

_T = TypeVar("_T")
log = structlog.get_logger()


class Sender:
    """Sends what the ledger says is to be sent.

    Args:
        ledger: where the right to send is held.
        deliveries: what is to be sent.
        endpoints: where to.
        channels: the ways out by name.
        compose: makes messages.
        warn: tells owners.
        clock: milliseconds since 1970 UTC.
        chance: spreads retries.
    """

    def __init__(  # noqa: PLR0917 - it ties together what it is made of
        self,
        ledger: Ledger,
        deliveries: Deliveries,
        endpoints: Endpoints,
        channels: Mapping[str, Channel],
        compose: Compose,
        warn: Told,
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._ledger = ledger
        self._deliveries = deliveries
        self._endpoints = endpoints
        self._channels = channels
        self._compose = compose
        self._warn = warn
        self._clock = clock
        self._chance = chance
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        unbound = files == resource.RLIM_INFINITY
        self._most = AT_ONCE_IN_ALL if unbound else min(AT_ONCE_IN_ALL, files // SHARE)
        self._breakers: dict[str, Breaker] = {}
        self._under_way: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # Targets and stories that one is sent of; whether more of it was planned meanwhile.
        self._lanes: dict[tuple[str, str | None], bool] = {}
        self._wanting: dict[str, None] = {}  # targets to ask the ledger about, in order
        self._asking = False
        self.sending = False

    async def run(self, only: Collection[str] | None = None) -> None:
        """Send for ever, once no other process does.

        Args:
            only: targets, where what waits for all others is left to somebody else.
        """
        async with self._ledger.alone():
            await self._deliveries.adopt(self._clock())
            self.sending = True
            try:
                while True:
                    await self._until_written(lambda: self.look(only))
                    await asyncio.sleep(LOOK)
            finally:
                self.sending = False
                await self._drain()

    async def look(self, only: Collection[str] | None = None) -> None:
        """Begin with all that is due; `only` as in `run`."""
        await self._endpoints.all()
        for target in [each for each in self._breakers if not self._is_called(each)]:
            del self._breakers[target]
        waiting = await self._deliveries.waiting(self._clock())
        self.begin(each for each in waiting if only is None or each in only)

    def begin(self, targets: Iterable[str], story: str | None = None) -> None:
        """Begin with what is due for some targets, unless another process does the sending.

        Where it is of one story, and one of it is on its way, that one's end will find it.
        """
        for target in targets if self.sending else ():
            if (target, story) in self._lanes:
                self._lanes[target, story] = True
            else:
                self._wanting[target] = None
        if self._wanting and not self._asking:
            self._asking = True
            self._go(self._ask())

    async def quiet(self) -> None:
        """Wait until nothing is on its way."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    @property
    def open_breakers(self) -> int:
        """How many targets are left in peace."""
        return sum(breaker.open for breaker in self._breakers.values())

    def _room(self, target: str) -> int:
        """Say how many deliveries may be on their way to a target now."""
        if not self.sending or len(self._tasks) >= self._most:
            return 0
        breaker = self._breakers.get(target)
        if breaker is None:
            return AT_ONCE
        under_way = self._under_way.get(target, 0)
        return under_way + breaker.room(self._clock(), under_way, AT_ONCE)

    def _go(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # What it had under way stays so in the ledger, and is taken up at the next start.
            log.error("sending failed", error=type(error).__name__)

    async def _ask(self) -> None:
        """Claim what is due for the targets that want something, and send it."""
        try:
            while some := list(islice(self._wanting, ASKED)):
                for target in some:
                    del self._wanting[target]
                for delivery in await self._until_written(lambda: self._claim(some)):
                    self._go(self._send_on(delivery))
        finally:
            self._asking = False

    async def _claim(self, targets: Sequence[str]) -> list[Delivery]:
        rooms = {
            target: room
            for target in targets
            if (room := self._room(target)) > self._under_way.get(target, 0)
        }
        most = self._most - len(self._tasks)
        return await self._deliveries.claim(rooms, most, self._clock()) if rooms else []

    async def _until_written(self, write: Callable[[], Awaitable[_T]]) -> _T:
        while True:
            try:
                return await write()
            except DeliveriesUnavailable as error:
                await _not_written(error)

    async def _send_on(self, delivery: Delivery) -> None:
        """Send one, write down how it ended and claim what is next, until nothing is left."""
        sent: Delivery | None = delivery
        while sent is not None:
            lane, more = (sent.target, sent.story), False
            self._lanes[lane] = False
            try:
                ended = await self._send(sent)
                sent = await self._turn(sent.target, ended)
            finally:
                more = self._lanes.pop(lane, False)
            if more and (sent is None or sent.story != lane[1]):
                self.begin((lane[0],))

    async def _turn(self, target: str, ended: End) -> Delivery | None:
        while True:  # as `_until_written`, which costs each delivery two calls more
            try:
                room = self._room(target)
                return await self._deliveries.turn(ended, target, room, self._clock())
            except DeliveriesUnavailable as error:
                await _not_written(error)

    async def _send(self, delivery: Delivery) -> End:
        target = delivery.target
        self._under_way[target] = self._under_way.get(target, 0) + 1
        began_ms, began = self._clock(), time.monotonic()
        try:
            outcome = await self._try(delivery)
        finally:
            self._under_way[target] -= 1
            if not self._under_way[target]:
                del self._under_way[target]
        took = int((time.monotonic() - began) * 1000)
        if not (outcome.delivered and self._is_well(target)):
            await self._heard(target, outcome)
        return self._end(delivery, outcome, began_ms, took)

    async def _try(self, delivery: Delivery) -> Outcome:
        endpoint = self._endpoints.known(delivery.target)
        if endpoint is None or endpoint.state != "active":
            return Outcome(delivered=False, error="disabled", may_have=False, gone=True)
        sending = False
        try:
            message = await self._compose(delivery)
            if message is None:
                return Outcome(delivered=False, error="erased", may_have=False, gone=True)
            parcel = Parcel(delivery, endpoint, message, self._clock())
            if message.references:
                parcel = parcel._replace(earlier=await self._earlier(delivery, message))
            channel = self._channels[endpoint.target.channel]
            sending = True
            return await channel.send(parcel)
        except DatelineError as error:  # the log or the ledger is away: no target's fault
            name = type(error).__name__.lower()
            return Outcome(delivered=False, error=f"{OURS}{name}", may_have=False)
        except Exception as error:  # noqa: BLE001 - whatever a channel raises, its lane goes on
            log.warning("channel failed", error=type(error).__name__, target=delivery.target)
            name = f"{'fault-' if sending else OURS}{type(error).__name__.lower()}"
            return Outcome(delivered=False, error=name, may_have=sending)

    def _is_called(self, target: str) -> bool:
        endpoint = self._endpoints.known(target)
        return endpoint is not None and endpoint.state == "active"

    async def _earlier(self, delivery: Delivery, message: Message) -> tuple[Earlier, ...]:
        found = await self._deliveries.earlier(message.story, delivery.target, message.references)
        return tuple(found)

    def _end(self, delivery: Delivery, outcome: Outcome, began_ms: int, took: int) -> End:
        now = due_ms = self._clock()
        state: State = "delivered"
        if not outcome.delivered:
            asked = asked_for(outcome.asked, now)
            fast = delivery.level in QUICK
            tries = delivery.tries - delivery.before
            wait = next_try(tries, self._chance(), fast=fast, asked=asked)
            ended = wait is None or outcome.gone
            state = "failed" if ended else "retry"
            due_ms = now if wait is None else now + int(wait * 1000)
        return End(
            delivery.delivery,
            delivery.tries,
            state,
            due_ms,
            began_ms,
            took,
            outcome.status,
            outcome.error,
            outcome.address,
            outcome.may_have,
            outcome.shown_as,
            delivery.kind == DIGEST and state != "retry",
        )

    def _is_well(self, target: str) -> bool:
        """Whether nothing is known against a target, so that one more success says nothing new."""
        known = self._endpoints.known(target)
        return target not in self._breakers and known is not None and known.failing_ms is None

    async def _heard(self, target: str, outcome: Outcome) -> None:
        """Note how a target answered; one that is gone, or has failed for days, is disabled."""
        if outcome.error in ("disabled", "erased") or (outcome.error or "").startswith(OURS):
            return
        breaker = self._breakers.get(target)
        if outcome.delivered:
            self._breakers.pop(target, None)
        else:
            self._breakers[target] = (breaker or Breaker()).failed(self._clock())
        found = await self._until_written(
            lambda: self._endpoints.heard(target, well=outcome.delivered)
        )
        endpoint = self._endpoints.known(target)
        if outcome.gone:
            await self._disable(
                target, f"it said that it is gone ({outcome.status or outcome.error})"
            )
        elif found == "disable":
            await self._disable(target, "nothing but failure for 120 h")
        elif found == "warn" and endpoint is not None:
            what = "nothing but failure for 72 h; disabled after 120 h"
            await self._until_written(lambda: self._warn(endpoint, what))

    async def _disable(self, target: str, why: str) -> None:
        with contextlib.suppress(NotFound):  # it was removed while it was called
            await self._until_written(lambda: self._endpoints.disable(target, why, fails=True))

    async def _drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN):
                await self.quiet()
        for task in self._tasks:
            task.cancel()
        await self.quiet()


async def _not_written(error: DeliveriesUnavailable) -> None:
    """Wait for a full disk, say, to be one no more: what is known is kept until then."""
    log.warning("ledger not written", error=str(error), again_in=AGAIN)
    await asyncio.sleep(AGAIN)
