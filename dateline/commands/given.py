"""What a command is given: words, a file, or what comes from standard input."""

import codecs
import contextlib
import gzip
import io
import signal
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from events.errors import Refused
from producers.intake import FILING_BYTES, parse

__all__ = ["content", "lines_of"]

# Bytes of a line that are read: a filing at its longest with the mark that some editors put before
# it and the line's end, and one byte more, by which a longer one is known.
LINE_BYTES = len(codecs.BOM_UTF8) + FILING_BYTES + len(b"\r\n") + 1


def content(story: str, kind: str, headline: str | None, data: str | None) -> dict[str, Any]:
    """Put a filing together from what was typed.

    Args:
        story: the story's slug.
        kind: what happens.
        headline: in words, where it was typed by itself.
        data: all other fields as JSON, `@` and the name of a file of it, or `-` for standard input.

    Raises:
        Refused: the data is no JSON object, or contradicts the command line.
    """
    filing: Any = {}
    if data is not None:
        filing = parse(_read(data))
    if not isinstance(filing, dict):
        raise Refused("shape", "data", "a JSON object", type(filing).__name__)
    typed = {"story": story, "kind": kind}
    if headline is not None:
        typed["headline"] = headline
    for field, value in typed.items():
        if filing.get(field, value) != value:
            raise Refused("shape", field, f"{value!r}, as typed", repr(filing[field])[:80])
    return {**filing, **typed}


def _read(data: str) -> bytes:
    """Give what was typed, or the file or standard input that it names; no more than is taken."""
    if data == "-":
        return sys.stdin.buffer.read(FILING_BYTES + 1)
    if data.startswith("@"):
        with Path(data[1:]).open("rb") as file:
            return file.read(FILING_BYTES + 1)
    return data.encode("utf-8", "surrogateescape")


def lines_of(file: str) -> Iterator[bytes]:
    """Read lines of bytes without their ends, unpacking gzip where the first bytes say so.

    Args:
        file: its name, or `-` for standard input. A line is read as far as shows it to be too long.

    Raises:
        OSError: it cannot be read.
        Refused: it is a gzip file that is cut short or damaged.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_ended_by_ctrl_c())  # a file may be a pipe, which keeps us waiting too
        opened = sys.stdin.buffer if file == "-" else stack.enter_context(Path(file).open("rb"))
        raw = cast("io.BufferedReader", opened)
        packed = raw.peek(2)[:2] == b"\x1f\x8b"
        lines: BinaryIO = stack.enter_context(gzip.open(raw)) if packed else raw  # type: ignore[assignment]  # - it reads like one
        try:
            while line := lines.readline(LINE_BYTES):
                yield line.rstrip(b"\r\n")
                while len(line) == LINE_BYTES and not line.endswith(b"\n"):
                    line = lines.readline(LINE_BYTES)  # the rest of what is too long
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise Refused("gzip", "file", "a whole gzip file", str(error)) from error


@contextlib.contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C end a read at once: asyncio's own way would wait for whoever writes."""
    ours = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    if not ours or before is signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
