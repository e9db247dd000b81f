"""What leaves the house, tied together: the ledger beside the log, the guard, and all ways out."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import aiohttp

from consumers.delivery.channels import Channel
from consumers.delivery.channels.console import Console
from consumers.delivery.channels.webhook import Webhooks
from consumers.delivery.composer import Composer
from consumers.delivery.deliveries import Deliveries, Planned
from consumers.delivery.endpoints import Endpoint, Endpoints
from consumers.delivery.guard import Guard
from consumers.delivery.ledger import Ledger
from consumers.delivery.message import NOTICE
from consumers.delivery.reaction import Reaction
from consumers.delivery.schedule import Chance
from consumers.delivery.sender import Sender
from consumers.delivery.signing import Vault
from dateline.wiring import Newsroom, deliveries_path, sealing_key_path

__all__ = ["Outbox", "Sending", "outbox"]

CHANCE: Final = random.SystemRandom().random


class Sending(NamedTuple):
    """How alerts are sent: where readers find the server, and whether this machine may be called.

    `chance` spreads retries.
    """

    public_url: str | None = None
    allow_loopback: bool = False
    chance: Chance = CHANCE


class Outbox:
    """Everything that sends, over one ledger.

    Args:
        room: the newsroom whose alerts are sent.
        ledger: where deliveries are kept.
        vault: opens what is sealed there.
        session: makes outgoing calls.
        guard: what made the session.
        sending: how alerts are sent.
    """

    def __init__(  # noqa: PLR0917 - it ties together what it is made of
        self,
        room: Newsroom,
        ledger: Ledger,
        vault: Vault,
        session: aiohttp.ClientSession,
        guard: Guard,
        sending: Sending,
    ) -> None:
        self.guard = guard
        self.session = session
        self.clock = room.clock
        self.deliveries = Deliveries(ledger)
        self.endpoints = Endpoints(ledger, vault, room.clock)
        composer = Composer(room.log, self.deliveries, sending.public_url)
        channels: dict[str, Channel] = {"webhook": Webhooks(session), "console": Console()}
        self.sender = Sender(
            ledger,
            self.deliveries,
            self.endpoints,
            channels,
            composer.compose,
            self._warn,
            room.clock,
            sending.chance,
        )
        self.reaction = Reaction(
            room.log,
            self.deliveries,
            self.endpoints,
            self.sender.begin,
            composer.forget,
            room.clock,
        )

    def work(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Give what runs beside a server, by name."""
        return {"alerts": self.reaction.run, "sending": self.sender.run}

    async def _warn(self, endpoint: Endpoint, what: str) -> None:
        """Tell the owner of a target, who is a target for this alone."""
        if endpoint.owner is None:
            return
        now = self.clock()
        planned = Planned(
            f"notice-{endpoint.id}-{endpoint.failing_ms}",
            endpoint.owner,
            position=0,
            story="",
            alert=NOTICE,
            kind=NOTICE,
            level="regular",
            fast=False,
            state="pending",
            reason=f"{endpoint.id} ({endpoint.shown}): {what}",
            due_ms=now,
        )
        await self.deliveries.add([planned], now)


@asynccontextmanager
async def outbox(
    room: Newsroom,
    url: str,
    sending: Sending = Sending(),  # noqa: B008 - it cannot change
) -> AsyncIterator[Outbox]:
    """Open all that sends the alerts of a newsroom, and close it in the end.

    Raises:
        DeliveriesUnavailable: the ledger or its key cannot be used.
    """
    vault = Vault(sealing_key_path(url))
    ledger = Ledger(deliveries_path(url))
    guard = Guard(allow_loopback=sending.allow_loopback)
    try:
        async with guard.session() as session:
            yield Outbox(room, ledger, vault, session, guard, sending)
    finally:
        ledger.close()
