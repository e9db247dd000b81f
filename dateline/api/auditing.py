"""The paths of the auditor: checkpoints and proofs for everybody, exports for who holds a key."""

from typing import Any

from consumers.audit.export import VERIFIER
from dateline.api.shapes import SLUG, parameter, problems

__all__ = ["audit_paths"]

_HASH = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_SIZE = {"type": "integer", "minimum": 1, "maximum": 10**15 - 1}
_INCLUSION = {
    "type": "object",
    "required": ["position", "leaf", "proof", "size", "root", "checkpoint"],
    "properties": {
        "position": {"type": "integer"},
        "leaf": _HASH,
        "proof": {"type": "array", "items": _HASH},
        "size": {"type": "integer"},
        "root": _HASH,
        "checkpoint": {"type": "string"},
    },
}
_CONSISTENCY = {
    "type": "object",
    "required": ["from", "to", "from_root", "to_root", "proof"],
    "properties": {
        "from": {"type": "integer"},
        "to": {"type": "integer"},
        "from_root": _HASH,
        "to_root": _HASH,
        "proof": {"type": "array", "items": _HASH},
    },
}


def audit_paths() -> dict[str, Any]:
    """Give the paths of the auditor."""
    position = parameter("position", "path", _SIZE)
    export = _path("export", "The log or a story, to verify elsewhere", "application/gzip")
    export["get"]["security"] = [{"key": []}]
    export["get"]["parameters"] = [
        parameter("story", "query", SLUG),
        parameter("parts", "query", {"enum": ["public", "internal", "private"]}),
    ]
    export["get"]["responses"] |= problems(400, 401, 403, 404)
    proof = _path("proof", "That an event is in the log", "application/json", _INCLUSION)
    proof_file = _path("tlog-proof", "The same as a C2SP tlog-proof file", "text/plain")
    for each in (proof, proof_file):
        each["get"]["parameters"] = [position]
        each["get"]["responses"] |= problems(404)
    consistency = _path(
        "consistency", "That the log begins with what it was", "application/json", _CONSISTENCY
    )
    consistency["get"]["parameters"] = [
        {**parameter("from", "query", _SIZE), "required": True},
        parameter("to", "query", _SIZE),
    ]
    consistency["get"]["responses"] |= problems(400, 422)
    return {
        "/v1/audit/checkpoint": _path("checkpoint", "The last signed checkpoint", "text/plain"),
        "/v1/audit/key": _path(
            "audit-key", "The key that checkpoints are signed with", "text/plain"
        ),
        "/v1/audit/proof/{position}": proof,
        "/v1/audit/proof/{position}.tlog-proof": proof_file,
        "/v1/audit/consistency": consistency,
        "/v1/audit/export": export,
        f"/v1/audit/{VERIFIER}": _path(
            "verifier", "The program that verifies an export", "text/x-python"
        ),
    }


def _path(name: str, summary: str, media: str, schema: Any = None) -> dict[str, Any]:  # noqa: ANN401 - JSON Schema
    content = {media: {"schema": schema} if schema else {}}
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "responses": {
                "200": {"description": "It", "content": content},
                **problems(500, 503),
            },
        }
    }
