"""The database of views: what consumers made of the log, each with the checkpoint it is good for.

A view and its checkpoint are written in one transaction, so that every event shows in a view
exactly once. The file may be deleted at any time; the next reader makes it anew.
"""

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import apsw
import structlog

from consumers.turns import BUSY_SECONDS, in_turn, only_one, patience
from events.envelope import Recorded
from events.errors import RebuildUnderWay, ViewsUnavailable
from events.log import Clock
from events.sqlite.file import begin_private, writing

__all__ = ["DAMAGE", "STORAGE", "ParkedEvent", "Position", "Views", "set_aside"]

log = structlog.get_logger()

APPLICATION_ID = 0x44_4C_56_57  # "DLVW", marks the file as views of Dateline
FORMAT = 19  # `PRAGMA user_version`; views of another format are made anew

_TABLES: Final = (Path(__file__).parent / "sql" / "views.sql").read_text()


STORAGE: Final = (
    apsw.FullError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.IOError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.NoMemError,
    apsw.CorruptError,
    apsw.NotADBError,
)
"""What the disk or another process is to blame for, and no event."""

DAMAGE: Final = (apsw.CorruptError, apsw.NotADBError)


class Position(NamedTuple):
    """How far a consumer is: `generation` of its view, `checkpoint`, and its batch in hand.

    `event` is the leaf hash of the event at the checkpoint; it says of which history this is true.
    """

    generation: int = 1
    checkpoint: int = 0
    recorded_ms: int = 0
    event: bytes = b""
    in_hand: int = 0
    heartbeat_ms: int = 0


class ParkedEvent(NamedTuple):
    """An event that a consumer could not handle."""

    consumer: str
    position: int
    story: str
    version: int
    kind: str
    reason: str
    parked_ms: int


class Views:
    """One connection to the views; whoever works with it in a thread holds `lock`.

    Args:
        path: the database file, or `:memory:`.
        clock: time for heartbeats, milliseconds since 1970 UTC.

    A file that is damaged is set aside and views are begun anew, for they can be made again.

    Raises:
        ViewsUnavailable: the file is another program's.
    """

    def __init__(self, path: str, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self.lock = threading.RLock()
        self._public: apsw.Connection | None = None
        try:
            self._open()
        except DAMAGE as error:
            set_aside(path, error)
            self._open()

    def _open(self) -> None:
        if self.path != ":memory:":
            begin_private(self.path)  # it holds what is not released
        self.connection = apsw.Connection(self.path)
        try:
            self.connection.set_busy_handler(patience)
            self._check_own()
            if self.path != ":memory:":
                _into_wal(self.connection)
            # Views can be made again, so they need no fsync; WAL keeps them whole all the same.
            self.connection.pragma("synchronous", "NORMAL")
            if (
                self.connection.pragma("application_id") != APPLICATION_ID
                or self.connection.pragma("user_version") != FORMAT
            ):
                with self.transaction():
                    self._make()
        except BaseException:
            self.connection.close()
            raise

    def _check_own(self) -> None:
        tables = self.connection.execute("SELECT count(*) FROM sqlite_schema").get
        if tables and self.connection.pragma("application_id") != APPLICATION_ID:
            raise ViewsUnavailable(
                self.path, "expected views or no file; found another program's database"
            )

    def _make(self) -> None:
        if self.connection.pragma("user_version") not in (0, FORMAT):
            tables = self.connection.execute(
                "SELECT type, name FROM sqlite_schema "
                "WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite%' ORDER BY type DESC"
            ).fetchall()
            for kind, name in tables:
                self.connection.execute(f'DROP {kind} "{name}"')
        self.connection.execute(_TABLES)
        self.connection.pragma("application_id", APPLICATION_ID)
        self.connection.pragma("user_version", FORMAT)

    @property
    def public(self) -> apsw.Connection:
        """A connection that can reach only what readers may see, whatever it is asked.

        It reads, and of the stories' tables it reads what the `public_` views give: SQLite itself
        refuses everything else. Views in memory have one connection, which is not so guarded.
        """
        if self.path == ":memory:":
            return self.connection
        if self._public is None:
            self._public = apsw.Connection(self.path, flags=apsw.SQLITE_OPEN_READONLY)
            self._public.set_busy_handler(patience)
            self._public.authorizer = _for_readers
        return self._public

    @contextlib.contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """Everything within is written together or not at all; other writers wait."""
        with self.lock, writing(self.connection):
            yield self.connection

    def position(self, consumer: str) -> Position:
        """Give how far a consumer is; a new one is at the start."""
        with self.lock:
            row = self.connection.execute(
                "SELECT generation, checkpoint, recorded_ms, event, in_hand, heartbeat_ms "
                "FROM subscriptions WHERE consumer = ?",
                (consumer,),
            ).get
            return Position(*row) if row is not None else Position()

    def move(self, consumer: str, position: Position) -> None:
        """Write how far a consumer is, within the transaction of its view."""
        self.connection.execute(
            "INSERT OR REPLACE INTO subscriptions VALUES (?, ?, ?, ?, ?, ?, ?)",
            (consumer, *position._replace(heartbeat_ms=self._clock())),
        )

    def forget(self, consumer: str) -> None:
        """Take a consumer off the list, with its attempts and parked events."""
        for table in ("subscriptions", "attempts", "parked"):
            self.connection.execute(f"DELETE FROM {table} WHERE consumer = ?", (consumer,))

    def count_attempt(self, consumer: str, position: int) -> int:
        """Count one more try of an event, for good, before it is made; returns how many it is."""
        with self.transaction() as connection:
            times: int = connection.execute(
                "INSERT INTO attempts VALUES (?, ?, 1, NULL) "
                "ON CONFLICT DO UPDATE SET times = times + 1 RETURNING times",
                (consumer, position),
            ).get
        return times

    def discount_attempt(self, consumer: str, position: int) -> None:
        """Take back a try that failed for no fault of the event."""
        self.connection.execute(
            "UPDATE attempts SET times = times - 1 WHERE consumer = ? AND position = ?",
            (consumer, position),
        )

    def note_failure(self, consumer: str, position: int, reason: str) -> None:
        """Keep why a try failed, for the day that the event is parked."""
        self.connection.execute(
            "UPDATE attempts SET reason = ? WHERE consumer = ? AND position = ?",
            (reason, consumer, position),
        )

    def failure(self, consumer: str, position: int) -> str:
        """Give why an event failed last, or that the consumer did not live to say so."""
        found = self.connection.execute(
            "SELECT reason FROM attempts WHERE consumer = ? AND position = ?", (consumer, position)
        ).get
        return found or "the consumer ended while it handled the event"

    def clear_attempts(self, consumer: str, upto: int) -> None:
        """Forget the tries of what is done with."""
        self.connection.execute(
            "DELETE FROM attempts WHERE consumer = ? AND position <= ?", (consumer, upto)
        )

    def park(self, consumer: str, event: Recorded, reason: str) -> None:
        """Put an event aside with the reason, within the transaction that passes it by."""
        self.connection.execute(
            "INSERT OR REPLACE INTO parked VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                consumer,
                event.position,
                event.story,
                event.version,
                event.development.kind,
                reason,
                self._clock(),
            ),
        )

    def unpark(self, consumer: str, position: int) -> None:
        """Take an event off the list of parked ones."""
        self.connection.execute(
            "DELETE FROM parked WHERE consumer = ? AND position = ?", (consumer, position)
        )

    def parked(self, consumer: str | None = None) -> list[ParkedEvent]:
        """Give the parked events in order, of one consumer or of all."""
        with self.lock:
            rows = self.connection.execute(
                "SELECT consumer, position, story, version, kind, reason, parked_ms FROM parked "
                "WHERE ?1 IS NULL OR consumer = ?1 ORDER BY position, consumer",
                (consumer,),
            )
            return [ParkedEvent._make(row) for row in rows]

    def is_parked(self, consumer: str, story: str) -> bool:
        """Whether an earlier event of a story is parked."""
        found = self.connection.execute(
            "SELECT count(*) FROM parked WHERE consumer = ? AND story = ?", (consumer, story)
        ).get
        return bool(found)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Work on events while no other process does; whoever dies in its turn gives it up.

        So a batch that was left in hand is never one that somebody is still at.

        Raises:
            apsw.BusyError, apsw.CantOpenError: see `consumers.turns.in_turn`.
        """
        with self.lock:
            if self.path == ":memory:":
                yield
                return
            with in_turn(f"{self.path}.turn"):
                yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the right to rebuild, which nobody else has meanwhile and which dies with us.

        Raises:
            RebuildUnderWay: another process has it.
        """
        if self.path == ":memory:":
            yield
            return
        with only_one(f"{self.path}.rebuilding") as mine:
            if not mine:
                raise RebuildUnderWay(self.path)
            yield

    def shred(self) -> None:
        """Write the file anew, so that nothing of what was taken out of it is left in its pages.

        Raises:
            apsw.Error: somebody is at work with it; try again.
        """
        with self.lock:
            self.connection.execute("VACUUM")
            if self.path != ":memory:":
                self.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def close(self) -> None:
        """Let go of the file, once whoever is at work with it in a thread is done."""
        with self.lock:
            if self._public is not None:
                self._public.close()
            self.connection.close()


_PUBLIC: Final = re.compile(r"public_(parts|naming|hidden|updates)_[0-9]+")
_PLACE: Final = ("consumer", "generation", "checkpoint")


def _for_readers(
    operation: int, table: str | None, column: str | None, _file: str | None, within: str | None
) -> int:
    """Say whether a reader's query may do something: SQLite asks for each table and column."""
    if operation in (apsw.SQLITE_SELECT, apsw.SQLITE_FUNCTION, apsw.SQLITE_TRANSACTION):
        return apsw.SQLITE_OK
    if operation != apsw.SQLITE_READ or table is None:
        return apsw.SQLITE_DENY
    # A query could take a view's name for a part of itself. It guards against a query of ours
    # that forgets who asks, not against strangers: no text of theirs is ever part of one.
    if _PUBLIC.fullmatch(within or table) or (table == "subscriptions" and column in _PLACE):
        return apsw.SQLITE_OK
    return apsw.SQLITE_DENY


def set_aside(path: str, error: apsw.Error) -> None:
    """Move a damaged file out of the way, where somebody may still look at it."""
    log.warning("damaged views set aside", path=path, error=str(error))
    for suffix in ("-wal", "-shm"):
        Path(path + suffix).unlink(missing_ok=True)
    Path(path).replace(f"{path}.damaged")


def _into_wal(connection: apsw.Connection) -> None:
    deadline = time.monotonic() + BUSY_SECONDS
    while connection.pragma("journal_mode") != "wal":
        try:
            connection.pragma("journal_mode", "wal")
        except apsw.BusyError:  # SQLite does not call the busy handler for this change
            if time.monotonic() > deadline:
                raise
            patience(0)
