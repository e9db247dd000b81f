"""What the server says of itself to programs: OpenAPI 3.1, AsyncAPI 3.0, and a page of both."""

from functools import cache
from html import escape
from importlib import metadata
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consumers.output_routes import FORMS, FORMS_OF_ALL
from dateline.reference import filing_schema
from events.vocabulary import KINDS

__all__ = ["asyncapi", "openapi", "routes"]

_SLUG: Final = {"type": "string", "pattern": "^[a-z0-9-]{1,80}$"}
_MOMENT: Final = {
    "type": "string",
    "description": "a position, an RFC 3339 time, a date, or a time of today",
}
_CURSOR: Final = {"type": "string", "pattern": "^[0-9a-f]{12}\\.[0-9]{1,18}$"}
_PROBLEM: Final = {
    "type": "object",
    "description": "RFC 9457; a refusal names its rule and the field at fault",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "rule": {"type": "string"},
        "field": {"type": "string"},
        "expected": {"type": ["string", "integer"]},
        "found": {"type": ["string", "integer"]},
        "story": {"type": "string"},
    },
}
_RECEIPT: Final = {
    "type": "object",
    "required": ["id", "ref", "position", "version", "duplicate"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "ref": {"type": "string"},
        "position": {"type": "integer", "minimum": 1},
        "version": {"type": "integer", "minimum": 1},
        "duplicate": {"type": "boolean", "description": "it was recorded before"},
    },
}
_SUMMARY: Final = {
    "type": "object",
    "required": ["story", "title", "status", "version", "position", "recorded_at"],
    "properties": {
        "story": _SLUG,
        "title": {"type": "string"},
        "status": {"enum": ["open", "closed"]},
        "version": {"type": "integer"},
        "position": {"type": "integer"},
        "recorded_at": {"type": "string", "format": "date-time"},
    },
}
_SENT: Final = {
    "type": "object",
    "description": "one Server-Sent Event; `data` is JSON",
    "properties": {name: {"type": "string"} for name in ("id", "event", "data", "retry")},
}
_LISTS: Final = ("timeline", "pending", "resolved", "conflicts", "corrections", "alerts")
_STATE: Final = {
    "type": "object",
    "description": "a story as it stands: what happened, what is awaited, who says what",
    "required": [*_SUMMARY["required"], "lead", *_LISTS, "claims", "figures"],
    "properties": {
        **_SUMMARY["properties"],  # type: ignore[dict-item]  # - read only
        "lead": {"type": ["object", "null"]},
        **{name: {"type": "array", "items": {"type": "object"}} for name in _LISTS},
        **{name: {"type": "object"} for name in ("claims", "figures", "occasions")},
        "people": {"type": "array", "items": {"type": "string"}},
        "places": {"type": "array", "items": {"type": "string"}},
        "checkpoint": {"type": "integer"},
    },
}
_UPDATE: Final = {
    "type": "object",
    "description": "a CloudEvent (1.0): the parts of a story that one event changed for readers",
    "required": ["specversion", "id", "source", "type", "time", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string"},
        "source": {"type": "string"},
        "type": {"type": "string", "pattern": "^dateline\\.[a-z-]+$"},
        "subject": {"type": "string"},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "data": {
            "type": "object",
            "required": ["story", "position", "recorded_at", "gone"],
            "properties": {
                "story": _SLUG,
                "position": {"type": "integer"},
                "recorded_at": {"type": "string"},
                "title": {"type": "string"},
                "status": {"enum": ["open", "closed"]},
                "version": {"type": "integer"},
                "ref": {"type": "string"},
                "changed": {
                    "type": "object",
                    "additionalProperties": {"type": "array", "items": {"type": "object"}},
                },
                "gone": {"type": "array", "items": {"type": "string"}},
            },
        },
    },
}


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
        "paths": {
            **_filing_and_history(),
            **_reading(),
            **_outputs(),
            **_watching(),
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Problem": _PROBLEM,
                "Receipt": _RECEIPT,
                "Summary": _SUMMARY,
                "State": _STATE,
                "Update": _UPDATE,
                **{kind: _filing(kind) for kind in sorted(KINDS)},
            },
        },
    }


@cache
def asyncapi() -> dict[str, Any]:
    """Give the AsyncAPI 3.0 document of the live feed."""
    message = {
        "contentType": "application/json",
        "payload": {"$ref": "#/components/schemas/Update"},
        "bindings": {},
    }
    controls = {
        "hello": "the log, the position and the time, at the beginning",
        "resume": "from which cursor the feed goes on, and that nothing is missing",
        "checkpoint": "moves the cursor of a subscriber that wants little",
        "reset": "the cursor is none of this log: read the stories anew",
        "busy": "too many connections: come back after the time that `retry` gives",
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Dateline's live feed",
            "version": metadata.version("dateline"),
            "description": "One CloudEvent for every event that changed a story for readers.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "feed": {
                "address": "/v1/feed",
                "description": "Server-Sent Events; `id` is the cursor to come back with",
                "messages": {
                    "update": {"$ref": "#/components/messages/update"},
                    **{name: {"$ref": f"#/components/messages/{name}"} for name in controls},
                },
            }
        },
        "operations": {
            "told": {
                "action": "send",
                "channel": {"$ref": "#/channels/feed"},
                "summary": "Every update, once, in the order of the log",
            }
        },
        "components": {
            "messages": {
                "update": {"name": "message", "title": "What changed for readers", **message},
                **{
                    name: {"name": name, "title": says, "payload": {"type": "object"}}
                    for name, says in controls.items()
                },
            },
            "schemas": {"Update": _UPDATE},
        },
    }


def _filing_and_history() -> dict[str, Any]:
    filings = {"oneOf": [{"$ref": f"#/components/schemas/{kind}"} for kind in sorted(KINDS)]}
    story = _parameter("story", "path", _SLUG)
    return {
        "/v1/stories/{story}/developments": {
            "post": {
                "operationId": "file",
                "summary": "File one development, or several together",
                "security": [{"key": []}],
                "parameters": [
                    story,
                    _parameter("Idempotency-Key", "header", {"type": "string"}),
                    _parameter(
                        "If-Match",
                        "header",
                        {"type": "string", "pattern": '^("[0-9]{1,9}"|\\*)$'},
                    ),
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "oneOf": [
                                    filings,
                                    {
                                        "type": "array",
                                        "minItems": 1,
                                        "maxItems": 100,
                                        "items": filings,
                                    },
                                ]
                            }
                        }
                    },
                },
                "responses": {
                    "201": _answer(
                        "Recorded",
                        {
                            "oneOf": [
                                _ref("Receipt"),
                                {"type": "array", "items": _ref("Receipt")},
                            ]
                        },
                    ),
                    **_problems(400, 401, 403, 404, 408, 409, 413, 422, 431, 500, 503, 507),
                },
            },
            "get": {
                "operationId": "history",
                "summary": "What readers were told of a story, page by page",
                "parameters": [
                    story,
                    _parameter("after", "query", {"type": "integer", "minimum": 0}),
                    _parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": 256}),
                ],
                "responses": {
                    "200": _answer(
                        "A page",
                        {
                            "type": "object",
                            "required": ["developments", "next"],
                            "properties": {
                                "developments": {"type": "array", "items": _ref("Update")},
                                "next": {"type": ["integer", "null"]},
                            },
                        },
                    ),
                    **_unchanged(),
                    **_problems(400, 401, 404, 503),
                },
            },
        },
    }


def _reading() -> dict[str, Any]:
    story = _parameter("story", "path", _SLUG)
    return {
        "/v1/stories": {
            "get": {
                "operationId": "stories",
                "summary": "All stories, the one that moved last first",
                "responses": {
                    "200": _answer("Stories", {"type": "array", "items": _ref("Summary")}),
                    **_unchanged(),
                    **_problems(401, 503),
                },
            }
        },
        "/v1/stories/{story}": {
            "get": {
                "operationId": "story",
                "summary": "The state of a story, now or as of a moment",
                "parameters": [
                    story,
                    _parameter("as_of", "query", _MOMENT),
                    _parameter("occurred_by", "query", _MOMENT),
                ],
                "responses": {
                    "200": _answer("The state", _ref("State")),
                    **_unchanged(),
                    **_problems(400, 401, 404, 503),
                },
            }
        },
        "/v1/feed": {
            "get": {
                "operationId": "feed",
                "summary": "The live feed, Server-Sent Events; see /asyncapi.json",
                "parameters": [
                    _parameter("Last-Event-ID", "header", _CURSOR),
                    _parameter("last_event_id", "query", _CURSOR),
                    _parameter("since", "query", _MOMENT),
                    _parameter("story", "query", _SLUG),
                    _parameter("kind", "query", {"enum": sorted(KINDS)}),
                    _parameter(
                        "max_urgency", "query", {"type": "integer", "minimum": 0, "maximum": 9}
                    ),
                ],
                "responses": {
                    "200": {
                        "description": "A stream; when it ends, come back",
                        "content": {"text/event-stream": {"schema": _SENT}},
                    },
                    **_problems(400, 401, 429, 503),
                },
            }
        },
    }


def _watching() -> dict[str, Any]:
    return {
        **{
            path: {
                "get": {
                    "operationId": name,
                    "summary": summary,
                    "responses": {
                        "200": {"description": "So it is", "content": {media: {}}},
                        "503": {
                            "description": "It is not",
                            "content": {"application/json": {}},
                        },
                    },
                }
            }
            for path, name, summary, media in (
                ("/healthz", "healthz", "Whether the process is alive", "text/plain"),
                (
                    "/readyz",
                    "readyz",
                    "Whether it is ready, and if not, why",
                    "application/json",
                ),
                ("/metrics", "metrics", "Numbers for Prometheus", "text/plain"),
            )
        },
    }


def _outputs() -> dict[str, Any]:
    """Give the paths of the standard outputs, over all stories and of each."""
    paths: dict[str, Any] = {}
    for ending, (media, _) in FORMS_OF_ALL.items():
        paths[f"/feeds/all.{ending}"] = _output(f"all-{ending}", "The latest of all stories", media)
    for ending, form in FORMS.items():
        output = _output(f"story-{ending}", "A story, in a format of others", form.media_type)
        output["get"]["parameters"] = [
            _parameter("story", "path", _SLUG),
            _parameter("page", "query", {"type": "integer", "minimum": 1, "maximum": 999_999_999}),
        ]
        output["get"]["responses"] |= {
            "302": {"description": "The newest archive page is the document itself"},
            **_problems(400, 404),
        }
        paths[f"/feeds/{{story}}.{ending}"] = output
    return paths


def _output(name: str, summary: str, media_type: str) -> dict[str, Any]:
    answer = {"description": "The document", "content": {media_type.partition(";")[0]: {}}}
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "responses": {"200": answer, **_unchanged(), **_problems(401, 503)},
        }
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


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _parameter(name: str, where: str, schema: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON Schema
    return {"name": name, "in": where, "required": where == "path", "schema": schema}


def _answer(description: str, schema: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON Schema
    return {
        "description": description,
        "headers": {"ETag": {"schema": {"type": "string"}}},
        "content": {"application/json": {"schema": schema}},
    }


def _unchanged() -> dict[str, Any]:
    return {"304": {"description": "What the reader has is what there is (If-None-Match)"}}


def _problems(*statuses: int) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": _ref("Problem")}}
    return {str(status): {"description": "A problem", "content": content} for status in statuses}


def routes() -> list[Route]:
    """Give the routes of the documents."""

    async def openapi_json(_request: Request) -> Response:
        return Response(orjson.dumps(openapi()), media_type="application/json")

    async def asyncapi_json(_request: Request) -> Response:
        return Response(orjson.dumps(asyncapi()), media_type="application/json")

    async def docs(_request: Request) -> Response:
        # No script and nothing from elsewhere: a page that can be read with everything blocked.
        return Response(_page(), media_type="text/html; charset=utf-8")

    return [
        Route("/openapi.json", openapi_json),
        Route("/asyncapi.json", asyncapi_json),
        Route("/docs", docs),
    ]


@cache
def _page() -> str:
    parts = ["<!doctype html><html lang=en><meta charset=utf-8><title>Dateline: HTTP</title>"]
    document = openapi()
    parts.append(f"<h1>Dateline {escape(document['info']['version'])}</h1>")
    parts.append(f"<p>{escape(document['info']['description'])}")
    parts.append('<p><a href="/openapi.json">OpenAPI</a> · <a href="/asyncapi.json">AsyncAPI</a>')
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts.append(f"<h2><code>{method.upper()} {escape(path)}</code></h2>")
            parts.append(f"<p>{escape(operation['summary'])}.<dl>")
            for parameter in operation.get("parameters", ()):
                says = (
                    parameter["schema"].get("description")
                    or orjson.dumps(parameter["schema"]).decode()
                )
                parts.append(
                    f"<dt><code>{escape(parameter['name'])}</code> ({parameter['in']})"
                    f"<dd><code>{escape(says)}</code>"
                )
            answers = ", ".join(operation["responses"])
            parts.append(f"<dt>answers<dd>{answers}</dl>")
    parts.append("<h2>Kinds that can be filed</h2><dl>")
    for kind in sorted(KINDS):
        says = document["components"]["schemas"][kind].get("description", "")
        parts.append(f"<dt><code>{escape(kind)}</code><dd>{escape(says)}")
    return "".join([*parts, "</dl></html>"])
