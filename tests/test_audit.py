"""Whatever is changed in the file behind our back, the audit says where."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Clock
from filings import filed, note, opening
from tampering import tampered

from consumers.audit.verify import verify
from events.errors import LogDamaged
from events.filing import Private
from events.sqlite.log import SqliteLog


@pytest.fixture
async def sound(tmp_path: Path) -> Path:
    log = SqliteLog(tmp_path / "sound.db", Clock())
    await log.append("a", [filed(opening())])
    for n in range(9):
        event = note(f"note {n}")._replace(private=Private(notes=f"secret {n}"))
        await log.append("a" if n % 2 else "b", [event])
    await log.close()
    return tmp_path / "sound.db"


async def proof(path: Path) -> int:
    log = SqliteLog(path)
    try:
        return (await verify(log, lambda *_: None)).events
    finally:
        await log.close()


async def test_a_sound_log_is_proved(sound: Path) -> None:
    """A log that nobody touched verifies whole."""
    assert await proof(sound) == 10


@pytest.mark.parametrize(
    ("statement", "position"),
    [
        ("UPDATE events SET body = CAST(replace(body, 'te', 'pe') AS BLOB) WHERE position = 5", 5),
        ("UPDATE events SET private = x'7b7d' WHERE position = 5", 5),
        ("UPDATE events SET envelope = CAST(replace(envelope, 'desk', 'disk') AS BLOB)", 0),
        ("UPDATE events SET envelope = CAST(envelope || ' ' AS BLOB) WHERE position = 5", 5),
        ("UPDATE events SET story = 'c' WHERE position = 5", 5),
        ("UPDATE events SET kind = 'quote-added' WHERE position = 5", 5),
        ("UPDATE events SET recorded_ms = recorded_ms + 1 WHERE position = 5", 5),
        ("UPDATE events SET id = zeroblob(16) WHERE position = 5", 5),
        ("DELETE FROM events WHERE position = 5", 5),
        ("DELETE FROM events WHERE position = 10", 10),
        ("UPDATE tree SET hashes = zeroblob(64)", 0),
    ],
)
async def test_any_change_is_reported_with_its_place(
    sound: Path, statement: str, position: int
) -> None:
    """An edit, a removal or a forged head is found, and the first bad position is named."""
    tampered(sound, statement)
    with pytest.raises(LogDamaged) as raised:
        await proof(sound)
    assert raised.value.position == position


STRAY = (
    "INSERT INTO events SELECT {}, 'z', 1, x'01a2', kind, schema, recorded_ms, envelope, body, "
    "body_nonce, private, private_nonce FROM events WHERE position = 5"
)


@pytest.mark.parametrize("position", [-5, 0, 11, 12, 1_000, 2**63 - 1])
async def test_a_row_outside_of_the_tree_is_reported(sound: Path, position: int) -> None:
    """No row of the table of events escapes, wherever it was put."""
    tampered(sound, STRAY.format(position))
    with pytest.raises(LogDamaged, match=f"position {position} "):
        await proof(sound)


@pytest.mark.parametrize(
    ("statement", "position"),
    [
        ("UPDATE events SET recorded_ms = 9223372036854775807 WHERE position = 5", 5),
        ("UPDATE events SET recorded_ms = -9223372036854775808 WHERE position = 5", 5),
        ("UPDATE tree SET recorded_ms = 9223372036854775807", 0),
        ("UPDATE tree SET recorded_ms = -9223372036854775808", 0),
        ("UPDATE events SET envelope = CAST('[]' AS BLOB) WHERE position = 5", 5),
        ("UPDATE events SET envelope = CAST('1' AS BLOB) WHERE position = 5", 5),
        ("UPDATE events SET story = CAST(x'ff' AS TEXT) WHERE position = 5", 5),
        ("UPDATE events SET kind = CAST(x'ff' AS TEXT) WHERE position = 5", 5),
        ("DROP TABLE remains", 0),
    ],
)
async def test_what_no_log_would_hold_is_damage_too(
    sound: Path, statement: str, position: int
) -> None:
    """Times of no calendar, envelopes of no form, bytes of no text: damage with its place."""
    tampered(sound, statement)
    with pytest.raises(LogDamaged) as raised:
        await proof(sound)
    assert raised.value.position == position


async def test_swapped_events_are_found(sound: Path) -> None:
    """Two events that change places are noticed at the first of them."""
    tampered(sound, "UPDATE events SET position = -5 WHERE position = 5")
    tampered(sound, "UPDATE events SET position = 5 WHERE position = 6")
    tampered(sound, "UPDATE events SET position = 6 WHERE position = -5")
    with pytest.raises(LogDamaged) as raised:
        await proof(sound)
    assert raised.value.position == 5


async def test_every_bit_of_an_event_counts(sound: Path, tmp_path: Path) -> None:
    """A single flipped bit in stored event bytes is reported, wherever it falls."""
    data = await asyncio.to_thread(sound.read_bytes)
    at = data.index(b'"headline":"note 4"')
    for offset in range(0, 19 * 8, 7):
        flipped = bytearray(data)
        flipped[at + offset // 8] ^= 1 << offset % 8
        copy = tmp_path / "flipped.db"
        await asyncio.to_thread(copy.write_bytes, bytes(flipped))
        with pytest.raises(LogDamaged):
            await proof(copy)


async def test_a_backup_is_the_log(sound: Path, tmp_path: Path) -> None:
    """A copy made while the log is open verifies to the same root, and never replaces a file."""
    from dateline.cli.run import run  # noqa: PLC0415 - the tests of copies go through the CLI

    url, copy = f"sqlite:///{sound}", tmp_path / "copy.db"
    steps: list[Callable[[], int]] = [
        lambda: run(["backup", str(copy), "--log", url]),
        lambda: run(["backup", str(copy), "--log", url]),
        lambda: run(["restore", str(copy), "--log", url]),
        lambda: run(["restore", str(copy), "--log", f"sqlite:///{tmp_path}/new.db"]),
        lambda: run(["audit", "verify", "--log", f"sqlite:///{tmp_path}/new.db"]),
    ]
    # A command runs its own loop, in a thread of its own.
    codes = [await asyncio.to_thread(step) for step in steps]
    assert codes == [0, 1, 1, 0, 0]
    damaged = tmp_path / "damaged.db"
    shutil.copy(copy, damaged)
    tampered(damaged, "UPDATE events SET body = x'7b7d' WHERE position = 3")
    restored = f"sqlite:///{tmp_path}/never.db"
    assert await asyncio.to_thread(run, ["restore", str(damaged), "--log", restored]) == 1
    assert not await asyncio.to_thread((tmp_path / "never.db").exists)


async def test_an_empty_file_is_no_backup(tmp_path: Path) -> None:
    """What a full disk left of a backup is not restored as a log of no events, nor made one."""
    from dateline.cli.run import run  # noqa: PLC0415 - as above

    copy, target = tmp_path / "copy.db", tmp_path / "log.db"
    await asyncio.to_thread(copy.touch)
    restore = ["restore", str(copy), "--log", f"sqlite:///{target}"]
    assert await asyncio.to_thread(run, restore) == 1
    assert (await asyncio.to_thread(copy.read_bytes), await asyncio.to_thread(target.exists)) == (
        b"",
        False,
    )


@pytest.mark.parametrize("column", ["body_nonce", "body"])
async def test_contents_without_their_nonce_are_reported(sound: Path, column: str) -> None:
    """A body whose nonce was taken away, or a nonce without its body, is no erasure."""
    tampered(sound, f"UPDATE events SET {column} = NULL WHERE position = 3")
    with pytest.raises(LogDamaged, match="position 3"):
        await proof(sound)


async def test_an_event_past_the_tree_is_reported_and_not_shown(sound: Path) -> None:
    """What was put behind the last event, past the tree, is damage and no part of its story."""
    size = await proof(sound)
    columns = "story, version, kind, schema, recorded_ms, envelope, body, body_nonce, private"
    tampered(
        sound,
        f"INSERT INTO events (position, id, {columns}, private_nonce) "
        f"SELECT position + 1, x'00', story, version + 1, kind, schema, recorded_ms, envelope, "
        f"body, body_nonce, private, private_nonce FROM events WHERE position = {size}",
    )
    log = SqliteLog(sound)
    story = await anext(event.story async for event in log.read(size - 1))
    assert all([event.position <= size async for event in log.read_versions(story)])
    with pytest.raises(LogDamaged, match=f"position {size + 1}"):
        await verify(log, lambda *_: None)
    await log.close()
