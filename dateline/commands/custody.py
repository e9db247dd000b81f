"""What each command of custody does: erase, hold, and say where erased words may still be."""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw
import uuid_utils

from consumers.alerts.policy import Policy
from consumers.audit.book import Book, Redaction
from dateline import printing
from dateline.outcomes import DONE
from dateline.urls import sqlite_path
from dateline.wiring import Newsroom
from events.codec import decode
from events.custody import RECORD, PrivateRead
from events.developments import Development
from events.editorial import Redacted
from events.envelope import Recorded, instant
from events.errors import NotFound
from events.identity import id_of
from events.vocabulary import Unknown
from producers.case import EVERY_SCOPE, Actor
from producers.case import HOUSE as OWN_ACTS
from producers.intake import take
from producers.publisher import Receipt

__all__ = ["HOUSE", "file", "foresee", "reads", "record_read", "redact", "retention", "rotate_key"]

LOOK_AGAIN = 0.1  # seconds between looks at whether a server has cleaned up
LOOKS = 30  # a server begins within a second, and needs less than another
_UNKNOWN: Final = (
    "of copies that were made with other tools or before it was begun, and of what readers and "
    "subscribers keep, it knows nothing"
)
HOUSE: Final = "house:auditor"  # who files acts of custody, in the house's own name
_house: Final = Actor(HOUSE, EVERY_SCOPE | {OWN_ACTS})


async def file(room: Newsroom, act: dict[str, Any], by: str, *, json: bool) -> int:
    """File an act and say where it stands."""
    receipt = await _filed(room, act, by)
    if json:
        printing.show_json(receipt._asdict())
    else:
        printing.line(_said(receipt))
    return DONE


def _given(act: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in act.items() if value is not None}


async def _filed(room: Newsroom, act: dict[str, Any], by: str) -> Receipt:
    correlation = str(uuid_utils.uuid7())
    return await room.publisher.file(take(_given(act)), Actor(by), correlation=correlation)


def _said(receipt: Receipt) -> str:
    return (
        f"{receipt.story}: {receipt.ref} {receipt.kind} at version {receipt.version}, "
        f"position {receipt.position}"
    )


async def _told(room: Newsroom, story: str) -> dict[int, Recorded]:
    return {event.version: event async for event in room.log.read_versions(story)}


class Erased(NamedTuple):
    """What a redaction takes from an event: these fields, and its private part or not."""

    version: int
    ref: str
    fields: list[str]
    private: bool | None


def _erased(act: object, before: Mapping[int, Recorded]) -> list[Erased]:
    """Give what a redaction erases of a story as it was before.

    What it only says anew of earlier erasures is left out.
    """
    assert isinstance(act, Redacted)  # noqa: S101 - as was filed
    found = []
    for each in act.erases or ():
        event = before[each.version]
        fields = [] if each.remains is None else _less(event, each.remains.encode())
        if fields or each.private:
            ref = getattr(event.development, "ref", None) or f"d{each.version}"
            found.append(Erased(each.version, ref, fields, each.private))
    return found


def _less(event: Recorded, remains: bytes) -> list[str]:
    """Name the fields of an event of which less remains."""
    about = event.provenance
    left = decode(str(about["kind"]), int(about["schema"]), remains)
    was, now = (_said_in(each) for each in (event.development, left))
    return [name for name in was if was[name] != now.get(name)]


def _said_in(development: object) -> Mapping[str, Any]:
    if isinstance(development, Unknown):
        return development.content
    fields = vars(development) if isinstance(development, Development) else {}
    return {name: value for name, value in fields.items() if name != "erases"}


async def foresee(room: Newsroom, act: dict[str, Any], by: str, *, json: bool) -> int:
    """Say what a redaction would erase: where, and not the words, which go no further by that."""
    filing = take(_given(act))
    before = await _told(room, filing.story)
    erased = _erased(await room.publisher.foresee(filing, Actor(by)), before)
    if json:
        facts = [each._asdict() for each in erased]
        printing.show_json({"story": filing.story, "dry_run": True, "erased": facts})
        return DONE
    printing.line(f"{filing.story}: would erase from {printing.counted(len(erased), 'event')}:")
    for each in erased:
        parts = [*each.fields, *(["its private part"] if each.private else [])]
        printing.line(f"  {each.ref} (version {each.version}): {', '.join(parts)}")
    return DONE


async def redact(
    room: Newsroom, act: dict[str, Any], by: str, policy: Policy | None, *, json: bool
) -> int:
    """File a redaction, which erases the words from the log, then clean every file beside it.

    Without the policy, what alerts remember is left to a server that has it.
    """
    room.policy = policy
    before = await _told(room, act["story"])
    receipt = await _filed(room, act, by)
    after = await _told(room, receipt.story)
    erased = _erased(after[receipt.version].development, before)
    if json:
        facts = [each._asdict() for each in erased]
        printing.show_json({**receipt._asdict(), "erased": facts})
    else:
        where = ", ".join(
            f"{each.ref} (version {each.version}{', its private part too' if each.private else ''})"
            for each in erased
        )
        many = printing.counted(len(erased), "event")
        printing.line(f"{_said(receipt)}: erased from {many}: {where}")
    with suppress(apsw.BusyError):  # somebody is at work with the views
        await room.cleaning.clean()
    if not await _clean(room.auditor.book):
        printing.complain(
            f"dateline: recorded, and erased from the log (do not send it again); what alerts "
            f"remember in {room.views_file} is cleaned by the server that runs under a policy, or "
            "by `dateline audit retention` with DATELINE_ALERTS set"
        )
    return DONE


async def _clean(book: Book) -> bool:
    """Whether every file is clean; a server that is at work beside us has a moment to do it."""
    for _ in range(LOOKS):
        if not await asyncio.to_thread(book.redactions, open_only=True):
            return True
        await asyncio.sleep(LOOK_AGAIN)
    return False


async def retention(room: Newsroom, policy: Policy | None, *, json: bool) -> int:
    """Clean up what is left to be, and say which copies were made before something was erased."""
    room.policy = policy
    cleaned = await room.cleaning.clean()
    redactions = room.auditor.book.redactions()
    backups, exports = await asyncio.to_thread(_copies, room.auditor.book, redactions)
    path = sqlite_path(room.log.url)
    aside = [str(found) for found in _set_aside(room)] if path and redactions else []
    if json:
        erased = [each._asdict() for each in redactions]
        copies = {"backups": backups, "exports": exports, "set_aside": aside}
        printing.show_json({"redactions": erased, "cleaned_now": cleaned, **copies})
        return DONE
    left = sum(each.cleaned_ms is None for each in redactions)
    how = "by a server under a policy, or here with DATELINE_ALERTS set"
    clean = f"{left} to be cleaned up after, {how}" if left else "log and views are clean of them"
    just_now = f", {cleaned} of them just now" if cleaned else ""
    printing.line(f"{printing.counted(len(redactions), 'redaction')}; {clean}{just_now}")
    for copy in (*backups, *exports):
        what = f"{copy['parts']} export " if "parts" in copy else "backup "
        since = len(copy["erased_since"])
        many = printing.counted(since, "redaction")
        words = f"still holds what {many} erased since" if since else "holds none of it"
        there = " (not there any more)" if copy["there"] is False else ""
        printing.line(f"{copy['made_at']}  {what}{copy['file']}{there}: {words}")
    for name in aside:
        printing.line(f"{name}: damaged views that were set aside may hold it; remove them")
    printing.line(f"known from {room.auditor.book.path}; {_UNKNOWN}", "dim")
    return DONE


def _copies(
    book: Book, redactions: Sequence[Redaction]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Give the backups and exports that are known, and what was erased since each was made."""
    backups = [
        {
            "file": backup.file,
            "made_at": instant(backup.made_ms),
            "events": backup.size,
            "there": Path(backup.file).exists(),
            "erased_since": [each.position for each in redactions if each.position > backup.size],
        }
        for backup in book.backups()
    ]
    exports = [
        {
            "file": made.place,
            "story": made.story,
            "parts": made.parts,
            "made_at": instant(made.made_ms),
            "events": made.size,
            "there": Path(made.place).exists() if Path(made.place).is_absolute() else None,
            "erased_since": [
                each.position
                for each in redactions
                if each.position > made.size and made.story in (None, each.story)
            ],
        }
        for made in book.exports()
    ]
    return backups, exports


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
            "filed_by": event.provenance["filed_by"],
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
        filed = f"  (filed by {each['filed_by']})"
        printing.line(f"{each['recorded_at']}  {each['reader']}: {each['what']}{filed}")
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
