"""Who holds the key, who read what is private, what was so at a moment: all of it is on record."""

import asyncio
import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Clock
from exports import written
from filings import ADA, BEN
from serving import served

from consumers.audit import export as exporting
from consumers.audit.replay import changed, replay
from consumers.audit.report import html, report
from consumers.audit.signing import Keyring
from consumers.audit.stand_alone import Distrust, Refusal, check
from consumers.delivery.deliveries import Deliveries
from consumers.delivery.ledger import Ledger
from consumers.delivery.reach import Reach
from consumers.delivery.rows import Planned
from dateline.cli.run import run
from dateline.commands import auditing, custody
from dateline.commands.auditing import wanted_export
from dateline.wiring import Newsroom, deliveries_path, newsroom
from events.checkpoint import Checkpoint, VerifierKey, new_signer, open_note
from events.custody import RECORD
from events.envelope import instant
from events.errors import NotFound, Refused
from producers.case import Actor
from producers.intake import take
from producers.keys import GRANTABLE

CORRELATION = "01999999-0000-7000-8000-00000000000c"
MINUTE = 60_000


async def filed(room: Newsroom, kind: str, by: Actor = ADA, **fields: Any) -> int:
    fields.setdefault("headline", f"A {kind} happens")
    filing = take({"story": "a", "kind": kind, **fields})
    return (await room.publisher.file(filing, by, correlation=CORRELATION)).position


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


async def lived(room: Newsroom, clock: Clock) -> None:
    """A development's life: filed, approved, alerted, corrected, chased, withdrawn."""
    await filed(room, "story-opened", title="A")
    reporter = Actor("desk:cub", needs_second=True)
    claim = {"ref": "C1", "text": "it rained"}
    await filed(room, "quote-added", reporter, ref="Q", headline="It rains", claims=[claim])
    clock.move(MINUTE)
    await filed(room, "published", BEN, target="Q")
    alert = {"ref": "A1", "level": "urgent", "derived_from": ["Q"], "reason": "a drill"}
    await filed(room, "alert-issued", alert=alert)
    clock.move(MINUTE)
    put_right = {"target": "C1", "field": "text", "old": "it rained", "new": "it snowed"}
    await filed(room, "corrected", BEN, ref="K", note="misheard", **put_right)
    chase = {"ref": "A2", "msg_type": "Update", "references": ["A1"], "derived_from": ["K"]}
    await filed(room, "alert-corrected", alert={**alert, **chase})
    clock.move(MINUTE)
    await filed(room, "withdrawn", target="Q", reason="it never was")


async def test_a_moment_is_run_again(room: Newsroom, clock: Clock) -> None:
    """As of any moment: what readers saw and were told, what the desk knew, who did what."""
    await lived(room, clock)
    hidden, seen, end = [await replay(room.log, "a", position) for position in (2, 4, 7)]
    assert hidden.readers is not None
    assert hidden.readers["timeline"] == []
    assert [item["status"] for item in hidden.desk["timeline"]] == ["filed"]
    assert seen.readers is not None
    assert [item["headline"] for item in seen.readers["timeline"]] == ["It rains"]
    assert seen.readers["claims"]["C1"]["text"] == "it rained"
    assert [update["data"]["position"] for update in seen.told] == [1, 3]
    assert [alert["ref"] for alert in end.alerts] == ["A1", "A2"]
    assert end.readers is not None
    assert end.readers["timeline"][0]["status"] == "withdrawn"
    assert [(act.kind, act.filed_by, act.about) for act in end.acts[1:3]] == [
        ("quote-added", "desk:cub", None),
        ("published", "desk:ben", "Q"),
    ]
    assert {act.correlation for act in end.acts} == {CORRELATION}
    changes = changed(hidden, seen)
    assert ("timeline", "Q", "added") in [one[:3] for one in changes["readers"]]
    assert ("timeline", "Q", "changed") in [one[:3] for one in changes["desk"]]
    with pytest.raises(NotFound):
        await replay(room.log, "a", 0)


async def test_it_is_told_whom_alerts_had_reached(room: Newsroom, clock: Clock) -> None:
    """A replay names who had got which alert by then; a report names all that were sent."""
    await lived(room, clock)
    path = deliveries_path(room.log.url)
    ledger = Ledger(path)
    planned = Planned(
        event="e",
        target="t1",
        position=4,
        story="a",
        alert="A1",
        kind="alert-issued",
        level="urgent",
        fast=False,
        state="pending",
        reason="",
        due_ms=0,
    )
    began = clock.now - 2 * MINUTE
    await Deliveries(ledger).add([planned, planned._replace(target="t2")], began)
    ended = {"at": clock.now - MINUTE // 2}
    await ledger.write(
        lambda connection: connection.execute(
            "UPDATE deliveries SET state = 'delivered', ended_ms = :at WHERE target = 't1'", ended
        )
    )
    ledger.close()
    reach = Reach(path)
    moments = [await replay(room.log, "a", position, reach) for position in (3, 4, 7)]
    assert [[(one.target, one.state) for one in found.sent] for found in moments] == [
        [],
        [("t1", "under way"), ("t2", "under way")],
        [("t1", "delivered"), ("t2", "under way")],
    ]
    found = await report(room.auditor, "a", "Q", reach)
    assert [(one.alert, one.target) for one in found.sent] == [("A1", "t1"), ("A1", "t2")]
    assert "under way" in html(found)


async def test_a_time_between_two_events_tells_nothing_later(
    room: Newsroom, clock: Clock, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A replay as of a time knows of no alert that was decided or delivered after it."""
    await filed(room, "story-opened", title="A")
    began = clock.now
    planned = Planned(
        event="e",
        target="t1",
        position=1,
        story="a",
        alert="A1",
        kind="alert-issued",
        level="urgent",
        fast=False,
        state="pending",
        reason="",
        due_ms=0,
    )
    ledger = Ledger(deliveries_path(room.log.url))
    await Deliveries(ledger).add([planned], began + 10 * MINUTE)
    ended = {"at": began + 20 * MINUTE}
    await ledger.write(
        lambda connection: connection.execute(
            "UPDATE deliveries SET state = 'delivered', ended_ms = :at", ended
        )
    )
    ledger.close()
    clock.move(60 * MINUTE)
    await filed(room, "development-reported", label="note")
    clock.move(60 * MINUTE)
    told = []
    for minutes in (5, 15, 25):
        until = instant(began + minutes * MINUTE)
        await auditing.replay(room, until, None, "a", json=True)
        told.append([one["state"] for one in json.loads(capsysbinary.readouterr().out)["sent"]])
    assert told == [[], ["under way"], ["delivered"]]


async def test_the_same_moment_is_the_same_for_ever(room: Newsroom, clock: Clock) -> None:
    """What is filed later changes nothing of what is told of a moment before."""
    await filed(room, "story-opened", title="A")
    await filed(room, "quote-added", ref="Q")
    before = await replay(room.log, "a", 2)
    await filed(room, "withdrawn", target="Q", reason="a drill")
    assert await replay(room.log, "a", 2) == before


async def test_the_life_of_a_development_is_told(room: Newsroom, clock: Clock) -> None:
    """A report names each step, who took it and in which request, and proves each."""
    await lived(room, clock)
    found = await report(room.auditor, "a", "Q")
    assert [(step.what, step.act.filed_by) for step in found.steps] == [
        ("filed, to be approved", "desk:cub"),
        ("approved", "desk:ben"),
        ("alert issued", "desk:ada"),
        ("corrected", "desk:ben"),
        ("alert chased", "desk:ada"),
        ("withdrawn", "desk:ada"),
    ]
    assert found.steps[3].says == "C1.text: it rained → it snowed (misheard)"
    for step in found.steps:
        proof = await room.auditor.inclusion(step.act.position)
        assert proof.leaf.hex() == step.leaf
    assert json.loads(json.dumps(found.shown()))["size"] == 7
    with pytest.raises(NotFound):
        await report(room.auditor, "a", "nothing")
    with pytest.raises(NotFound, match="C1 of a: it is a claim of Q"):
        await report(room.auditor, "a", "C1")
    await custody.record_read(room, "desk:ada", "a drill", None)
    (read,) = (await report(room.auditor, RECORD, "d2")).steps
    assert read.says == "desk:ada was given a drill, 7 events"


async def test_a_report_is_a_page_that_runs_nothing(room: Newsroom) -> None:
    """Whatever was filed, the page shows it as words; it loads and runs nothing."""
    await filed(room, "story-opened", title="A")
    await filed(room, "quote-added", ref="Q", headline="<script>alert(1)</script> & more")
    page = html(await report(room.auditor, "a", "Q"))
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "http" not in page


@pytest.mark.parametrize("jump", [3_600_000, -3_600_000, 86_400_000, -86_400_000])
async def test_a_clock_that_is_moved_changes_no_answer(
    room: Newsroom, clock: Clock, jump: int
) -> None:
    """When the clock jumps an hour or a day either way, recorded time goes on from where it was."""
    await filed(room, "story-opened", title="A")
    await filed(room, "quote-added", ref="Q")
    asked = clock.now
    position = await room.log.position_at(asked)
    before = await replay(room.log, "a", position)
    clock.move(jump)
    for _ in range(3):
        await filed(room, "development-reported", label="note")
        clock.move(-jump // 2)
    times = [event.recorded_ms async for event in room.log.read_versions("a")]
    assert times == sorted(times)
    # Events of the same millisecond belong to the same moment, so only a later one is told apart.
    if jump > 0:
        assert await room.log.position_at(asked) == position
    assert await replay(room.log, "a", position) == before
    assert (await room.auditor.verify(lambda *_: None)).events == 5


@pytest.mark.parametrize(
    ("until", "since", "words"),
    [
        ("99", None, "a position up to 7; found 99"),
        ("2099-01-01T00:00:00Z", None, "a time up to now"),
        ("2099-01-01", None, "a time up to now"),
        ("3", "5", "a moment before 3; found 5"),
    ],
)
async def test_a_moment_that_has_not_been_is_not_shown(
    room: Newsroom, clock: Clock, until: str, since: str | None, words: str
) -> None:
    """Nothing is run again up to a moment that is still to come, or from one that came later."""
    await lived(room, clock)
    with pytest.raises(Refused, match="moment") as refused:
        await auditing.replay(room, until, since, None, json=True)
    assert words in str(refused.value)
    assert await auditing.replay(room, f"{room.now():%Y-%m-%d}", "3", None, json=True) == 0


async def test_a_moment_is_final_once_something_was_recorded_after_it(
    room: Newsroom, clock: Clock
) -> None:
    """What is said of a moment changes no more when an event was recorded after it."""
    await filed(room, "story-opened", title="A")
    began = clock.now
    moment_ = began + 15 * MINUTE
    clock.now = began + 30 * MINUTE
    await filed(room, "quote-added", ref="Q")
    assert await room.log.position_at(moment_) == 1
    for now in (began - 90 * MINUTE, began, began + MINUTE):
        clock.now = now
        await filed(room, "quote-added")
        assert await room.log.position_at(moment_) == 1


async def test_a_report_on_a_page_is_told_in_json_too(
    room: Newsroom, clock: Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever asks for a page and for JSON is told in JSON where the page is."""
    await lived(room, clock)
    page = str(tmp_path / "Q.html")
    assert await auditing.report(room, "a", "Q", page, json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["file"] == page
    assert told["steps"] > 3
