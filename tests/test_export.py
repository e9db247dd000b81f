"""An export is verified by anybody, without us, and shows each reader what is theirs to see."""

import asyncio
import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Clock
from exports import EVENTS, lines_of, told, written
from filings import ADA, LATER, filed, opening

from consumers.audit import export as exporting
from consumers.audit.signing import Keyring
from consumers.audit.stand_alone import check, main
from dateline.cli.run import run
from dateline.wiring import Newsroom, newsroom
from producers.intake import take

__all__ = ["told"]


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
