"""Auditing over HTTP: checkpoints and proofs for everybody, exports for who holds a key."""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from consumers.answers import said
from consumers.audit import export as exporting
from consumers.audit.auditor import Auditor
from events.envelope import SLUG
from events.errors import NotFound, Refused

__all__ = ["Wanted", "routes"]

DIGITS = 15  # of a position; no log is longer
_NOTE: Final = "text/plain; charset=utf-8"

Wanted = Callable[[Request, str | None, exporting.Parts], Awaitable[exporting.Export]]
"""Puts together what is exported of a story, or of the log, for who may have it."""


def routes(auditor: Auditor, wanted: Wanted) -> list[Route]:
    """Give the routes of the auditor.

    Args:
        auditor: of the log.
        wanted: puts an export together, or raises what the server answers.
    """

    async def checkpoint(_request: Request) -> Response:
        signed = await auditor.latest()
        return PlainTextResponse(signed.note, headers={"cache-control": "no-cache"})

    async def key(_request: Request) -> Response:
        await auditor.latest()
        return PlainTextResponse(f"{auditor.keyring.public}\n")

    async def proof(request: Request) -> Response:
        found = await auditor.inclusion(_position(request))
        return said(found.shown)

    async def proof_file(request: Request) -> Response:
        found = await auditor.inclusion(_position(request))
        return PlainTextResponse(found.tlog_proof)

    async def consistency(request: Request) -> Response:
        size = (await auditor.latest()).size
        found = await auditor.consistency(_size(request, "from"), _size(request, "to", size))
        return said(found.shown)

    async def export(request: Request) -> Response:
        story, parts = _asked(request)
        return await _file(auditor, await wanted(request, story, parts))

    async def verifier(_request: Request) -> Response:
        return Response(exporting.verifier(), media_type="text/x-python")

    return [
        Route("/v1/audit/checkpoint", checkpoint),
        Route("/v1/audit/key", key),
        Route("/v1/audit/proof/{position}.tlog-proof", proof_file),
        Route("/v1/audit/proof/{position}", proof),
        Route("/v1/audit/consistency", consistency),
        Route("/v1/audit/export", export),
        Route(f"/v1/audit/{exporting.VERIFIER}", verifier),
    ]


def _asked(request: Request) -> tuple[str | None, exporting.Parts]:
    """Say of which story an export is to be, if not of all, and with which parts."""
    asked = request.query_params
    parts, story = asked.get("parts", "internal"), asked.get("story")
    if parts not in exporting.PARTS:
        raise Refused("filter", "parts", "public, internal or private", repr(parts))
    if story is not None and not SLUG.fullmatch(story):
        raise NotFound("story", "of this name")
    return story, parts


async def _file(auditor: Auditor, found: exporting.Export) -> Response:
    """Answer with an export, as a file that is made while it is sent."""
    packed = exporting.packed(auditor, found)
    # What can be refused is refused before the answer has begun.
    first = await anext(packed)
    headers = {"content-disposition": 'attachment; filename="dateline.jsonl.gz"'}
    headers["cache-control"] = "no-store"  # no cache on the way keeps what a key was needed for
    return StreamingResponse(exporting.behind(first, packed), 200, headers, "application/gzip")


def _position(request: Request) -> int:
    text: str = request.path_params["position"]
    if not _is_number(text):
        raise NotFound("position", "of this number")
    return int(text)


def _size(request: Request, name: str, default: int | None = None) -> int:
    text = request.query_params.get(name)
    if text is None and default is not None:
        return default
    if text is None or not _is_number(text):
        raise Refused("number", name, "a size of the log", repr(text)[:40])
    return int(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= DIGITS
