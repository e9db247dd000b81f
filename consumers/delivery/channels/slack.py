"""Slack by a bot: a message to a channel, which a correction changes where it stands."""

import html
import re
from typing import Final
from urllib.parse import unquote, urlsplit

import aiohttp
import orjson

from consumers.delivery.channels import Parcel
from consumers.delivery.outgoing import Outcome, Unanswered, call, outcome_of
from events.errors import Refused

__all__ = ["Slack", "bot_of"]

API: Final = "https://slack.com/api/"
# Errors after which a channel or token takes nothing more, in Slack's own words.
_GONE: Final = frozenset(
    {"account_inactive", "channel_not_found", "invalid_auth", "is_archived", "token_revoked"}
)
_BEGUN: Final = re.compile(rb'\{"ok":true,"channel":"([A-Z0-9]{1,40})","ts":"([0-9.]{1,40})",')
_TOKEN: Final = re.compile(r"[A-Za-z0-9.-]{1,400}")
_CHANNEL: Final = re.compile(r"[A-Za-z0-9._-]{1,80}")
_CODE: Final = re.compile(r"[a-z_-]{1,60}")


def bot_of(address: str) -> tuple[str, str]:
    """Give token and channel of an address such as slack-bot://TOKEN@CHANNEL.

    Raises:
        Refused: it has not both.
    """
    # The host of a URL is read in small letters; a channel's id has large ones.
    token, _, channel = urlsplit(address).netloc.rpartition("@")
    if not _TOKEN.fullmatch(unquote(token)) or not _CHANNEL.fullmatch(channel):
        raise Refused("target-url", "url", "slack-bot://TOKEN@CHANNEL", "something else")
    return unquote(token), channel


class Slack:
    """Posts as a bot: slack-bot://TOKEN@CHANNEL.

    Args:
        session: makes the calls; see `guard`.
        api: where Slack's Web API is.
    """

    def __init__(self, session: aiohttp.ClientSession, api: str = API) -> None:
        self._session = session
        self._api = api

    async def send(self, parcel: Parcel) -> Outcome:
        """Post one message, or change the one that it corrects."""
        token, channel = bot_of(parcel.endpoint.address)
        shown = next((each.shown_as for each in parcel.earlier if each.shown_as), None)
        said = parcel.message
        # Its three signs, escaped as it asks, so that no headline calls people or hides a link.
        text = html.escape(f"{said.headline}\n{said.text}".strip(), quote=False)
        body = {"channel": channel, "text": text}
        if shown is not None:
            body["channel"], body["ts"] = shown.split("/", 1)
        url = f"{self._api}{'chat.postMessage' if shown is None else 'chat.update'}"
        held = {
            "content-type": "application/json; charset=utf-8",
            "authorization": f"Bearer {token}",
        }
        try:
            answer = await call(self._session, "POST", url, orjson.dumps(body), held)
        except Unanswered as error:
            return Outcome(delivered=False, error=error.error, may_have=error.may_have)
        outcome = outcome_of(answer)
        return _said(answer.body, outcome) if outcome.delivered else outcome


def _said(body: bytes, outcome: Outcome) -> Outcome:
    """Read what Slack says of it: it answers 200 whatever happened."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = _begun(body)
    if not isinstance(found, dict):  # who knows whether it is shown
        return outcome._replace(delivered=False, error="slack-no-answer")
    if found.get("ok") is True:
        return outcome._replace(shown_as=f"{found.get('channel')}/{found.get('ts')}")
    error = str(found.get("error"))
    # It is written down, so it is a word of Slack's and no answer that repeats what was sent.
    code = error if _CODE.fullmatch(error) else "unknown"
    return outcome._replace(
        delivered=False, error=f"slack-{code}", may_have=False, gone=error in _GONE
    )


def _begun(body: bytes) -> dict[str, object] | None:
    """Read an answer that was cut off: it begins with what counts, and repeats the message then."""
    begun = _BEGUN.match(body)
    return (
        None
        if begun is None
        else {"ok": True, "channel": begun[1].decode(), "ts": begun[2].decode()}
    )
