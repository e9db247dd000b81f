"""The power fails: what was acknowledged had reached the disk before anybody was told."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from witness import acknowledged, check_file, programs

from events.sqlite.writer import MANY

IMAGE_BYTES = 256 * 1024 * 1024  # room enough for a write-ahead log to be laid out
FILERS = 2
BEFORE_THE_CUT = 2 * MANY  # acknowledgements of each filer; its log is laid out by then

TOOLS = ("losetup", "mkfs.ext4", "mount", "umount")
needs_disk = pytest.mark.skipif(
    os.geteuid() != 0 or any(shutil.which(tool) is None for tool in TOOLS),
    reason=f"a disk to cut off takes root and {', '.join(TOOLS)}",
)


@contextlib.contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    """Mount an image; what a program syncs reaches the image, what it only writes does not yet."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-o", "loop,commit=300", str(image), str(folder)],
        check=False,
        capture_output=True,
    )
    if done.returncode:
        pytest.skip(f"this machine mounts no image: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def cut_short(folder: Path, count: int, mode: str) -> tuple[Path, dict[str, int]]:
    """Copy a disk while filing goes on; returns the copy and what had been promised."""
    image = folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    with mounted(image, folder / "before") as disk, programs() as start:
        url = f"sqlite:///{disk}/log.db"
        filers = [
            start("filing_process.py", url, f"story-{n}", "100000", mode) for n in range(count)
        ]
        for filer in filers:
            filer.wait_for(BEFORE_THE_CUT)
        # Only what was synced goes to the image, and for as long as a copy takes nobody syncs.
        for filer in filers:
            filer.stop()
        promised = [filer.said() for filer in filers]
        shutil.copy(image, folder / "after.img")
    return folder / "after.img", acknowledged([line for lines in promised for line in lines])


async def survivors(image: Path, folder: Path, promised: dict[str, int]) -> None:
    with mounted(image, folder / "after") as disk:
        await check_file(disk / "log.db", promised)


@needs_disk
@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.torture)])
async def test_nothing_acknowledged_is_lost(rounds: int, tmp_path: Path) -> None:
    """In every round, what was acknowledged before the cut is on the disk after it."""
    for number in range(rounds):
        folder = tmp_path / str(number)
        folder.mkdir()
        image, promised = cut_short(folder, FILERS, "plain")
        assert len(promised) >= FILERS * BEFORE_THE_CUT
        await survivors(image, folder, promised)
        shutil.rmtree(folder)


@needs_disk
async def test_without_sync_the_same_cut_loses_events(tmp_path: Path) -> None:
    """The test can fail: without a sync for each commit, acknowledged events are gone."""
    # One alone, for a second that comes later syncs what the first had written by then.
    image, promised = cut_short(tmp_path, 1, "unsynced")
    with pytest.raises(AssertionError, match="acknowledged events lost"):
        await survivors(image, tmp_path, promised)
