"""The AsyncAPI 3.0 document: the live feed, the webhooks that alerts go to, and the Kafka topic."""

from functools import cache
from importlib import metadata
from typing import Any, Final

from dateline.api.shapes import SLUG, UPDATE

__all__ = ["asyncapi"]

_CONTROLS: Final = {
    "hello": "the log, the position, the time and the last signed checkpoint, at the beginning",
    "resume": "from which cursor the feed goes on, and that nothing is missing",
    "checkpoint": "moves the cursor of a subscriber that wants little",
    "reset": "the cursor is none of this log: read the stories anew",
    "busy": "too many connections: come back after the time that `retry` gives",
}
# Types of what a webhook is sent, with what it says; all are CloudEvents of one shape.
_ALERTS: Final = {
    "alert-issued": "An alert",
    "alert-corrected": "An alert that was sent is put right, to those who got it",
    "alert-retracted": "An alert that was sent is taken back, from those who got it",
    "digest": "Several alerts for a target that has had enough of them one by one",
    "drill": "A test of the way, which says nothing about the news",
    "webhook-challenge": "Whoever wants alerts there answers with `challenge`",
    "notice": "What the owner of a target is told about it",
}


@cache
def asyncapi() -> dict[str, Any]:
    """Give the AsyncAPI 3.0 document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Dateline",
            "version": metadata.version("dateline"),
            "description": "What a newsroom tells by itself, as CloudEvents 1.0.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {"feed": _feed(), "webhook": _webhook(), "log": _log()},
        "operations": {
            "told": _send("feed", "Every update, once, in the order of the log"),
            "alerted": _send(
                "webhook", "An alert, at least once; `webhook-id` is that of all tries"
            )
            | {"bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}}},
            "appended": _send("log", "Every append, in the order of the topic's one partition"),
        },
        "components": {
            "messages": _messages(),
            "schemas": {"Update": UPDATE, "Alert": _alert(), "WebhookHeaders": _signed()},
        },
    }


def _feed() -> dict[str, Any]:
    return {
        "address": "/v1/feed",
        "description": "Server-Sent Events; `id` is the cursor to come back with",
        "messages": _named("update", *_CONTROLS),
    }


def _webhook() -> dict[str, Any]:
    return {
        "address": None,  # the one that was registered by POST /v1/webhooks
        "description": "Standard Webhooks: a POST, signed with each secret that is valid",
        "messages": _named("alert"),
    }


def _log() -> dict[str, Any]:
    return {
        "address": "{topic}",
        "description": (
            "A log that lives on Kafka. It has one partition; contents are encrypted, each event's "
            "under keys of the topic of keys, so that erasing a key erases what it opens"
        ),
        "parameters": {"topic": {"description": "as DATELINE_LOG names it: kafka://HOST/TOPIC"}},
        "messages": _named("append"),
        "bindings": {
            "kafka": {
                "partitions": 1,
                "topicConfiguration": {
                    "cleanup.policy": ["delete"],
                    "retention.ms": -1,
                    "retention.bytes": -1,
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _messages() -> dict[str, Any]:
    update = {
        "name": "message",
        "title": "What changed for readers",
        "contentType": "application/json",
        "payload": {"$ref": "#/components/schemas/Update"},
    }
    alert = {
        "name": "alert",
        "title": "What a webhook is sent",
        "contentType": "application/cloudevents+json",
        "headers": {"$ref": "#/components/schemas/WebhookHeaders"},
        "payload": {"$ref": "#/components/schemas/Alert"},
    }
    append = {
        "name": "append",
        "title": "One append: the events of a story, whole or not at all",
        "contentType": "application/vnd.dateline.events",
        "description": "CloudEvents Kafka binding, binary mode; the bytes are told in the docs",
        "headers": _binding(),
        "payload": {"type": "string", "format": "binary"},
    }
    controls = {
        name: {"name": name, "title": says, "payload": {"type": "object"}}
        for name, says in _CONTROLS.items()
    }
    return {"update": update, "alert": alert, "append": append, **controls}


def _alert() -> dict[str, Any]:
    says = "; ".join(f"`dateline.{kind}`: {what}" for kind, what in _ALERTS.items())
    return {
        "type": "object",
        "description": f"a CloudEvent (1.0) by its type. {says}",
        "required": ["specversion", "id", "source", "type", "time", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string"},
            "source": {"type": "string"},
            "type": {"enum": [f"dateline.{kind}" for kind in _ALERTS]},
            "subject": {"type": "string"},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            "data": {
                "type": "object",
                "properties": {
                    "headline": {"type": "string"},
                    "body": {"type": "string"},
                    "story": SLUG,
                    "position": {"type": "integer"},
                    "version": {"type": "integer"},
                    "recorded_at": {"type": "string", "format": "date-time"},
                    "alert": {"type": "object"},
                    "alerts": {"type": "array", "items": {"type": "object"}},
                    "challenge": {"type": "string"},
                    "drill": {"const": True},
                },
            },
        },
    }


def _signed() -> dict[str, Any]:
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    return {
        "type": "object",
        "required": list(names),
        "properties": {name: {"type": "string"} for name in names},
    }


def _binding() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type"],
        "properties": {
            "ce_specversion": {"const": "1.0"},
            "ce_id": {"type": "string"},
            "ce_source": {"const": "/dateline"},
            "ce_type": {"enum": ["dateline.append.v2", "dateline.relay.v2"]},
            "ce_root": {"type": "string", "pattern": "^[1-9][0-9]*:[0-9a-f]{64}$"},
        },
    }


def _named(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}


def _send(channel: str, summary: str) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
    }
