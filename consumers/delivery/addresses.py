"""Addresses as they are told: which channel one belongs to, and what of it anybody may see."""

from typing import Final
from urllib.parse import urlsplit

from consumers.alerts.targets import Channel
from events.errors import Refused

__all__ = ["channel_of", "expect_short", "shown_of"]

MOST_ADDRESS = 4096  # characters; a push subscription has some 500
_PLAIN: Final[dict[str, Channel]] = {
    "http": "webhook",
    "https": "webhook",
    "mailto": "mail",
    "console": "console",
}


def channel_of(address: str) -> Channel:
    """Say by its scheme which channel an address belongs to."""
    return _PLAIN.get(address.partition(":")[0].lower(), "apprise")


def shown_of(channel: Channel, address: str) -> str:
    """Give of an address what holds no secret: where to, not the path, which may be the key."""
    if channel == "webhook":
        parts = urlsplit(address)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    if channel == "mail":
        return f"mailto:…@{address.rpartition('@')[2]}"
    return f"{address.partition(':')[0]}:…" if channel == "apprise" else channel


def expect_short(address: str) -> None:
    """Refuse an address that is too long to keep.

    Raises:
        Refused: it is.
    """
    if len(address) > MOST_ADDRESS:
        found = f"{len(address)} characters"
        raise Refused("target-url", "url", f"at most {MOST_ADDRESS} characters", found)
