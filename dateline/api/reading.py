"""The paths by which stories are read: their state, the live feed and the standard outputs."""

from typing import Any

from consumers.delivery.routes import BROWSER
from consumers.outputs.routes import FORMS, FORMS_OF_ALL
from consumers.pages.page import ASSETS
from dateline.api.shapes import (
    CURSOR,
    LIMIT,
    MOMENT,
    SENT,
    SLUG,
    answer,
    parameter,
    problems,
    ref,
    unchanged,
)
from events.vocabulary import KINDS

__all__ = ["document_paths", "output_paths", "page_paths", "reading_paths"]


def reading_paths() -> dict[str, Any]:
    """Give the paths of stories and of the live feed."""
    story = parameter("story", "path", SLUG)
    return {
        "/v1/stories": {
            "get": {
                "operationId": "stories",
                "summary": "Stories, the one that moved last first; a Link leads to the next page",
                "parameters": [
                    parameter("limit", "query", LIMIT),
                    parameter("before", "query", {"type": "integer", "minimum": 0}),
                ],
                "responses": {
                    "200": answer("Stories", {"type": "array", "items": ref("Summary")}),
                    **unchanged(),
                    **problems(400, 401, 503),
                },
            }
        },
        "/v1/stories/{story}": {
            "get": {
                "operationId": "story",
                "summary": "The state of a story, now or as of a moment",
                "parameters": [
                    story,
                    parameter("as_of", "query", MOMENT),
                    parameter("occurred_by", "query", MOMENT),
                ],
                "responses": {
                    "200": answer("The state", ref("State")),
                    **unchanged(),
                    **problems(400, 401, 404, 503),
                },
            }
        },
        "/v1/feed": {"get": _feed()},
    }


def _feed() -> dict[str, Any]:
    return {
        "operationId": "feed",
        "summary": "The live feed, Server-Sent Events; see /asyncapi.json",
        "parameters": [
            parameter("Last-Event-ID", "header", CURSOR),
            parameter("last_event_id", "query", CURSOR),
            parameter("since", "query", MOMENT),
            parameter("story", "query", SLUG),
            parameter("kind", "query", {"enum": sorted(KINDS)}),
            parameter("max_urgency", "query", {"type": "integer", "minimum": 0, "maximum": 9}),
        ],
        "responses": {
            "200": {
                "description": "A stream; when it ends, come back",
                "content": {"text/event-stream": {"schema": SENT}},
            },
            **problems(400, 401, 429, 503),
        },
    }


def output_paths() -> dict[str, Any]:
    """Give the paths of the standard outputs, over all stories and of each."""
    paths: dict[str, Any] = {}
    for ending, (media, _) in FORMS_OF_ALL.items():
        paths[f"/feeds/all.{ending}"] = _output(f"all-{ending}", "The latest of all stories", media)
    for ending, form in FORMS.items():
        output = _output(f"story-{ending}", "A story, in a format of others", form.media_type)
        output["get"]["parameters"] = [
            parameter("story", "path", SLUG),
            parameter("page", "query", {"type": "integer", "minimum": 1, "maximum": 999_999_999}),
        ]
        output["get"]["responses"] |= {
            "302": {"description": "The newest archive page is the document itself"},
            **problems(400, 404),
        }
        paths[f"/feeds/{{story}}.{ending}"] = output
    return paths


def page_paths() -> dict[str, Any]:
    """Give the paths of pages, for people."""
    page = {"description": "The page", "content": {"text/html": {}}}
    home = {
        "operationId": "home",
        "summary": "A page of all stories",
        "responses": {"200": page, **unchanged(), **problems(503)},
    }
    story = {
        "operationId": "story-page",
        "summary": "A page of one story, which keeps itself current",
        "parameters": [parameter("story", "path", SLUG)],
        "responses": {"200": page, **unchanged(), "404": page, **problems(503)},
    }
    loaded = {f"/assets/{name}": media_type for name, media_type in ASSETS.items()}
    loaded |= {path: media_type for path, (_, media_type) in BROWSER.items()}
    return {
        "/": {"get": home},
        "/stories/{story}": {"get": story},
        **{path: _loaded(path, media_type) for path, media_type in loaded.items()},
    }


def document_paths() -> dict[str, Any]:
    """Give the paths of these documents themselves."""
    return {
        "/openapi.json": _loaded("/openapi.json", "application/json"),
        "/asyncapi.json": _loaded("/asyncapi.json", "application/json"),
        "/docs": _loaded("/docs", "text/html"),
    }


def _loaded(path: str, media_type: str) -> dict[str, Any]:
    answer = {"description": "It", "content": {media_type.partition(";")[0]: {}}}
    return {
        "get": {
            "operationId": f"load-{path.strip('/').replace('/', '-').replace('.', '-')}",
            "summary": f"What a program or a browser loads: {path}",
            "responses": {"200": answer, **unchanged()},
        }
    }


def _output(name: str, summary: str, media_type: str) -> dict[str, Any]:
    answer = {"description": "The document", "content": {media_type.partition(";")[0]: {}}}
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "responses": {"200": answer, **unchanged(), **problems(401, 503)},
        }
    }
