"""Filing over HTTP."""

import time
from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from events.envelope import EVENT_ID
from events.errors import Refused
from events.identity import id_of
from events.log import Expect, ExpectedVersion
from producers.case import Actor
from producers.intake import FILING_BYTES, Filing, parse, take
from producers.publisher import Publisher

__all__ = ["routes"]

MOST_FILINGS = 100  # in one request; a longer history is imported
Filer = Callable[[Request], Actor]
"""Says who files, or raises what the server answers."""


def routes(publisher: Publisher, filer: Filer, took: Callable[[float], None]) -> list[Route]:
    """Give the routes of the producing side.

    Args:
        publisher: takes the filings.
        filer: says who files by the request's key.
        took: is told the seconds that each filing took.
    """

    async def file(request: Request) -> Response:
        actor = filer(request)
        content = parse(await _body(request))
        many = isinstance(content, list)
        filings = _filings(request, content if many else [content], actor)
        start = time.perf_counter()
        receipts = await publisher.file_all(filings, actor, _expected(request))
        took(time.perf_counter() - start)
        told = [
            {
                "id": receipt.id,
                "ref": receipt.ref,
                "position": receipt.position,
                "version": receipt.version,
                "duplicate": receipt.duplicate,
            }
            for receipt in receipts
        ]
        etag = {"etag": f'"{receipts[-1].version}"'}
        return JSONResponse(told if many else told[0], status_code=201, headers=etag)

    return [Route("/v1/stories/{story}/developments", file, methods=["POST"])]


async def _body(request: Request) -> bytes:
    """Read a body, and no more of it than a filing may have."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FILING_BYTES:
            raise Refused("size", "filing", f"at most {FILING_BYTES} bytes", "more")
    return bytes(body)


def _filings(request: Request, contents: list[Any], actor: Actor) -> list[Filing]:
    if not 1 <= len(contents) <= MOST_FILINGS:
        raise Refused(
            "batch-size", "filing", f"1 to {MOST_FILINGS} filings", f"a list of {len(contents)}"
        )
    story = request.path_params["story"]
    key = request.headers.get("idempotency-key")
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


def _expected(request: Request) -> ExpectedVersion:
    wanted = request.headers.get("if-match")
    if wanted in _ANY_MATCH:
        return Expect.ANY if wanted is None else Expect.MUST_EXIST
    text = wanted.strip().removeprefix("W/").strip('"')
    if not (text.isascii() and text.isdigit() and len(text) < 10):  # noqa: PLR2004 - no story is longer
        raise Refused("if-match", "If-Match", 'a version in quotes, such as "17"', repr(wanted))
    return int(text)
