"""Asking an endpoint whether it wants to be called, before it is: nobody is signed up by another.

Two ways. The `options` handshake is that of CloudEvents, "HTTP 1.1 Web Hooks for Event Delivery",
section 4: the endpoint is asked with OPTIONS whether our origin may deliver. The `challenge` is for
endpoints that only take POST: they are sent a signed event with a random word and give it back.
"""

import hmac
import secrets
from typing import Literal

import aiohttp
import orjson

from consumers.delivery.outgoing import Answer, Unanswered, call
from consumers.delivery.signing import headers
from events.envelope import instant
from events.errors import Refused

__all__ = ["Handshake", "shake_hands"]

Handshake = Literal["options", "challenge"]
RULE = "handshake"


async def shake_hands(  # noqa: PLR0917 - the call and the two ways of it
    session: aiohttp.ClientSession,
    url: str,
    how: Handshake,
    origin: str,
    secret: str,
    now_ms: int,
) -> None:
    """Ask an endpoint whether it wants to be called.

    Args:
        session: makes the call; see `guard`.
        url: the endpoint.
        how: which of the two ways.
        origin: the host name that we deliver as.
        secret: what the challenge is signed with.
        now_ms: the time.

    Raises:
        Refused: it did not say so.
    """
    if how == "options":
        await _by_options(session, url, origin)
    else:
        await _by_challenge(session, url, secret, now_ms)


async def _by_options(session: aiohttp.ClientSession, url: str, origin: str) -> None:
    wanted = f"an answer to OPTIONS with WebHook-Allowed-Origin: {origin} or *"
    answer = await _asked(session, "OPTIONS", url, wanted, None, {"webhook-request-origin": origin})
    if answer.allowed not in (origin, "*"):
        raise Refused(RULE, "url", wanted, _what(answer))


async def _by_challenge(session: aiohttp.ClientSession, url: str, secret: str, now_ms: int) -> None:
    word = secrets.token_urlsafe(24)
    event_id = f"challenge-{secrets.token_hex(8)}"
    body = orjson.dumps(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": "/v1/webhooks",
            "type": "dateline.webhook-challenge",
            "time": instant(now_ms),
            "datacontenttype": "application/json",
            "data": {"challenge": word},
        }
    )
    held = headers(event_id, now_ms, body, [secret])
    held["content-type"] = "application/cloudevents+json; charset=utf-8"
    wanted = "an answer that is the challenge, or JSON with it as challenge"
    answer = await _asked(session, "POST", url, wanted, body, held)
    if not hmac.compare_digest(_word_of(answer.body), word.encode()):
        raise Refused(RULE, "url", wanted, _what(answer))


async def _asked(  # noqa: PLR0917 - a call and what is expected of it
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    wanted: str,
    body: bytes | None,
    held: dict[str, str],
) -> Answer:
    try:
        answer = await call(session, method, url, body, held)
    except Unanswered as error:
        raise Refused(RULE, "url", wanted, error.error) from None
    if not 200 <= answer.status < 300:  # noqa: PLR2004 - RFC 9110's class of success
        raise Refused(RULE, "url", wanted, f"status {answer.status}")
    return answer


def _what(answer: Answer) -> str:
    return f"status {answer.status} without it"


def _word_of(body: bytes) -> bytes:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.strip()
    word = found.get("challenge") if isinstance(found, dict) else found
    return word.encode() if isinstance(word, str) else b""
