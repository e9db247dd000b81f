"""Looking after a log: copies of it, and what is at risk."""

import asyncio
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from consumers.audit.book import Backup
from consumers.audit.verify import Verified, verify
from consumers.relay import relay as copying
from dateline import printing
from dateline.outcomes import DONE, REFUSED
from dateline.printing import counted
from dateline.urls import BadUrl, kafka_address, sqlite_path
from dateline.wiring import Newsroom, expect_there, newsroom, open_log
from events.checkpoint import checkpoint_in
from events.envelope import instant
from events.errors import BookDamaged, DatelineError, LogDamaged, NotFound, Refused
from events.sqlite.backup import (
    Progress,
    checkpoint_of,
    copy_log,
    files_of,
    put_checkpoint,
    restore_log,
)
from events.sqlite.file import irregularities

__all__ = ["backup", "doctor", "relay", "restore"]

BLANK = "\n\n"  # what parts a note from its signatures
LEAST_FREE = 100 * 1024 * 1024  # bytes free on the log's disk below which filing is at risk
MOST_AHEAD = 60_000  # milliseconds that the clock may be behind the last event
MOST_LAG = 10_000  # events that a view may lag behind before somebody should know


async def backup(url: str, file: str, *, json: bool) -> int:
    """Copy the log, then verify the copy."""
    source = await _source(url)
    with _unverified(file) as unverified:
        await _unless_interrupted("backup", copy_log, source, unverified)
        proved = await _verified(unverified)
        async with newsroom(url) as room:
            signed = await room.auditor.checkpoint_of(proved.events, bytes.fromhex(proved.root))
            put_checkpoint(unverified, signed.note)
            made = Backup(os.path.abspath(file), proved.events, room.clock())  # noqa: ASYNC240, PTH100 - nothing is read
            room.auditor.book.note_backup(made)
    return _say("backed up to", file, proved, json=json)


@contextmanager
def _unverified(file: str) -> Iterator[str]:
    """Give a name for a copy until it is verified; then, and only then, it has its own."""
    for left in files_of(file):
        raise Refused("backup-new", "file", "no file of a log of this name", left)
    if not Path(file).absolute().parent.is_dir():
        raise NotFound("folder", str(Path(file).parent))
    unverified = f"{file}.unverified"
    Path(unverified).unlink(missing_ok=True)
    try:
        yield unverified
        os.link(unverified, file)  # which fails where somebody else made the file meanwhile
    except FileExistsError:
        raise Refused("backup-new", "file", "a file that does not exist yet", file) from None
    finally:
        Path(unverified).unlink(missing_ok=True)


async def _unless_interrupted(
    what: str, copy: Callable[[str, str, Progress], None], source: str, target: str
) -> None:
    """Copy in a thread, which Ctrl-C cannot reach: it is told to stop at its next step."""
    stopped = threading.Event()
    with printing.progress(what) as told:

        def step(done: int, total: int) -> None:
            if stopped.is_set():
                raise InterruptedError
            told(done, total)

        try:
            await asyncio.to_thread(copy, source, target, step)
        except asyncio.CancelledError:
            stopped.set()
            raise


async def restore(url: str, file: str, *, json: bool) -> int:
    """Verify the copy, put it where the log is to be, and verify what is there now.

    Raises:
        LogDamaged: it is no log, or not what was recorded.
        NotFound: there is no such file.
    """
    target = _file(url)
    if not await asyncio.to_thread(os.path.isfile, file):
        raise NotFound("backup", file)
    if not await asyncio.to_thread(os.path.getsize, file):  # it would be made a log of no events
        raise LogDamaged(f"sqlite:///{file}", 0, "a Dateline log", "an empty file")
    proved = await _verified(file)
    _hold_against_checkpoint(file, proved)
    await _unless_interrupted("restore", restore_log, file, target)
    return _say("restored to", target, await _verified(target), json=json)


def _hold_against_checkpoint(file: str, proved: Verified) -> None:
    """Hold a copy against the checkpoint that it carries; copies of old carry none."""
    note = checkpoint_of(file)
    if note is None:
        return
    known = checkpoint_in(f"{note.rpartition(BLANK)[0]}\n")
    if (known.size, known.root.hex()) != (proved.events, proved.root):
        raise LogDamaged(file, 0, f"root {known.root.hex()}, as was signed", proved.root)


async def relay(source: str, target: str, *, follow: bool, json: bool) -> int:
    """Copy a log to a Kafka log; ends with both roots equal, or goes on with what is appended.

    Raises:
        BadUrl: the target is no log on Kafka.
    """
    if kafka_address(target) is None:
        raise BadUrl(target, "expected a log to copy to as kafka://HOST:PORT/TOPIC; found another")
    await expect_there(source)
    from events.kafka.log import KafkaLog  # noqa: PLC0415 - a tenth of a second to import

    origin, copy = open_log(source), open_log(target)
    try:
        assert isinstance(copy, KafkaLog), "checked above"  # noqa: S101 - for the types
        with printing.progress("relay") as told:
            done = await copying(origin, copy, told, follow=follow)
    finally:
        await origin.close()
        await copy.close()
    if json:
        printing.show_json(done._asdict())
    else:
        printing.line(
            f"{counted(done.copied, 'event')} copied to {copy.url}, which has "
            f"{done.events}; "
            f"both logs have root {done.root}"
        )
    return DONE


async def doctor(url: str, *, json: bool) -> int:
    """Say what is configured, reachable, lagging and at risk; exit 1 when something is."""
    address = kafka_address(url)
    findings = [_finding("log", address.url if address else url)]
    path = sqlite_path(url)
    if path is not None:
        findings += _disk(path)
    try:
        if await _there(url, path):
            async with newsroom(url) as room:
                findings += await _work(room)
                findings += _safeguards(path) if path is not None else []
                findings += await _mirror(room, url)
        else:
            findings.append(_finding("events", "none yet; the log is made by the first filing"))
    except DatelineError as error:
        findings.append(_finding("log", str(error), risk=True))
    findings.append(_finding("sqlite", apsw.sqlite_lib_version()))
    at_risk = any(finding["risk"] for finding in findings)
    if json:
        printing.show_json({"at_risk": at_risk, "findings": findings})
    else:
        for finding in findings:
            mark = "at risk" if finding["risk"] else "ok"
            printing.line(
                f"{mark:<8} {finding['what']:<12} {finding['found']}",
                "red" if finding["risk"] else "",
            )
    return REFUSED if at_risk else DONE


async def _there(url: str, path: str | None) -> bool:
    """Say whether the log is there; looking makes none."""
    if path is not None:
        return await asyncio.to_thread(os.path.isfile, path)
    try:
        await expect_there(url)
    except NotFound:
        return False
    return True


async def _mirror(room: Newsroom, url: str) -> list[dict[str, Any]]:
    """Say how a node of a Kafka log stands to its topic and to the others."""
    address, lag = kafka_address(url), await room.mirror_lag()
    if address is None or lag is None:
        return []
    records, seconds, voids, disagreements = lag
    return [
        *_disk(address.mirror),
        _finding("broker", f"{address.servers}, topic {address.topic}, settings as they must be"),
        _finding(
            "mirror", f"{address.mirror}, {counted(records, 'record')} and {seconds:.0f} s behind"
        ),
        _finding(
            "void", f"{counted(voids, 'record')} without a place; `dateline audit voids` lists them"
        ),
        _finding(
            "nodes",
            f"{counted(disagreements, 'record')} from nodes with another root"
            if disagreements
            else "no record from a node with another root",
            risk=disagreements > 0,
        ),
    ]


def _finding(what: str, found: str, *, risk: bool = False) -> dict[str, Any]:
    return {"what": what, "found": found, "risk": risk}


def _disk(path: str) -> list[dict[str, Any]]:
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        return [_finding("disk", f"expected folder {folder}; found none", risk=True)]
    free = shutil.disk_usage(folder).free
    return [_finding("disk", f"{free // 1024**2} MiB free", risk=free < LEAST_FREE)]


def _safeguards(path: str) -> list[dict[str, Any]]:
    """Say which of the triggers that keep events as they are were taken away or added to."""
    try:
        found = irregularities(path)
    except apsw.Error as error:
        found = [str(error)]
    return [_finding("safeguards", "; ".join(found), risk=True)] if found else []


async def _work(room: Newsroom) -> list[dict[str, Any]]:
    head = await room.log.head()
    position = room.views.position(room.stories.name)
    lag = head.size - position.checkpoint
    seconds = (head.recorded_ms - position.recorded_ms) / 1000 if lag and position.checkpoint else 0
    moved = instant(position.heartbeat_ms) if position.heartbeat_ms else "never"
    parked = len(room.views.parked())
    ahead = head.recorded_ms - room.clock()
    return [
        _finding("events", f"{head.size}, root {head.root.hex()[:16]}…"),
        _finding(
            "stories",
            f"{counted(lag, 'event')} and {seconds:.0f} s behind, last moved {moved}"
            if position.checkpoint
            else "not made yet; they are when somebody first looks",
            risk=lag > MOST_LAG and position.checkpoint > 0,
        ),
        *await _book(room, head.size),
        *await _signing(room),
        _alerts(room),
        _finding("parked", counted(parked, "event"), risk=parked > 0),
        _finding(
            "clock",
            f"{ahead / 1000:.0f} s behind the last event"
            if ahead > 0
            else "at or past the last event",
            risk=ahead > MOST_AHEAD,
        ),
    ]


async def _book(room: Newsroom, size: int) -> list[dict[str, Any]]:
    """Say what the auditor remembers, where its book can be read and the log goes on from it."""
    try:
        if room.auditor.tiles.size:  # where nothing is known yet there is nothing to hold it to
            await room.auditor.catch_up()
        return [_audit(room, size), _erasures(room)]
    except LogDamaged as damage:
        return [_finding("audit", str(damage), risk=True), _erasures(room)]
    except BookDamaged as damage:
        return [_finding("audit", str(damage), risk=True)]


async def _signing(room: Newsroom) -> list[dict[str, Any]]:
    """Say what is wrong with the key that signs checkpoints, and who claimed to change it."""
    try:
        room.auditor.keyring.check()
        strange = await room.auditor.strange_rotations()
    except DatelineError as error:
        return [_finding("signing key", str(error), risk=True)]
    if not strange:
        return []
    words = f"positions {', '.join(map(str, strange))}: changes of it that do not lead to ours"
    return [_finding("signing key", words)]


def _audit(room: Newsroom, size: int) -> dict[str, Any]:
    """Say when the whole log was last proved; damage that was found is a risk till it is mended."""
    book = room.auditor.book
    failed, proved = book.failed(), book.proved()
    if failed is not None:
        return _finding("audit", f"{instant(failed.found_ms)}: {failed.words}", risk=True)
    if proved is None:
        return _finding("audit", "never proved; `dateline audit verify` does, and so does a server")
    words = f"{proved.size} of {counted(size, 'event')} proved at {instant(proved.proved_ms)}"
    return _finding("audit", words)


def _erasures(room: Newsroom) -> dict[str, Any]:
    """Say whether files are still to be cleaned of what was redacted."""
    if not room.auditor.tiles.size:
        words = "not looked for yet; `dateline audit retention` does, and so does a server"
        return _finding("redactions", words)
    left = len(room.auditor.book.redactions(open_only=True))
    words = (
        f"{counted(left, 'redaction')} to be cleaned up after"
        if left
        else "every file is clean of them"
    )
    return _finding("redactions", words, risk=left > 0)


def _alerts(room: Newsroom) -> dict[str, Any]:
    """Say whom alerts do not reach; a target that is disabled is a risk till somebody looks."""
    found = room.reach.trouble() if room.reach is not None else None
    if found is None or not found.targets:
        return _finding("alerts", "no targets; `dateline webhooks add` takes one in")
    words = (
        f"{counted(found.targets, 'target')}, {found.failing} failing, {found.disabled} disabled; "
        f"deliveries: {found.waiting} waiting, {found.failed} failed"
    )
    return _finding("alerts", words, risk=found.disabled > 0)


async def _verified(file: str) -> Verified:
    log = open_log(f"sqlite:///{file}")
    try:
        with printing.progress("verify") as told:
            return await verify(log, told)
    finally:
        await log.close()


async def _source(url: str) -> str:
    """Give the file to copy: of a Kafka log its mirror, once it has caught up."""
    address = kafka_address(url)
    if address is None:
        return _file(url)
    await expect_there(url)
    log = open_log(url)
    try:
        await log.head()
    finally:
        await log.close()
    return address.mirror


def _file(url: str) -> str:
    path = sqlite_path(url)
    if path is None:
        why = "expected a log in a file, sqlite:///FILE; `dateline relay` copies one to Kafka"
        raise BadUrl(url, why)
    return path


def _say(what: str, file: str, proved: Verified, *, json: bool) -> int:
    if json:
        printing.show_json({"file": file, **proved._asdict()})
    else:
        printing.line(
            f"{what} {file}: {counted(proved.events, 'event')}, verified, root {proved.root}"
        )
    return DONE
