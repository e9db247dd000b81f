"""The database of views: what consumers made of the log, each with the checkpoint it is good for.

A view and its checkpoint are written in one transaction, so that every event shows in a view
exactly once. The file may be deleted at any time; the next reader makes it anew.
"""

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from events.envelope import Recorded
from events.log import Clock

__all__ = ["ParkedEvent", "Position", "Views"]

BUSY_SECONDS = 30.0  # how long to wait for another process's transaction on the views
MAPPED = 1 << 30  # bytes read straight from the page cache; a long story has many pages
FORMAT = 2  # `PRAGMA user_version`; views of another format are made anew

_TABLES: Final = (Path(__file__).parent / "sql" / "views.sql").read_text()


class Position(NamedTuple):
    """How far a consumer is: `generation` of its view, `checkpoint`, and its batch in hand."""

    generation: int = 1
    checkpoint: int = 0
    recorded_ms: int = 0
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
    """

    def __init__(self, path: str, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self.lock = threading.RLock()
        self.connection = apsw.Connection(path)
        self.connection.set_busy_handler(_patience)
        if path != ":memory:":
            _into_wal(self.connection)
        self.connection.pragma("mmap_size", MAPPED)
        # Views can be made again, so they need no fsync; WAL keeps them whole all the same.
        self.connection.pragma("synchronous", "NORMAL")
        with self.transaction():
            self._make()

    def _make(self) -> None:
        found = self.connection.pragma("user_version")
        if found not in (0, FORMAT):
            names = [
                row[0]
                for row in self.connection.execute(
                    "SELECT name FROM sqlite_schema "
                    "WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
                )
            ]
            for name in names:
                self.connection.execute(f'DROP TABLE "{name}"')
        self.connection.execute(_TABLES)
        self.connection.pragma("user_version", FORMAT)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """Everything within is written together or not at all; other writers wait."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def position(self, consumer: str) -> Position:
        """Give how far a consumer is; a new one is at the start."""
        row = self.connection.execute(
            "SELECT generation, checkpoint, recorded_ms, in_hand, heartbeat_ms "
            "FROM subscriptions WHERE consumer = ?",
            (consumer,),
        ).get
        return Position(*row) if row is not None else Position()

    def move(self, consumer: str, position: Position) -> None:
        """Write how far a consumer is, within the transaction of its view."""
        self.connection.execute(
            "INSERT OR REPLACE INTO subscriptions VALUES (?, ?, ?, ?, ?, ?)",
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

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()


def _into_wal(connection: apsw.Connection) -> None:
    deadline = time.monotonic() + BUSY_SECONDS
    while connection.pragma("journal_mode") != "wal":
        try:
            connection.pragma("journal_mode", "wal")
        except apsw.BusyError:  # SQLite does not call the busy handler for this change
            if time.monotonic() > deadline:
                raise
            _patience(0)


def _patience(times: int) -> bool:
    time.sleep(random.uniform(0.000_2, 0.002))  # noqa: S311 - spreads retries, hides nothing
    return times < BUSY_SECONDS * 1000
