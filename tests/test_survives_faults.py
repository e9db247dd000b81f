"""Every call to the disk may fail or be the last: filings under each fault."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import STORY
from witness import HERE, acknowledged, check_file

from dateline.wiring import newsroom
from events.sqlite import writer
from producers.case import Actor
from producers.intake import take

EVENT_ID = "01999999-0000-7000-8000-000000000001"
CALLS = "pwrite64,write,fsync,fdatasync,ftruncate,openat"
# A disk errs once; it is full and stays full; the process ends. In strace's words.
FAULTS = ("error=EIO:when={}", "error=ENOSPC:when={}+", "signal=SIGKILL:when={}")
# SQLite opens for reading as well, writes a page at a time, and syncs nothing but bytes.
LAYING_OUT = r"openat\(.*O_WRONLY|pwrite64\(.*, \d{6,}, \d+\)|fsync\("
POINTS = 250  # at least so many calls, each with a fault of its own, make up the long programme

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace injects the faults: install strace"
)
OPENING: dict[str, Any] = {"headline": "A drill", "title": "Drill", "body": "A drill. " * 200}
QUOTE: dict[str, Any] = {"headline": "A drill", "body": "A drill. " * 200}


class Drill(NamedTuple):
    """A filing to disturb, and the position that it gets."""

    kind: str
    content: dict[str, Any]
    position: int

    def command(self, log: Path) -> list[str]:
        data = json.dumps(self.content | {"id": EVENT_ID})
        return [
            sys.executable, "-m", "dateline", "file", STORY, self.kind,
            "--data", data, "--log", f"sqlite:///{log}", "--json",
        ]  # fmt: skip

    async def repeat(self, log: Path) -> int:
        """File the same once more, undisturbed; returns its position."""
        content = self.content | {"story": STORY, "kind": self.kind, "id": EVENT_ID}
        async with newsroom(f"sqlite:///{log}") as room:
            receipt = await room.publisher.file(take(content), Actor("desk:drill"))
        return receipt.position


FIRST = Drill("story-opened", OPENING, 1)
NEXT = Drill("quote-added", QUOTE, 2)


class Point(NamedTuple):
    """The call that is to fail: of all `call`s of a thread on `file` the `number`th."""

    file: str
    call: str
    number: int
    fault: str


async def prepare(folder: Path, drill: Drill) -> Path:
    """Make a folder that holds the log before the filing; none before the first."""
    folder.mkdir()
    path = folder / "log.db"
    if drill is NEXT:
        async with newsroom(f"sqlite:///{path}") as room:
            filing = take(OPENING | {"story": STORY, "kind": "story-opened"})
            await room.publisher.file(filing, Actor("desk:drill"))
    return path


def traced(command: list[str], log: Path, *options: str) -> subprocess.CompletedProcess[str]:
    Path(f"{log.parent}.trace").unlink(missing_ok=True)
    return subprocess.run(
        ["strace", "-f", "-qq", "-y", f"-o{log.parent}.trace", *options, *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def under(point: Point, command: list[str], log: Path) -> subprocess.CompletedProcess[str]:
    """File while one call fails."""
    fault = point.fault.format(point.number)
    # Quicker by far, but a process is not killed in time.
    quick = () if "SIGKILL" in fault else ("--seccomp-bpf",)
    only = (f"-P{log.parent / point.file}", f"-etrace={point.call}")
    return traced(command, log, *quick, *only, f"-einject={point.call}:{fault}")


def points(trace: str, folder: Path, which: str = "") -> Iterator[Point]:
    """Give each call on files of the log, with each fault; strace counts by thread.

    Args:
        trace: what strace wrote.
        folder: where the files are.
        which: a pattern that the line of a call must have.
    """
    counts: Counter[tuple[str, ...]] = Counter()
    seen = set()
    for line in trace.splitlines():
        found = re.match(rf"(\d+) +(\w+)\(.*?{re.escape(str(folder))}/([\w.-]+)", line)
        if found is None:
            continue
        thread, call, file = found.groups()
        counts[thread, call, file] += 1
        place = (file, call, counts[thread, call, file])
        if place not in seen and re.search(which, line):
            seen.add(place)
            yield from (Point(*place, fault) for fault in FAULTS)


async def survive(drill: Drill, log: Path, point: Point) -> None:
    """File under one fault, and find the filing recorded or safely repeated, never both."""
    done = under(point, drill.command(log), log)
    where = f"{drill.kind}, {point}: {done.returncode} {done.stderr}"
    assert "Traceback" not in done.stderr, where
    if "SIGKILL" in point.fault:
        assert done.returncode == -signal.SIGKILL, where
    else:
        assert "INJECTED" in Path(f"{log.parent}.trace").read_text(), where
        assert done.returncode in (0, 3), where
        assert len(done.stderr.splitlines()) == min(done.returncode, 1), where
        assert done.stdout or done.returncode, where
    promised = {EVENT_ID: drill.position} if done.stdout else {}
    assert await check_file(log, promised) in (drill.position - 1, drill.position), where
    assert await drill.repeat(log) == drill.position, where
    assert await check_file(log, {EVENT_ID: drill.position}) == drill.position, where


@needs_strace
@pytest.mark.parametrize("every", [23, pytest.param(1, marks=pytest.mark.torture)])
@pytest.mark.timeout(3000)
async def test_a_filing_survives_any_fault_of_the_disk(every: int, tmp_path: Path) -> None:
    """Whichever call fails or is the last, the filing is there or safely repeated, never both."""
    tried = 0
    for drill in (FIRST, NEXT):
        before = await prepare(tmp_path / f"before-{drill.position}", drill)
        probe = tmp_path / f"probe-{drill.position}"
        shutil.copytree(before.parent, probe)
        done = traced(drill.command(probe / before.name), probe / before.name, f"-etrace={CALLS}")
        if done.returncode:
            pytest.skip(f"strace may not trace on this machine: {done.stderr}")
        for point in list(points(Path(f"{probe}.trace").read_text(), probe))[::every]:
            folder = tmp_path / "disturbed"
            shutil.copytree(before.parent, folder)
            await survive(drill, folder / before.name, point)
            shutil.rmtree(folder)
            tried += 1
    assert tried >= POINTS // every, f"only {tried} points"


@needs_strace
@pytest.mark.parametrize("every", [13, pytest.param(1, marks=pytest.mark.torture)])
@pytest.mark.timeout(600)
async def test_laying_out_the_write_ahead_log_survives_any_fault(
    every: int, tmp_path: Path
) -> None:
    """Whatever fails while the write-ahead log is laid out, all that was acknowledged is there."""

    def command(log: Path) -> list[str]:
        filing = str(HERE / "filing_process.py")
        return [sys.executable, filing, f"sqlite:///{log}", STORY, str(writer.MANY + 8)]

    (tmp_path / "probe").mkdir()
    probe = tmp_path / "probe" / "log.db"
    done = traced(command(probe), probe, f"-etrace={CALLS}")
    if done.returncode:
        pytest.skip(f"strace may not trace on this machine: {done.stderr}")
    trace = Path(f"{probe.parent}.trace").read_text()
    found = list(points(trace, probe.parent, LAYING_OUT))
    assert len(found) >= len(FAULTS) * 10
    for point in found[::every]:
        (tmp_path / "disturbed").mkdir()
        log = tmp_path / "disturbed" / "log.db"
        done = under(point, command(log), log)
        where = f"{point}: {done.returncode} {done.stderr}"
        expected = (-signal.SIGKILL,) if "SIGKILL" in point.fault else (0, 3)
        assert done.returncode in expected, where
        await check_file(log, acknowledged(done.stdout.splitlines()))
        shutil.rmtree(log.parent)


@needs_strace
async def test_after_a_failed_sync_the_file_is_opened_anew(tmp_path: Path) -> None:
    """After a sync that failed nothing is acknowledged before the log was opened and read again."""
    log = await prepare(tmp_path / "disk", NEXT)
    files = (f"-P{log}", f"-P{log}-wal")
    fault = ("-etrace=openat,pwrite64,fdatasync", "-einject=fdatasync:error=EIO:when=2")
    done = traced(NEXT.command(log), log, *files, *fault)
    if "PTRACE" in done.stderr:
        pytest.skip(f"strace may not trace on this machine: {done.stderr}")
    assert done.returncode == 0, done.stderr
    lines = Path(f"{log.parent}.trace").read_text().splitlines()
    failed = next(n for n, line in enumerate(lines) if "INJECTED" in line)
    after = lines[failed + 1 :]
    # SQLite itself keeps the database open while others of the process read it.
    assert re.match(r"\d+ +openat\(.*log\.db-wal\"", after[0]), "\n".join(after)
    assert await check_file(log, {EVENT_ID: NEXT.position}) == NEXT.position
