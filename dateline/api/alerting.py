"""The paths of alerts: what was decided and why, for the newsroom."""

from typing import Any

from dateline.api.shapes import SLUG, answer, parameter, problems
from events.alerts import STATES

__all__ = ["alert_paths"]

_REF = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,40}$"}
_REFS = {"type": "array", "items": {"type": "string"}}
_LEVEL = {"enum": ["flash", "bulletin", "urgent", "regular", "deferred"]}
_STATE = {"enum": list(STATES)}
_ALERT = {
    "type": "object",
    "required": ["story", "ref", "level", "state", "derived_from", "reason", "position"],
    "properties": {
        "story": SLUG,
        "ref": _REF,
        "level": _LEVEL,
        "state": _STATE,
        "derived_from": _REFS,
        "reason": {"type": "string"},
        "reached": {"type": "integer"},
        "owed": {"type": "integer"},
        "position": {"type": "integer"},
    },
}
_STEP = {
    "type": "object",
    "required": ["position", "recorded_at", "decision", "by", "alert", "level", "reason"],
    "properties": {
        "position": {"type": "integer"},
        "recorded_at": {"type": "string", "format": "date-time"},
        "decision": _STATE,
        "by": {"type": "string"},
        "alert": _REF,
        "level": _LEVEL,
        "derived_from": _REFS,
        "references": _REFS,
        "until": {"type": ["string", "null"]},
        "reason": {"type": "string"},
    },
}
_EXPLAINED = {
    "type": "object",
    "required": ["story", "ref", "outcome", "why", "steps"],
    "properties": {
        "story": SLUG,
        "ref": _REF,
        "outcome": {"enum": [*_STATE["enum"], "silent"]},
        "why": {"type": "string"},
        "steps": {"type": "array", "items": _STEP},
    },
}
_SILENCE = {
    "type": "object",
    "required": ["story", "ref", "by", "until", "levels", "kinds", "reason", "position"],
}


def alert_paths() -> dict[str, Any]:
    """Give the paths of alerts."""
    before = {"type": "integer", "minimum": 0, "maximum": 10**15 - 1}
    listed = _page("alerts", _ALERT) | {"required": ["alerts", "next"]}
    alerts = _path("alerts", "Alerts of all stories, the newest first", listed)
    asked = {"before": before, "story": SLUG, "state": _STATE}
    alerts["get"]["parameters"] = [parameter(name, "query", of) for name, of in asked.items()]
    alerts["get"]["responses"] |= problems(400)
    why = _path("alert", "Why a development did or did not alert, step by step", _EXPLAINED)
    why["get"]["parameters"] = [parameter("story", "path", SLUG), parameter("ref", "path", _REF)]
    why["get"]["responses"] |= problems(404)
    silences = _path("silences", "Who asked for quiet, and until when", _page("silences", _SILENCE))
    return {
        "/v1/alerts": alerts,
        "/v1/alerts/silences": silences,
        "/v1/alerts/{story}/{ref}": why,
    }


def _page(name: str, item: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON Schema
    following = {"type": ["integer", "null"], "description": "`before` of the next page"}
    properties = {name: {"type": "array", "items": item}, "next": following}
    return {"type": "object", "required": [name], "properties": properties}


def _path(name: str, summary: str, schema: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON Schema
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "security": [{"key": []}],
            "responses": {"200": answer("It", schema), **problems(401, 503)},
        }
    }
