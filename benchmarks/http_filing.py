"""Filing over HTTP by sixty-four clients, beside as many appenders in one process."""

import itertools
from functools import partial
from statistics import median

import orjson

from benchmarks import append_together
from benchmarks.load import answers_per_second
from benchmarks.measuring import Effort, Finding, Stopwatch, fresh_folder
from benchmarks.serving import Serving, ours

__all__ = ["measure"]

NAME = "64 clients filing over HTTP"
CLIENTS = 64
SECONDS = 4.0
STORIES = 100
EVENTS = 20_000


def measure(effort: Effort) -> list[Finding]:
    """Hold filings a second against appends a second."""
    over_http, in_process, cost = [], [], []
    for round_ in range(effort.rounds + 1):
        with fresh_folder() as folder, ours(folder) as serving:
            opened(serving)
            start = serving.cpu_seconds()
            rate = _rate(serving, SECONDS * max(effort.share, 0.25))
            spent = serving.cpu_seconds() - start
        with fresh_folder() as folder:
            count = effort.events(EVENTS)
            stopwatch = Stopwatch()
            append_together.appended(count, folder, stopwatch)
        if round_:
            over_http.append(rate)
            in_process.append(count / stopwatch.seconds)
            cost.append(spent / (rate * SECONDS * max(effort.share, 0.25) * 1.2) * 1e6)
    ratio = median(own / other for own, other in zip(over_http, in_process, strict=True))
    return [
        Finding(NAME, "filings ÷ appends of 64 in one process", ratio, "x", 0.5),
        Finding(NAME, "filings", median(over_http), "1/s"),
        Finding(NAME, "appends in one process", median(in_process), "1/s"),
        Finding(NAME, "CPU of the server for a filing", median(cost), "µs"),
    ]


def opened(serving: Serving) -> None:
    """Open the stories that are filed into."""
    for number in range(STORIES):
        opening = {"kind": "story-opened", "title": "A drill", "headline": "It opens"}
        answer = serving.post(f"/v1/stories/drill-{number}/developments", opening)
        assert b" 201 " in answer[:20], answer


def _rate(serving: Serving, seconds: float) -> float:
    stories = itertools.cycle(range(STORIES))
    body = orjson.dumps(
        {
            "kind": "statement-issued",
            "headline": "A drill: the ministry says that eight have come home",
            "body": "x" * 300,
            "attribution": {"speaker": "org:ministry", "verb": "said", "form": "statement"},
            "people": ["person:a-b"],
            "places": ["place:kyiv"],
        }
    )
    request = partial(_request, serving.key, body)
    return answers_per_second(
        serving.port, CLIENTS, seconds, lambda: request(next(stories)), b"HTTP/1.1 201"
    )


def _request(key: str, body: bytes, story: int) -> bytes:
    return (
        f"POST /v1/stories/drill-{story}/developments HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
