"""Errors as problem documents (RFC 9457)."""

from typing import Any, Final

import structlog
from starlette.requests import Request
from starlette.responses import Response

from consumers.answers import said
from dateline.outcomes import facts_of, http_status
from events.errors import (
    BookDamaged,
    DatelineError,
    DeliveriesUnavailable,
    KeysUnavailable,
    LogDamaged,
    LogUnavailable,
    ViewsUnavailable,
)

__all__ = ["fault", "http_problem", "nobody", "problem"]

_PROBLEM: Final = "application/problem+json"

log = structlog.get_logger()


def problem(request: Request, error: Exception) -> Response:
    """Answer with an RFC 9457 problem document; why something was not done is logged as well."""
    status = http_status(error) if isinstance(error, DatelineError) else 500
    if status >= 500 and request.method != "GET":  # noqa: PLR2004 - RFC 9110; who reads, asks again
        log.warning("not done", path=request.url.path, error=str(error))
    about = {**_facts(error), "status": status, "detail": _detail(error)}
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}  # noqa: PLR2004 - RFC 9110
    if status in (503, 507):
        headers["retry-after"] = "5"
    return said(about, status, headers, _PROBLEM)


def _facts(error: Exception) -> dict[str, Any]:
    """Give what names an error; of damage no more, which is told by the names of files here."""
    facts = facts_of(error)
    if isinstance(error, LogDamaged):
        del facts["expected"], facts["found"]
    return facts


def _detail(error: Exception) -> str:
    """Say what went wrong to somebody elsewhere, who has no use for the names of files here."""
    match error:
        case LogUnavailable(advice=advice):
            return f"the log is not to be had just now; {advice}"
        case DeliveriesUnavailable():
            return "deliveries are not to be had just now; try again"
        case ViewsUnavailable() | KeysUnavailable() | BookDamaged() | LogDamaged():
            return "stories are not to be had just now; try again"
        case _:
            return str(error)


def http_problem(_request: Request, error: Exception) -> Response:
    """Answer what HTTP itself has a status for: no such path, no such method."""
    status, title = getattr(error, "status_code", 500), getattr(error, "detail", "")
    about = {"type": "about:blank", "title": title, "status": status}
    return said(about, status, getattr(error, "headers", None), _PROBLEM)


def nobody(_request: Request, _error: Exception) -> Response:
    """Answer somebody who hung up before the request was whole; nobody hears it."""
    return Response(status_code=400)


def fault(request: Request, error: Exception) -> Response:
    """Answer a fault of the server's own, which is logged and not told."""
    log.error("fault", path=request.url.path, error=type(error).__name__)
    about = {"type": "about:blank", "title": "a fault of the server's own", "status": 500}
    return said(about, 500, media_type=_PROBLEM)
