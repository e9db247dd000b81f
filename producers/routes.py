"""Filing over HTTP."""

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import orjson
from starlette.exceptions import HTTPException

from events.envelope import EVENT_ID
from events.errors import Refused
from events.identity import id_of
from events.log import Expect, ExpectedVersion
from producers.case import Actor
from producers.intake import FILING_BYTES, Filing, parse, take
from producers.publisher import Publisher, Receipt

__all__ = ["PATH", "filing"]

PATH: Final = re.compile(r"/v1/stories/([^/]+)/developments")
"""Where filings are sent, by POST, and read by GET; its group is the story."""

MOST_FILINGS = 100  # in one request; a longer history is imported
Filer = Callable[[str | None], Actor]
"""Says who files by a request's Authorization, or raises what the server answers."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = dict[bytes, str]

_READ: Final = frozenset({b"authorization", b"idempotency-key", b"if-match"})


def filing(
    publisher: Publisher, filer: Filer, took: Callable[[float], None]
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Give filing as an ASGI application.

    It stands outside of Starlette, whose layers cost more than the desk's decision.

    Args:
        publisher: takes the filings.
        filer: says who files by the request's key.
        took: is told the seconds that each filing took.
    """

    async def file(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            raise HTTPException(405, headers={"allow": "GET, HEAD, POST"})
        found = PATH.fullmatch(scope["path"])
        story = found[1] if found else ""
        headers = {
            name: value.decode("latin-1") for name, value in scope["headers"] if name in _READ
        }
        actor = filer(headers.get(b"authorization"))
        body = await _body(receive)
        if body is None:
            return
        content = parse(body)
        many = isinstance(content, list)
        filings = _filings(story, headers, content if many else [content], actor)
        start = time.perf_counter()
        receipts = await publisher.file_all(filings, actor, _expected(headers))
        took(time.perf_counter() - start)
        told = [_told(receipt) for receipt in receipts]
        body = orjson.dumps(told if many else told[0], option=orjson.OPT_APPEND_NEWLINE)
        await _answer(send, body, receipts[-1].version)

    return file


def _told(receipt: Receipt) -> dict[str, Any]:
    return {
        "id": receipt.id,
        "ref": receipt.ref,
        "position": receipt.position,
        "version": receipt.version,
        "duplicate": receipt.duplicate,
    }


async def _answer(send: Send, body: bytes, version: int) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"etag", b'"%d"' % version),
    ]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive) -> bytes | None:
    """Read a body, and no more of it than a filing may have; None when its sender hung up."""
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message["body"]
        if len(body) > FILING_BYTES:
            raise Refused("size", "filing", f"at most {FILING_BYTES} bytes", "more")
        if not message.get("more_body"):
            return body


def _filings(story: str, headers: Headers, contents: list[Any], actor: Actor) -> list[Filing]:
    if not 1 <= len(contents) <= MOST_FILINGS:
        raise Refused(
            "batch-size", "filing", f"1 to {MOST_FILINGS} filings", f"a list of {len(contents)}"
        )
    key = headers.get(b"idempotency-key")
    if key is not None and not key.strip():  # as a script sends it that forgot to make one
        raise Refused("header", "Idempotency-Key", "a key that is yours alone", "none")
    filings = []
    for number, content in enumerate(contents):
        if isinstance(content, dict):
            if content.get("story", story) != story:
                raise Refused("story-slug", "story", f"{story}, as in the URL", "another story")
            given = {} if key is None else {"id": _id(key, actor, story, number, len(contents))}
            content = {**given, **content, "story": story}  # noqa: PLW2901 - completed here
        filings.append(take(content))
    return filings


def _id(key: str, actor: Actor, story: str, number: int, count: int) -> str:
    """Give the event id that an Idempotency-Key stands for: itself, or one made of it."""
    if count == 1 and EVENT_ID.fullmatch(key):
        return key
    return id_of(0, actor.name, story, str(number), key)


_ANY_MATCH: Final = (None, "*")


def _expected(headers: Headers) -> ExpectedVersion:
    wanted = headers.get(b"if-match")
    if wanted in _ANY_MATCH:
        return Expect.ANY if wanted is None else Expect.MUST_EXIST
    text = wanted.strip().removeprefix("W/").strip('"')
    if not (text.isascii() and text.isdigit() and len(text) < 10):  # noqa: PLR2004 - no story is longer
        raise Refused("if-match", "If-Match", 'a version in quotes, such as "17"', repr(wanted))
    return int(text)
