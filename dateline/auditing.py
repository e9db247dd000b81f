"""What each command of the auditor does, once the newsroom is open: call, then show."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from consumers.audit import export as exporting
from consumers.audit import stand_alone
from dateline import printing
from dateline.outcomes import DONE
from dateline.wiring import Newsroom
from events.checkpoint import checkpoint_in, open_note, verifier_key
from events.errors import LogDamaged, NotFound

__all__ = ["checkpoint", "consistency", "export", "prove", "verify", "verify_export"]


async def verify(room: Newsroom, key: str | None, kept: str | None, *, json: bool) -> int:
    """Prove the whole log, and that it goes on from what is known of it."""
    earlier = {}
    if kept is not None:
        trusted = verifier_key(key) if key is not None else room.auditor.keyring.public
        head = checkpoint_in(open_note(_text(kept), [trusted]))
        earlier = {head.size: head.root}
    with printing.progress("verify") as told:
        proved = await room.auditor.verify(told, kept=earlier)
    if json:
        printing.show_json({"log": room.log.url, **proved._asdict()})
    else:
        many = "1 story" if proved.stories == 1 else f"{proved.stories} stories"
        printing.line(
            f"{proved.events} events in {many} are as they were recorded; root {proved.root}"
        )
    return DONE


def _text(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        raise NotFound("file", file) from None


def verify_export(file: str, key: str | None, kept: str | None, *, json: bool) -> int:
    """Verify an export, with the program that is shipped with it and no log.

    Raises:
        LogDamaged: it is not what the log signed; names the first position at fault.
    """
    text = None if kept is None else _text(kept)
    if not Path(file).is_file():
        raise NotFound("export", file)
    try:
        found = stand_alone.check(file, key, text)
    except stand_alone.Refusal as refused:
        raise LogDamaged(file, refused.position, refused.expected, refused.found) from None
    if json:
        printing.show_json({"file": file, **found._asdict()})
    else:
        printing.line(
            f"{found.events} events of {found.origin} are as they were signed, {found.shown} shown "
            f"and {found.erased} erased; root {found.root}; signed with {found.key}"
        )
    return DONE


async def checkpoint(room: Newsroom, *, key: bool, json: bool) -> int:
    """Show a signed checkpoint of the log, or the key that it is checked with."""
    signed = await room.auditor.checkpoint()
    public = str(room.auditor.keyring.public)
    if json:
        facts = {"size": signed.size, "root": signed.root.hex(), "signed_ms": signed.signed_ms}
        printing.show_json({**facts, "key": public, "checkpoint": signed.note})
    else:
        printing.exactly(f"{public}\n" if key else signed.note)
    return DONE


async def prove(room: Newsroom, position: int, *, json: bool) -> int:
    """Show that an event is in the log."""
    found = await room.auditor.inclusion(position)
    if json:
        printing.show_json(found.shown)
    else:
        printing.exactly(found.tlog_proof)
    return DONE


async def consistency(room: Newsroom, before: int, after: int | None, *, json: bool) -> int:
    """Show that the log of one size begins with that of a smaller one."""
    found = (await room.auditor.consistency(before, after)).shown
    if json:
        printing.show_json(found)
        return DONE
    for name, value in found.items():
        for each in value if isinstance(value, list) else [value]:
            printing.line(f"{name}: {each}")
    return DONE


async def export(room: Newsroom, file: str, story: str | None, parts: str, *, json: bool) -> int:
    """Write the log or a story to a file, with the program that verifies it beside it."""
    wanted = await wanted_export(room, story, parts)
    with printing.progress("export") as told:
        beside = await exporting.write(room.auditor, wanted, file, told)
    if json:
        facts = {"file": file, "verifier": beside, "size": wanted.signed.size}
        printing.show_json({**facts, "key": str(room.auditor.keyring.public)})
    else:
        printing.line(f"{file}: {wanted.signed.size} events; python3 {beside} {file} verifies it")
    return DONE


async def wanted_export(room: Newsroom, story: str | None, parts: str) -> exporting.Export:
    """Put together what is to be exported: the log as it is now, and what of it is shown."""
    signed = await room.auditor.checkpoint()
    hidden: Callable[[int], bool] = _nothing
    if parts == "public":
        await room.subscription.catch_up(signed.size)
        seen = room.stories.seen_by_readers()
        hidden = lambda position: position not in seen  # noqa: E731 - a test by what was found
    return exporting.Export(signed, story, cast("Any", parts), hidden)


def _nothing(_position: int) -> bool:
    return False
