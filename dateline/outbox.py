"""What leaves the house, tied together: the ledger beside the log, the guard, and all ways out."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final, NamedTuple

import aiohttp
from py_vapid import Vapid02

from consumers.alerts.dispatch import Dispatch
from consumers.delivery.channels import Channel
from consumers.delivery.channels.apprised import Apprised
from consumers.delivery.channels.console import Console
from consumers.delivery.channels.mail import Mail, Relay, relay_of
from consumers.delivery.channels.ntfy import Ntfy
from consumers.delivery.channels.slack import Slack
from consumers.delivery.channels.web_push import WebPush, public_key, push_key
from consumers.delivery.channels.webhook import Webhooks
from consumers.delivery.composer import Composer
from consumers.delivery.confined import Confined
from consumers.delivery.deliveries import Deliveries
from consumers.delivery.endpoints import Endpoint, Endpoints, Named
from consumers.delivery.guard import Guard
from consumers.delivery.ledger import Ledger
from consumers.delivery.message import NOTICE
from consumers.delivery.reaction import Reaction
from consumers.delivery.registrar import Registrar
from consumers.delivery.rows import Planned
from consumers.delivery.schedule import Chance
from consumers.delivery.sender import Sender
from consumers.delivery.signing import Vault
from dateline.settings import Settings
from dateline.urls import deliveries_path, push_key_path, sealing_key_path
from dateline.wiring import Newsroom

__all__ = ["Outbox", "Sending", "outbox", "sending_of"]

CHANCE: Final = random.SystemRandom().random
LOOK_AGAIN = 1.0  # seconds between two looks for targets, while there are none
MAIL_SECONDS = (
    60.0  # for a mail in all: some relays let whoever calls wait before they say anything
)


class Sending(NamedTuple):
    """How alerts are sent: where readers find the server, and whether this machine may be called.

    `relay` takes mail; `contact` is where push services reach whoever runs this; `chance` spreads
    retries.
    """

    public_url: str | None = None
    allow_loopback: bool = False
    relay: Relay | None = None
    contact: str = "mailto:dateline@localhost.invalid"
    chance: Chance = CHANCE


def sending_of(settings: Settings) -> Sending:
    """Read from the settings how alerts are sent."""
    return Sending(
        settings.public_url,
        settings.allow_loopback_targets,
        relay_of(settings.smtp, settings.mail_from) if settings.smtp else None,
        settings.contact,
    )


class Outbox:
    """Everything that sends, over one ledger.

    Args:
        room: the newsroom whose alerts are sent.
        ledger: where deliveries are kept.
        vault: opens what is sealed there.
        vapid: the key that push services know us by.
        session: makes outgoing calls.
        guard: what made the session.
        sending: how alerts are sent.
    """

    def __init__(  # noqa: PLR0917 - it ties together what it is made of
        self,
        room: Newsroom,
        ledger: Ledger,
        vault: Vault,
        vapid: Vapid02,
        session: aiohttp.ClientSession,
        guard: Guard,
        sending: Sending,
    ) -> None:
        self._room = room
        self.guard = guard
        self.session = session
        self.clock = room.clock
        self.deliveries = Deliveries(ledger)
        self.endpoints = Endpoints(ledger, vault, room.clock)
        composer = Composer(room.log, self.deliveries, sending.public_url)
        ntfy = Ntfy(session)
        own: dict[str, Channel] = {"ntfy": ntfy, "ntfys": ntfy, "slack-bot": Slack(session)}
        channels: dict[str, Channel] = {
            "webhook": Webhooks(session, lambda: room.auditor.header),
            "push": WebPush(session, vapid, sending.contact),
            "mail": Mail(sending.relay, Confined(guard, MAIL_SECONDS)),
            "apprise": Apprised(Confined(guard), own),
            "console": Console(),
        }
        self.vapid = vapid
        self.registrar = Registrar(self.endpoints, guard, session, sending.public_url, room.clock)
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

    def now(self) -> datetime:
        """Give the time."""
        return datetime.fromtimestamp(self.clock() / 1000, UTC)

    @property
    def push_key(self) -> str:
        """The key that browsers subscribe with, base64url."""
        return public_key(self.vapid)

    def work(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Give what runs beside a server, by name."""
        self._room.auditor  # noqa: B018 - opens the book, for which no alert is to wait
        return {"alerts": self.reaction.run, "sending": self.sender.run}

    async def targeted(self) -> None:
        """Wait until somebody is to be told: targets are this node's, and another may have some."""
        while not await self.endpoints.all():  # noqa: ASYNC110 - any process may add one
            await asyncio.sleep(LOOK_AGAIN)

    async def decide(self, dispatch: Dispatch) -> None:
        """Decide on alerts, until cancelled, from when it is known where on from they are sent.

        A ledger that is new begins at the end of the log: no alert is to stand there already that
        nobody was sent. Where nodes take turns another may be the one that sends.
        """
        if not self._room.shared:
            await self.reaction.place()
        await dispatch.run()

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
        Refused: the policy names a target that cannot be sent to.
    """
    vault = Vault(sealing_key_path(url))
    vapid = push_key(push_key_path(url))
    ledger = Ledger(deliveries_path(url))
    guard = Guard(allow_loopback=sending.allow_loopback)
    try:
        async with guard.session() as session:
            made = Outbox(room, ledger, vault, vapid, session, guard, sending)
            if room.policy is not None:
                named = [Named(each.target, each.address) for each in room.policy.target]
                await made.registrar.take_named(named)
            yield made
    finally:
        ledger.close()
