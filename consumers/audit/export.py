"""An export: a log or a story in one file that anybody can verify without us.

The format is written down in docs/export-format.md; `consumers.audit.stand_alone` reads it.
"""

import asyncio
import base64
import os
import struct
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_args

import orjson

from consumers.audit import stand_alone
from consumers.audit.auditor import Auditor
from consumers.audit.book import Signed
from consumers.audit.signing import Rotation
from events.checkpoint import VerifierKey
from events.codec import canonical
from events.envelope import Sealed
from events.errors import LogUnavailable, NotFound, Overtaken, Refused
from events.log import ERASES, Log
from events.tree import leaf_hash

__all__ = [
    "PARTS",
    "VERIFIER",
    "Export",
    "Parts",
    "Written",
    "behind",
    "lines",
    "packed",
    "verifier",
    "write",
]

LEVEL = 6  # of gzip: half the size of level 1 for twice its time, which is that of reading
PAGE = 500  # events that are looked up together, and held against later redactions
TOGETHER = 256  # lines that are packed in one go: some 300 KB
# No name, no time, no system: RFC 1952, section 2.3.
_GZIP: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
VERIFIER: Final = "verify_export.py"
"""The name that the verifier is shipped under."""

Parts = Literal["public", "internal", "private"]
PARTS: Final[tuple[Parts, ...]] = get_args(Parts)
Progress = Callable[[int, int], None]


class Export(NamedTuple):
    """What is exported.

    `signed` is the checkpoint that it goes up to; `story` is one story, or None for the log;
    `parts` is what is shown of events: what readers may see, all but what is private, everything;
    `hidden` are the positions that are bare leaves; `key` signed the checkpoint, and `rotations`
    are the changes that lead to it.
    """

    signed: Signed
    key: VerifierKey
    story: str | None
    parts: Parts
    hidden: Callable[[int], bool]
    rotations: Sequence[Rotation] = ()


class Written(NamedTuple):
    """What was written: how many events, and the verifier's file."""

    events: int
    verifier: str


async def lines(auditor: Auditor, export: Export) -> AsyncIterator[bytes]:
    """Give the lines of an export, each with its newline.

    Raises:
        NotFound: there is no such story.
        Overtaken: contents were erased past the checkpoint, and are missing without a reason.
    """
    size, story = export.signed.size, export.story
    ids = [] if story is None else await _ids(auditor, story, size)
    redactions = _Redactions(auditor.log, size)
    keys = [str(change.old) for change in export.rotations] + [str(export.key)]
    header = {
        "format": stand_alone.FORMAT,
        "checkpoint": export.signed.note,
        "events": size if story is None else len(ids),
        "keys": keys,
        "parts": export.parts,
        "rotations": [_change(change) for change in export.rotations],
        "story": story,
    }
    yield canonical(header) + b"\n"
    pages = _pages(auditor.log, size) if story is None else _found(auditor.log, ids)
    async for page in pages:
        await redactions.expect_none()
        for event in page:
            proof = None
            if story is not None:
                proof = (await auditor.included(event.position, export.signed)).proof
            yield _line(event, export, proof)


async def _pages(log: Log, size: int) -> AsyncIterator[list[Sealed]]:
    page: list[Sealed] = []
    async for event in log.read_sealed(upto=size):
        page.append(event)
        if len(page) == PAGE:
            yield page
            page = []
    yield page


async def _found(log: Log, ids: Sequence[str]) -> AsyncIterator[list[Sealed]]:
    for start in range(0, len(ids), PAGE):
        page = ids[start : start + PAGE]
        found = await log.find(page)
        yield [found[each] for each in page]


class _Redactions:
    """Looks out for redactions past an export's checkpoint, which take from what is in it."""

    def __init__(self, log: Log, size: int) -> None:
        self._log = log
        self._seen = size

    async def expect_none(self) -> None:
        """Refuse to go on where one was recorded by now; what was read before may lack words.

        Raises:
            Overtaken: there is one.
        """
        size = (await self._log.head()).size
        async for page in self._log.read_leaves(self._seen, size):
            for leaf in page:
                if leaf.kind == ERASES:
                    raise Overtaken(self._log.url, leaf.position)
        self._seen = size


async def _ids(auditor: Auditor, story: str, size: int) -> list[str]:
    found = [
        str(event.provenance["id"])
        async for event in auditor.log.read_versions(story)
        if event.position <= size
    ]
    if not found:
        raise NotFound("story", story)
    return found


def _change(change: Rotation) -> dict[str, Any]:
    signatures = [base64.b64encode(each).decode() for each in change.signatures]
    return {"old": str(change.old), "new": str(change.new), "signatures": signatures}


def _line(event: Sealed, export: Export, proof: Sequence[bytes] | None = None) -> bytes:
    line: dict[str, Any] = {"position": event.position, "leaf": leaf_hash(event.envelope).hex()}
    if proof is not None:
        line["proof"] = [each.hex() for each in proof]
    # What says that a body was erased may be hidden itself, so the rest of it is then as well.
    if export.hidden(event.position) or (export.parts == "public" and event.body is None):
        return canonical(line) + b"\n"
    line["envelope"] = event.envelope.decode()
    if event.body is not None and event.body_nonce is not None:
        line |= {"body": event.body.decode(), "body_nonce": event.body_nonce.hex()}
    if export.parts == "private" and event.private is not None and event.private_nonce is not None:
        line |= {"private": event.private.decode(), "private_nonce": event.private_nonce.hex()}
    return canonical(line) + b"\n"


async def expect_new(file: str) -> None:
    """Refuse to write an export where something is.

    Raises:
        Refused: the file is there already.
    """
    if await asyncio.to_thread(os.path.lexists, file):
        raise _not_new(file)


def _not_new(file: str) -> Refused:
    return Refused("export-new", "file", "a file that does not exist yet", file)


async def write(auditor: Auditor, export: Export, file: str, progress: Progress) -> Written:
    """Write an export to a new file, whole or not at all, and the verifier beside it.

    Raises:
        NotFound: there is no such folder.
        Refused: the file is there already.
        LogUnavailable: it cannot be written.
        Overtaken: something was redacted meanwhile.
    """
    part = f"{file}.part"
    await expect_new(file)
    try:
        events = await _write(auditor, export, part, progress)
        return Written(events, await asyncio.to_thread(_put, part, file))
    except FileNotFoundError:
        raise NotFound("folder", str(Path(file).parent)) from None
    except FileExistsError:
        raise _not_new(file) from None
    except OSError as error:
        raise LogUnavailable(file, error.strerror or "cannot be written", reading=True) from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(part)  # noqa: PTH108 - nothing waits for it


def _put(part: str, file: str) -> str:
    """Give an export its name, and put the verifier beside it."""
    os.link(part, file)  # which fails where the file is there
    beside = Path(file).parent / VERIFIER
    beside.write_bytes(verifier())
    return str(beside)


async def _write(auditor: Auditor, export: Export, part: str, progress: Progress) -> int:
    """Write an export and say how many events are in it."""
    events = 0

    def told(done: int, total: int) -> None:
        nonlocal events
        events = done
        progress(done, total)

    with open(part, "wb") as file:  # noqa: ASYNC230, PTH123 - opening waits for nothing
        if export.parts != "public":  # as the log itself, whose words it has
            os.fchmod(file.fileno(), 0o600)
        async for piece in packed(auditor, export, told):
            await asyncio.to_thread(file.write, piece)
    return events


async def packed(
    auditor: Auditor, export: Export, progress: Progress = lambda _done, _total: None
) -> AsyncIterator[bytes]:
    """Give an export piece by piece as one gzip member, the same bytes for the same export."""
    # A raw stream with a header of its own: the library's names the time and the file.
    squeeze = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    checksum, length, done = 0, 0, -1  # the header is no event
    source = lines(auditor, export)
    waiting = [await anext(source)]  # what can be refused is refused before anything is given
    total = orjson.loads(waiting[0])["events"]
    yield _GZIP
    async for line in source:
        waiting.append(line)
        if len(waiting) == TOGETHER:
            whole = b"".join(waiting)
            checksum, length = zlib.crc32(whole, checksum), length + len(whole)
            done += len(waiting)
            waiting = []
            yield await asyncio.to_thread(squeeze.compress, whole)
            progress(done, total)
    whole = b"".join(waiting)
    checksum, length = zlib.crc32(whole, checksum), length + len(whole)
    progress(done + len(waiting), total)
    ending = struct.pack("<LL", checksum, length & 0xFFFFFFFF)
    yield squeeze.compress(whole) + squeeze.flush() + ending


async def behind(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Give pieces of which the first was taken already."""
    yield first
    async for piece in rest:
        yield piece


def verifier() -> bytes:
    """Give the stand-alone verifier, as it is shipped."""
    return Path(stand_alone.__file__).read_bytes()
