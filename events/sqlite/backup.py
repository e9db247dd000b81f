"""Copies of a SQLite log: taken while it is in use, and put back only where nothing is lost."""

import os
from collections.abc import Callable
from pathlib import Path

import apsw

from events.errors import LogUnavailable, NotFound, Refused
from events.sqlite.file import begin_private, connect, explain

__all__ = ["Progress", "checkpoint_of", "copy_log", "files_of", "put_checkpoint", "restore_log"]

PAGES = 2_000  # pages of 4 KiB copied between two words of progress

Progress = Callable[[int, int], None]
"""Called with the pages copied and the pages there are."""


def copy_log(source: str, target: str, progress: Progress) -> None:
    """Copy a log to a new file, whole or not at all, while others go on appending.

    Args:
        source: the log's file.
        target: the file to make.
        progress: told how far it is.

    Raises:
        NotFound: there is no log to copy.
        Refused: the target exists.
        LogUnavailable: reading or writing failed; the target is not there.
    """
    if not Path(source).is_file():
        raise NotFound("log", source)
    for file in files_of(target):
        raise Refused("backup-new", "file", "no file of a log of this name", file)
    part = f"{target}.part"
    try:
        Path(part).unlink(missing_ok=True)
        _copy(source, part, progress)
        _sync(part)
        os.link(part, target)  # which fails where somebody else made the file meanwhile
        _sync(str(Path(target).parent))
    except apsw.Error as error:
        raise explain(f"sqlite:///{source}", error, reading=True) from error
    except FileExistsError:
        raise Refused("backup-new", "file", "a file that does not exist yet", target) from None
    except OSError as error:
        raise LogUnavailable(target, error.strerror or "cannot be written") from error
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(part + suffix).unlink(missing_ok=True)


def restore_log(copy: str, target: str, progress: Progress) -> None:
    """Put a copy where a log is to be; a log that is there already is never overwritten.

    Raises:
        NotFound: there is no copy.
        Refused: the target exists.
        LogUnavailable: reading or writing failed.
    """
    for file in files_of(target):
        raise Refused(
            "restore-new", "log", "no file of a log yet (move the old one away, whole)", file
        )
    copy_log(copy, target, progress)


def files_of(target: str) -> list[str]:
    """Give the files of a log that are there; what is left of one would become part of another."""
    beside = (f"{target}-wal", f"{target}-shm", f"{target}-journal")
    return [file for file in (target, *beside) if Path(file).exists()]


def _copy(source: str, target: str, progress: Progress) -> None:
    origin = connect(source)
    try:
        begin_private(target)
        made = apsw.Connection(target)
        try:
            with made.backup("main", origin, "main") as backup:
                while not backup.done:
                    backup.step(PAGES)
                    progress(backup.page_count - backup.remaining, backup.page_count)
            # One file is a backup; a write-ahead log beside it could be left behind.
            made.pragma("journal_mode", "delete")
        finally:
            made.close()
    finally:
        origin.close()


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_checkpoint(copy: str, note: str) -> None:
    """Put the signed checkpoint of a copy into it, in place of one that was there."""
    made = apsw.Connection(copy)
    try:
        with made:
            made.execute("CREATE TABLE IF NOT EXISTS signed_checkpoint (note TEXT NOT NULL) STRICT")
            made.execute("DELETE FROM signed_checkpoint")
            made.execute("INSERT INTO signed_checkpoint VALUES (?)", (note,))
        made.pragma("journal_mode", "delete")
    finally:
        made.close()
    _sync(copy)


def checkpoint_of(copy: str) -> str | None:
    """Give the signed checkpoint that a copy carries, None where it has none."""
    made = apsw.Connection(copy, flags=apsw.SQLITE_OPEN_READONLY)
    try:
        found = made.execute(
            "SELECT count(*) FROM sqlite_schema WHERE name = 'signed_checkpoint'"
        ).get
        return str(made.execute("SELECT note FROM signed_checkpoint").get) if found else None
    finally:
        made.close()
