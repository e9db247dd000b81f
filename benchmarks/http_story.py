"""Reading a story over HTTP, whole and unchanged, beside a bare Starlette route."""

from statistics import median

from benchmarks.load import answers_per_second
from benchmarks.measuring import Effort, Finding, fresh_folder
from benchmarks.serving import Serving, ours, peer

__all__ = ["measure"]

NAME = "a story of 500 events read over HTTP"
EVENTS = 500
CLIENTS = 16
SECONDS = 3.0
PATH = "/v1/stories/a-drill"


def measure(effort: Effort) -> list[Finding]:
    """Report answers a second of ours, 200 and 304, and of a route that answers the same bytes."""
    rates: dict[str, list[float]] = {"200": [], "304": [], "bare route": []}
    seconds = SECONDS * max(effort.share, 0.25)
    for round_ in range(effort.rounds + 1):
        with fresh_folder() as folder, ours(folder) as serving:
            answer = _told(serving)
            etag = answer.lower().partition(b"etag: ")[2].partition(b"\r\n")[0].decode()
            whole = _rate(serving, PATH, "", b"HTTP/1.1 200", seconds)
            had = f"If-None-Match: {etag}\r\n"
            unchanged = _rate(serving, PATH, had, b"HTTP/1.1 304", seconds)
        with peer("naive") as serving:
            size = len(answer.partition(b"\r\n\r\n")[2])
            bare = _rate(serving, f"/bytes/{size}", "", b"HTTP/1.1 200", seconds)
        if round_:
            for name, rate in (("200", whole), ("304", unchanged), ("bare route", bare)):
                rates[name].append(rate)
    found = [Finding(NAME, f"{name}: answers", median(rate), "1/s") for name, rate in rates.items()]
    for name in ("200", "304"):
        rounds = zip(rates[name], rates["bare route"], strict=True)
        times = median(own / bare for own, bare in rounds)
        found.append(Finding(NAME, f"{name} ÷ bare route of the same bytes", times, "x"))
    return found


def _told(serving: Serving) -> bytes:
    filings = [{"kind": "story-opened", "title": "A drill", "headline": "It opens"}]
    filings += [
        {"kind": "development-reported", "label": "note", "headline": f"A drill: note {number}"}
        for number in range(EVENTS - 1)
    ]
    for start in range(0, EVENTS, 100):
        answer = serving.post(f"{PATH}/developments", filings[start : start + 100])
        assert b" 201 " in answer[:20], answer
    return serving.get(PATH)


def _rate(serving: Serving, path: str, more: str, expected: bytes, seconds: float) -> float:
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode()
    return answers_per_second(serving.port, CLIENTS, seconds, lambda: request, expected).answers
