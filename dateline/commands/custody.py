"""What each command of custody does: erase, hold, and say where erased words may still be."""

import asyncio
import base64
from pathlib import Path
from typing import Any, Final

import apsw
import uuid_utils

from dateline import printing
from dateline.outcomes import DONE, UNAVAILABLE
from dateline.wiring import Newsroom, sqlite_path
from events.custody import RECORD, PrivateRead
from events.envelope import instant
from events.errors import NotFound
from events.identity import id_of
from producers.case import EVERY_SCOPE, Actor
from producers.case import HOUSE as OWN_ACTS
from producers.intake import take
from producers.publisher import Receipt

__all__ = ["HOUSE", "file", "reads", "record_read", "redact", "retention", "rotate_key"]

HOUSE: Final = "house:auditor"  # who files acts of custody, in the house's own name
_house: Final = Actor(HOUSE, EVERY_SCOPE | {OWN_ACTS})


async def file(room: Newsroom, act: dict[str, Any], by: str, *, json: bool) -> int:
    """File an act and say where it stands."""
    given = {name: value for name, value in act.items() if value is not None}
    correlation = str(uuid_utils.uuid7())
    receipt = await room.publisher.file(take(given), Actor(by), correlation=correlation)
    if json:
        printing.show_json(receipt._asdict())
    else:
        printing.line(
            f"{receipt.story}: {receipt.ref} {receipt.kind} at version {receipt.version}, "
            f"position {receipt.position}"
        )
    return DONE


async def redact(room: Newsroom, act: dict[str, Any], by: str, *, json: bool) -> int:
    """File a redaction, which erases the words from the log, then clean every file beside it."""
    await file(room, act, by, json=json)
    try:
        await room.cleaning.clean()
        if not room.auditor.book.redactions(open_only=True):
            return DONE
    except apsw.BusyError:
        pass
    printing.complain(
        "dateline: erased from the log; a file beside it is not clean yet: a server cleans it by "
        "itself, and so does `dateline audit retention` with the same settings"
    )
    return UNAVAILABLE


async def retention(room: Newsroom, *, json: bool) -> int:
    """Clean up what is left to be, and say which copies were made before something was erased."""
    await room.cleaning.clean()
    book = room.auditor.book
    redactions = book.redactions()
    backups: list[dict[str, Any]] = [
        {
            "file": backup.file,
            "made_at": instant(backup.made_ms),
            "events": backup.size,
            "there": await asyncio.to_thread(Path(backup.file).exists),
            "erased_since": [each.position for each in redactions if each.position > backup.size],
        }
        for backup in book.backups()
    ]
    path = sqlite_path(room.log.url)
    aside = [str(found) for found in _set_aside(room)] if path and redactions else []
    if json:
        erased = [each._asdict() for each in redactions]
        printing.show_json({"redactions": erased, "backups": backups, "set_aside": aside})
        return DONE
    left = sum(each.cleaned_ms is None for each in redactions)
    clean = f"{left} to be cleaned up after" if left else "log and views are clean of them"
    printing.line(f"{len(redactions)} redactions; {clean}")
    for backup in backups:
        there = "" if backup["there"] else " (not there any more)"
        since = len(backup["erased_since"])
        words = f"still holds what {since} redactions erased since" if since else "holds none of it"
        printing.line(f"{backup['made_at']}  {backup['file']}{there}: {words}")
    for name in aside:
        printing.line(f"{name}: damaged views that were set aside may hold it; remove them")
    return DONE


def _set_aside(room: Newsroom) -> list[Path]:
    damaged = Path(f"{room.views_file}.damaged")
    return [damaged] if damaged.exists() else []


async def record_read(room: Newsroom, reader: str, what: str, story: str | None) -> None:
    """Record that somebody is given private parts, before they are.

    Raises:
        NotFound: there is no such story.
    """
    if story is None:
        events = (await room.log.head()).size
    else:
        events = len([event async for event in room.log.read_versions(story)])
        if not events:
            raise NotFound("story", story)
    await _record(room, {"kind": "private-read", "reader": reader, "what": what, "events": events})


async def _record(room: Newsroom, act: dict[str, Any]) -> Receipt:
    """File an act of custody into the house's own story, which is opened by the first."""
    if not (await room.publisher.desk(RECORD)).version:
        opening = {
            "id": id_of(0, RECORD, "opening"),
            "story": RECORD,
            "kind": "story-opened",
            "title": "The record",
            "headline": "Changes of the signing key, and reads of private material",
            "needs_approval": True,  # which nobody gives: readers never see it
        }
        await room.publisher.file(take(opening), _house)
    return await room.publisher.file(take({"story": RECORD, **act}), _house)


async def reads(room: Newsroom, reader: str | None, *, json: bool) -> int:
    """List who was given private parts of what, oldest first."""
    found = [
        {
            "position": event.position,
            "recorded_at": event.recorded_at,
            "reader": event.development.reader,
            "what": event.development.what,
            "events": event.development.events,
        }
        async for event in room.log.read_versions(RECORD)
        if isinstance(event.development, PrivateRead) and reader in (None, event.development.reader)
    ]
    if json:
        printing.show_json(found)
        return DONE
    for each in found:
        printing.line(f"{each['recorded_at']}  {each['reader']}: {each['what']}")
    if not found:
        printing.line("nobody was given private parts")
    return DONE


async def rotate_key(room: Newsroom, *, json: bool) -> int:
    """Change the signing key: recorded first, signed by both keys, then taken up."""
    keyring = room.auditor.keyring
    await room.auditor.checkpoint()  # by the old key, so that nothing is between the two
    following = keyring.next()
    change = keyring.change_to(following)
    # Cut short after it was recorded, it is only taken up when it is done again.
    if not await room.auditor.rotations(following.public):
        signatures = [base64.b64encode(each).decode() for each in change.signatures]
        act = {"old": str(change.old), "new": str(change.new), "signatures": signatures}
        await _record(room, {"kind": "signing-key-changed", **act})
    keyring.take_up(following)
    await room.auditor.checkpoint()
    if json:
        printing.show_json({"old": str(change.old), "new": str(change.new)})
    else:
        printing.line(f"checkpoints are signed with {change.new} from now on")
    return DONE
