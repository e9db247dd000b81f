"""Mail: each alert a message, its corrections answers in the same thread (RFC 5322)."""

import re
import smtplib
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from consumers.delivery.channels import Parcel
from consumers.delivery.confined import Confined
from consumers.delivery.guard import NotPublic
from consumers.delivery.outgoing import Outcome
from events.errors import Refused

__all__ = ["Mail", "Relay", "check", "relay_of"]

SECONDS = 15.0  # for each answer of the relay
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")
_PORTS: Final = {"smtp": 25, "smtps": 465}
_NO_MAILBOX: Final = frozenset({550, 551, 553})  # RFC 5321, of a relay that says no more
_DETAIL: Final = re.compile(rb"5\.(\d{1,3})\.\d{1,3}\b")  # RFC 3463; 1 is of the address


class Relay(NamedTuple):
    """The server that takes mail, and whom it comes from."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None
    sender: str


def relay_of(url: str, sender: str) -> Relay:
    """Read a relay's URL: smtp://HOST:PORT or smtps://USER:PASSWORD@HOST.

    Raises:
        ValueError: it is none.
    """
    wanted = "a relay such as smtps://USER:PASSWORD@HOST, its password percent-encoded"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # which says what it found, and that may be of the password
        raise ValueError(wanted) from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.fragment:
        raise ValueError(wanted)
    if not _ADDRESS.fullmatch(sender):
        raise ValueError("a sender such as alerts@news.example")
    return Relay(
        parts.hostname,
        port or _PORTS[parts.scheme],
        parts.scheme == "smtps",
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
        sender,
    )


def check(address: str) -> str:
    """Give the mailbox of a mailto: address; one, and without headers that it could carry.

    Raises:
        Refused: it is none.
    """
    mailbox = address[len("mailto:") :]
    if not _ADDRESS.fullmatch(mailbox):
        raise Refused("target-url", "url", "one mailbox, as mailto:NAME@HOST", "something else")
    return mailbox


class Mail:
    """Hands mail to a relay.

    Args:
        relay: the relay; None where none is set, and nothing can be sent.
        confined: what its calls are held to: their address as well as their time.
    """

    def __init__(self, relay: Relay | None, confined: Confined) -> None:
        self._relay = relay
        self._confined = confined

    async def send(self, parcel: Parcel) -> Outcome:
        """Send one message, in a thread of its own: the library waits."""
        relay = self._relay
        if relay is None:
            return Outcome(delivered=False, error="no-relay", may_have=False)
        try:
            return await self._confined.run(lambda: _handed_over(relay, parcel))
        except TimeoutError:
            return Outcome(delivered=False, error="timeout")


def _handed_over(relay: Relay, parcel: Parcel) -> Outcome:
    message = _message(relay, parcel)
    taken = Outcome(delivered=True, address=relay.host, shown_as=str(message["message-id"]))
    connected = sent = False
    try:
        with _connected(relay) as smtp:
            connected = True
            smtp.send_message(message)
            sent = True
    except NotPublic:
        return Outcome(delivered=False, error="not-public", may_have=False)
    except (OSError, smtplib.SMTPException) as error:
        # Once it has taken the message, whatever it says to a farewell changes nothing.
        return taken if sent else _refused(error, connected=connected)
    return taken


def _refused(error: Exception, *, connected: bool) -> Outcome:
    """Judge what a relay said, or that it said nothing."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        status, said = next(iter(error.recipients.values()))
        detail = _DETAIL.match(said)
        # A relay that takes it for spam, say, refuses this mail and not the mailbox.
        gone = detail[1] == b"1" if detail else status in _NO_MAILBOX
        return Outcome(
            delivered=False, status=status, error="smtp-refused", may_have=False, gone=gone
        )
    if isinstance(error, smtplib.SMTPResponseException):
        status = error.smtp_code
        return Outcome(delivered=False, status=status, error="smtp-error", may_have=False)
    name = f"smtp-{type(error).__name__.lower()}"
    return Outcome(delivered=False, error=name, may_have=connected)


def _connected(relay: Relay) -> smtplib.SMTP:
    secure = ssl.create_default_context()
    smtp: smtplib.SMTP
    if relay.tls:
        smtp = smtplib.SMTP_SSL(relay.host, relay.port, timeout=SECONDS, context=secure)
    else:
        smtp = smtplib.SMTP(relay.host, relay.port, timeout=SECONDS)
    if relay.user is not None:
        if not relay.tls:
            smtp.starttls(context=secure)  # a password goes out in no other way
        smtp.login(relay.user, relay.password or "")
    return smtp


def _message(relay: Relay, parcel: Parcel) -> EmailMessage:
    said = parcel.message
    host = relay.sender.rpartition("@")[2]
    made = EmailMessage()
    made["from"] = relay.sender
    made["to"] = check(parcel.endpoint.address)
    made["subject"] = said.headline
    made["date"] = format_datetime(datetime.fromtimestamp(parcel.now_ms / 1000, UTC))
    # The same for each try, so that a mailbox that gets it twice shows it once.
    made["message-id"] = f"<{parcel.delivery.webhook_id}@{host}>"
    thread = [each.shown_as or f"<{each.webhook_id}@{host}>" for each in parcel.earlier]
    if thread:
        made["in-reply-to"] = thread[-1]
        made["references"] = " ".join(thread)
    made["auto-submitted"] = "auto-generated"  # RFC 3834: no holiday notice answers it
    made.set_content(f"{said.headline}\n\n{said.text}\n" if said.text else f"{said.headline}\n")
    return made
