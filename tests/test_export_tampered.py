"""An export that was changed in any way is refused, and the place is named."""

import base64
import gzip
import hmac
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exports import EVENTS, Lines, lines_of, rewritten, told, written

from consumers.audit.signing import Keyring
from consumers.audit.stand_alone import Distrust, Refusal, check
from dateline.wiring import Newsroom
from events.checkpoint import Checkpoint
from events.tree import Frontier, leaf_hash

__all__ = ["told"]


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
