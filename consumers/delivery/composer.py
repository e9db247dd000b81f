"""Words for deliveries: read from the log when they are sent, so that none outlive it elsewhere."""

import asyncio
from collections import OrderedDict

from consumers.delivery.deliveries import Deliveries
from consumers.delivery.message import (
    DIGEST,
    DRILL,
    NOTICE,
    Message,
    digest_of,
    drill,
    message_of,
    notice,
)
from consumers.delivery.rows import Delivery
from events.envelope import instant
from events.log import Log

__all__ = ["Composer"]

Told = tuple[int, str, str]  # an alert: its position in the log, its id, and as what it is told
REMEMBERED = 256  # messages; one alert goes to many at about the same time


class Composer:
    """Makes the message of each delivery.

    Args:
        source: the log.
        deliveries: says what a digest tells.
        public_url: where readers find the server, if anywhere.
    """

    def __init__(self, source: Log, deliveries: Deliveries, public_url: str | None) -> None:
        self._log = source
        self._deliveries = deliveries
        self._public_url = public_url
        self._made: OrderedDict[Told, asyncio.Future[Message | None]] = OrderedDict()

    async def compose(self, delivery: Delivery) -> Message | None:
        """Give the message of a delivery, None when nothing is left to say.

        Raises:
            LogUnavailable: the log cannot be read.
        """
        if delivery.kind == DRILL:
            return drill(delivery.event, delivery.made_ms)
        if delivery.kind == NOTICE:
            return notice(delivery.event, delivery.reason, delivery.made_ms)
        if delivery.kind != DIGEST:
            return await self._of((delivery.position, delivery.event, delivery.kind))
        several = await self._deliveries.digested(delivery.delivery)
        told = [found for each in several if (found := await self._of(each)) is not None]
        return digest_of(delivery.event, told, instant(delivery.made_ms)) if told else None

    async def _of(self, told: Told) -> Message | None:
        """Give the message of one alert, read once for all that are sent it at the same time."""
        reading = self._made.get(told)
        if reading is None:
            reading = self._made[told] = asyncio.ensure_future(self._read(*told))
            if len(self._made) > REMEMBERED:
                self._made.popitem(last=False)
        if reading.done() and not reading.cancelled() and reading.exception() is None:
            return reading.result()
        try:
            return await asyncio.shield(reading)  # one that is cancelled takes no other with it
        except Exception:
            if self._made.get(told) is reading:
                del self._made[told]
            raise

    async def _read(self, position: int, event_id: str, kind: str) -> Message | None:
        async for event in self._log.read(position - 1, upto=position):
            # A log that was put back from a copy may have another alert there.
            if event.provenance["id"] == event_id:
                return message_of(event, self._public_url, kind)
        return None

    def forget(self) -> None:
        """Let go of all words: some were erased in the log."""
        self._made.clear()
