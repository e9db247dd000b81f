"""The AsyncAPI 3.0 document: what the live feed tells."""

from functools import cache
from importlib import metadata
from typing import Any

from dateline.api.shapes import UPDATE

__all__ = ["asyncapi"]


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
            "schemas": {"Update": UPDATE},
        },
    }
