"""Taking in whom alerts go to: the address looked at, its owner asked, its secret made."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import aiohttp
import orjson

from consumers.delivery.addresses import channel_of
from consumers.delivery.channels import apprised, mail, web_push
from consumers.delivery.endpoints import Endpoint, Endpoints, Named
from consumers.delivery.guard import Guard
from consumers.delivery.handshake import Handshake, shake_hands
from consumers.delivery.signing import check_secret, new_secret
from consumers.delivery.wishes import Wishes
from events.envelope import instant
from events.errors import Refused
from events.log import Clock

__all__ = ["Registered", "Registrar", "address_of", "described", "handshake_of"]

HERE: Final = "dateline"  # the origin of whoever has no public URL


class Registered(NamedTuple):
    """A target that was taken in; its secret is shown this once."""

    target: str
    secret: str | None


class Registrar:
    """Takes in targets.

    Args:
        endpoints: where they are kept.
        guard: says which addresses may be called.
        session: made by it.
        public_url: where readers find the server; its host is the origin that endpoints allow.
        clock: milliseconds since 1970 UTC.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        guard: Guard,
        session: aiohttp.ClientSession,
        public_url: str | None,
        clock: Clock,
    ) -> None:
        self._endpoints = endpoints
        self._guard = guard
        self._session = session
        self._origin = (urlsplit(public_url).hostname if public_url else None) or HERE
        self._clock = clock

    async def add(
        self,
        address: str,
        wishes: Wishes,
        how: Handshake = "options",
        *,
        owner: str | None = None,
        secret: str | None = None,
        name: str | None = None,
    ) -> Registered:
        """Take in a target by its address; a webhook is asked first whether it wants to be called.

        Raises:
            Refused: the address is none that may be called, or the endpoint did not agree.
            NotFound: there is no such owner.
        """
        if owner is not None:
            await self._endpoints.get(owner)
        channel = channel_of(address)
        if channel == "webhook":
            self._guard.check(address)
            secret = new_secret() if secret is None else check_secret(secret)
            now = self._clock()
            await shake_hands(self._session, address, how, self._origin, secret, now)
        elif channel == "mail":
            mail.check(address)
        elif channel == "apprise":
            apprised.check(address, self._guard)
        made = await self._endpoints.register(
            address, wishes, channel=channel, owner=owner, secret=secret, name=name
        )
        return Registered(*made)

    async def take_named(self, named: Sequence[Named]) -> None:
        """Take in the targets that the policy names: whoever writes it has asked them.

        Raises:
            Refused: an address is none that its channel may be sent to.
        """
        taken = [Named(each.target, address_of(each, self._guard)) for each in named]
        await self._endpoints.name(taken)

    async def add_browser(self, subscription: object, wishes: Wishes) -> Registered:
        """Take in a browser's push subscription (W3C Push API).

        Raises:
            Refused: it is none, or its service is not one that browsers use.
        """
        held = web_push.check(subscription, self._guard)
        text = orjson.dumps(held, option=orjson.OPT_SORT_KEYS).decode()
        name = web_push.name_of(held)
        await self._endpoints.all()
        if self._endpoints.known(f"push:{name}") is not None:  # again, perhaps with other wishes
            await self._endpoints.renew(f"push:{name}", text, wishes)
            return Registered(f"push:{name}", None)
        made = await self._endpoints.register(text, wishes, channel="push", name=name)
        return Registered(*made)


def address_of(named: Named, guard: Guard) -> str:
    """Give the address of a target that the policy names, whole.

    Raises:
        Refused: it is none that the target's channel may be sent to.
    """
    target, address = named
    match target.channel:
        case "webhook":
            guard.check(address, f"target {target.id}")
        case "apprise":
            apprised.check(address, guard)
        case "mail":
            address = address if address.startswith("mailto:") else f"mailto:{address}"
            mail.check(address)
        case "push":
            found = "a push subscription, which a browser registers itself"
            raise Refused("target-url", f"target {target.id}", "another channel", found)
    return address or "console:"


def described(endpoint: Endpoint) -> dict[str, Any]:
    """Give of a target what may be shown: no secret, and of its address no more than where to."""
    failing = endpoint.failing_ms
    return {
        "target": endpoint.id,
        "channel": endpoint.target.channel,
        "address": endpoint.shown,
        "state": endpoint.state,
        "reason": endpoint.reason,
        "wishes": orjson.loads(endpoint.wishes.model_dump_json(exclude_defaults=True)),
        "made_at": instant(endpoint.made_ms),
        "failing_since": None if failing is None else instant(failing),
    }


def handshake_of(text: str) -> Handshake:
    """Read the name of a handshake.

    Raises:
        Refused: it is none.
    """
    if text == "options":
        return "options"
    if text == "challenge":
        return "challenge"
    raise Refused("handshake", "handshake", "options or challenge", ascii(text)[:40])
