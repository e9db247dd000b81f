"""An export is verified by anybody, and whatever is changed in it is named with its place."""

import gzip
import hmac
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Clock
from filings import ADA, filed, note, opening

from consumers.audit import export as exporting
from consumers.audit.signing import Keyring
from consumers.audit.stand_alone import Refusal, check
from dateline.commands.auditing import wanted_export
from dateline.wiring import Newsroom, newsroom
from events.checkpoint import Checkpoint
from events.envelope import Filed
from events.filing import Private
from events.tree import Frontier, leaf_hash
from producers.intake import take

Lines = list[dict[str, Any]]
EVENTS = 12
LATER = "2031-01-01T00:00:00Z"


def secret(number: int) -> Filed:
    return note(f"note {number}")._replace(private=Private(notes=f"UNSAYABLE {number}"))


@pytest.fixture
async def told(room: Newsroom) -> Newsroom:
    """A newsroom with two stories and private notes in most of their events."""
    await room.log.append("a", [filed(opening())])
    await room.log.append("b", [filed(opening())])
    for number in range(3, EVENTS + 1):
        await room.log.append("ab"[number % 2], [secret(number)])
    return room


async def written(
    room: Newsroom, file: Path, story: str | None = None, parts: str = "private"
) -> Path:
    wanted = await wanted_export(room, story, parts)
    await exporting.write(room.auditor, wanted, str(file), lambda _done, _total: None)
    return file


def lines_of(file: Path) -> Lines:
    return [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]


def rewritten(file: Path, lines: Lines) -> str:
    """Write an export with other lines; not packed, so that nothing but its content is judged."""
    other = file.with_suffix(".changed")
    other.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return str(other)


@pytest.mark.parametrize("parts", ["public", "internal", "private"])
@pytest.mark.parametrize("story", [None, "a"])
async def test_an_export_is_verified_without_us(
    told: Newsroom, tmp_path: Path, parts: str, story: str | None
) -> None:
    """The shipped program verifies an export with the standard library alone, in any folder."""
    file = await written(told, tmp_path / "log.jsonl.gz", story, parts)
    command = [sys.executable, "-I", str(tmp_path / exporting.VERIFIER), str(file)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"VERIFIED {file}: {EVENTS if story is None else 6} events")
    text = gzip.decompress(file.read_bytes())
    assert (b"UNSAYABLE" in text) is (parts == "private")


async def test_what_is_not_released_is_a_bare_hash(room: Newsroom, tmp_path: Path) -> None:
    """In a public export what is embargoed, held or private is a hash that proves it exists."""
    filings: list[dict[str, Any]] = [
        {"kind": "story-opened", "title": "T", "headline": "Seen"},
        {"kind": "quote-added", "headline": "Hidden word", "embargo_until": LATER},
        {"kind": "quote-added", "headline": "Seen too", "ref": "Q", "private": {"notes": "Hidden"}},
        {"kind": "quote-added", "headline": "Hidden also", "ref": "H"},
        {"kind": "held", "target": "H", "reason": "Hidden reason"},
        {
            "kind": "corrected", "target": "Q", "field": "headline", "old": "Seen too",
            "new": "Seen anew", "note": "a drill",
        },
    ]  # fmt: skip
    for filing in filings:
        await room.publisher.file(take({"story": "a", **filing}), ADA)
    file = await written(room, tmp_path / "log.jsonl.gz", parts="public")
    assert check(str(file)).shown == 3
    text = gzip.decompress(file.read_bytes()).decode()
    assert "Hidden" not in text
    assert "Seen anew" in text
    shown = ["envelope" in line for line in lines_of(file)[1:]]
    assert shown == [True, False, True, False, False, True]
    assert set(lines_of(file)[2]) == {"leaf", "position"}


def edited(lines: Lines, number: int, field: str, old: str, new: str) -> Lines:
    line = lines[number]
    return [*lines[:number], {**line, field: line[field].replace(old, new)}, *lines[number + 1 :]]


def consistent(lines: Lines, number: int, old: str, new: str) -> Lines:
    """An envelope edited together with its leaf."""
    changed = edited(lines, number, "envelope", old, new)
    changed[number]["leaf"] = leaf_hash(changed[number]["envelope"].encode()).hex()
    return changed


MUTATIONS: dict[str, tuple[Callable[[Lines], Lines], int]] = {
    "edit envelope": (lambda all_: edited(all_, 5, "envelope", "desk:ada", "desk:eve"), 5),
    "edit envelope and leaf": (lambda all_: consistent(all_, 5, "desk:ada", "desk:eve"), 0),
    "edit body": (lambda all_: edited(all_, 5, "body", "note 5", "note 6"), 5),
    "edit private": (lambda all_: edited(all_, 5, "private", "UNSAYABLE", "UNKNOWABLE"), 5),
    "swap two": (lambda all_: [*all_[:5], all_[6], all_[5], *all_[7:]], 5),
    "drop one": (lambda all_: [*all_[:5], *all_[6:]], 5),
    "duplicate one": (lambda all_: [*all_[:6], all_[5], *all_[6:]], 6),
    "drop the last": (lambda all_: all_[:-1], EVENTS),
    "missing body": (
        lambda all_: [
            *all_[:5],
            {name: value for name, value in all_[5].items() if not name.startswith("body")},
            *all_[6:],
        ],
        5,
    ),
    "body without nonce": (
        lambda all_: [
            *all_[:5],
            {name: value for name, value in all_[5].items() if name != "body_nonce"},
            *all_[6:],
        ],
        5,
    ),
    "whitespace in an envelope": (lambda all_: edited(all_, 5, "envelope", ",", ", "), 5),
    "whitespace in a body": (lambda all_: edited(all_, 5, "body", "{", "{ "), 5),
    "late append": (
        lambda all_: [*all_, {**all_[-1], "position": EVENTS + 1}],
        EVENTS + 1,
    ),
    "another field": (lambda all_: [*all_[:5], {**all_[5], "note": "x"}, *all_[6:]], 5),
    "another leaf": (lambda all_: [*all_[:5], {**all_[5], "leaf": "0" * 64}, *all_[6:]], 5),
    "no event at all": (lambda all_: [*all_[:5], {}, *all_[6:]], 5),
    "fewer events, said so": (lambda all_: [{**all_[0], "events": 11}, *all_[1:-1]], 0),
    "another format": (lambda all_: [{**all_[0], "format": "dateline-export/2"}, *all_[1:]], 0),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_any_change_to_an_export_is_named_with_its_place(
    told: Newsroom, tmp_path: Path, mutation: str
) -> None:
    """An export that was edited, cut, reordered or added to is refused where it goes wrong."""
    change, position = MUTATIONS[mutation]
    file = await written(told, tmp_path / "log.jsonl.gz")
    with pytest.raises(Refusal) as refused:
        check(rewritten(file, change(lines_of(file))))
    assert refused.value.position == position


async def test_a_story_that_was_changed_is_refused(told: Newsroom, tmp_path: Path) -> None:
    """In the export of one story as well, each event is held against the log's checkpoint."""
    file = await written(told, tmp_path / "a.jsonl.gz", "a")
    lines = lines_of(file)
    changes = {
        lines[3]["position"]: consistent(lines, 3, "desk:ada", "desk:eve"),
        lines[4]["position"]: [*lines[:3], *lines[4:]],
        lines[-2]["position"] + 1: lines[:-1],
    }
    for position, changed in changes.items():
        with pytest.raises(Refusal) as refused:
            check(rewritten(file, changed))
        assert refused.value.position == position


def resigned(lines: Lines, keyring: Keyring) -> Lines:
    """History rewritten and signed anew by somebody who has the key: all is consistent again."""
    tree = Frontier()
    lines = [dict(line) for line in lines]
    body = lines[5]["body"].replace("note 5", "note 9")
    nonce = bytes.fromhex(lines[5]["body_nonce"])
    envelope = json.loads(lines[5]["envelope"])
    envelope["body"] = hmac.digest(nonce, b"body\x00" + body.encode(), "sha256").hex()
    text = json.dumps(envelope, separators=(",", ":"), sort_keys=True)
    lines[5] |= {"body": body, "envelope": text, "leaf": leaf_hash(text.encode()).hex()}
    for line in lines[1:]:
        tree.append(line["envelope"].encode())
    lines[0]["checkpoint"] = keyring.sign(Checkpoint(keyring.origin, EVENTS, tree.root).text)
    lines[0]["keys"] = [str(keyring.public)]
    return lines


async def test_a_foreign_key_is_refused(told: Newsroom, tmp_path: Path) -> None:
    """Who knows our key notices a history that another key signed."""
    file = await written(told, tmp_path / "log.jsonl.gz")
    forged = rewritten(file, resigned(lines_of(file), Keyring(None, told.auditor.keyring.origin)))
    assert check(forged).events == EVENTS
    with pytest.raises(Refusal) as refused:
        check(forged, key=str(told.auditor.keyring.public))
    assert refused.value.position == 0


async def test_a_rewritten_history_shows_to_who_kept_a_checkpoint(
    told: Newsroom, tmp_path: Path
) -> None:
    """History rewritten with the real key passes, but not beside a checkpoint from before."""
    kept = (await told.auditor.checkpoint()).note
    file = await written(told, tmp_path / "log.jsonl.gz")
    forged = rewritten(file, resigned(lines_of(file), told.auditor.keyring))
    key = str(told.auditor.keyring.public)
    assert check(str(file), key, kept).events == EVENTS
    assert check(forged, key).events == EVENTS
    with pytest.raises(Refusal) as refused:
        check(forged, key, kept)
    assert refused.value.position == EVENTS


async def test_a_file_that_is_cut_is_refused(told: Newsroom, tmp_path: Path) -> None:
    """A file that ends early, at whichever byte, is refused, and so is one with more behind it."""
    file = await written(told, tmp_path / "log.jsonl.gz")
    whole = file.read_bytes()
    for spoilt in [*(whole[:length] for length in range(0, len(whole), 97)), whole + b"x"]:
        file.write_bytes(spoilt)
        with pytest.raises(Refusal):
            check(str(file))


@pytest.mark.parametrize("packed", [True, False])
async def test_no_flipped_bit_passes(told: Newsroom, tmp_path: Path, packed: bool) -> None:  # noqa: FBT001 - a parameter
    """Whichever bit of an export flips, it is refused, or the events are all as they were."""
    file = await written(told, tmp_path / "log.jsonl.gz")
    sound = check(str(file))
    content = gzip.decompress(file.read_bytes())
    if not packed:
        file.write_bytes(content)
    whole = file.read_bytes()
    chance = random.Random(7)
    for place in chance.sample(range(len(whole) * 8), 200):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        file.write_bytes(flipped)
        try:
            assert check(str(file)) == sound
            # Times in gzip's header and the bits that fill its last byte say nothing.
            assert packed
            assert gzip.decompress(flipped) == content
        except Refusal:
            continue


async def test_an_export_replaces_no_file(told: Newsroom, tmp_path: Path, clock: Clock) -> None:
    """An export is written whole or not at all, and never over a file that is there."""
    file = await written(told, tmp_path / "log.jsonl.gz")
    before = file.read_bytes()
    with pytest.raises(Exception, match="export-new"):
        await written(told, file)
    assert file.read_bytes() == before
    assert not list(tmp_path.glob("*.part"))


async def test_the_signing_key_is_its_owners_alone(tmp_path: Path) -> None:
    """The key is a file of mode 600 outside the database; one that others may read is not used."""
    async with newsroom(f"sqlite:///{tmp_path}/x.db") as room:
        await room.log.append("a", [filed(opening())])
        first = await room.auditor.checkpoint()
    (key,) = tmp_path.glob("*.key")
    assert key.stat().st_mode & 0o777 == 0o600
    secret_key = key.read_text().split("+", 4)[4].encode()
    assert not [file for file in tmp_path.glob("*.db*") if secret_key[:20] in file.read_bytes()]
    async with newsroom(f"sqlite:///{tmp_path}/x.db") as room:
        assert await room.auditor.checkpoint() == first
    key.chmod(0o640)
    async with newsroom(f"sqlite:///{tmp_path}/x.db") as room:
        with pytest.raises(Exception, match="expected mode 600; found 640"):
            await room.auditor.checkpoint()
