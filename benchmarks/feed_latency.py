"""From a filing over HTTP to its arrival at a hundred subscribers."""

import asyncio
import re
import time
from collections.abc import Callable
from statistics import median

import orjson
import uvloop

from benchmarks.fan_out import CONTENDERS
from benchmarks.measuring import Effort, Finding, fresh_folder
from benchmarks.serving import Serving

__all__ = ["measure"]

NAME = "100 events a second, filed over HTTP and received by 100 subscribers"
CLIENTS = 100
RATE = 100  # events a second
SECONDS = 5.0
P50 = 10.0  # milliseconds
P99 = 50.0
_MARK = re.compile(rb"mark ([0-9]+)\.")


def measure(effort: Effort) -> list[Finding]:
    """Report the median and the ninety-ninth of a hundred, and hold them against a bare ring."""
    seconds = SECONDS * max(effort.share, 0.4)
    found: dict[str, list[tuple[float, float]]] = {"ours": [], "bare ring": []}
    for round_ in range(effort.rounds + 1):
        for name, latencies in found.items():
            with fresh_folder() as folder, CONTENDERS[name](folder) as serving:
                taken = uvloop.run(_latencies(serving, seconds))
            if round_:
                latencies.append((taken[len(taken) // 2], taken[len(taken) * 99 // 100]))
    p50, p99 = (
        {name: [pair[n] for pair in pairs] for name, pairs in found.items()} for n in (0, 1)
    )
    return [
        Finding(NAME, "p50", median(p50["ours"]), "ms", P50, at_most=True),
        Finding(NAME, "p99", median(p99["ours"]), "ms", P99, at_most=True),
        Finding(NAME, "p50 ÷ bare ring, nothing stored", _ratio(p50), "x"),
        Finding(NAME, "p99 ÷ bare ring, nothing stored", _ratio(p99), "x"),
    ]


def _ratio(figures: dict[str, list[float]]) -> float:
    rounds = zip(figures["ours"], figures["bare ring"], strict=True)
    return median(own / bare for own, bare in rounds)


class _Ear(asyncio.Protocol):
    """A subscriber that notes when a mark arrives."""

    def __init__(self, request: bytes, heard: Callable[[int], None]) -> None:
        self._request = request
        self._heard = heard

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # TCP
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        for mark in _MARK.findall(data):
            self._heard(int(mark))


async def _latencies(serving: Serving, seconds: float) -> list[float]:
    """Give milliseconds from sending to arrival, in order of length."""
    loop = asyncio.get_running_loop()
    sent: dict[int, float] = {}
    taken: list[float] = []

    whole = asyncio.Event()
    count = int(RATE * seconds)

    def heard(mark: int) -> None:
        taken.append((time.perf_counter() - sent[mark]) * 1000)
        if len(taken) == count * CLIENTS:
            whole.set()

    if serving.key:
        serving.post("/v1/stories/a-drill/developments", _filing("story-opened", title="A drill"))
    listening = f"GET {serving.feed} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    for _ in range(CLIENTS):
        await loop.create_connection(lambda: _Ear(listening, heard), "127.0.0.1", serving.port)
    await asyncio.sleep(0.5)
    reader, writer = await asyncio.open_connection("127.0.0.1", serving.port)
    begun = time.perf_counter()
    for mark in range(count):
        await asyncio.sleep(max(0.0, begun + mark / RATE - time.perf_counter()))
        sent[mark] = time.perf_counter()
        writer.write(_request(serving, mark))
    async with asyncio.timeout(10):
        await whole.wait()
    writer.close()
    del reader
    return sorted(taken)


def _request(serving: Serving, mark: int) -> bytes:
    path, content = "/publish", [{"headline": f"mark {mark}.", "padding": "x" * 640}]
    body = orjson.dumps(content)
    held = ""
    if serving.key:
        path = "/v1/stories/a-drill/developments"
        body = orjson.dumps(_filing("development-reported", label="note", headline=f"mark {mark}."))
        held = f"Authorization: Bearer {serving.key}\r\n"
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\n{held}Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def _filing(kind: str, **fields: str) -> dict[str, str]:
    return {"kind": kind, "headline": "A drill", **fields}
