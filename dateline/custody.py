"""What each command of custody does: erase, hold, and say where erased words may still be."""

import asyncio
from pathlib import Path
from typing import Any

import apsw
import uuid_utils

from dateline import printing
from dateline.outcomes import DONE, UNAVAILABLE
from dateline.wiring import Newsroom, sqlite_path
from events.envelope import instant
from producers.case import Actor
from producers.intake import take

__all__ = ["file", "redact", "retention"]


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
    except apsw.BusyError:
        printing.complain(
            "dateline: erased from the log; a file beside it is in use and not clean yet: a "
            "server cleans it by itself, `dateline audit retention` does now"
        )
        return UNAVAILABLE
    return DONE


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
    printing.line(
        f"{len(redactions)} redactions; the log and the files beside it are clean of them"
    )
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
