"""The server does what its documents say, whatever it is asked."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import schemathesis
from conftest import Clock
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import validate
from schemathesis.specs.openapi.checks import positive_data_acceptance
from serving import Served, served

from consumers.feed import Limits
from dateline.api.openapi import openapi
from dateline.outbox import outbox
from dateline.wiring import newsroom
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
