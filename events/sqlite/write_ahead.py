"""The write-ahead log of a file, laid out before it is needed.

While a file grows, each sync has to write its new length beside its bytes, and takes about twice as
long. So whoever appends much lays out, once, all that the write-ahead log will need until it is
moved into the database and begun anew. Zeros behind its last frame are its end: a frame carries the
salt of its log and a checksum (SQLite's file format, sections 4.1 and 4.3).
"""

import contextlib
import os

import apsw

from events.sqlite.file import identity, writing

__all__ = ["lay_out"]

_HEADER, _FRAME_HEADER = 32, 24  # bytes, before all frames and before each page
_PIECE = bytes(1024 * 1024)  # written at a time
ROOM = 8  # times as much as is laid out must be free on the disk


def lay_out(connection: apsw.Connection, pages: int, log: tuple[int, int] | None) -> None:
    """Lengthen a connection's write-ahead log by zeros, to room for that many pages.

    Where the disk has little room or errs, it stays as long as it was: appends then lengthen it.

    Args:
        connection: one that writes, in no transaction.
        pages: of the database.
        log: the identity of the database file when it was opened; in a log which was put in its
            place, nothing is laid out.

    Raises:
        apsw.Error: it cannot be kept from others.
    """
    length = _HEADER + pages * (_FRAME_HEADER + connection.pragma("page_size"))
    # Within a transaction nobody else writes frames where the zeros go.
    with writing(connection), contextlib.suppress(OSError):
        file = os.open(connection.filename_wal, os.O_WRONLY)
        try:
            # Asked for after it was opened: that of another log can only be there once the log is.
            if identity(connection.filename) == log:
                _lengthen(file, length)
        finally:
            os.close(file)


def _lengthen(file: int, length: int) -> None:
    end = os.fstat(file).st_size
    disk = os.fstatvfs(file)
    if end >= length or disk.f_bavail * disk.f_frsize < ROOM * length:
        return
    try:
        for at in range(end, length, len(_PIECE)):
            os.pwrite(file, _PIECE[: length - at], at)
        os.fsync(file)
    except OSError:
        os.ftruncate(file, end)
        raise
