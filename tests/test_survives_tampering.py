"""Whatever is done to the stored bytes behind our back, the audit says so."""

import asyncio
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import SAMPLE, Clock, Entropy
from filings import filed, note, opening
from tampering import tampered

from consumers.audit import processes
from dateline.wiring import Newsroom, newsroom
from events.envelope import Sealed
from events.errors import DatelineError, LogDamaged
from events.filing import Private
from events.sqlite.log import SqliteLog
from events.tree import Frontier

EVENTS = 40
LONG = pytest.mark.torture


class Stored(NamedTuple):
    """A log on disk that is proved, with what the auditor remembers of it and what it holds."""

    folder: Path
    events: list[Sealed]
    stories: dict[str, list[bytes]]


async def held(room: Newsroom) -> tuple[list[Sealed], dict[str, list[bytes]]]:
    """All that a log gives to anybody: by position, and story by story."""
    events = [event async for event in room.log.read_sealed()]
    stories = {
        story: [event.envelope async for event in room.log.read_versions(story)]
        for story in ("a", "b")
    }
    return events, stories


@pytest.fixture
async def stored(tmp_path: Path) -> Stored:
    folder = tmp_path / "sound"
    folder.mkdir()
    async with newsroom(f"sqlite:///{folder}/news.db", Clock()) as room:
        await room.log.append("a", [filed(opening())])
        for number in range(EVENTS - 1):
            event = note(f"note {number}")._replace(private=Private(notes=f"secret {number}"))
            await room.log.append("ab"[number % 2], [event])
        await room.auditor.verify(lambda *_: None)
        await room.auditor.checkpoint()
        events, stories = await held(room)
        # Copied while it is open, so that the write-ahead log is there to be spoilt as well.
        await asyncio.to_thread(shutil.copytree, folder, tmp_path / "open")
    return Stored(tmp_path / "open", events, stories)


async def verified(folder: Path) -> tuple[list[Sealed], dict[str, list[bytes]]]:
    async with newsroom(f"sqlite:///{folder}/news.db") as room:
        await room.auditor.verify(lambda *_: None)
        return await held(room)


SPOILT_ENVELOPE = "CAST(replace(envelope, 'desk', 'disk') AS BLOB)"
SPOILT_BODY = "CAST(replace(body, 'note', 'vote') AS BLOB)"
LONGER_ENVELOPE = "CAST(envelope || ' ' AS BLOB)"
AGAIN = (
    "INSERT INTO events SELECT 41, story, 99, x'00', kind, schema, recorded_ms, envelope, body, "
    "body_nonce, private, private_nonce FROM events WHERE position = 9"
)
MATRIX: dict[str, tuple[list[str], int]] = {
    "edit envelope": (
        [f"UPDATE events SET envelope = {SPOILT_ENVELOPE}"],
        1,
    ),
    "edit body": (
        [f"UPDATE events SET body = {SPOILT_BODY} WHERE position = 9"],
        9,
    ),
    "edit private": (["UPDATE events SET private = x'7b7d' WHERE position = 9"], 9),
    "swap two": (
        [
            "UPDATE events SET position = -10 WHERE position = 10",
            "UPDATE events SET position = 10 WHERE position = 11",
            "UPDATE events SET position = 11 WHERE position = -10",
        ],
        10,
    ),
    "drop one": (["DELETE FROM events WHERE position = 9"], 9),
    "duplicate one": ([AGAIN], 41),
    "drop the last": (["DELETE FROM events WHERE position = 40"], 40),
    "missing body": (["UPDATE events SET body = NULL, body_nonce = NULL WHERE position = 9"], 9),
    "whitespace": (
        [f"UPDATE events SET envelope = {LONGER_ENVELOPE} WHERE position = 9"],
        9,
    ),
    "another time": (["UPDATE tree SET recorded_ms = recorded_ms + 1"], 0),
    "another tree": (["UPDATE tree SET hashes = zeroblob(64)"], 0),
}


@pytest.mark.parametrize("readers", [1, 2])
@pytest.mark.parametrize("mutation", MATRIX)
async def test_the_matrix_of_mutations(
    stored: Stored, mutation: str, readers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit, a swap, a loss, a repeat or an addition in the log is reported with its position."""
    monkeypatch.setattr(processes, "LONG", 1)
    monkeypatch.setattr(processes, "STRETCH", 4)
    monkeypatch.setattr(processes, "processors", lambda: readers)
    statements, position = MATRIX[mutation]
    tampered(stored.folder / "news.db", *statements)
    with pytest.raises(LogDamaged) as raised:
        await verified(stored.folder)
    assert raised.value.position == position


async def rewritten(folder: Path) -> None:
    """Write history anew with the log's own means: every byte is consistent again."""
    old = SqliteLog(folder / "news.db")
    events = [event async for event in old.read()]
    private = [event.private async for event in old.read_sealed()]
    await old.close()
    for file in folder.glob("news.db*"):
        file.unlink()
    new = SqliteLog(folder / "news.db", Clock(), Entropy())
    for event, hidden in zip(events, private, strict=True):
        development = event.development
        if event.position == 9:
            development = note("history as it should have been").development  # type: ignore[assignment]  # - a known kind
        notes = Private.model_validate_json(hidden) if hidden else None
        await new.append(event.story, [filed(development)._replace(private=notes)])  # type: ignore[arg-type]  # - likewise
    await new.close()


async def test_history_written_anew_shows_to_who_saw_it_before(stored: Stored) -> None:
    """A log that was rewritten whole is refused by whoever remembers it, and by nobody else."""
    await rewritten(stored.folder)
    with pytest.raises(LogDamaged):
        await verified(stored.folder)
    for file in stored.folder.glob("news.audit.db*"):
        file.unlink()
    assert len((await verified(stored.folder))[0]) == EVENTS


async def test_a_kept_checkpoint_shows_what_the_book_does_not(stored: Stored) -> None:
    """With the auditor's book gone as well, a checkpoint that was kept elsewhere still tells."""
    events = [event.envelope for event in stored.events]
    tree = Frontier()
    tree.extend(events)
    await rewritten(stored.folder)
    for file in stored.folder.glob("news.audit.db*"):
        file.unlink()
    async with newsroom(f"sqlite:///{stored.folder}/news.db") as room:
        with pytest.raises(LogDamaged):
            await room.auditor.verify(lambda *_: None, kept={EVENTS: tree.root})


@pytest.mark.parametrize("file", ["news.db", "news.db-wal"])
@pytest.mark.parametrize("flips", [30, pytest.param(400, marks=LONG)])
async def test_no_flipped_bit_is_a_silent_wrong_answer(
    stored: Stored, tmp_path: Path, file: str, flips: int
) -> None:
    """A bit that flips in the database or its write-ahead log is reported, or changes no answer."""
    whole = (stored.folder / file).read_bytes()
    chance = random.Random(flips)
    for place in chance.sample(range(len(whole) * 8), flips):
        copy = tmp_path / "flipped"
        shutil.copytree(stored.folder, copy)
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        (copy / file).write_bytes(flipped)
        (copy / "news.db-shm").unlink(missing_ok=True)  # shared memory does not outlive its users
        try:
            found = await verified(copy)
        except DatelineError:
            found = stored.events, stored.stories
        assert found == (stored.events, stored.stories), f"bit {place} of {file}"
        shutil.rmtree(copy)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Pacific/Kiritimati"])
def test_a_moment_is_the_same_in_every_zone(tmp_path: Path, zone: str) -> None:
    """Where the machine stands, and whether it is summer there, changes no answer of a moment."""
    environment = {**os.environ, "TZ": zone, "DATELINE_LOG": f"sqlite:///{tmp_path}/news.db"}
    told = []
    for arguments in (
        ["import", str(SAMPLE)],
        ["story", "us-russia-ukraine-children", "--occurred-by", "2025-10-26T02:30", "--json"],
        ["audit", "verify"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "dateline", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        told.append(done.stdout)
    assert told[1].count('"kind":') == 23
    assert "2025-10-10T18:06:00Z" in told[1]
