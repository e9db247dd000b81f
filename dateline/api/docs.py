"""The documents where they are served, and a page of them that a person can read."""

from functools import cache
from html import escape

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consumers.answers import said
from dateline.api.asyncapi import asyncapi
from dateline.api.openapi import openapi
from events.vocabulary import KINDS

__all__ = ["routes"]


def routes() -> list[Route]:
    """Give the routes of the documents."""

    async def openapi_json(_request: Request) -> Response:
        return said(openapi())

    async def asyncapi_json(_request: Request) -> Response:
        return said(asyncapi())

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
