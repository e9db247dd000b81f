"""The ways out: each takes a message to one target and says what came of it."""

from typing import NamedTuple, Protocol

from consumers.delivery.endpoints import Endpoint
from consumers.delivery.message import Message
from consumers.delivery.outgoing import Outcome
from consumers.delivery.rows import Delivery, Earlier

__all__ = ["Channel", "Parcel"]


class Parcel(NamedTuple):
    """What a channel takes to a target, and what it showed there before of the same alert."""

    delivery: Delivery
    endpoint: Endpoint
    message: Message
    now_ms: int
    earlier: tuple[Earlier, ...] = ()


class Channel(Protocol):
    """A way out."""

    async def send(self, parcel: Parcel) -> Outcome:
        """Take a parcel to its target once; says what came of it and raises nothing foreseen."""
        ...
