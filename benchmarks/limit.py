"""The limit: plain SQLite and pydantic with nothing around them.

One connection, write-ahead log, `synchronous=FULL` (every commit is fsynced), one table with the
position, the story, the version, their uniqueness, and the event as the JSON that pydantic makes
of the same model. No ids, no envelope, no tree, no queue, no other process. The bare table has
not even that: ready-made bytes under a number.
"""

from collections.abc import Sequence
from pathlib import Path

import apsw

from benchmarks.sample import Row
from events.developments import StatementIssued

__all__ = ["Bare", "Plain"]


class Plain:
    """A table of events.

    Args:
        path: the database file.
    """

    def __init__(self, path: Path) -> None:
        self._connection = _open(path)
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS events (position INTEGER PRIMARY KEY, story TEXT NOT NULL,"
            " version INTEGER NOT NULL, event BLOB NOT NULL, UNIQUE (story, version))"
        )

    def insert_one(self, row: Row) -> None:
        """Insert and commit one event."""
        story, version, event = row
        self._connection.execute(
            "INSERT INTO events (story, version, event) VALUES (?, ?, ?)",
            (story, version, event.__pydantic_serializer__.to_json(event, exclude_none=True)),
        )

    def insert_many(self, rows: Sequence[Row]) -> None:
        """Insert and commit events together."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(
            "INSERT INTO events (story, version, event) VALUES (?, ?, ?)",
            (
                (story, version, event.__pydantic_serializer__.to_json(event, exclude_none=True))
                for story, version, event in rows
            ),
        )
        self._connection.execute("COMMIT")

    def replay(self) -> int:
        """Read every row and have pydantic validate it by the event's own model; counts them."""
        read = StatementIssued.__pydantic_validator__.validate_json
        count = 0
        for _position, _story, _version, event in self._connection.execute(
            "SELECT position, story, version, event FROM events ORDER BY position"
        ):
            read(event)
            count += 1
        return count

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


class Bare:
    """A table of blobs.

    Args:
        path: the database file.
    """

    def __init__(self, path: Path) -> None:
        self._connection = _open(path)
        self._connection.execute(
            "CREATE TABLE events (position INTEGER PRIMARY KEY, event BLOB NOT NULL)"
        )

    def insert_many(self, blobs: Sequence[bytes]) -> None:
        """Insert and commit blobs together."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(
            "INSERT INTO events (event) VALUES (?)", ((blob,) for blob in blobs)
        )
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def _open(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "FULL")
    return connection
