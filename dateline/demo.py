"""The demonstration: one real story filed with a server, followed, looked back at and corrected."""

import asyncio
import http.client
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from consumers.audit.verify import verify
from dateline import printing
from dateline.outcomes import DONE
from dateline.wiring import newsroom

__all__ = ["play"]

STORY: Final = "us-russia-ukraine-children"
EARLIER: Final = 10  # a position in the middle, before the figures were told apart
DROP: Final = 10  # developments after which the subscriber is cut off …
MISSED: Final = 8  # … and how many are filed before it comes back
WITHIN = 30.0  # seconds that the server has for each answer


class Server(NamedTuple):
    """A running server: where it is, and the key that files."""

    port: int
    key: str

    @property
    def page(self) -> str:
        """Where people read the story."""
        return f"http://127.0.0.1:{self.port}/stories/{STORY}"

    def ask(self, method: str, path: str, content: Any = None) -> Any:  # noqa: ANN401 - JSON
        """Send one request and give the JSON that is answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WITHIN)
        body = None if content is None else orjson.dumps(content)
        held = {"Authorization": f"Bearer {self.key}"} if body else {}
        connection.request(method, path, body, held)
        answer = orjson.loads(connection.getresponse().read())
        connection.close()
        return answer

    def file(self, filing: dict[str, Any]) -> dict[str, Any]:
        """File one development; returns the receipt."""
        receipt: dict[str, Any] = self.ask("POST", f"/v1/stories/{STORY}/developments", filing)
        return receipt


class Subscriber:
    """A client of the live feed: plain HTTP, a line at a time.

    Args:
        server: where the feed is.
        cursor: the last one that was seen, to come back with.
    """

    def __init__(self, server: Server, cursor: str | None = None) -> None:
        self.cursor = cursor
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WITHIN)
        held = {"Last-Event-ID": cursor} if cursor else {}
        self._connection.request("GET", "/v1/feed", headers=held)
        self._lines = self._connection.getresponse()
        self._next()  # hello

    def show(self, count: int) -> None:
        """Wait for so many updates and show each as it lands."""
        while count:
            event, data = self._next()
            if event == "message":
                count -= 1
                _show(data["data"])

    def _next(self) -> tuple[str, dict[str, Any]]:
        fields = {"event": "message"}
        while True:
            line = self._lines.readline().decode().rstrip("\n")
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
            elif "data" in fields:
                self.cursor = fields["id"]
                return fields["event"], orjson.loads(fields["data"])

    def drop(self) -> None:
        """Hang up in the middle."""
        self._connection.close()


def play() -> int:
    """Play the demonstration on a log of its own, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="dateline-demo-") as folder:
        log = f"sqlite:///{folder}/demo.db"
        with _serving(log) as server:
            _follow(server)
            _heading("The story now")
            printing.show_state(server.ask("GET", f"/v1/stories/{STORY}"))
            _heading(f"The story as it was known at position {EARLIER}")
            printing.show_state(server.ask("GET", f"/v1/stories/{STORY}?as_of={EARLIER}"))
            _correct(server)
            _heading("The record")
            asyncio.run(_prove(log))
            printing.line(f"the page: {server.page}")
            if sys.stdout.isatty():
                _keep_serving(server)
    return DONE


@contextmanager
def _serving(log: str) -> Iterator[Server]:
    """Run the real server, as `dateline serve` does, on a free port."""
    command = [sys.executable, "-m", "dateline", "serve", "--port", "0", "--log", log]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # noqa: S603 - our own command
        assert process.stdout is not None  # noqa: S101 - it is piped
        assert process.stderr is not None  # noqa: S101 - likewise
        try:
            ready = process.stdout.readline().decode().strip()
            key = process.stderr.readline().decode().strip().rpartition(" ")[2]
            printing.line(ready, "dim")
            yield Server(int(ready.rpartition(":")[2]), key)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(WITHIN)


def _follow(server: Server) -> None:
    """File the story over HTTP while a subscriber follows it, is cut off and comes back."""
    filings = sorted(map(orjson.loads, _sample().splitlines()), key=lambda one: one["filed_at"])
    _heading(f"Filing {STORY}: one day's real story, {len(filings)} developments")
    subscriber = Subscriber(server)
    for filing in filings[:DROP]:
        server.file(filing)
        subscriber.show(1)
    subscriber.drop()
    for filing in filings[DROP : DROP + MISSED]:
        server.file(filing)
    printing.line(
        f"the subscriber was cut off; {MISSED} developments later it comes back with its cursor "
        f"{subscriber.cursor}",
        "yellow",
    )
    back = Subscriber(server, subscriber.cursor)
    back.show(MISSED)
    for filing in filings[DROP + MISSED :]:
        server.file(filing)
        back.show(1)
    back.drop()
    printing.line(f"{len(filings)} developments filed, and told once each")


def _show(told: dict[str, Any]) -> None:
    """Show what an update tells, on one line."""
    parts = [part for section in told["changed"].values() for part in section]
    words = [part["headline"] for part in parts if part.get("headline")]
    printing.line(f"{told['position']:>7}  {told['ref']:<5} {words[0] if words else '—'}")


def _correct(server: Server) -> None:
    _heading("A drill: the desk corrects a figure")
    filing = {
        "kind": "corrected",
        "target": "F2",
        "field": "words",
        "old": "more than three years",
        "new": "more than three and a half years",
        "note": "DRILL: shows a correction, says nothing about the news",
    }
    receipt = server.file(filing)
    state = server.ask("GET", f"/v1/stories/{STORY}")
    item = next(item for item in state["timeline"] if item["corrected"])
    printing.line(f"{receipt['ref']} at position {receipt['position']}: {item['ref']} is labelled")
    for correction in item["corrections"]:
        printing.line(
            f"  {correction['target']}.{correction['field']}: "
            f"{correction['old']} → {correction['new']} ({correction['note']})"
        )


async def _prove(log: str) -> None:
    """Hold every byte against the audit tree, as an auditor would: not through the server."""
    async with newsroom(log) as room:
        proved = await verify(room.log, lambda _done, _total: None)
    printing.line(f"{proved.events} events are as they were recorded; tree root {proved.root}")


def _keep_serving(server: Server) -> None:
    _heading(f"Look around: {server.page} (Ctrl-C ends it)")
    signal.pause()


def _heading(text: str) -> None:
    printing.line()
    printing.line(text, "bold")


def _sample() -> bytes:
    """Give the sample story: shipped with the package, or beside it in a checkout."""
    shipped = resources.files("dateline") / "sample.jsonl"
    if shipped.is_file():
        return shipped.read_bytes()
    return (Path(__file__).parents[1] / "examples" / "developments.jsonl").read_bytes()
