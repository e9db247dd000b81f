"""Web Push: encrypted messages to browsers that asked for them (RFC 8030, 8188, 8291, 8292)."""

import asyncio
import base64
import hashlib
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02, VapidException
from pywebpush import WebPusher

from consumers.delivery.channels import Parcel
from consumers.delivery.guard import Guard
from consumers.delivery.outgoing import Outcome, Unanswered, call, outcome_of
from consumers.secret_file import secret_in
from events.errors import DeliveriesUnavailable, Refused

__all__ = ["WebPush", "check", "name_of", "public_key", "push_key"]

# Where browsers have their push services. A subscription that leads elsewhere is not a browser's,
# and would have us call a stranger on somebody's behalf.
SERVICES: Final = (
    "fcm.googleapis.com",
    "push.apple.com",
    "push.services.mozilla.com",
    "notify.windows.com",
)
LIFE_SECONDS = 24 * 3600  # that a push service keeps a message for a browser that is off
TOKEN_SECONDS = 12 * 3600  # that a VAPID token is good for; RFC 8292 allows 24 h
MOST_TEXT = 2000  # bytes of a payload's headline and text; services take 4,096 in all
_KEYS: Final = {"p256dh": 65, "auth": 16}  # bytes, RFC 8291 section 3
_URGENCY: Final = {"flash": "high", "bulletin": "high", "urgent": "normal"}  # RFC 8030 section 5.3
GONE: Final = frozenset({404, 410})  # RFC 8030 section 7.3: the subscription has ended


def check(subscription: object, guard: Guard) -> dict[str, Any]:
    """Give a subscription (PushSubscription.toJSON) with nothing in it but what is needed.

    Raises:
        Refused: it is none, or not of a browser's push service.
    """
    wanted = "a PushSubscription with endpoint and keys p256dh and auth"
    if not isinstance(subscription, dict):
        raise Refused("push-subscription", "subscription", wanted, "no object")
    endpoint, keys = subscription.get("endpoint"), subscription.get("keys")
    if not isinstance(endpoint, str) or not isinstance(keys, dict):
        raise Refused("push-subscription", "subscription", wanted, "something else")
    guard.check(endpoint, "subscription.endpoint")
    host = urlsplit(endpoint).hostname or ""
    if not (guard.is_own(host) or any(f".{host}".endswith(f".{each}") for each in SERVICES)):
        services = ", ".join(SERVICES)
        raise Refused("push-service", "subscription.endpoint", f"one of {services}", "another host")
    for name, length in _KEYS.items():
        if len(_bytes(keys.get(name))) != length:
            field = f"subscription.keys.{name}"
            raise Refused("push-subscription", field, f"{length} bytes in base64url", "others")
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _bytes(keys["p256dh"]))
    except ValueError:
        field, wanted = "subscription.keys.p256dh", "a point of P-256, uncompressed"
        raise Refused("push-subscription", field, wanted, "none") from None
    return {"endpoint": endpoint, "keys": {name: keys[name] for name in _KEYS}}


def _bytes(text: object) -> bytes:
    if not isinstance(text, str):
        return b""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def name_of(subscription: dict[str, Any]) -> str:
    """Give the name of a browser's target: the same for the same subscription."""
    return hashlib.sha256(subscription["endpoint"].encode()).hexdigest()[:24]


def public_key(vapid: Vapid02) -> str:
    """Give the key that browsers subscribe with, base64url (`applicationServerKey`)."""
    found = vapid.public_key.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode()


def push_key(path: str | None) -> Vapid02:
    """Give the key that push services know us by, made where there is none; None is in memory.

    Raises:
        DeliveriesUnavailable: its file cannot be read or made, or others may read it.
    """
    made = Vapid02()
    made.generate_keys()
    if path is None:
        return made
    try:
        found: Vapid02 = Vapid02.from_pem(secret_in(path, made.private_pem))
    except (OSError, ValueError, VapidException) as error:
        raise DeliveriesUnavailable(path, str(error)) from None
    return found


class WebPush:
    """Sends messages through the push services of browsers.

    Args:
        session: makes the calls; see `guard`.
        vapid: the key that says who sends.
        contact: where push services reach whoever runs this: a mailto: or https: URL.
    """

    def __init__(self, session: aiohttp.ClientSession, vapid: Vapid02, contact: str) -> None:
        self._session = session
        self._vapid = vapid
        self._contact = contact

    async def send(self, parcel: Parcel) -> Outcome:
        """Push one message; a correction takes the place of what it corrects on the screen."""
        subscription = orjson.loads(parcel.endpoint.address)
        body, held = await asyncio.to_thread(self._sealed, subscription, parcel)
        try:
            answer = await call(self._session, "POST", subscription["endpoint"], body, held)
        except Unanswered as error:
            return Outcome(delivered=False, error=error.error, may_have=error.may_have)
        return outcome_of(answer)._replace(gone=answer.status in GONE)

    def _sealed(self, subscription: dict[str, Any], parcel: Parcel) -> tuple[bytes, dict[str, str]]:
        message, first = parcel.message, parcel.earlier[0] if parcel.earlier else None
        tag = first.webhook_id if first else parcel.delivery.webhook_id
        payload = {
            "id": parcel.delivery.webhook_id,
            "tag": tag,
            "headline": _cut(message.headline),
            "text": _cut(message.text),
            "story": message.story,
            "level": message.level,
            "kind": message.kind,
        }
        sealed = WebPusher(subscription).encode(orjson.dumps(payload))["body"]
        parts = urlsplit(subscription["endpoint"])
        claims = {
            "sub": self._contact,
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": parcel.now_ms // 1000 + TOKEN_SECONDS,
        }
        held: dict[str, str] = self._vapid.sign(claims)
        held |= {
            "content-encoding": "aes128gcm",
            "ttl": str(LIFE_SECONDS),
            "urgency": _URGENCY.get(message.level, "low"),
            # What still waits for a browser that is off is replaced (RFC 8030 section 5.4).
            "topic": hashlib.sha256(tag.encode()).hexdigest()[:32],
        }
        return sealed, held


def _cut(text: str) -> str:
    return text.encode()[: MOST_TEXT // 2].decode(errors="ignore")
