"""The auditor's book may be spoilt as well: it is named, and nothing sound is blamed for it."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from conftest import Clock
from filings import ADA, filed, note, opening
from noting import noted
from serving import SIGNED_LAST, SIGNED_OFTEN, served

from dateline.cli.run import run
from dateline.wiring import newsroom
from events.errors import BookDamaged, LogDamaged
from producers.intake import take

EVENTS = 300  # more than a tile


@pytest.fixture
async def url(tmp_path: Path, clock: Clock) -> str:
    """A log that was proved and signed, with views of it."""
    url = f"sqlite:///{tmp_path}/news.db"
    async with newsroom(url, clock) as room:
        await room.log.append("a", [filed(opening())])
        await room.log.append("a", [note(f"note {n}") for n in range(EVENTS - 1)])
        await room.state("a")
        await room.auditor.verify(lambda *_: None)
        await room.auditor.checkpoint()
    return url


def spoilt(tmp_path: Path, *statements: str) -> None:
    raw = apsw.Connection(str(tmp_path / "news.audit.db"))
    for statement in statements:
        raw.execute(statement)
    raw.close()


def overwritten(tmp_path: Path) -> None:
    for file in tmp_path.glob("news.audit.db-*"):
        file.unlink()
    (tmp_path / "news.audit.db").write_bytes(b"no database at all" * 500)


def torn(tmp_path: Path) -> None:
    spoilt(tmp_path, "PRAGMA wal_checkpoint(TRUNCATE)")
    file = tmp_path / "news.audit.db"
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)


@pytest.mark.parametrize("spoil", [overwritten, torn])
async def test_a_damaged_book_is_named_and_takes_nothing_with_it(
    url: str, tmp_path: Path, spoil: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A damaged book is named with what to do; views stay, and without the book all is well."""
    await asyncio.to_thread(spoil, tmp_path)
    for arguments in (["audit", "verify"], ["audit", "prove", "3"], ["audit", "checkpoint"]):
        assert await asyncio.to_thread(run, [*arguments, "--log", url]) == 3
        told = capsys.readouterr().err
        assert "the auditor's book is damaged" in told
        assert "news.audit.db" in told
        assert "move it away" in told
    assert await asyncio.to_thread(run, ["doctor", "--log", url]) == 1
    assert "book is damaged" in capsys.readouterr().out
    assert await asyncio.to_thread(run, ["story", "a", "--log", url]) == 0
    assert not list(tmp_path.glob("*.damaged"))
    for file in tmp_path.glob("news.audit.db*"):
        file.unlink()
    assert await asyncio.to_thread(run, ["audit", "verify", "--log", url]) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tiles SET hashes = zeroblob(length(hashes))",
        "UPDATE tiles SET hashes = zeroblob(length(hashes)) WHERE level = 0 AND place = 0",
        "UPDATE tiles SET hashes = zeroblob(length(hashes)) WHERE level = 1",
        "UPDATE tiles SET hashes = x'' WHERE level = 0 AND place = 0",
        "UPDATE checkpoints SET root = zeroblob(32)",
        "UPDATE checkpoints SET size = 100000",
    ],
)
async def test_spoilt_tiles_prove_nothing(
    url: str, tmp_path: Path, clock: Clock, statement: str
) -> None:
    """A proof that would not hold is not given, and the log is not blamed for it."""
    await asyncio.to_thread(spoilt, tmp_path, statement)
    async with newsroom(url, clock) as room:
        with pytest.raises(BookDamaged):
            _ = [await room.auditor.inclusion(position) for position in (3, EVENTS - 1)]
        with pytest.raises(BookDamaged):
            await room.auditor.consistency(3, EVENTS - 3)
        with contextlib.suppress(BookDamaged):
            await room.auditor.verify(lambda *_: None)


async def test_a_log_that_is_shorter_than_what_was_signed_is_damaged(
    url: str, tmp_path: Path, clock: Clock
) -> None:
    """What a true checkpoint says was there and is not is missing from the log."""
    async with newsroom(url, clock) as room:
        checkpoint = room.auditor.keyring.sign
        text = (await room.auditor.latest()).note.partition("\n\n")[0]
        later = checkpoint(text.replace(f"\n{EVENTS}\n", "\n999\n") + "\n")
        signed = room.auditor.book.signed()
        assert signed is not None
        room.auditor.book.keep(signed._replace(size=999, note=later))
        for proof in (room.auditor.inclusion(3), room.auditor.verify(lambda *_: None)):
            with pytest.raises(LogDamaged, match=f"position {EVENTS + 1}"):
                await proof


async def test_a_server_tells_the_last_checkpoint_from_the_start(url: str, clock: Clock) -> None:
    """A server that starts on a log that is quiet and signed publishes that checkpoint at once."""
    async with newsroom(url, clock) as room, served(room, outside=SIGNED_LAST) as desk:
        _, _, headers = await desk.get("/feeds/all.json")
        assert "dateline-checkpoint" in headers
        async with desk.feed() as subscriber:
            signed = (await anext(subscriber)).data["signed"]
        assert signed == (await desk.get("/v1/audit/checkpoint"))[1].decode()


async def test_news_goes_on_beside_a_damaged_book(url: str, tmp_path: Path, clock: Clock) -> None:
    """When the book is damaged under a running server, readers are served and metrics say so."""
    async with newsroom(url, clock) as room, served(room, outside=SIGNED_LAST) as desk:
        spoilt(
            tmp_path,
            "PRAGMA writable_schema = 1",
            "UPDATE sqlite_schema SET rootpage = 99999 WHERE name IN ('proofs', 'checkpoints')",
            "PRAGMA schema_version = 99",
        )
        with pytest.raises(BookDamaged):
            room.auditor.book.proved()
        status, told, _ = await desk.get("/metrics")
        assert (status, b"dateline_log_sound 0.0" in told) == (200, True)
        assert (await desk.get("/readyz"))[0] == 200
        assert (await desk.get("/v1/stories/a"))[0] == 200
        assert (await desk.get("/v1/audit/checkpoint"))[0] == 503


async def test_whatever_a_proof_fails_of_is_told(
    url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proof that ends in a fault nobody foresaw leaves no log that is said to be sound."""
    async with newsroom(url, clock) as room:

        async def fails(*_: object) -> None:
            raise ValueError("of something private")

        monkeypatch.setattr(room.auditor, "verify", fails)
        async with served(room, outside=SIGNED_OFTEN) as desk:
            await noted(room.auditor.book, room.auditor.book.failed)
            assert b"dateline_log_sound 0.0" in await desk.read("/metrics")
        failed = room.auditor.book.failed()
        assert failed is not None
        assert failed.words == "the proof failed: ValueError"


async def test_a_key_that_others_may_read_is_told_before_it_is_used(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The doctor says that others may read the signing key before something is to be signed."""
    (key,) = tmp_path.glob("*.signing.key")
    assert await asyncio.to_thread(run, ["doctor", "--log", url]) == 0
    assert "signing key" not in capsys.readouterr().out
    key.chmod(0o640)
    assert await asyncio.to_thread(run, ["doctor", "--log", url]) == 1
    assert "expected mode 600; found 640" in capsys.readouterr().out


async def test_a_proof_of_tomorrow_puts_off_none_of_today(url: str, clock: Clock) -> None:
    """When the clock was a day ahead at the last proof, the log is proved again all the same."""
    async with newsroom(url, clock) as room:
        clock.move(-86_400_000)
        book = room.auditor.book
        async with served(room, outside=SIGNED_OFTEN):
            await noted(
                book, lambda: (last := book.proved()) is not None and last.proved_ms <= clock.now
            )


async def test_redactions_that_the_book_lost_are_found_again(tmp_path: Path, clock: Clock) -> None:
    """A redaction that was taken out of the book is followed up again once the log is verified."""
    async with newsroom(f"sqlite:///{tmp_path}/news.db", clock) as room:
        opens = {"story": "a", "kind": "story-opened", "title": "A", "headline": "It opens"}
        await room.publisher.file(take(opens), ADA)
        said = {"story": "a", "kind": "quote-added", "ref": "Q", "headline": "Said", "body": "x"}
        await room.publisher.file(take(said), ADA)
        law = {"reason_code": "court-order", "legal_basis": "a drill", "ordered_by": "a court"}
        erasing = {"story": "a", "kind": "redacted", "target": "Q", "fields": ["body"], **law}
        await room.publisher.file(take(erasing), ADA)
        await room.cleaning.clean()
        with room.auditor.book.transaction() as connection:
            connection.execute("DELETE FROM redactions")
        await room.auditor.verify(lambda *_: None)
        assert [each.position for each in room.auditor.book.redactions(open_only=True)] == [3]
        assert await room.cleaning.clean() == 1


OTHERWISE = "DROP TRIGGER an_event_is_never_changed; CREATE TRIGGER an_event_is_never_changed"


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DROP TRIGGER an_event_is_never_removed", "an_event_is_never_removed is missing"),
        ("CREATE TABLE stray (x)", "stray is none of ours"),
        (
            f"{OTHERWISE} BEFORE UPDATE ON tree BEGIN SELECT 1; END",
            "an_event_is_never_changed is another",
        ),
    ],
)
async def test_safeguards_that_were_taken_away_are_told(
    url: str, tmp_path: Path, statement: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The doctor says which of the log's own triggers is missing, another, or of somebody else."""
    raw = apsw.Connection(str(tmp_path / "news.db"))
    raw.execute(statement)
    raw.close()
    assert await asyncio.to_thread(run, ["doctor", "--log", url]) == 1
    assert words in capsys.readouterr().out


async def test_a_log_that_is_not_what_was_signed_is_told(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The doctor says that a log is shorter than what was signed of it, or another."""
    await asyncio.to_thread(run, ["backup", str(tmp_path / "older.db"), "--log", url])
    async with newsroom(url) as room:
        await room.log.append("a", [note("one more")])
        await room.auditor.checkpoint()
    assert await asyncio.to_thread(run, ["doctor", "--log", url]) == 0
    for file in tmp_path.glob("news.db*"):
        file.unlink()
    (tmp_path / "older.db").rename(tmp_path / "news.db")
    capsys.readouterr()
    assert await asyncio.to_thread(run, ["doctor", "--log", url]) == 1
    assert f"expected {EVENTS + 1} events, as were there before" in capsys.readouterr().out
    async with newsroom(url) as room:
        await room.log.append("a", [note("something else")])
    assert await asyncio.to_thread(run, ["doctor", "--log", url]) == 1
    told = capsys.readouterr().out
    assert f"position {EVENTS + 1}" in told
    assert "expected the event that was there before" in told
