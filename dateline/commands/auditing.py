"""What each command of the auditor does, once the newsroom is open: call, then show."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, time
from pathlib import Path
from typing import Any, Final, cast

from consumers.audit import export as exporting
from consumers.audit import replay as replaying
from consumers.audit import report as reporting
from consumers.audit import stand_alone
from consumers.audit.book import Exported
from consumers.audit.replay import Replay
from consumers.delivery.reach import Reach, Sent
from consumers.stories.differences import Change
from consumers.stories.moments import at, moment
from dateline import printing
from dateline.commands.custody import record_read
from dateline.outcomes import DONE
from dateline.urls import deliveries_path
from dateline.wiring import Newsroom
from events.checkpoint import Checkpoint, VerifierKey, checkpoint_in, open_note, verifier_key
from events.envelope import instant
from events.errors import LogDamaged, NotFound, Overtaken, Refused

__all__ = [
    "checkpoint",
    "consistency",
    "cosigned",
    "export",
    "prove",
    "recorded_export",
    "replay",
    "report",
    "verify",
    "verify_export",
    "voids",
    "wanted_export",
]


EXPORT_TRIES = 5  # times that an export is made anew when something is redacted meanwhile
END_OF_CALENDAR = 253_402_300_800_000  # milliseconds since 1970 UTC at which the year 10000 begins
_DATABASE: Final = b"SQLite format 3\0"


async def verify(room: Newsroom, key: str | None, kept: str | None, *, json: bool) -> int:
    """Prove the whole log, and that it goes on from what is known of it."""
    earlier = {}
    if kept is not None:
        head = _kept(kept, await _trusted(room, key))
        earlier = {head.size: head.root}
    with printing.progress("verify") as told:
        proved = await room.auditor.verify(told, kept=earlier)
    strange = await room.auditor.strange_rotations()
    if strange:
        places = ", ".join(map(str, strange))
        printing.complain(
            f"dateline: positions {places}: changes of the signing key that do not lead to ours; "
            "nothing is made of them"
        )
    if json:
        printing.show_json({"log": room.log.url, **proved._asdict()})
    else:
        events = printing.counted(proved.events, "event")
        many = printing.counted(proved.stories, "story", "stories")
        are = "is as it was" if proved.events == 1 else "are as they were"
        printing.line(f"{events} in {many} {are} recorded; root {proved.root}")
    return DONE


async def _trusted(room: Newsroom, key: str | None) -> list[VerifierKey]:
    """Give the keys that may have signed what was kept: our own, or those that lead to another."""
    own = await room.auditor.keys()
    given = own[-1] if key is None else verifier_key(key)
    if given in own:
        return own
    return [change.old for change in await room.auditor.rotations(given)] + [given]


def _kept(file: str, trusted: list[VerifierKey]) -> Checkpoint:
    """Read a checkpoint that was kept.

    Raises:
        Refused: it is none, or none of the keys signed it; names the file.
    """
    text = _text(file)
    try:
        return checkpoint_in(open_note(text, trusted))
    except Refused as refused:
        found = f"{refused.found}, in {file}"
        raise Refused(refused.rule, "kept", refused.expected, found) from None


def _text(file: str) -> str:
    """Read a note exactly as it is, the ends of its lines included."""
    try:
        return Path(file).read_bytes().decode()
    except OSError:
        raise NotFound("file", file) from None
    except UnicodeDecodeError:
        raise Refused("signed-note", "file", "a signed checkpoint", f"no text in {file}") from None


async def voids(room: Newsroom, *, json: bool) -> int:
    """List the last records that got no place; a log in a file has none."""
    found = [] if room.mirrored is None else await room.mirrored.voids()
    if json:
        printing.show_json([void._asdict() for void in found])
        return DONE
    for void in found:
        known = 0 < void.appended_ms < END_OF_CALENDAR  # others may have stamped it
        when = instant(void.appended_ms) if known else "at no known time"
        printing.line(f"offset {void.offset}  {when}  {void.story or '-'}  {void.reason}")
    if not found:
        printing.line("no record is void")
    return DONE


def verify_export(file: str, key: str | None, kept: str | None, *, json: bool) -> int:
    """Verify an export, with the program that is shipped with it and no log.

    Raises:
        LogDamaged: it is not what the log signed; names the first position at fault.
        Refused: the key or the kept checkpoint is not of this log, or the file is none to verify.
    """
    text = None if kept is None else _text(kept)
    if not Path(file).is_file():
        raise NotFound("export", file)
    with Path(file).open("rb") as opened:
        if opened.read(len(_DATABASE)) == _DATABASE:
            expected = "an export; a log is verified with --log, without FILE"
            raise Refused("export", "file", expected, f"a database, {file}")
    try:
        found = stand_alone.check(file, key, text)
    except stand_alone.Distrust as refused:
        rule = f"{refused.what}-of-the-log"
        found_there = f"{refused.found}, in {kept}" if refused.what == "kept" else refused.found
        raise Refused(rule, refused.what, refused.expected, found_there) from None
    except stand_alone.Refusal as refused:
        raise LogDamaged(file, refused.position, refused.expected, refused.found) from None
    if json:
        printing.show_json({"file": file, **found._asdict()})
    else:
        printing.line(
            f"{printing.counted(found.events, 'event')} of {found.origin} as signed, "
            f"{found.shown} shown, {found.erased} erased, {found.hidden} not shown; "
            f"root {found.root}; signed with {found.key}"
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


async def cosigned(room: Newsroom, file: str, witness: str, *, json: bool) -> int:
    """Keep a checkpoint that a witness cosigned."""
    signed = await room.auditor.cosigned(_text(file), verifier_key(witness))
    if json:
        printing.show_json({"size": signed.size, "checkpoint": signed.note})
    else:
        many = printing.counted(signed.size, "event")
        printing.line(f"the checkpoint of {many} is published with {witness}")
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


async def export(
    room: Newsroom, file: str, story: str | None, parts: str, by: str, *, json: bool
) -> int:
    """Write the log or a story to a file, with the program that verifies it beside it."""
    await exporting.expect_new(file)  # what is refused was given to nobody
    wanted = await recorded_export(room, story, parts, by, str(await _whole(file)))
    for tries in range(EXPORT_TRIES):
        try:
            with printing.progress("export") as told:
                events, beside = await exporting.write(room.auditor, wanted, file, told)
            break
        except Overtaken:
            if tries + 1 == EXPORT_TRIES:
                raise
            wanted = await wanted_export(room, story, parts)
    if json:
        facts = {"file": file, "verifier": beside, "size": wanted.signed.size, "events": events}
        printing.show_json({**facts, "key": str(wanted.key)})
    else:
        many = printing.counted(events, "event")
        printing.line(f"{file}: {many}; python3 {beside} {file} --key {wanted.key} verifies it")
    return DONE


async def _whole(file: str) -> Path:
    return await asyncio.to_thread(Path(file).absolute)


async def recorded_export(
    room: Newsroom, story: str | None, parts: str, by: str, to: str
) -> exporting.Export:
    """Put an export together; who gets it is written down before they do.

    That somebody is given private parts stands in the log; where any export went, in the book.
    """
    if parts == "private":
        what = "export of the log" if story is None else f"export of story {story}"
        await record_read(room, by, what, story)
    wanted = await wanted_export(room, story, parts)
    made = Exported(to, story, parts, wanted.signed.size, room.clock())
    await asyncio.to_thread(room.auditor.book.note_export, made)
    return wanted


async def wanted_export(room: Newsroom, story: str | None, parts: str) -> exporting.Export:
    """Put together what is to be exported: the log as it is now, and what of it is shown."""
    signed = await room.auditor.checkpoint()
    hidden: Callable[[int], bool] = _nothing
    if parts == "public":
        await room.subscription.catch_up(signed.size)
        seen = room.stories.seen_by_readers()
        hidden = lambda position: position not in seen  # noqa: E731 - a test by what was found
    key = await room.auditor.signer_of(signed)
    changes = await room.auditor.rotations(key)
    return exporting.Export(signed, key, story, cast("Any", parts), hidden, changes)


def _nothing(_position: int) -> bool:
    return False


async def replay(
    room: Newsroom, until: str, since: str | None, story: str | None, *, json: bool
) -> int:
    """Show a moment again: JSON has one story a line.

    Raises:
        Refused: the moments are none, or not one before the other.
    """
    upto, by_ms = await _past(room, until, "until")
    earlier = None if since is None else (await _past(room, since, "since"))[0]
    if earlier is not None and earlier > upto:
        raise Refused("moment", "since", f"a moment before {until}", f"{since}")
    stories = [story] if story is not None else await replaying.stories_until(room.log, upto)
    reach = Reach(deliveries_path(room.log.url))
    for each in stories:
        found = await replaying.replay(room.log, each, upto, reach, by_ms)
        before = None
        if earlier is not None:
            with suppress(NotFound):
                before = await replaying.replay(room.log, each, earlier, reach)
        changes = replaying.changed(before, found) if earlier is not None else None
        if json:
            shown = {
                **found._asdict(),
                "acts": [act._asdict() for act in found.acts],
                "sent": [sent._asdict() for sent in found.sent],
            }
            if changes is not None:
                told = {who: [one._asdict() for one in many] for who, many in changes.items()}
                shown["changed"] = told
            printing.show_json(shown)
        else:
            _show_replay(found, changes)
    return DONE


async def _past(room: Newsroom, text: str, field: str) -> tuple[int, int | None]:
    """Give the position of a moment that has been, and its milliseconds where it is a time.

    Raises:
        Refused: it is no moment, or one that is still to come.
    """
    now, size = room.now(), (await room.log.head()).size
    when, today = moment(text, now, field), (now.date(), time.max)  # a day is its last moment
    if isinstance(when, int) and when > size:
        raise Refused("moment", field, f"a position up to {size}", text)
    if isinstance(when, datetime) and when > now and (when.date(), when.time()) != today:
        raise Refused("moment", field, f"a time up to now, {now:%Y-%m-%dT%H:%M:%SZ}", text)
    by_ms = None if isinstance(when, int) else int(min(when, now).timestamp() * 1000)
    return await at(room.log, when), by_ms


def _show_replay(found: Replay, changes: dict[str, list[Change]] | None) -> None:
    printing.line(f"{found.story} at position {found.until}, {found.recorded_at}", "bold")
    _part("what readers saw")
    if found.readers is None:
        printing.line("nothing")
    else:
        printing.show_state(found.readers)
    many = "1 update" if len(found.told) == 1 else f"{len(found.told)} updates"
    printing.line(f"they had been told {many}")
    _part("what the desk knew")
    printing.show_state(found.desk)
    for sent in found.sent:
        printing.line(_alerted(sent))
    _part("who did what")
    for act in found.acts:
        about = f" of {act.about}" if act.about else ""
        request = f"  in request {act.correlation}" if act.correlation else ""
        printing.line(
            f"{act.position:>7}  {act.recorded_at}  {act.filed_by}: {act.kind} {act.ref}"
            f"{about}{request}"
        )
    for who, some in (changes or {}).items():
        _part(f"what changed for {'the desk' if who == 'desk' else who}")
        printing.show_changes(some)


def _part(heading: str) -> None:
    printing.line()
    printing.line(heading, "bold")


def _alerted(sent: Sent) -> str:
    where = f"{sent.channel} {sent.address}".strip()
    return f"alerted    {sent.alert} to {sent.target} ({where}): {sent.state}"


async def report(room: Newsroom, story: str, ref: str, html: str | None, *, json: bool) -> int:
    """Tell the life of one development, for a program, on a page or on the terminal."""
    reach = Reach(deliveries_path(room.log.url))
    found = await reporting.report(room.auditor, story, ref, reach)
    if html is not None:
        await asyncio.to_thread(Path(html).write_text, reporting.html(found), encoding="utf-8")
        if json:
            printing.show_json({"file": html, "steps": len(found.steps)})
        else:
            printing.line(f"{html}: {len(found.steps)} steps in the life of {ref}")
        return DONE
    if json:
        printing.show_json(found.shown())
        return DONE
    printing.line(f"{ref} of {story}: {found.headline or ''}", "bold")
    for step in found.steps:
        act = step.act
        printing.line(
            f"{act.position:>7}  {act.recorded_at}  {step.what} by {act.filed_by}"
            f"  {act.ref} {step.says}"
        )
    for sent in found.sent:
        printing.line(_alerted(sent))
    printing.line(f"proved by checkpoint {found.size}, root {found.root}", "dim")
    return DONE
