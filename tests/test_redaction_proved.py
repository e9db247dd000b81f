"""What was redacted is proved to be so, and what is missing or back without an act is damage."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from conftest import Clock
from exports import lines_of, rewritten, written
from filings import note
from publishing import filed
from redactions import BODY, CORRECTED, LAW, NOTES, story
from tampering import tampered, unguarded

from consumers.audit import verify as verifying
from consumers.audit.stand_alone import Refusal, check
from consumers.audit.verify import verify
from dateline.wiring import Newsroom, newsroom
from events.errors import LogDamaged
from events.log import Log
from producers.publisher import Publisher


@pytest.mark.parametrize("target", ["Q", "R"])
async def test_a_log_is_proved_while_words_are_redacted(
    log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """Words that are redacted while the log is read are no damage, before the reader or behind."""
    monkeypatch.setattr(verifying, "TOLD_EVERY", 6)
    publisher = Publisher(log, clock)
    await filed(publisher, "story-opened", title="A story")
    await filed(publisher, "quote-added", ref="Q", body=BODY, private={"notes": NOTES})
    await log.append("b", [note(f"note {number}") for number in range(600)])
    await filed(publisher, "quote-added", ref="R", body=CORRECTED, private={"notes": NOTES})
    waits = 0

    async def pause() -> None:
        nonlocal waits
        waits += 1
        if waits in (1, 3):
            fields = ["body"] if waits == 1 else ["private"]
            await filed(publisher, "redacted", target=target, fields=fields, **LAW)

    proved = await verify(log, lambda *_: None, None, pause)
    assert (proved.events, proved.erased) == (605, 2)  # the first redaction restates what is left
    assert (await verify(log, lambda *_: None)).erased == 2


async def test_a_log_that_grows_meanwhile_is_not_read_for_ever(
    log: Log, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nothing explains is damage, however many events come in while the log is read."""
    monkeypatch.setattr(verifying, "TOLD_EVERY", 1)
    publisher = Publisher(log, clock)
    await story(publisher)
    held = log.remains

    async def more() -> Mapping[int, bytes]:
        await log.append("b", [note("one more")])
        return {**await held(), 2: b"{}"}

    monkeypatch.setattr(log, "remains", more)
    with pytest.raises(LogDamaged, match="position 2"):
        async with asyncio.timeout(30):
            await verify(log, lambda *_: None)


async def test_words_that_were_put_back_are_reported(tmp_path: Path, clock: Clock) -> None:
    """A redacted body that stands again, with its nonce and all, is damage with its position."""
    url = f"sqlite:///{tmp_path}/news.db"
    async with newsroom(url, clock) as room:
        await story(room)
        before = [event async for event in room.log.read_sealed()][1]
        await filed(room, "redacted", target="Q", fields=["body", "private"], **LAW)
        await room.auditor.verify(lambda *_: None)
    for parts in ("body", "private"):
        raw = unguarded(tmp_path / "news.db")
        erased = raw.execute(f"SELECT {parts}, {parts}_nonce FROM events WHERE position = 2").get
        assert erased == (None, None)
        put = f"UPDATE events SET {parts} = ?, {parts}_nonce = ? WHERE position = 2"
        raw.execute(put, (getattr(before, parts), getattr(before, f"{parts}_nonce")))
        if parts == "body":
            raw.execute("DELETE FROM remains WHERE position = 2")
        raw.close()
        async with newsroom(url, clock) as room:
            with pytest.raises(LogDamaged, match=r"position 2 .* put back"):
                await room.auditor.verify(lambda *_: None)
        erase = f"UPDATE events SET {parts} = NULL, {parts}_nonce = NULL WHERE position = 2"
        tampered(tmp_path / "news.db", erase)


@pytest.mark.parametrize(
    ("statement", "position"),
    [
        ("UPDATE events SET body = NULL, body_nonce = NULL WHERE position = 1", 1),
        ("UPDATE events SET private = NULL, private_nonce = NULL WHERE position = 1", 1),
        (
            "UPDATE remains SET body = CAST(body || ' ' AS BLOB) WHERE position = 2",
            2,
        ),
        ("DELETE FROM remains WHERE position = 2", 2),
        ("INSERT INTO remains SELECT 1, body FROM events WHERE position = 1", 1),
        ("UPDATE events SET body = NULL, body_nonce = NULL WHERE position = 5", 2),
        ("UPDATE events SET private = NULL, private_nonce = NULL WHERE position = 2", 2),
    ],
)
async def test_a_body_that_is_missing_without_its_tombstone_is_tampering(
    tmp_path: Path, clock: Clock, statement: str, position: int
) -> None:
    """Contents that nobody redacted are missed, and nothing else is taken for what was left."""
    path = tmp_path / "news.db"
    async with newsroom(f"sqlite:///{path}", clock) as room:
        await story(room)
        await filed(room, "redacted", target="Q", fields=["body"], **LAW)
        await room.auditor.verify(lambda *_: None)
    tampered(path, statement)
    async with newsroom(f"sqlite:///{path}", clock) as room:
        with pytest.raises(LogDamaged) as raised:
            await room.auditor.verify(lambda *_: None)
    assert raised.value.position == position


async def test_an_export_without_the_tombstone_is_refused(room: Newsroom, tmp_path: Path) -> None:
    """In an export as well a body is missing only where a later event says that it was erased."""
    await story(room)
    file = await written(room, tmp_path / "log.jsonl.gz", parts="internal")
    lines = lines_of(file)
    del lines[3]["body"], lines[3]["body_nonce"]
    with pytest.raises(Refusal) as refused:
        check(rewritten(file, lines))
    assert refused.value.position == 3
