"""The file of a SQLite log: opened the same way by all who write, read or copy it."""

import contextlib
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import apsw

from events.errors import LogDamaged, LogError, LogFull, LogUnavailable

__all__ = [
    "begin_private",
    "connect",
    "explain",
    "identity",
    "irregularities",
    "patience",
    "patiently",
    "plan_once",
    "writing",
]

BUSY_SECONDS = 30.0  # how long to wait for another process's commit; fsync on a tired disk is slow
APPLICATION_ID = 0x44_4C_4E_45  # "DLNE", marks the file as a Dateline log
FORMAT = 2  # `PRAGMA user_version` of the tables in sql/schema.sql

COPIED: Final = "signed_checkpoint"  # the table that a copy has beside those of the log

SHARED_MEMORY = 32 * 1024  # bytes of the -shm file, without which a log is not even read

_SCHEMA: Final = (Path(__file__).parents[1] / "sql" / "schema.sql").read_text()


def identity(path: str) -> tuple[int, int] | None:
    """Say which file a path leads to at the moment, None where it leads to none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - for every commit; Path takes three times as long
    except OSError:
        return None
    return found.st_dev, found.st_ino


def begin_private(path: str) -> None:
    """Begin a file that nobody else on the machine may read: sources and notes go into it.

    One that is there is left as it is, so that a newsroom may share it as it likes.
    """
    if identity(path) is not None:
        return
    # Exclusively: to close what SQLite has open would take its locks away.
    with contextlib.suppress(OSError):  # SQLite finds what is in the way and says it better
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def connect(path: str, *, make: bool = True) -> apsw.Connection:
    """Open a log's file.

    Args:
        path: the file.
        make: make it and its tables when it is new; a log that is at work makes none of a file
            that was taken away from it.

    Raises:
        apsw.Error: the file cannot be opened; see `explain`.
        LogDamaged: it is something else than a log.
    """
    if make:
        begin_private(path)
    made = apsw.SQLITE_OPEN_CREATE if make else 0
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE | made)
    try:
        connection.set_busy_handler(patience)
        if make and connection.pragma("application_id") != APPLICATION_ID:
            _create(connection, path)
        if make and connection.pragma("user_version") == FORMAT - 1:
            _renew(connection)
        _check_format(connection, path)
        connection.pragma("recursive_triggers", value=True)
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def writing(connection: apsw.Connection) -> Iterator[None]:
    """Write everything within together or not at all, waiting at its beginning for other writers.

    A transaction that began by reading could not wait: what it read would be old by then.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise


def _renew(connection: apsw.Connection) -> None:
    """Bring a log of format 1 up to date: nothing could be erased in it."""
    with writing(connection):
        if connection.pragma("user_version") == FORMAT - 1:
            remains = _SCHEMA[_SCHEMA.index("CREATE TABLE remains") :]
            connection.execute(remains[: remains.index(";")])
            connection.pragma("user_version", FORMAT)


def _check_format(connection: apsw.Connection, path: str) -> None:
    if connection.pragma("application_id") != APPLICATION_ID:
        raise LogDamaged(f"sqlite:///{path}", 0, "a Dateline log", "another file")
    found = connection.pragma("user_version")
    if found != FORMAT:
        raise LogDamaged(f"sqlite:///{path}", 0, f"log format {FORMAT}", f"format {found}")


def _check_empty(connection: apsw.Connection, path: str) -> None:
    if connection.execute("SELECT count(*) FROM sqlite_schema").get:
        raise LogDamaged(f"sqlite:///{path}", 0, "a Dateline log", "another program's database")


def _create(connection: apsw.Connection, path: str) -> None:
    """Make the tables, unless another process was faster."""
    connection.pragma("synchronous", "FULL")
    with writing(connection):
        if connection.pragma("application_id") != APPLICATION_ID:
            _check_empty(connection, path)
            connection.execute(_SCHEMA)
            connection.pragma("user_version", FORMAT)
            connection.pragma("application_id", APPLICATION_ID)


def irregularities(path: str) -> list[str]:
    """Say which of a log's tables and triggers are missing or others, and what is none of its own.

    Raises:
        apsw.Error: the file cannot be read.
    """
    query = "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    with contextlib.closing(apsw.Connection(":memory:")) as made:
        made.execute(_SCHEMA)
        expected = {str(name): sql for name, sql in made.execute(query)}
    with contextlib.closing(apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)) as log:
        log.set_busy_handler(patience)
        found = {str(name): sql for name, sql in log.execute(query)}
    return [
        *(f"{name} is missing" for name in sorted(expected.keys() - found.keys())),
        *(f"{n} is another" for n in sorted(expected) if n in found and found[n] != expected[n]),
        *(f"{name} is none of ours" for name in sorted(found.keys() - expected.keys() - {COPIED})),
    ]


def patiently(work: Callable[[], object]) -> None:
    """Do what SQLite calls no busy handler for, again while another process is at it."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            work()
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            patience(0)
        else:
            return


def plan_once(connection: apsw.Connection) -> None:
    """Have each statement planned once, whatever is bound to it.

    Otherwise SQLite plans anew for each value where a table has an index `WHERE … IS NOT NULL`,
    in case that it is NULL; that takes longer than most of our statements do.
    """
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)


_waiting = threading.local()


def patience(times: int) -> bool:
    """Wait a random moment for another process, up to BUSY_SECONDS in all."""
    if times == 0:
        _waiting.since = time.monotonic()
    time.sleep(random.uniform(0.000_2, 0.002))  # noqa: S311 - spreads retries, hides nothing
    return bool(time.monotonic() - _waiting.since < BUSY_SECONDS)


def explain(url: str, error: apsw.Error, *, reading: bool = False) -> LogError:
    """Say in the log's own words what SQLite reported."""
    if isinstance(error, apsw.FullError) or (isinstance(error, apsw.IOError) and _is_full(url)):
        return LogFull(url, "the disk is full", reading=reading)
    if isinstance(error, apsw.BusyError):
        why = f"another process kept it busy for {BUSY_SECONDS:g} s"
        return LogUnavailable(url, why, reading=reading)
    if isinstance(error, apsw.NotADBError):
        return LogDamaged(url, 0, "a Dateline log", "a file that is no database")
    if isinstance(error, apsw.CorruptError):
        return LogDamaged(url, 0, "a sound database file", str(error))
    if isinstance(error, apsw.SQLError) and "no such" in str(error):
        return LogDamaged(url, 0, "every table of a log", str(error))
    if isinstance(error, apsw.CantOpenError):
        return LogUnavailable(url, f"the file cannot be opened{_closed_by(url)}", reading=reading)
    if isinstance(error, apsw.ReadOnlyError):
        why = f"the file cannot be written to{_closed_by(url) or ': use a copy'}"
        return LogUnavailable(url, why, reading=reading)
    return LogUnavailable(url, str(error), reading=reading)


def _closed_by(url: str) -> str:
    """Say so where it is the folder that keeps a file from being opened."""
    folder = _folder(url)
    if folder.is_dir() and not os.access(folder, os.W_OK):
        return (
            f": nothing can be written to {folder}, where SQLite keeps files beside it; use a copy"
        )
    return ""


def _folder(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///")).absolute().parent


def _is_full(url: str) -> bool:
    """Whether there is no room for the memory that SQLite shares between readers of a file."""
    folder = _folder(url)
    return folder.is_dir() and shutil.disk_usage(folder).free < SHARED_MEMORY
