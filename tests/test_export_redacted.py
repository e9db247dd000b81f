"""An export of a log in which words were redacted holds without them, and with nothing else."""

from pathlib import Path

import pytest
from exports import lines_of, rewritten, written
from filings import ADA

from consumers.audit import export as exporting
from consumers.audit.stand_alone import Refusal, check
from dateline.commands.auditing import wanted_export
from dateline.wiring import Newsroom
from events.errors import Overtaken
from producers.intake import take


async def redacted(room: Newsroom, target: str) -> None:
    law = {"reason_code": "court-order", "legal_basis": "a drill", "ordered_by": "a court"}
    erasing = {"story": "a", "kind": "redacted", "target": target, "fields": ["body"], **law}
    await room.publisher.file(take(erasing), ADA)


@pytest.mark.parametrize("story", [None, "a"])
async def test_an_export_that_a_redaction_overtakes_is_made_anew(
    room: Newsroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, story: str | None
) -> None:
    """Words that are redacted while an export is made leave no export that would be refused."""
    monkeypatch.setattr(exporting, "PAGE", 2)
    monkeypatch.setattr(exporting, "TOGETHER", 2)
    opens = {"story": "a", "kind": "story-opened", "title": "A", "headline": "It opens"}
    await room.publisher.file(take(opens), ADA)
    for number in range(6):
        said = {"body": f"words {number} that are to be erased", "headline": f"Said {number}"}
        quote = {"story": "a", "kind": "quote-added", "ref": f"Q{number}", **said}
        await room.publisher.file(take(quote), ADA)
    wanted = await wanted_export(room, story, "internal")
    pieces = exporting.packed(room.auditor, wanted)
    for _ in range(3):
        await anext(pieces)
    await redacted(room, "Q5")
    with pytest.raises(Overtaken, match="position 8"):
        _ = [piece async for piece in pieces]
    again = await written(room, tmp_path / "again.gz", story, "internal")
    assert check(str(again)).erased == 1


async def test_words_that_were_put_back_are_refused(room: Newsroom, tmp_path: Path) -> None:
    """An export in which a redacted body stands again is refused, though it was committed to."""
    opens = {"story": "a", "kind": "story-opened", "title": "A", "headline": "It opens"}
    await room.publisher.file(take(opens), ADA)
    said = {"story": "a", "kind": "quote-added", "ref": "Q", "body": "words", "headline": "Said"}
    await room.publisher.file(take(said), ADA)
    before = lines_of(await written(room, tmp_path / "before.gz"))
    await redacted(room, "Q")
    file = await written(room, tmp_path / "after.gz")
    lines = lines_of(file)
    erased = lines[2]["position"]
    assert "body" not in lines[2]
    lines[2] = next(line for line in before[1:] if line["position"] == erased)
    with pytest.raises(Refusal, match="position 3: expected version 2 without"):
        check(rewritten(file, lines))


@pytest.mark.parametrize("parts", ["internal", "private"])
async def test_what_is_left_of_a_redacted_event_is_shown(
    room: Newsroom, tmp_path: Path, parts: str
) -> None:
    """An event whose words were erased counts as erased and as shown, never as hidden."""
    opens = {"story": "a", "kind": "story-opened", "title": "A", "headline": "It opens"}
    await room.publisher.file(take(opens), ADA)
    said = {"story": "a", "kind": "quote-added", "ref": "Q", "body": "words", "headline": "Said"}
    await room.publisher.file(take(said), ADA)
    await redacted(room, "Q")
    checked = check(str(await written(room, tmp_path / "export.gz", parts=parts)))
    assert (checked.shown, checked.erased, checked.hidden) == (3, 1, 0)


async def test_a_private_part_that_nobody_redacted_is_missed(
    room: Newsroom, tmp_path: Path
) -> None:
    """That a body was redacted excuses no private part that is taken away with it."""
    opens = {"story": "a", "kind": "story-opened", "title": "A", "headline": "It opens"}
    await room.publisher.file(take(opens), ADA)
    said = {"story": "a", "kind": "quote-added", "ref": "Q", "body": "words", "headline": "Said"}
    await room.publisher.file(take(said | {"private": {"notes": "by telephone"}}), ADA)
    await redacted(room, "Q")
    file = await written(room, tmp_path / "export.gz")
    lines = lines_of(file)
    del lines[2]["private"], lines[2]["private_nonce"]
    with pytest.raises(Refusal, match="position 2: expected its private"):
        check(rewritten(file, lines))
