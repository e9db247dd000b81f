"""How a request arrives: how long it may take, how much its headers may hold, who still listens.

uvicorn waits for ever for a request that was half sent, and keeps headers of any length. Here a
request that does not arrive in time is answered 408, one with too long headers or trailers 431
(RFC 9110 and RFC 6585), and the connection is closed. Who closes only its own side once it has
asked is answered, and a client of HTTP/1.0 is sent no chunks, which it could not take apart.
"""

import asyncio
from collections.abc import MutableMapping
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from dateline.sending import Sending

__all__ = ["Receipt"]

HEADERS_WITHIN = 10.0  # seconds from the connection, or from the first byte of a later request
BODY_WITHIN = 20.0  # seconds from the headers
HEADER_BYTES = 32 * 1024  # or trailers, and no more than what is read at once on top of it


def _refusal(status: int, title: str) -> bytes:
    """Give the whole answer to what is no request: a problem document, and the end."""
    about = b'{"type":"about:blank","title":"%b","status":%d}\n' % (title.encode(), status)
    head = f"HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\n"
    ends = f"content-length: {len(about)}\r\nconnection: close\r\n\r\n"
    return (head + ends).encode() + about


_BAD: Final = _refusal(400, "Bad Request")
_LATE: Final = _refusal(408, "Request Timeout")
_LONG: Final = _refusal(431, "Request Header Fields Too Large")


class Receipt(HttpToolsProtocol):
    """uvicorn's protocol, with a deadline for every request and a bound to its headers."""

    _sending: Sending
    _deadline: asyncio.TimerHandle | None = None
    _since_progress = 0  # bytes, since headers ended or some of a body came

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Expect a request: a connection that asks nothing is not kept."""
        self._sending = Sending(transport)
        super().connection_made(self._sending)  # type: ignore[arg-type] # as much of a transport as it uses
        self._expect_within(HEADERS_WITHIN)

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing any more."""
        self._expect_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrived, unless headers or trailers hold more than they may."""
        self._since_progress += len(data)
        super().data_received(data)
        if self._since_progress > HEADER_BYTES and not self.transport.is_closing():
            self._refuse(_LONG)

    def on_message_begin(self) -> None:
        """Expect the rest of a request on a connection that is used again."""
        super().on_message_begin()
        if self._deadline is None:
            self._expect_within(HEADERS_WITHIN)

    def on_headers_complete(self) -> None:
        """Expect the body, which has its own time."""
        self._since_progress = 0
        self._expect_within(BODY_WITHIN)
        super().on_headers_complete()
        if self.scope["http_version"] == "1.0":
            self.cycle.__class__ = _Unchunked  # uvicorn lets nobody say which class it makes
        self.headers = []  # what comes now are trailers, which nobody here takes for headers

    def on_body(self, body: bytes) -> None:
        """Take a part of a body; who sends trailers or chunks without end sends none."""
        self._since_progress = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect nothing any more: the request is here."""
        self._expect_nothing()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Let the answer go before the next one begins."""
        self._sending.ended()
        super().on_response_complete()

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn never keeps it open
        """Keep the connection for who has asked and says no more; it is closed with the answer.

        Who hangs up while it is being answered is gone: a subscriber does nothing else.
        """
        cycle: Any = self.cycle
        asked = cycle is not None and not cycle.more_body and not cycle.response_started
        if asked:
            cycle.keep_alive = False
        return asked

    def asked(self, path: str) -> bool:
        """Whether the last request that it brought was for a path."""
        return self.cycle is not None and bool(self.cycle.scope["path"] == path)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP in the form of all errors, and hang up."""
        del msg
        self.transport.write(_BAD)
        self.transport.close()

    def _expect_within(self, seconds: float) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(seconds, self._refuse, _LATE)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, answer: bytes) -> None:
        self._expect_nothing()
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(answer)
        self.transport.close()


class _Unchunked(RequestResponseCycle):
    """An answer over HTTP/1.0: where its length is not known, it ends with the connection."""

    _until_closed = False

    async def send(self, message: MutableMapping[str, Any]) -> None:  # type: ignore[override] # as applications send
        if message["type"] == "http.response.start":
            names = {name.lower() for name, _ in message["headers"]}
            self._until_closed = b"content-length" not in names
            self.chunked_encoding = False if self._until_closed else None
        elif self._until_closed:
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)  # type: ignore[arg-type] # likewise
