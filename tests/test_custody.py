"""Who holds the key, who read what is private: all of it is on record."""

import asyncio
import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from exports import written
from filings import ADA
from publishing import filed
from serving import served

from consumers.audit import export as exporting
from consumers.audit.signing import Keyring
from consumers.audit.stand_alone import Distrust, Refusal, check
from dateline.cli.run import run
from dateline.commands import auditing, custody
from dateline.commands.auditing import wanted_export
from dateline.wiring import Newsroom, newsroom
from events.checkpoint import Checkpoint, VerifierKey, new_signer, open_note
from events.custody import RECORD
from events.errors import Refused
from producers.intake import take
from producers.keys import GRANTABLE


async def test_a_change_of_the_key_is_signed_by_both(room: Newsroom, tmp_path: Path) -> None:
    """Who trusts the old key follows the record to the new one, and to no other."""
    await filed(room, "story-opened", title="A")
    before = await room.auditor.checkpoint()
    old = str(room.auditor.keyring.public)
    await custody.rotate_key(room, json=True)
    await custody.rotate_key(room, json=True)
    new = room.auditor.keyring.public
    assert [str(each) for each in await room.auditor.keys()][::2] == [old, str(new)]
    after = await room.auditor.checkpoint()
    assert open_note(after.note, [new])
    file = str(tmp_path / "log.jsonl.gz")
    wanted = await wanted_export(room, None, "internal")
    await exporting.write(room.auditor, wanted, file, lambda *_: None)
    assert check(file, old, before.note).key == str(new)
    lines = exporting.lines(room.auditor, wanted._replace(rotations=wanted.rotations[:1]))
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(b"".join([line async for line in lines]))
    with pytest.raises(Refusal):
        check(str(cut), old)
    assert list(tmp_path.glob("*.next")) == []
    async with newsroom(room.log.url) as again:
        assert (await again.auditor.checkpoint()).note == after.note


async def test_a_witness_may_cosign_what_is_published(room: Newsroom) -> None:
    """A checkpoint that a witness cosigned is published so; one of another log is not taken."""
    await filed(room, "story-opened", title="A")
    signed = await room.auditor.checkpoint()
    witness = new_signer("witness.example", bytes(32))
    key = VerifierKey("witness.example", 0x04, witness.public.key)

    def cosign(note: str) -> str:
        text = note.partition("\n\n")[0] + "\n"
        made = witness.signature(f"cosignature/v1\ntime 1700000000\n{text}".encode())
        raw = key.id + (1_700_000_000).to_bytes(8, "big") + made
        return f"{note}— witness.example {base64.b64encode(raw).decode()}\n"

    note = cosign(signed.note)
    assert (await room.auditor.cosigned(note, key)).note == note
    assert (await room.auditor.latest()).note == note
    assert (await room.auditor.checkpoint()).note == note
    forged = room.auditor.keyring.sign(Checkpoint(room.auditor.keyring.origin, 1, bytes(32)).text)
    for refused in (signed.note, cosign(forged), note.replace("1", "2", 1)):
        with pytest.raises(Refused):
            await room.auditor.cosigned(refused, key)


async def test_a_change_that_was_cut_short_is_finished(room: Newsroom) -> None:
    """A new key that was recorded and not taken up yet is taken up when it is done again."""
    await filed(room, "story-opened", title="A")
    await room.auditor.checkpoint()
    keyring = room.auditor.keyring
    following = keyring.next()
    change = keyring.change_to(following)
    signatures = [base64.b64encode(each).decode() for each in change.signatures]
    act = {"old": str(change.old), "new": str(change.new), "signatures": signatures}
    await custody._record(room, {"kind": "signing-key-changed", **act})
    await custody.rotate_key(room, json=True)
    assert keyring.public == following.public
    assert len(await room.auditor.rotations()) == 1


async def test_reads_of_private_material_are_on_record(room: Newsroom) -> None:
    """Each key that was given private parts is named with what and when; no reader sees that."""
    async with served(room) as desk:
        await desk.file("a", "story-opened", title="A", private={"notes": "UNSAYABLE"})
        key = desk.keys.create("ombudsman", frozenset({"audit", "read:internal"}))
        for parts in ("internal", "private"):
            path = f"/v1/audit/export?story=a&parts={parts}"
            status, _, headers = await desk.get(path, desk.bearer(key))
            assert (status, headers["Cache-Control"]) == (200, "no-store")
        assert (await desk.get(f"/v1/stories/{RECORD}"))[0] == 404
        assert RECORD.encode() not in (await desk.get("/v1/stories"))[1]
    events = [event async for event in room.log.read_versions(RECORD)]
    assert [event.development.kind for event in events] == ["story-opened", "private-read"]
    read: Any = events[1].development
    assert (read.reader, read.what, read.events) == ("key:ombudsman", "export of story a", 1)


async def test_the_record_takes_acts_of_custody_alone(room: Newsroom) -> None:
    """Nobody files news into the house's own story, nor its acts into another."""
    await custody.record_read(room, "desk:ada", "a drill", None)
    for filing in (
        {"story": RECORD, "kind": "quote-added", "headline": "x"},
        {"story": "a", "kind": "story-opened", "title": "A", "headline": "x"},
        {"story": "a", "kind": "private-read", "reader": "x", "what": "x", "events": 1},
    ):
        if filing["kind"] == "story-opened":
            await room.publisher.file(take(filing), ADA)
            continue
        with pytest.raises(Refused, match="the-record"):
            await room.publisher.file(take(filing), ADA)


def rotation(first: Keyring, *, holds: bool = True) -> dict[str, Any]:
    """A change from one key to another, as whoever holds both may make it."""
    change = first.change_to(first.next())
    old, new = (base64.b64encode(each).decode() for each in change.signatures)
    signatures = [old, new] if holds else [new, old]
    return {"kind": "signing-key-changed", "old": str(change.old), "new": str(change.new),
            "signatures": signatures}  # fmt: skip


async def test_only_the_house_says_what_the_house_did(room: Newsroom) -> None:
    """Nobody files a change of the signing key or a read of private parts, whatever they hold."""
    await custody.record_read(room, "desk:ada", "a drill", None)
    read = {"kind": "private-read", "reader": "desk:eve", "what": "x", "events": 1}
    async with served(room) as desk:
        for act in (rotation(Keyring(None, "another.example")), read):
            with pytest.raises(Refused, match="the-record"):
                await room.publisher.file(take({"story": RECORD, **act}), ADA)
            kind, given = act["kind"], {k: v for k, v in act.items() if k != "kind"}
            status, answer = await desk.post(RECORD, {"kind": kind, **given})
            assert (status, answer["rule"]) == (422, "the-record")
    assert GRANTABLE.isdisjoint({"house"})


@pytest.mark.parametrize("holds", [True, False])
async def test_changes_of_other_keys_lead_nowhere(
    room: Newsroom,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    holds: bool,  # noqa: FBT001 - a parameter
) -> None:
    """A change that does not lead to our key gets no key into exports, and stops nothing."""
    await filed(room, "story-opened", title="A")
    old = await room.auditor.checkpoint()
    # Recorded with the house's own means, as from before only the house could.
    await custody._record(room, rotation(Keyring(None, "another.example"), holds=holds))
    await custody.rotate_key(room, json=True)
    await custody._record(room, rotation(Keyring(None, "another.example"), holds=holds))
    assert len(await room.auditor.rotations()) == 1
    assert await room.auditor.strange_rotations() == [3, 5]
    file = str(tmp_path / "log.jsonl.gz")
    wanted = await wanted_export(room, None, "internal")
    await exporting.write(room.auditor, wanted, file, lambda *_: None)
    assert check(file, str(room.auditor.keyring.public), old.note).events == 5
    assert b"another.example" not in gzip.decompress(Path(file).read_bytes()).splitlines()[0]
    kept = tmp_path / "kept"
    kept.write_text(old.note)
    for key in (None, str(room.auditor.keyring.public)):
        assert await auditing.verify(room, key, str(kept), json=False) == 0
    assert "positions 3, 5" in capsys.readouterr().err


async def test_whoever_has_the_new_key_can_use_what_was_kept_before(
    room: Newsroom, tmp_path: Path
) -> None:
    """A kept checkpoint may be signed with any key that leads to the one that is given."""
    await filed(room, "story-opened", title="A")
    kept = tmp_path / "kept"
    kept.write_text((await room.auditor.checkpoint()).note)
    before = await written(room, tmp_path / "before.jsonl.gz")
    await custody.rotate_key(room, json=True)
    await custody.rotate_key(room, json=True)
    key = str(room.auditor.keyring.public)
    with pytest.raises(Distrust, match="yours may be a later key of that log"):
        check(str(before), key)
    # On another machine, whose own key is none of the log's.
    room.auditor.keyring = Keyring(None, "another.example")
    assert await auditing.verify(room, key, str(kept), json=False) == 0
    with pytest.raises(Refused, match=str(kept)):
        await auditing.verify(room, None, str(kept), json=False)


async def test_a_server_signs_with_the_key_that_another_process_took_up(
    room: Newsroom, tmp_path: Path
) -> None:
    """After `audit rotate-key` a running server signs with the new key and exports both."""
    async with served(room) as desk:
        await desk.file("a", "story-opened", title="A")
        before = (await desk.get("/v1/audit/checkpoint"))[1].decode()
        old = str(room.auditor.keyring.public)
        assert (
            await asyncio.to_thread(run, ["audit", "rotate-key", "--yes", "--log", room.log.url])
            == 0
        )
        await desk.file("a", "quote-added", ref="Q")
        key = desk.keys.create("auditor", frozenset({"audit"}))
        content = (await desk.get("/v1/audit/export", desk.bearer(key)))[1]
        new = (await desk.get("/v1/audit/key"))[1].decode().strip()
    file = tmp_path / "log.jsonl.gz"
    file.write_bytes(content)
    header = json.loads(gzip.decompress(content).splitlines()[0])
    assert header["keys"] == [old, new]
    assert [each["new"] for each in header["rotations"]] == [new]
    assert old != new
    for trusted in (old, new):
        assert check(str(file), trusted, before).key == new
