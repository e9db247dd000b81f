"""Auditing over HTTP: what anybody may check, and what only an auditor is given."""

import base64
from pathlib import Path

import orjson
from conftest import Clock
from filings import LATER, opening
from filings import filed as filed_
from noting import noted
from serving import SIGNED_LAST, SIGNED_OFTEN, Served, served

from consumers.audit.stand_alone import check
from consumers.audit.tiles import Tiles
from dateline.wiring import Newsroom
from events.checkpoint import checkpoint_in, open_note, verifier_key
from events.tree import is_consistent, is_included


async def text(desk: Served, path: str) -> str:
    status, body, _ = await desk.get(f"/v1/audit/{path}")
    assert status == 200, body
    return body.decode()


async def filed(desk: Served, count: int) -> None:
    await desk.file("a", "story-opened", title="A", private={"notes": "UNSAYABLE"})
    for _ in range(count - 1):
        await desk.file("a", "development-reported", label="note")


async def test_anybody_can_check_that_an_event_is_in_the_log(desk: Served) -> None:
    """A reader without a key gets a signed checkpoint, and proofs that lead to it."""
    await filed(desk, 5)
    key = verifier_key((await text(desk, "key")).strip())
    head = checkpoint_in(open_note(await text(desk, "checkpoint"), [key]))
    assert head.size == 5
    proof = orjson.loads(await text(desk, "proof/3"))
    hashes = [bytes.fromhex(each) for each in proof["proof"]]
    leaf = bytes.fromhex(proof["leaf"])
    assert is_included(leaf, 2, 5, hashes, head.root)
    file = await text(desk, "proof/3.tlog-proof")
    assert file.startswith("c2sp.org/tlog-proof@v1\nindex 2\n")
    assert file.endswith(proof["checkpoint"])
    assert (await desk.get("/v1/audit/proof/6"))[0] == 404
    assert (await desk.get("/v1/audit/proof/x"))[0] == 404


async def test_anybody_can_check_that_the_log_only_grew(desk: Served) -> None:
    """Two checkpoints of different days are proved to be of one history."""
    await filed(desk, 3)
    key = verifier_key((await text(desk, "key")).strip())
    earlier = checkpoint_in(open_note(await text(desk, "checkpoint"), [key]))
    for _ in range(4):
        await desk.file("a", "development-reported", label="note")
    found = orjson.loads(await text(desk, "consistency?from=3&to=7"))
    hashes = [bytes.fromhex(each) for each in found["proof"]]
    assert is_consistent(3, 7, hashes, earlier.root, bytes.fromhex(found["to_root"]))
    for asked, status in (("from=8&to=7", 422), ("from=0&to=7", 422), ("to=7", 400)):
        assert (await desk.get(f"/v1/audit/consistency?{asked}"))[0] == status


async def test_an_export_takes_an_auditors_key(desk: Served, tmp_path: Path) -> None:
    """Without the scope there is no export, and private parts take the right to see inside too."""
    await filed(desk, 5)
    auditor = desk.keys.create("auditor", frozenset({"audit"}))
    reporter = desk.keys.create("reporter", frozenset({"file", "read:internal"}))
    asked = [
        (None, "internal", 401),
        (reporter, "public", 403),
        (auditor, "private", 403),
        (auditor, "everything", 400),
        (auditor, "internal", 200),
        (desk.key, "private", 200),
    ]
    for key, parts, wanted in asked:
        held = desk.bearer(key) if key else None
        status, body, _ = await desk.get(f"/v1/audit/export?parts={parts}", held)
        assert status == wanted, (parts, body)
        if status == 200:
            file = tmp_path / f"{parts}.jsonl.gz"
            file.write_bytes(body)
            assert check(str(file)).events == (7 if parts == "private" else 5)
    held = desk.bearer(auditor)
    assert (await desk.get("/v1/audit/export?story=nothing", held))[0] == 404
    assert b"def check(" in (await desk.get("/v1/audit/verify_export.py"))[1]


async def test_checkpoints_are_in_every_feed(desk: Served) -> None:
    """Every document and every connection of the live feed carries the last signed checkpoint."""
    await filed(desk, 2)
    note = await text(desk, "checkpoint")
    async with desk.feed() as subscriber:
        assert (await anext(subscriber)).data["signed"] == note
    for path in ("all.atom", "all.json", "a.atom", "a.json", "a.ninjs.json", "a.jsonld", "a.rss"):
        _, _, headers = await desk.get(f"/feeds/{path}")
        assert base64.b64decode(headers["dateline-checkpoint"]).decode() == note


async def until(room: Newsroom, size: int) -> None:
    book = room.auditor.book
    await noted(book, lambda: (signed := book.signed()) and signed.size >= size)


async def test_checkpoints_are_signed_on_schedule(room: Newsroom) -> None:
    """A server signs after so many events or so long, and what is left when it ends."""
    async with served(room, outside=SIGNED_OFTEN) as desk:
        await filed(desk, 2)
        await until(room, 2)
        await filed_more(desk, 7)
        await until(room, 9)
    async with served(room, outside=SIGNED_LAST) as desk:
        await filed_more(desk, 1)
    assert room.auditor.book.signed().size == 10  # type: ignore[union-attr]  # - it is there


async def filed_more(desk: Served, count: int) -> None:
    for _ in range(count):
        await desk.file("a", "development-reported", label="note")


async def test_a_lifted_embargo_is_signed_at_once(room: Newsroom, clock: Clock) -> None:
    """When an embargo is lifted, the moment is in a signed checkpoint without waiting."""
    async with served(room, outside=SIGNED_LAST) as desk:
        await filed(desk, 1)
        await desk.file("a", "quote-added", ref="Q", embargo_until=LATER)
        await desk.file("a", "embargo-broken", target="Q", reason="a drill")
        await until(room, 3)


async def test_a_server_proves_its_log_and_says_when(room: Newsroom) -> None:
    """The whole log is proved beside the server's work, and the metrics say when and whether."""
    async with served(room, outside=SIGNED_OFTEN) as desk:
        await filed(desk, 2)
        await until(room, 2)
        book = room.auditor.book
        await noted(book, lambda: (proved := book.proved()) and proved.size == 2)
        told = await desk.read("/metrics")
        for each in (b"proved_events 2.0", b"signed_events 2.0", b"log_sound 1.0"):
            assert each in told


async def test_news_goes_on_while_the_auditor_refuses(room: Newsroom) -> None:
    """A log that is not what it was is told by the metrics; nothing is signed, and news goes on."""
    await room.log.append("a", [filed_(opening())])
    await room.auditor.checkpoint()
    with room.auditor.book.transaction() as connection:
        connection.execute("UPDATE tiles SET hashes = zeroblob(32)")
        connection.execute("UPDATE checkpoints SET root = zeroblob(32)")
    room.auditor.tiles = Tiles(room.auditor.book)
    async with served(room, outside=SIGNED_OFTEN) as desk:
        await desk.file("a", "development-reported", label="note")
        await noted(room.auditor.book, room.auditor.book.failed)
        assert b"dateline_log_sound 0.0" in await desk.read("/metrics")
        assert (await desk.get("/readyz"))[0] == 200
        await desk.file("a", "development-reported", label="note")
    assert room.auditor.book.signed().size == 1  # type: ignore[union-attr]  # - it is there
