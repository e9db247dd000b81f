"""Answers to readers: each has a tag, and whoever has it already is told so and no more."""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, Final, NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import Response

from consumers.kept import MADE_BYTES, kept
from events.envelope import SLUG
from events.errors import NotFound

__all__ = ["OPEN", "Changed", "answer", "asked_url", "json", "said", "slug_of"]

_JSON: Final = "application/json"
# What a Host header may name; it stands in documents where no public URL is set.
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")

# Pages of others may read what everybody may read; keys are no cookies, so that a browser adds
# none by itself.
OPEN: Final = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "Dateline-Checkpoint, ETag, Link",
}


class Changed(NamedTuple):
    """When a document last changed, and the time now."""

    at: datetime
    now: datetime


def answer(
    request: Request,
    body: bytes,
    media_type: str,
    headers: Mapping[str, str] | None = None,
    changed: Changed | None = None,
) -> Response:
    """Answer with a document, or with 304 where the reader has it (RFC 9110, section 13.2.2).

    Args:
        request: what was asked.
        body: the document.
        media_type: what it is.
        headers: what is told beside it.
        changed: when it last changed, where that is known.
    """
    etag = _etag(body)
    told = {"etag": etag, "cache-control": "no-cache", **OPEN, **(headers or {})}
    if changed is not None:
        # More may happen in a second that is not over; who asks by its time must not miss it.
        over = changed.now.astimezone(UTC).replace(microsecond=0) - timedelta(seconds=1)
        told["last-modified"] = format_datetime(min(_second(changed.at), over), usegmt=True)
    if _has(request.headers, etag, changed):
        return Response(status_code=304, headers=told)
    return Response(body, media_type=media_type, headers=told)


def json(request: Request, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON that may depend on who asks."""
    told = {"vary": "authorization", **(headers or {})}
    return answer(request, body + b"\n", _JSON, told)


def said(
    value: Any,  # noqa: ANN401 - any JSON value
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    media_type: str = _JSON,
) -> Response:
    """Answer with a JSON value, on a line of its own as whoever asks from a terminal sees it."""
    body = orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
    return Response(body, status, headers, media_type)


@kept(MADE_BYTES)
def _etag(body: bytes) -> str:
    """Give the tag of an answer; of one that is kept it is made once."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _has(headers: Mapping[str, str], etag: str, changed: Changed | None) -> bool:
    """Whether a reader has what there is: the tag says so, or where none was sent, the time."""
    had = headers.get("if-none-match")
    if had is not None:
        return had == "*" or etag in (tag.strip().removeprefix("W/") for tag in had.split(","))
    since = headers.get("if-modified-since")
    if since is None or changed is None:
        return False
    try:
        return _second(changed.at) <= parsedate_to_datetime(since).astimezone(UTC)
    except (ValueError, OverflowError):  # no date: to be passed over (RFC 9110, section 13.1.3)
        return False


def _second(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=0)


def slug_of(request: Request) -> str:
    """Give the story that a path names.

    Raises:
        NotFound: it can be the name of none.
    """
    slug: str = request.path_params["story"]
    if not SLUG.fullmatch(slug):
        raise NotFound("story", "of this name")
    return slug


def asked_url(request: Request) -> str:
    """Give the URL that a request went to, by its Host header where that is a host."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        name, port = request.scope.get("server") or ("localhost", None)
        name = f"[{name}]" if ":" in name else name
        host = name if port is None else f"{name}:{port}"
    return f"{request.url.scheme}://{host}"
