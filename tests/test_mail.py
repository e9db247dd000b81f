"""Mail goes out in threads, once, and holds up nothing else, whatever its relay does."""

import asyncio
import contextlib
import email
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import Message

import pytest
from asking import eventually
from receiving import parcel

from consumers.delivery.channels.mail import Mail, relay_of
from consumers.delivery.confined import Confined
from consumers.delivery.guard import Guard
from consumers.delivery.outgoing import Outcome
from consumers.delivery.rows import Earlier

SHARED = min(32, (os.cpu_count() or 1) + 4)  # threads that a loop shares: Python's own number


class Relay:
    """A mail server that takes everything, or refuses everybody."""

    def __init__(self, refusal: str | None = None, farewell: str = "221 bye") -> None:
        self.mail: list[Message] = []
        self.refusal = refusal
        self.farewell = farewell
        self.port = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 relay\r\n")
        while line := (await reader.readline()).decode():
            word = line[:4].upper()
            if word == "DATA":
                writer.write(b"354 go on\r\n")
                content = (await reader.readuntil(b"\r\n.\r\n"))[:-5]
                self.mail.append(email.message_from_bytes(content))
            if word == "RCPT" and self.refusal:
                writer.write(f"{self.refusal}\r\n".encode())
                continue
            writer.write(f"{self.farewell if word == 'QUIT' else '250 ok'}\r\n".encode())
            if word == "QUIT":
                break
        writer.close()


@asynccontextmanager
async def relaying(refusal: str | None = None, farewell: str = "221 bye") -> AsyncIterator[Relay]:
    relay = Relay(refusal, farewell)
    server = await asyncio.start_server(relay.talk, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()


class Silent:
    """A mail server that says nothing, or goes on saying that there is more to come."""

    def __init__(self, says: bytes = b"") -> None:
        self.says = says
        self.callers = self.left = 0
        self.port = 0
        self.over = asyncio.Event()

    async def talk(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.callers += 1
        with contextlib.suppress(ConnectionError):
            while not self.over.is_set():
                writer.write(self.says)
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.02):  # between two drips
                        await self.over.wait()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        self.left += 1


@asynccontextmanager
async def silent(says: bytes = b"") -> AsyncIterator[Silent]:
    relay = Silent(says)
    server = await asyncio.start_server(relay.talk, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        relay.over.set()
        server.close()
        await eventually(lambda: all_gone(relay))


async def all_gone(relay: Silent) -> bool:
    return relay.left == relay.callers


def mail_by(relay: Relay | Silent, *, allow_loopback: bool = True, seconds: float = 15) -> Mail:
    url = f"smtp://127.0.0.1:{relay.port}"
    confined = Confined(Guard(allow_loopback=allow_loopback), seconds)
    return Mail(relay_of(url, "alerts@news.example"), confined)


async def test_a_correction_answers_in_the_thread_of_its_alert() -> None:
    """In a mailbox the correction of an alert stands in the alert's thread."""
    async with relaying() as relay:
        channel = mail_by(relay)
        sent = await channel.send(parcel("mailto:desk@news.example"))
        assert sent.delivered
        earlier = (Earlier("msg_1", sent.shown_as),)
        await channel.send(parcel("mailto:desk@news.example", "CORRECTION: x", earlier=earlier))
        alert, correction = relay.mail
        assert alert["message-id"] == "<msg_1@news.example>"
        assert correction["in-reply-to"] == alert["message-id"]
        assert correction["references"] == alert["message-id"]
        assert alert["auto-submitted"] == "auto-generated"
        assert (alert["to"], alert["subject"]) == ("desk@news.example", "A drill")


@pytest.mark.parametrize(
    ("refusal", "gone"),
    [
        ("550 no such mailbox", True),
        ("550 5.1.1 no such mailbox", True),
        ("550 5.7.1 taken for spam", False),
        ("554 not today", False),
        ("450 come back", False),
        ("450 4.1.1 come back", False),
    ],
)
async def test_a_mailbox_that_is_gone_is_told_from_a_full_one(
    refusal: str,
    gone: bool,  # noqa: FBT001 - of the table above
) -> None:
    """A mailbox that is none is not tried again; one that is refused for now or for spam is."""
    async with relaying(refusal) as relay:
        ended = await mail_by(relay).send(parcel("mailto:desk@news.example"))
        assert (ended.delivered, ended.gone, ended.may_have) == (False, gone, False)


async def test_a_relay_is_held_to_the_guard() -> None:
    """Mail leaves for public addresses alone, as everything does."""
    async with relaying() as relay:
        ended = await mail_by(relay, allow_loopback=False).send(parcel("mailto:a@news.example"))
        assert ended == Outcome(delivered=False, error="not-public", may_have=False)
        assert relay.mail == []


async def test_a_relay_that_hangs_keeps_nothing_else_waiting() -> None:
    """While mail waits for a relay that says nothing, all else that needs a thread goes on."""
    async with silent() as relay:
        channel = mail_by(relay)
        mails = [
            asyncio.ensure_future(channel.send(parcel("mailto:a@news.example")))
            for _ in range(SHARED)
        ]
        try:
            await eventually(lambda: called(relay))
            async with asyncio.timeout(5):
                assert await asyncio.to_thread(int) == 0
        finally:
            for mail in mails:
                mail.cancel()
            await asyncio.gather(*mails, return_exceptions=True)


async def called(relay: Silent) -> bool:
    return relay.callers == SHARED


async def test_a_relay_that_drips_is_cut_off() -> None:
    """A relay that never comes to an end of its greeting has its time and no more."""
    async with silent(b"220-and more\r\n") as relay, asyncio.timeout(5):
        ended = await mail_by(relay, seconds=0.3).send(parcel("mailto:a@news.example"))
        assert (ended.delivered, ended.may_have) == (False, False)


async def test_what_a_relay_took_is_delivered_however_it_says_farewell() -> None:
    """Mail that was taken is not sent again because the relay ended with an error."""
    async with relaying(farewell="451 too busy to say goodbye") as relay:
        ended = await mail_by(relay).send(parcel("mailto:desk@news.example"))
        assert ended.delivered
        assert len(relay.mail) == 1
