"""The OpenAPI 3.1 document: what can be asked over HTTP, and what is answered."""

from functools import cache
from importlib import metadata
from typing import Any

import orjson

from dateline.api.alerting import alert_paths
from dateline.api.auditing import audit_paths
from dateline.api.filing import filing_paths
from dateline.api.reading import document_paths, output_paths, page_paths, reading_paths
from dateline.api.shapes import PROBLEM, RECEIPT, STATE, SUMMARY, UPDATE, problems
from dateline.api.subscribing import subscribing_paths
from events.json_schema import filing_schema
from events.vocabulary import KINDS

__all__ = ["openapi"]


@cache
def openapi() -> dict[str, Any]:
    """Give the OpenAPI 3.1 document of the HTTP API."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Dateline",
            "version": metadata.version("dateline"),
            "description": "What happened in a story, who says so, and what was known when.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": _with_what_always_may_be(
            {
                **filing_paths(),
                **reading_paths(),
                **output_paths(),
                **page_paths(),
                **alert_paths(),
                **audit_paths(),
                **subscribing_paths(),
                **document_paths(),
                **_watching(),
            }
        ),
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Problem": PROBLEM,
                "Receipt": RECEIPT,
                "Summary": SUMMARY,
                "State": STATE,
                "Update": UPDATE,
                **{kind: _filing(kind) for kind in sorted(KINDS)},
            },
        },
    }


def _with_what_always_may_be(paths: dict[str, Any]) -> dict[str, Any]:
    """Add the answers that any request may get.

    It is no good request (400), or for another server: this one has not the role (404). It comes
    too slowly (408), with too much around it (431), or packed (501). The log is damaged (500), or
    not to be had (503).
    """
    always = problems(400, 404, 408, 431, 500, 501, 503)
    for methods in paths.values():
        for operation in methods.values():
            operation["responses"] = always | operation["responses"]
    return paths


def _watching() -> dict[str, Any]:
    """The paths by which a server is watched."""
    watched = (
        ("healthz", "Whether the process is alive", "text/plain"),
        ("readyz", "Whether it is ready, and if not, why", "application/json"),
        ("metrics", "Numbers for Prometheus", "text/plain"),
    )
    return {
        f"/{name}": {
            "get": {
                "operationId": name,
                "summary": summary,
                "responses": {
                    "200": {"description": "So it is", "content": {media: {}}},
                    "503": {"description": "It is not", "content": {"application/json": {}}},
                },
            }
        }
        for name, summary, media in watched
    }


def _filing(kind: str) -> dict[str, Any]:
    """Give the schema of a filing as one component: its parts are found within it."""
    schema = filing_schema(kind)
    for name in ("$schema", "$id"):
        schema.pop(name, None)
    schema["required"] = [name for name in schema["required"] if name != "story"]
    text = orjson.dumps(schema).replace(
        b'"#/$defs/', b'"#/components/schemas/' + kind.encode() + b"/$defs/"
    )
    made: dict[str, Any] = orjson.loads(text)
    return made
