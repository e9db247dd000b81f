"""The server does what its documents say, whatever it is asked."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
import schemathesis
from conftest import Clock
from documented import check_documented
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import validate
from schemathesis.specs.openapi.checks import positive_data_acceptance
from serving import Served, served

from consumers.delivery.message import drill, notice
from consumers.delivery.signing import headers as signed_headers
from consumers.delivery.signing import new_secret
from consumers.feed.live import Limits
from dateline.api.asyncapi import asyncapi
from dateline.api.openapi import openapi
from dateline.outbox import outbox
from dateline.wiring import newsroom
from events.kafka.records import Keys as KafkaKeys
from events.kafka.records import encode
from events.log import Expect
from events.vocabulary import KINDS


@pytest.fixture
async def desk(tmp_path: Path, clock: Clock) -> AsyncIterator[Served]:
    async with (
        newsroom(f"sqlite:///{tmp_path}/news.db", clock) as room,
        outbox(room, "memory:") as out,
        served(room, Limits(heartbeat=0.01, rotation=0.01), outbox=out) as made,
    ):
        await made.file("a-drill", "story-opened", title="A drill")
        yield made


def test_the_document_is_openapi() -> None:
    """The OpenAPI document is valid by its own standard and knows every kind."""
    validate(openapi())
    assert set(KINDS) <= set(openapi()["components"]["schemas"])


async def test_documents_are_served(desk: Served) -> None:
    """Both documents and the page of them are there, without a key."""
    for path in ("/openapi.json", "/asyncapi.json"):
        status, body, _ = await desk.get(path)
        assert (status, "info" in orjson.loads(body)) == (200, True)
    status, page, headers = await desk.get("/docs")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"<script" not in page
    assert b"remarks-delivered" in page


def of_asyncapi(name: str) -> dict[str, Any]:
    """A message of the AsyncAPI document: its payload and headers as JSON Schema."""
    document = asyncapi()
    message = document["components"]["messages"][name]
    parts = {part: message.get(part, {}) for part in ("payload", "headers")}
    for part, found in parts.items():
        if "$ref" in found:
            parts[part] = document["components"]["schemas"][found["$ref"].rpartition("/")[2]]
    return parts


def test_every_name_of_the_asyncapi_document_leads_somewhere() -> None:
    """The document is of AsyncAPI 3.0, has feed, webhooks and topic, and points at what it has."""
    document = asyncapi()
    assert (document["asyncapi"], set(document["channels"])) == (
        "3.0.0",
        {"feed", "webhook", "log"},
    )
    for reference in re.findall(rb'"\$ref":"#/([^"]+)"', orjson.dumps(document)):
        found: Any = document
        for step in reference.decode().split("/"):
            found = found[step]
    for operation in document["operations"].values():
        assert operation["action"] == "send"


async def test_what_is_told_is_as_the_asyncapi_document_says(desk: Served) -> None:
    """An update of the feed, what a webhook is sent and a record of the topic fit their shapes."""
    async with desk.feed("?since=0") as live:
        [told] = await live.news(1)
    jsonschema.validate(told.data, of_asyncapi("update")["payload"])
    for message in (drill("event-1", 1), notice("event-1", "It is off", 1)):
        jsonschema.validate(orjson.loads(message.body), of_asyncapi("alert")["payload"])
    signed = signed_headers("delivery-1", 1, b"{}", [new_secret()])
    jsonschema.validate(signed, of_asyncapi("alert")["headers"])
    headers, _ = encode("attempt-1", Expect.ANY, [], KafkaKeys(bytes(16), b""))
    told_headers = {name: value.decode() for name, value in headers}
    jsonschema.validate(told_headers, of_asyncapi("append")["headers"])


PATHS = [(path, method) for path, methods in openapi()["paths"].items() for method in methods]


@pytest.mark.parametrize(("path", "method"), PATHS)
@pytest.mark.parametrize("examples", [25, pytest.param(500, marks=pytest.mark.torture)])
async def test_nothing_undocumented_is_answered(
    desk: Served, path: str, method: str, examples: int
) -> None:
    """Whatever is asked within the document, the answer is one that the document has."""
    schema = schemathesis.openapi.from_dict(openapi())
    operation = schema[path][method.upper()]
    headers = desk.bearer()

    @settings(
        max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        response = case.call(base_url=desk.url, headers=headers)
        assert response.status_code < 500, response.text
        # A filing of the right shape may break a rule of the desk, which no schema can say.
        case.validate_response(response, excluded_checks=[positive_data_acceptance])

    await asyncio.to_thread(ask)


@pytest.mark.parametrize(
    ("method", "path", "status", "media_type"),
    [
        ("GET", "/v1/stories/a-drill", 204, "application/json"),
        ("GET", "/v1/stories/a-drill", 200, "text/html"),
        ("GET", "/nowhere", 200, "text/html"),
        ("DELETE", "/v1/feed", 204, ""),
    ],
)
def test_an_answer_that_no_document_has_is_noticed(
    method: str, path: str, status: int, media_type: str
) -> None:
    """Whatever a test of this house asks a server, an answer beside the document fails it."""
    check_documented("GET", "/v1/stories/a-drill", 200, "application/json")
    with pytest.raises(AssertionError, match=path):
        check_documented(method, path, status, media_type)
