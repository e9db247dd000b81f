"""What tests of survival ask in the end: is all there that was acknowledged, and sound?"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from conftest import Clock

from consumers.audit.verify import verify
from consumers.stories.projection import Stories
from consumers.subscription import Subscription
from consumers.views import Views
from dateline.wiring import newsroom
from events.log import Log

HERE = Path(__file__).parent


class Program:
    """A test program at work, whose every line of output is kept."""

    def __init__(self, name: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / name), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=HERE.parent,
        )
        self._lines: list[str] = []
        self._complaint = ""
        self._grown = threading.Condition()
        self._readers = [threading.Thread(target=read) for read in (self._read, self._listen)]
        for reader in self._readers:
            reader.start()

    def wait_for(self, lines: int) -> None:
        """Wait until the program said so many lines."""
        with self._grown:
            assert self._grown.wait_for(lambda: len(self._lines) >= lines, 60), self._complaint

    def said(self) -> list[str]:
        """What the program said so far."""
        with self._grown:
            return list(self._lines)

    def stop(self) -> None:
        """Hold the program still between two calls to the system, and wait until it is."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)

    def finish(self, seconds: float = 60) -> tuple[int, list[str], str]:
        """Wait for the end; returns the exit code, the whole lines said, and the complaints."""
        code = self._process.wait(seconds)
        for reader in self._readers:
            reader.join()
        return code, self._lines, self._complaint

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                if line.endswith("\n"):  # a torn last line says nothing
                    with self._grown:
                        self._lines.append(line)
                        self._grown.notify_all()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as complaints:
            self._complaint = complaints.read()


@contextlib.contextmanager
def programs() -> Iterator[Callable[..., Program]]:
    """Give a way to start programs, none of which outlives the test, however that ends."""
    started: list[Program] = []

    def start(name: str, *arguments: str) -> Program:
        started.append(Program(name, *arguments))
        return started[-1]

    try:
        yield start
    finally:
        for program in started:
            program.kill()
            program.finish()


def acknowledged(lines: list[str]) -> dict[str, int]:
    """Read what a filing program said: positions by id."""
    told = [line.split() for line in lines if line[:1].isdigit()]
    return {event_id: int(position) for position, event_id in told}


async def check(log: Log, promised: dict[str, int]) -> int:
    """Prove the log and find every acknowledged event at its place; returns the log's size."""
    proved = await verify(log, lambda *_: None)
    ids = list(promised)
    found = await log.find(ids)
    lost = [event_id for event_id in ids if event_id not in found]
    assert not lost, f"{len(lost)} acknowledged events lost, such as {lost[0]}"
    assert {event_id: stored.position for event_id, stored in found.items()} == promised
    return proved.events


async def check_file(path: Path, promised: dict[str, int]) -> int:
    """Open a log anew and check it, its view included."""
    async with newsroom(f"sqlite:///{path}") as room:
        size = await check(room.log, promised)
        await room.subscription.catch_up()
        assert not room.views.parked()
        views = Views(":memory:", Clock())
        fresh = Stories(views)
        await Subscription(room.log, views, fresh).catch_up()
        assert list(room.stories.contents()) == list(fresh.contents()), "view differs from replay"
        views.close()
    return size
