"""Chat, SMS and push services: whatever Apprise speaks of them, behind a list of what may be used.

ntfy is spoken to without it, because ntfy can change what it shows and Apprise cannot say so; and
so is Slack where there is a bot's token.
"""

import re
from collections.abc import Callable
from typing import Final

import apprise

from consumers.delivery.channels import Channel, Parcel, ntfy, slack
from consumers.delivery.confined import Confined
from consumers.delivery.guard import Guard, NotPublic
from consumers.delivery.outgoing import Outcome
from events.errors import Refused

__all__ = ["Apprised", "check"]

# Services over TLS. What works on this machine, such as `syslog`, or speaks to a neighbour, such
# as `kodis`, is no way to alert anybody elsewhere; nor is what signs in as a person to post.
SCHEMAS: Final = frozenset(
    {
        *("discord", "gchat", "gotifys", "groupme", "guilded", "line", "mastodons", "matrixs"),
        *("messagebird", "mmosts", "msgbird", "nctalks", "ntfys", "opsgenie", "pagerduty"),
        *("plivo", "pover", "pushy", "revolt", "rockets", "ryver", "signals", "sinch", "slack"),
        *("slack-bot", "sns", "telnyx", "tgram", "threema", "toots", "twilio", "twist"),
        *("viber", "vonage", "webex", "whatsapp", "workflows", "wxteams", "zulip"),
    }
)
# Channels of ours among them, each with what looks at its addresses.
_OWN: Final[dict[str, Callable[[str, Guard], object]]] = {
    "ntfy": ntfy.server_of,
    "ntfys": ntfy.server_of,
    "slack-bot": lambda address, _: slack.bot_of(address),
}
_SCHEMA: Final = re.compile(r"[a-z][a-z0-9+.-]{0,19}")
_CALL: Final = re.compile(
    r"@(?=everyone|here|channel|all\b|room|team)|<(?=[@!#/a-z])", re.IGNORECASE
)
WORD_JOINER: Final = "\u2060"
_LEVELS: Final = {"flash": apprise.NotifyType.FAILURE, "bulletin": apprise.NotifyType.WARNING}
# Nothing is stored, and redirects are not followed.
_ASSET: Final = apprise.AppriseAsset(
    app_id="Dateline", app_desc="alerts", app_url="", secure_logging=True, http_redirects=False
)


def check(address: str, guard: Guard) -> str:
    """Give an address that Apprise, or one of our own channels, understands.

    Raises:
        Refused: its schema is not on the list, or the rest is not as the service wants it.
    """
    schema = address.partition(":")[0].lower()
    if schema not in SCHEMAS and schema != "ntfy":
        known = ", ".join(sorted(SCHEMAS))
        # What is no schema may be all of a token.
        found = ascii(schema) if ":" in address and _SCHEMA.fullmatch(schema) else "something else"
        raise Refused("target-schema", "url", f"http(s), mailto, console or {known}", found)
    own = _OWN.get(schema)
    if own is not None:
        own(address, guard)
    elif _service(address) is None:
        raise Refused("target-url", "url", f"an address as Apprise has it for {schema}", "another")
    return address


def _inert(text: str) -> str:
    """Part what a chat would take for a call or for markup, by a mark that is not seen."""
    return _CALL.sub(f"\\g<0>{WORD_JOINER}", text)


def _service(address: str) -> apprise.NotifyBase | None:
    found = apprise.Apprise.instantiate(address, asset=_ASSET, suppress_exceptions=True)
    return found if isinstance(found, apprise.NotifyBase) else None


class Apprised:
    """Hands messages to Apprise, each for one target, in a thread that is guarded.

    Args:
        confined: what Apprise's calls are held to.
        own: channels of ours for some schemas.
    """

    def __init__(self, confined: Confined, own: dict[str, Channel]) -> None:
        self._confined = confined
        self._own = own

    async def send(self, parcel: Parcel) -> Outcome:
        """Send one message."""
        own = self._own.get(parcel.endpoint.address.partition(":")[0].lower())
        if own is not None:
            return await own.send(parcel)
        try:
            return await self._confined.run(lambda: _notify(parcel))
        except TimeoutError:
            return Outcome(delivered=False, error="timeout")


def _notify(parcel: Parcel) -> Outcome:
    service = _service(parcel.endpoint.address)
    if service is None:
        return Outcome(delivered=False, error="bad-url", may_have=False)
    said = parcel.message
    level = _LEVELS.get(said.level, apprise.NotifyType.INFO)
    try:
        done = service.notify(
            body=_inert(said.text or said.story or said.headline),
            title=_inert(said.headline),
            notify_type=level,
            body_format=apprise.NotifyFormat.TEXT,
        )
    except NotPublic:
        return Outcome(delivered=False, error="not-public", may_have=False)
    # Apprise says no more than whether it worked.
    return Outcome(delivered=bool(done), error=None if done else "apprise-failed")
