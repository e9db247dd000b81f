"""Every call to the disk may fail or be the last: one filing under each fault."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import STORY
from witness import check_file

from dateline.wiring import newsroom
from producers.case import Actor
from producers.intake import take

EVENT_ID = "01999999-0000-7000-8000-000000000001"
CALLS = ("pwrite64", "write", "fsync", "fdatasync", "ftruncate", "openat")
FAULTS = ("error=EIO", "error=ENOSPC", "signal=SIGKILL")

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace injects the faults: install strace"
)


def filing(log: Path) -> list[str]:
    data = json.dumps({"id": EVENT_ID, "body": "A drill. " * 200})
    return [
        sys.executable, "-m", "dateline", "file", STORY, "quote-added", "--headline", "A drill",
        "--data", data, "--log", f"sqlite:///{log}", "--json",
    ]  # fmt: skip


async def fresh(folder: Path) -> Path:
    """Make a folder with a log of one event."""
    folder.mkdir()
    path = folder / "log.db"
    async with newsroom(f"sqlite:///{path}") as room:
        opening = {"story": STORY, "kind": "story-opened", "headline": "A drill", "title": "Drill"}
        await room.publisher.file(take(opening), Actor("desk:drill"))
    return path


def traced(log: Path, *options: str) -> subprocess.CompletedProcess[str]:
    # Only calls on the log's own files are counted; what Python itself opens is not the log's.
    paths = [f"-P{log}{suffix}" for suffix in ("", "-wal", "-shm", "-journal")]
    return subprocess.run(
        ["strace", "-f", "-qq", "-o", str(log.parent / "trace"), *paths, *options, *filing(log)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def places(trace: str) -> Iterator[tuple[str, int]]:
    """Give each call of one filing with its number among its kind."""
    counts = dict.fromkeys(CALLS, 0)
    for call in re.findall(r"^\d+ +(\w+)\(", trace, re.MULTILINE):
        if call in counts:
            counts[call] += 1
            yield call, counts[call]


@needs_strace
@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.torture)])
@pytest.mark.timeout(3000)
async def test_a_filing_survives_any_fault_of_the_disk(every: int, tmp_path: Path) -> None:
    """Whichever call fails or is the last, the filing is there or safely repeated, never both."""
    template = await fresh(tmp_path / "template")
    probe = tmp_path / "probe"
    shutil.copytree(template.parent, probe)
    done = traced(probe / "log.db", f"-etrace={','.join(CALLS)}")
    if done.returncode:
        pytest.skip(f"strace may not trace on this machine: {done.stderr}")
    points = [
        (call, number, fault)
        for call, number in places((probe / "trace").read_text())
        for fault in FAULTS
    ]
    tried = points[::every]
    assert len(tried) >= (50 if every == 1 else 3), f"only {len(tried)} points"
    for call, number, fault in tried:
        folder = tmp_path / f"{call}-{number}-{fault}"
        shutil.copytree(template.parent, folder)
        path = folder / "log.db"
        done = traced(path, f"-etrace={call}", f"-einject={call}:{fault}:when={number}")
        where = f"{call} number {number}, {fault}: {done.stderr}"
        assert "Traceback" not in done.stderr, where
        promised = {}
        if done.returncode == 0:
            promised = {EVENT_ID: json.loads(done.stdout)["position"]}
        elif "SIGKILL" not in fault:
            assert done.returncode in (1, 3), where
            assert len(done.stderr.splitlines()) == 1, where
        assert await check_file(path, promised) in (1, 2), where
        again = subprocess.run(filing(path), capture_output=True, text=True, check=True)
        assert json.loads(again.stdout)["position"] == 2, where
        assert await check_file(path, {EVENT_ID: 2}) == 2, where
        shutil.rmtree(folder)
