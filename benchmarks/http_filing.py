"""Filing over HTTP by sixty-four clients, beside as many appenders and filers in one process."""

import asyncio
import itertools
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import orjson
import uvloop

from benchmarks import append_together
from benchmarks.load import Rate, answers_per_second
from benchmarks.measuring import Effort, Finding, Stopwatch, fresh_folder
from benchmarks.serving import Serving, ours
from dateline import telemetry
from events.memory_log import wall_clock
from events.sqlite.log import SqliteLog
from producers.case import Actor
from producers.intake import parse, take
from producers.publisher import Publisher

__all__ = ["measure"]

NAME = "64 clients filing over HTTP"
CLIENTS = 64
SECONDS = 4.0
STORIES = 100
EVENTS = 20_000
OPENING: Final = {"kind": "story-opened", "title": "A drill", "headline": "It opens"}
FILING: Final = orjson.dumps(
    {
        "kind": "statement-issued",
        "headline": "A drill: the ministry says that eight have come home",
        "body": "x" * 300,
        "attribution": {"speaker": "org:ministry", "verb": "said", "form": "statement"},
        "people": ["person:a-b"],
        "places": ["place:kyiv"],
    }
)


def measure(effort: Effort) -> list[Finding]:
    """Hold filings a second against appends (no rules) and filings in process (the same rules)."""
    telemetry.configure("warning")
    rates: dict[str, list[float]] = {"http": [], "appends": [], "filings": []}
    server, client = [], []
    for round_ in range(effort.rounds + 1):
        rate, spent = _over_http(SECONDS * max(effort.share, 0.25))
        found = {
            "http": rate.answers,
            "appends": _rate(append_together.appended, effort.events(EVENTS)),
            "filings": _rate(filed, effort.events(EVENTS)),
        }
        if round_:
            for name, each in found.items():
                rates[name].append(each)
            server.append(spent * 1e6)
            client.append(rate.cost * 1e6)
    return [
        Finding(NAME, "filings ÷ appends of 64 in one process, no rules", _ratio(rates, "appends"),
                "x", 0.5),
        Finding(NAME, "filings ÷ filings of 64 in one process, the same rules",
                _ratio(rates, "filings"), "x"),
        Finding(NAME, "filings over HTTP", median(rates["http"]), "1/s"),
        Finding(NAME, "appends in one process", median(rates["appends"]), "1/s"),
        Finding(NAME, "filings in one process", median(rates["filings"]), "1/s"),
        Finding(NAME, "CPU of the server for a filing, feed included", median(server), "µs"),
        Finding(NAME, "CPU of the client for a filing", median(client), "µs"),
    ]  # fmt: skip


def _ratio(rates: dict[str, list[float]], other: str) -> float:
    return median(own / each for own, each in zip(rates["http"], rates[other], strict=True))


def _rate(work: Any, count: int) -> float:  # noqa: ANN401 - a contender, see measuring
    with fresh_folder() as folder:
        stopwatch = Stopwatch()
        work(count, folder, stopwatch)
    return count / stopwatch.seconds


def _over_http(seconds: float) -> tuple[Rate, float]:
    """Give the rate, and the CPU seconds of the server for one filing."""
    with fresh_folder() as folder, ours(folder) as serving:
        opened(serving)
        stories = itertools.cycle(range(STORIES))
        request = partial(_request, serving.key)
        start = serving.cpu_seconds()
        rate = answers_per_second(
            serving.port, CLIENTS, seconds, lambda: request(next(stories)), b"HTTP/1.1 201"
        )
        # The answers before everything was warm are a fifth of those that count.
        return rate, (serving.cpu_seconds() - start) / (rate.answers * seconds * 1.2)


def opened(serving: Serving) -> None:
    """Open the stories that are filed into."""
    for number in range(STORIES):
        answer = serving.post(f"/v1/stories/drill-{number}/developments", OPENING)
        assert b" 201 " in answer[:20], answer


def _request(key: str, story: int) -> bytes:
    return (
        f"POST /v1/stories/drill-{story}/developments HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: {len(FILING)}\r\n\r\n"
    ).encode() + FILING


def filed(count: int, folder: Path, stopwatch: Stopwatch) -> None:
    """File so many developments by sixty-four filers, from their JSON on, without HTTP."""
    uvloop.run(_file(count, folder, stopwatch))


async def _file(count: int, folder: Path, stopwatch: Stopwatch) -> None:
    log = SqliteLog(folder / "log.db")
    publisher, by = Publisher(log, wall_clock), Actor("desk:benchmark")
    for number in range(STORIES):
        await publisher.file(take(OPENING | {"story": f"drill-{number}"}), by)
    waiting = iter(range(count))

    async def filer() -> None:
        for number in waiting:
            content = parse(FILING) | {"story": f"drill-{number % STORIES}"}
            await publisher.file(take(content), by)

    with stopwatch.running():
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(filer())
    await log.close()
