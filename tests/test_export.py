"""An export is verified by anybody, and whatever is changed in it is named with its place."""

import asyncio
import base64
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
from exports import Lines, lines_of, rewritten, written
from filings import ADA, filed, note, opening

from consumers.audit import export as exporting
from consumers.audit.signing import Keyring
from consumers.audit.stand_alone import Distrust, Refusal, check, main
from dateline.cli.run import run
from dateline.wiring import Newsroom, newsroom
from events.checkpoint import Checkpoint
from events.envelope import Filed
from events.filing import Private
from events.tree import Frontier, leaf_hash
from producers.intake import take

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


def bare(line: dict[str, Any]) -> dict[str, Any]:
    """An event of which nothing is shown, as in a public export."""
    return {name: line[name] for name in ("leaf", "position")}


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
    "another number of events": (lambda all_: [{**all_[0], "events": 12.0}, *all_[1:]], 0),
    "a bare leaf": (lambda all_: [*all_[:5], bare(all_[5]), *all_[6:]], 5),
    "a whole story of bare leaves": (
        lambda all_: [
            all_[0],
            *(bare(line) if number % 2 else line for number, line in enumerate(all_[1:], 1)),
        ],
        1,
    ),
    "the last event bare": (lambda all_: [*all_[:-1], bare(all_[-1])], EVENTS),
    "a longer nonce": (
        lambda all_: [
            *all_[:5],
            {**all_[5], "body_nonce": all_[5]["body_nonce"] + "00"},
            *all_[6:],
        ],
        5,
    ),
    "a position in words": (lambda all_: [*all_[:5], {**all_[5], "position": "5"}, *all_[6:]], 5),
    "rotations of nothing": (lambda all_: [{**all_[0], "rotations": [{"old": "x"}]}, *all_[1:]], 0),
    "another's key": (
        lambda all_: [
            {**all_[0], "keys": [*all_[0]["keys"], str(Keyring(None).public)]},
            *all_[1:],
        ],
        0,
    ),
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


def signed_so(note: str, ways: str) -> str:
    """A checkpoint that is signed in another way than the specification has it."""
    text, _, line = note.rpartition("\n\n")
    _, name, encoded = line.strip().split(" ")
    raw = bytearray(base64.b64decode(encoded))
    raw[40] ^= 1
    failing = f"\u2014 {name} {base64.b64encode(raw).decode()}\n"
    return {
        "good, then bad": note + failing,
        "bad, then good": f"{text}\n\n{failing}{line}",
        "no dash": note.replace("\u2014 ", ""),
        "a line of junk": f"{note}hello\n",
        "no last newline": note[:-1],
        "other ends of lines": note.replace("\n", "\r\n"),
        "another size": note.replace(f"\n{EVENTS}\n", f"\n0{EVENTS}\n"),
    }[ways]


@pytest.mark.parametrize(
    "ways",
    [
        "good, then bad",
        "bad, then good",
        "no dash",
        "a line of junk",
        "no last newline",
        "other ends of lines",
        "another size",
    ],
)
async def test_a_checkpoint_that_is_not_signed_as_specified_is_refused(
    told: Newsroom, tmp_path: Path, ways: str
) -> None:
    """The shipped program takes a note as C2SP has it and no other, in the file and beside it."""
    file = await written(told, tmp_path / "log.jsonl.gz")
    lines = lines_of(file)
    note = lines[0]["checkpoint"]
    assert check(str(file), kept=note).events == EVENTS
    with pytest.raises(Refusal):
        check(rewritten(file, [{**lines[0], "checkpoint": signed_so(note, ways)}, *lines[1:]]))
    with pytest.raises(Distrust, match="--kept"):
        check(str(file), kept=signed_so(note, ways))


@pytest.mark.parametrize(
    "text",
    [
        '{"body":"{\\"headline\\":\\"another\\"}",',
        '{"leaf":"00",',
        '{"position":' + "[" * 100_000,
    ],
)
async def test_a_line_that_two_readers_read_differently_is_refused(
    told: Newsroom, tmp_path: Path, text: str
) -> None:
    """A field that comes twice is refused, and so is what is nested too deep to be read at all."""
    file = await written(told, tmp_path / "log.jsonl.gz")
    lines = gzip.decompress(file.read_bytes()).decode().splitlines(keepends=True)
    lines[5] = text + lines[5][1:]
    file.write_text("".join(lines))
    with pytest.raises(Refusal, match="position 5"):
        check(str(file))


async def test_a_file_that_is_no_export_is_said_to_be_none(
    told: Newsroom, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be verified is named in a sentence: a log, no text, no key, another's key."""
    file = await written(told, tmp_path / "log.jsonl.gz")
    other = str(Keyring(None, "another.example").public)
    (tmp_path / "bytes").write_bytes(bytes(range(255, 0, -1)))
    (tmp_path / "note").write_text("no checkpoint")
    for kept in ("bytes", "note", "none"):
        assert main([str(file), "--kept", f"{tmp_path}/{kept}"]) == 1
        assert capsys.readouterr().err.startswith(f"REFUSED {tmp_path}/{kept}: ")
    asked = {
        f"{tmp_path}/news.db": "expected an export",
        f"{tmp_path}/bytes": "bytes that are no UTF-8",
        f"{file} --key garbage": "refused by rule key-of-the-log, field key",
        f"{file} --key {other}": "refused by rule key-of-the-log, field key",
        f"{file} --kept {tmp_path}/bytes": f"no text in {tmp_path}/bytes",
        f"{file} --kept {tmp_path}/note": f", in {tmp_path}/note",
        f"--log {told.log.url} --kept {tmp_path}/note": f", in {tmp_path}/note",
    }
    for arguments, words in asked.items():
        assert await asyncio.to_thread(run, ["audit", "verify", *arguments.split()]) == 1
        assert words in capsys.readouterr().err
    log = ["--log", told.log.url]
    assert await asyncio.to_thread(run, ["audit", "verify", "export.gz", *log]) == 2
    assert await asyncio.to_thread(run, ["audit", "verify", "--key", "garbage", *log]) == 2
    export = ["audit", "export", str(tmp_path / "no" / "x.gz"), *log]
    capsys.readouterr()
    assert await asyncio.to_thread(run, export) == 1
    assert "no folder" in capsys.readouterr().err
    export[2:3] = [str(tmp_path / "a.gz"), "--story", "a"]
    assert await asyncio.to_thread(run, export) == 0
    assert "a.gz: 6 events;" in capsys.readouterr().out
    given = told.auditor.book.exports()
    assert await asyncio.to_thread(run, export) == 1
    assert told.auditor.book.exports() == given  # what was refused was given to nobody


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
    hit = 0
    for place in chance.sample(range(len(whole) * 8), 200):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        file.write_bytes(flipped)
        try:
            assert check(str(file)) == sound
            # Times in gzip's header and the bits that fill its last byte say nothing.
            assert packed
            assert gzip.decompress(flipped) == content
        except Refusal as refused:
            # The header is no event; behind it each line is that of its number.
            assert packed or refused.position == whole[: place // 8].count(b"\n")
            hit += 1
    assert hit > 150


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
