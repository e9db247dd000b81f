"""Subscribing to alerts over HTTP: webhooks and other targets with a key, browsers without one."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consumers.answers import said
from consumers.delivery.deliveries import Deliveries
from consumers.delivery.endpoints import Endpoints
from consumers.delivery.registrar import Registrar, described, handshake_of
from consumers.delivery.rows import Attempt
from consumers.delivery.wishes import wishes_of
from consumers.pages.routes import POLICY
from events.envelope import instant
from events.errors import NotFound, Refused
from events.log import Clock

__all__ = ["attempt_shown", "routes"]

FOLDER: Final = Path(__file__).parent / "browser"
# The worker stands at the root, for it may show what concerns any page below where it stands.
BROWSER: Final = {
    "/alerts": ("alerts.html", "text/html; charset=utf-8"),
    "/assets/alerts.js": ("alerts.js", "text/javascript; charset=utf-8"),
    "/push-worker.js": ("push-worker.js", "text/javascript; charset=utf-8"),
}
MOST_BODY = 64 * 1024  # bytes of a registration; a push subscription with wishes is a tenth of it

Allowed = Callable[[Request], None]
"""Raises unless a request's key may decide whom alerts go to."""

Handler = Callable[[Request], Awaitable[Response]]


class Outbox(Protocol):
    """What the routes work on."""

    deliveries: Deliveries
    endpoints: Endpoints
    registrar: Registrar
    clock: Clock

    @property
    def push_key(self) -> str:
        """The key that browsers subscribe with."""
        ...


class _Subscribing:
    """What is done about each request.

    Args:
        outbox: what sends.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def add(self, request: Request) -> Response:
        """Take in a target."""
        content = await _content(request, {"url", "wishes", "handshake", "secret", "owner", "name"})
        made = await self._outbox.registrar.add(
            _text(content, "url") or "",
            wishes_of(content.get("wishes", {})),
            handshake_of(_text(content, "handshake") or "options"),
            owner=_text(content, "owner"),
            secret=_text(content, "secret"),
            name=_name(content),
        )
        return said(made._asdict(), 201)

    async def listed(self, _request: Request) -> Response:
        """List targets."""
        return said([described(each) for each in await self._outbox.endpoints.all()])

    async def shown(self, request: Request) -> Response:
        """Give one target."""
        return said(described(await self._outbox.endpoints.get(_target(request))))

    async def attempts(self, request: Request) -> Response:
        """List the tries of a target."""
        target = _target(request)
        await self._outbox.endpoints.get(target)
        found = await self._outbox.deliveries.attempts(target, None)
        return said([attempt_shown(each) for each in found])

    async def disable(self, request: Request) -> Response:
        """Disable a target."""
        await self._outbox.endpoints.disable(_target(request), "disabled by hand")
        return Response(status_code=204)

    async def change(self, request: Request) -> Response:
        """Have a target get what it wishes now."""
        content = await _content(request, {"wishes"})
        target = _target(request)
        await self._outbox.endpoints.change(target, wishes_of(content.get("wishes")))
        return said(described(await self._outbox.endpoints.get(target)))

    async def remove(self, request: Request) -> Response:
        """Forget a target."""
        await self._outbox.endpoints.remove(_target(request))
        return Response(status_code=204)

    async def rotate(self, request: Request) -> Response:
        """Give a webhook a new secret."""
        content = await _content(request, {"secret"})
        target = _target(request)
        secret = await self._outbox.endpoints.rotate(target, _text(content, "secret"))
        return said({"target": target, "secret": secret})

    async def recover(self, request: Request) -> Response:
        """Enable a target and send what it missed."""
        content = await _content(request, {"since"})
        target = _target(request)
        since = _moment(content.get("since"))
        await self._outbox.endpoints.enable(target)
        found = await self._outbox.deliveries.recover(target, since, self._outbox.clock())
        return said({"target": target, "recovered": found})

    async def resend(self, request: Request) -> Response:
        """Send a delivery once more."""
        webhook_id = request.path_params["delivery"]
        if not await self._outbox.deliveries.resend(webhook_id, self._outbox.clock()):
            raise NotFound("delivery at rest", ascii(webhook_id)[1:41])
        return said({"delivery": webhook_id}, 202)

    async def push_key(self, _request: Request) -> Response:
        """Give the key that browsers subscribe with."""
        return said({"key": self._outbox.push_key})

    async def subscribe(self, request: Request) -> Response:
        """Take in a browser."""
        content = await _content(request, {"subscription", "wishes"})
        wishes = wishes_of(content.get("wishes", {}))
        if wishes.desk:
            raise Refused("wishes", "wishes.desk", "false: readers are no desk", "true")
        made = await self._outbox.registrar.add_browser(content.get("subscription"), wishes)
        return said({"target": made.target}, 201)

    async def unsubscribe(self, request: Request) -> Response:
        """Let a browser go."""
        # The name is made of the endpoint, which nobody but the browser and its service knows.
        await self._outbox.endpoints.remove(f"push:{request.path_params['name']}")
        return Response(status_code=204)


def routes(outbox: Outbox, allowed: Allowed) -> list[Route]:
    """Give the routes of subscribing.

    Args:
        outbox: what sends.
        allowed: lets a request go on, or raises.
    """
    do = _Subscribing(outbox)

    def keyed(path: str, handler: Handler, method: str) -> Route:
        async def guarded(request: Request) -> Response:
            allowed(request)
            return await handler(request)

        return Route(path, guarded, methods=[method])

    one = "/v1/webhooks/{target}"
    return [
        keyed("/v1/webhooks", do.add, "POST"),
        keyed("/v1/webhooks", do.listed, "GET"),
        keyed(one, do.shown, "GET"),
        keyed(one, do.change, "PATCH"),
        keyed(one, do.disable, "DELETE"),
        keyed(f"{one}/remove", do.remove, "POST"),
        keyed(f"{one}/attempts", do.attempts, "GET"),
        keyed(f"{one}/rotate", do.rotate, "POST"),
        keyed(f"{one}/recover", do.recover, "POST"),
        keyed("/v1/deliveries/{delivery}/resend", do.resend, "POST"),
        Route("/v1/push/key", do.push_key),
        Route("/v1/push", do.subscribe, methods=["POST"]),
        Route("/v1/push/{name}", do.unsubscribe, methods=["DELETE"]),
        *map(_page, BROWSER),
    ]


def _page(path: str) -> Route:
    """Give the route of something that browsers load."""
    name, media_type = BROWSER[path]
    content = (FOLDER / name).read_bytes()
    held = {"content-security-policy": POLICY, "cache-control": "no-cache"}

    async def told(_request: Request) -> Response:
        return Response(content, media_type=media_type, headers=held)

    return Route(path, told)


def attempt_shown(attempt: Attempt) -> dict[str, Any]:
    """Give a try as it is shown."""
    began = attempt.began_ms
    found = {
        **attempt._asdict(),
        "delivery": attempt.webhook_id,
        "began_at": None if began is None else instant(began),
    }
    return {name: value for name, value in found.items() if name not in {"webhook_id", "began_ms"}}


async def _content(request: Request, fields: set[str]) -> dict[str, Any]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BODY:
            raise Refused("size", "body", f"at most {MOST_BODY} bytes", "more")
    try:
        content = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise Refused("json", "body", "one JSON object", str(error)) from error
    if not isinstance(content, dict):
        raise Refused("json", "body", "one JSON object", type(content).__name__)
    for name in content:
        if name not in fields:
            raise Refused("shape", name, f"one of {', '.join(sorted(fields))}", "another field")
    return content


def _text(content: dict[str, Any], field: str) -> str | None:
    found = content.get(field)
    if found is not None and not isinstance(found, str):
        raise Refused("shape", field, "text", type(found).__name__)
    return found


def _name(content: dict[str, Any]) -> str | None:
    name = _text(content, "name")
    if name is not None and not (name.isascii() and name.isalnum() and len(name) < 41):  # noqa: PLR2004 - as keys are named
        raise Refused("target-name", "name", "1 to 40 letters and digits", ascii(name)[:50])
    return name


def _target(request: Request) -> str:
    target: str = request.path_params["target"]
    return target


def _moment(found: object) -> int:
    if isinstance(found, str):
        try:
            when = datetime.fromisoformat(found)
        except ValueError:
            when = None
        if when is not None and when.tzinfo is not None:
            return max(0, int(when.timestamp() * 1000))
    raise Refused("moment", "since", "a time with its zone, RFC 3339", ascii(found)[:50])
