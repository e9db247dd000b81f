"""News told to a thousand subscribers: what it costs the server, and what an idle one costs."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measuring import Effort, Finding, fresh_folder
from benchmarks.serving import Listeners, Serving, ours, peer

__all__ = ["measure"]

NAME = "100 events told to 1,000 subscribers"
CLIENTS = 1_000
EVENTS = 100
MANNERS = {"in a burst": EVENTS, "one by one": 1}  # events in one request
TIMES = {"in a burst": 3, "one by one": 1}  # CPU time is counted in ticks of ten milliseconds
IDLE_KIB = 40.0
MARKER = "the last of the burst"


def measure(effort: Effort) -> list[Finding]:
    """Hold deliveries per CPU second against a naive application and a bare ring."""
    clients = max(100, int(CLIENTS * effort.share))
    spent: dict[tuple[str, str], list[float]] = {}
    idle: dict[str, list[float]] = {}
    for round_ in range(effort.rounds + 1):
        for name, contender in CONTENDERS.items():
            with fresh_folder() as folder, contender(folder) as serving:
                memory, seconds = _run(serving, clients)
            if round_:
                idle.setdefault(name, []).append(memory)
                for manner, cpu in seconds.items():
                    spent.setdefault((name, manner), []).append(cpu)
    found = [
        Finding(
            NAME,
            "memory of an idle connection",
            median(idle["ours"]),
            "KiB",
            IDLE_KIB,
            at_most=True,
        )
    ]
    for manner in MANNERS:
        for other, target in (("naive sse-starlette", 3.0), ("bare ring", 0.8)):
            rounds = zip(spent["ours", manner], spent[other, manner], strict=True)
            times = median(theirs / own for own, theirs in rounds)
            found.append(Finding(NAME, f"{manner}: ours ÷ {other}", times, "x", target))
    for (name, manner), taken in spent.items():
        cost = median(taken) * 100_000 / (clients * EVENTS * TIMES[manner])
        found.append(Finding(NAME, f"{name}, {manner}: CPU for 100,000 deliveries", cost, "s"))
    for name, memories in idle.items():
        found.append(Finding(NAME, f"{name}: an idle connection", median(memories), "KiB"))
    return found


CONTENDERS: dict[str, Callable[[Path], AbstractContextManager[Serving]]] = {
    "ours": ours,
    "naive sse-starlette": lambda _: peer("naive"),
    "bare ring": lambda _: peer("bare"),
}


def _run(serving: Serving, clients: int) -> tuple[float, dict[str, float]]:
    """Give the KiB of an idle connection, and the CPU seconds of each manner of telling."""
    if serving.key:
        _publish(serving, [_filing("story-opened", "opens", title="A drill")])
    Listeners(serving, 10).close()
    before = serving.memory()
    listeners = Listeners(serving, clients)
    listeners.drain(0.5)
    memory = (serving.memory() - before) / clients / 1024
    seconds = {}
    for manner, size in MANNERS.items():
        start = serving.cpu_seconds()
        for number in range(EVENTS // size * TIMES[manner]):
            burst = [_filing("development-reported", "x" * 40, label="note") for _ in range(size)]
            burst[-1]["headline"] = marker = f"{MARKER} {manner} {number}."
            _publish(serving, burst)
            listeners.until(marker.encode())
        seconds[manner] = serving.cpu_seconds() - start
    listeners.close()
    return memory, seconds


def _filing(kind: str, headline: str, **fields: str) -> dict[str, Any]:
    return {"kind": kind, "headline": headline, **fields}


def _publish(serving: Serving, burst: list[dict[str, Any]]) -> None:
    if serving.key:
        answer = serving.post("/v1/stories/a-drill/developments", burst)
        assert b" 201 " in answer[:20], answer
    else:
        # As long as what ours makes of it.
        serving.post("/publish", [filing | {"padding": "x" * 590} for filing in burst])
