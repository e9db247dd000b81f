"""ntfy: a message to a topic, which a correction changes where it stands."""

import re
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

import aiohttp
import orjson

from consumers.delivery.channels import Parcel
from consumers.delivery.guard import Guard
from consumers.delivery.outgoing import Outcome, Unanswered, call, outcome_of
from events.errors import Refused

__all__ = ["Ntfy", "server_of"]

_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PRIORITY: Final = {"flash": 5, "bulletin": 4, "urgent": 3, "regular": 3, "deferred": 2}


def server_of(address: str, guard: Guard) -> str:
    """Give the URL of the server of an address such as ntfys://HOST/TOPIC.

    Raises:
        Refused: it is none, or its server is none that may be called.
    """
    try:
        parts = urlsplit(address)
        url = _url(parts)
    except ValueError:
        url = ""
    if not url or not _TOPIC.fullmatch(unquote(parts.path.strip("/"))):
        raise Refused("target-url", "url", "ntfys://HOST/TOPIC", "something else")
    return guard.check(url)


def _url(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if not host:
        raise ValueError("expected a host")
    host = f"[{host}]" if ":" in host else host
    host += f":{parts.port}" if parts.port else ""
    return f"{'https' if parts.scheme == 'ntfys' else 'http'}://{host}/"


class Ntfy:
    """Posts to topics of ntfy servers: ntfys://HOST/TOPIC, with USER:PASSWORD@ or TOKEN@ before.

    Args:
        session: makes the calls; see `guard`.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def send(self, parcel: Parcel) -> Outcome:
        """Publish one message, or a new form of the one that it corrects."""
        parts = urlsplit(parcel.endpoint.address)
        url = _url(parts)
        held = {"content-type": "application/json"}
        if parts.password:
            basic = aiohttp.BasicAuth(unquote(parts.username or ""), unquote(parts.password))
            held["authorization"] = basic.encode()
        elif parts.username:
            held["authorization"] = f"Bearer {unquote(parts.username)}"
        first = parcel.earlier[0] if parcel.earlier else None
        shown_as = (first.shown_as or first.webhook_id) if first else parcel.delivery.webhook_id
        held["x-sequence-id"] = shown_as
        said = parcel.message
        body = {
            "topic": unquote(parts.path.strip("/")),
            "title": said.headline,
            "message": said.text or said.story or said.headline,
            "priority": _PRIORITY.get(said.level, 3),
            "sequence_id": quote(shown_as),
        }
        try:
            answer = await call(self._session, "POST", url, orjson.dumps(body), held)
        except Unanswered as error:
            return Outcome(delivered=False, error=error.error, may_have=error.may_have)
        return outcome_of(answer, shown_as)
