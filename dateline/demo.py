"""The demonstration: one real story filed with a server, followed, looked back at and corrected."""

import asyncio
import gzip
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, NamedTuple, Self

import orjson
from standardwebhooks import Webhook

from consumers.audit import export as exporting
from dateline import printing
from dateline.commands.auditing import wanted_export
from dateline.outcomes import DONE
from dateline.wiring import newsroom

__all__ = ["play"]

DRILL: Final = "drill"  # the story of what is made up
POLICY: Final = """
[[route]]
name = "numbers"
level = "bulletin"
kinds = ["figure-reported"]
"""
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
        held = {"Authorization": f"Bearer {self.key}"}
        connection.request(method, path, body, held)
        answer = orjson.loads(connection.getresponse().read())
        connection.close()
        return answer

    def file(self, filing: dict[str, Any], story: str = STORY) -> dict[str, Any]:
        """File one development; returns the receipt."""
        receipt: dict[str, Any] = self.ask("POST", f"/v1/stories/{story}/developments", filing)
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
        policy = Path(folder) / "alerts.toml"
        policy.write_text(POLICY, encoding="utf-8")
        with _serving(log, policy) as server:
            _follow(server)
            _heading("The story now")
            printing.show_state(server.ask("GET", f"/v1/stories/{STORY}"))
            _heading(f"The story as it was known at position {EARLIER}")
            printing.show_state(server.ask("GET", f"/v1/stories/{STORY}?as_of={EARLIER}"))
            _alert(server)
            _heading("The record")
            export = f"{folder}/record.jsonl.gz"
            asyncio.run(_prove(log, export))
            _heading("The record, verified by a program of one file that knows nothing of us")
            _verify_elsewhere(export)
            if sys.stdout.isatty():
                printing.line(f"the page: {server.page}")
                _keep_serving(server)
    return DONE


@contextmanager
def _serving(log: str, policy: Path) -> Iterator[Server]:
    """Run the real server, as `dateline serve` does, on a free port."""
    command = [sys.executable, "-m", "dateline", "serve", "--port", "0", "--log", log]
    # Alerts go to this machine here, which a server in use does not allow.
    own = {"DATELINE_ALERTS": str(policy), "DATELINE_ALLOW_LOOPBACK_TARGETS": "true"}
    with subprocess.Popen(  # noqa: S603 - our own command
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | own
    ) as process:
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


def _alert(server: Server) -> None:
    """Alert a webhook, correct the figure behind it, and see the correction follow it there."""
    _heading("A drill: an alert, its figure corrected, and the correction that chases it")
    with Receiver() as receiver:
        asked = {"url": receiver.url, "wishes": {"stories": [DRILL]}}
        made = server.ask("POST", "/v1/webhooks", asked)
        printing.line(f"{made['target']} answered the handshake; alerts to it are signed")
        receiver.secret = made["secret"]
        server.file({"kind": "story-opened", "headline": "A drill", "title": "Drill"}, DRILL)
        figure = {"ref": "F1", "measure": "drill-boats", "value": 12, "source_text": "the drill"}
        told = {"kind": "figure-reported", "headline": "DRILL: twelve boats", "figures": [figure]}
        server.file(told, DRILL)
        receiver.show()
        wrong = {"kind": "corrected", "target": "F1", "field": "value", "old": 12, "new": 9}
        server.file({**wrong, "note": "DRILL: three boats were counted twice"}, DRILL)
        receiver.show()
    for alert in server.ask("GET", f"/v1/stories/{DRILL}")["alerts"]:
        printing.line(
            f"{alert['ref']} {alert['state']}: reached {alert['reached']} of {alert['owed']}"
        )


class Receiver:
    """A webhook receiver on this machine: it agrees to be called, and checks each signature."""

    secret = ""

    def __enter__(self) -> Self:
        """Begin to listen."""
        took: SimpleQueue[tuple[dict[str, str], bytes]] = SimpleQueue()
        self._took = took

        class Handler(BaseHTTPRequestHandler):
            def do_OPTIONS(self) -> None:
                origin = self.headers["WebHook-Request-Origin"]
                self.send_response(200)
                self.send_header("WebHook-Allowed-Origin", origin)
                self.end_headers()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                took.put((dict(self.headers), body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing: what came is shown when its time has come."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def show(self) -> None:
        """Wait for what comes, check its signature as any receiver would, and show it."""
        headers, body = self._took.get(timeout=WITHIN)
        told = Webhook(self.secret).verify(body, headers)
        about = told["data"]
        printing.line(f"{told['type']}: {about['headline']} ({about['alert']['reason']})")
        printing.line(f"        signature verified, {headers['webhook-id']}", "dim")


async def _prove(log: str, file: str) -> None:
    """Hold every byte against the audit tree, as an auditor would, and export it: not by server."""
    async with newsroom(log) as room:
        proved = await room.auditor.verify(_in_silence)
        wanted = await wanted_export(room, None, "internal")
        await exporting.write(room.auditor, wanted, file, _in_silence)
    printing.line(f"{proved.events} events are as they were recorded; tree root {proved.root}")
    printing.exactly(wanted.signed.note)


def _in_silence(_done: int, _total: int) -> None:
    """Tell nobody how far it is; it is done in a moment."""


def _verify_elsewhere(file: str) -> None:
    """Verify the export with the program beside it alone, then with one byte of it changed."""
    verifier = Path(file).with_name(exporting.VERIFIER)
    changed = Path(file).with_name("changed.jsonl.gz")
    changed.write_bytes(_with_one_byte_changed(Path(file).read_bytes()))
    for each in (file, str(changed)):
        # Isolated: it sees the standard library and nothing of this project.
        command = [sys.executable, "-I", str(verifier), each]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
        words = (done.stdout + done.stderr).replace(f"{Path(file).parent}/", "").strip()
        printing.line(words, "green" if done.returncode == 0 else "red")


def _with_one_byte_changed(packed: bytes) -> bytes:
    """Change one byte of what an export says, and pack it again."""
    lines = bytearray(gzip.decompress(packed))
    lines[lines.index(b"Eight children reunited")] = ord("N")
    return gzip.compress(lines, mtime=0)


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
