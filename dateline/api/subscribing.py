"""The paths by which somebody subscribes to alerts: targets with a key, browsers without one."""

from typing import Any, Final

from dateline.api.shapes import parameter, problems

__all__ = ["subscribing_paths"]

_TEXT: Final = {"type": "string"}
_TARGET: Final = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:@-]{0,79}$"}
_WISHES: Final = {
    "type": "object",
    "description": "which alerts; an empty list takes everything",
    "properties": {
        **{
            name: {"type": "array", "items": _TEXT, "maxItems": 100}
            for name in ("stories", "kinds", "places", "people", "routes")
        },
        "least": {"enum": ["flash", "bulletin", "urgent", "regular", "deferred"]},
        "desk": {"type": "boolean"},
        "timezone": _TEXT,
        "quiet": {"type": "array", "items": {"type": "string"}},
        "passes_quiet": {"type": "array", "items": {"type": "string"}},
        "throttle": {"type": "object"},
    },
}
_DESCRIBED: Final = {
    "type": "object",
    "required": ["target", "channel", "address", "state"],
    "properties": {
        "target": _TEXT,
        "channel": _TEXT,
        "address": {**_TEXT, "description": "as far as it may be shown"},
        "state": {"enum": ["active", "disabled"]},
        "reason": {"type": ["string", "null"]},
        "wishes": _WISHES,
        "made_at": _TEXT,
        "failing_since": {"type": ["string", "null"]},
    },
}
_ATTEMPT: Final = {"type": "object", "required": ["delivery", "state"]}
_MADE: Final = {
    "type": "object",
    "required": ["target"],
    "properties": {
        "target": _TEXT,
        "secret": {"type": ["string", "null"], "description": "shown this once"},
    },
}


_LISTED: Final = {"type": "array", "items": _DESCRIBED}
_ASKED: Final = {
    "type": "object",
    "required": ["url"],
    "properties": {
        "url": _TEXT,
        "wishes": _WISHES,
        "handshake": {"enum": ["options", "challenge"]},
        "secret": {"type": ["string", "null"]},
        "owner": {"type": ["string", "null"]},
        "name": {"type": ["string", "null"]},
    },
}
_CHANGED: Final = {
    "type": "object",
    "required": ["wishes"],
    "properties": {"wishes": _WISHES},
}
_BROWSER: Final = {
    "type": "object",
    "required": ["subscription"],
    "properties": {"subscription": {"type": "object"}, "wishes": _WISHES},
}


def subscribing_paths() -> dict[str, Any]:
    """Give the paths of subscribing to alerts."""
    one = [parameter("target", "path", _TARGET)]
    secret = {"type": "object", "properties": {"secret": {"type": ["string", "null"]}}}
    since = {"type": "object", "required": ["since"], "properties": {"since": _TEXT}}
    return {
        "/v1/webhooks": {
            "post": _path("add-target", "Have alerts sent somewhere", 201, _MADE, [], _ASKED),
            "get": _path("targets", "Whom alerts go to", 200, _LISTED),
        },
        "/v1/webhooks/{target}": {
            "get": _path("target", "One of them", 200, _DESCRIBED, one),
            "patch": _path("change-target", "Change what it gets", 200, _DESCRIBED, one, _CHANGED),
            "delete": _path("disable-target", "Send it nothing more", 204, None, one),
        },
        "/v1/webhooks/{target}/remove": {
            "post": _path("remove-target", "Forget it and its secret", 204, None, one)
        },
        "/v1/webhooks/{target}/attempts": {
            "get": _path("attempts", "Each try", 200, {"type": "array", "items": _ATTEMPT}, one)
        },
        "/v1/webhooks/{target}/rotate": {
            "post": _path(
                "rotate", "A new secret; the old one signs a day more", 200, _MADE, one, secret
            )
        },
        "/v1/webhooks/{target}/recover": {
            "post": _path("recover", "What it missed since a time", 200, {}, one, since)
        },
        "/v1/deliveries/{delivery}/resend": {
            "post": _path(
                "resend", "Send one again", 202, {}, [parameter("delivery", "path", _TEXT)]
            )
        },
        "/v1/push/key": {
            "get": _open(_path("push-key", "The key that browsers subscribe with", 200, {}))
        },
        "/v1/push": {
            "post": _open(_path("subscribe", "Alerts in this browser", 201, _MADE, [], _BROWSER))
        },
        "/v1/push/{name}": {
            "delete": _open(
                _path("unsubscribe", "None any more", 204, None, [parameter("name", "path", _TEXT)])
            )
        },
    }


def _path(  # noqa: PLR0917 - what a path is described by
    name: str,
    summary: str,
    status: int,
    schema: Any,  # noqa: ANN401 - JSON Schema
    parameters: list[Any] | None = None,
    asked: Any = None,  # noqa: ANN401 - likewise
) -> dict[str, Any]:
    content = {} if schema is None else {"content": {"application/json": {"schema": schema}}}
    found: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "security": [{"key": []}],
        "parameters": parameters or [],
        "responses": {
            str(status): {"description": "It", **content},
            **problems(400, 401, 403, 404, 413, 422, 500, 503),
        },
    }
    if asked is not None:
        found["requestBody"] = {"content": {"application/json": {"schema": asked}}}
    return found


def _open(path: dict[str, Any]) -> dict[str, Any]:
    path.pop("security")
    return path
