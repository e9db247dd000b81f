"""The auditor's book: what an auditor remembers of a log, in a file of its own beside it.

It holds the hashes that proofs are made of, the checkpoints that were signed, how far the log was
last proved, and where copies of it are. What can be computed can be made again; what was seen
cannot, which is why the book is not the log's: who rewrites the one has still to rewrite the other.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from events.errors import BookDamaged
from events.sqlite.file import patience, patiently, writing

__all__ = ["Backup", "Book", "Exported", "Failed", "Proved", "Redaction", "Signed"]

_DAMAGE: Final = (apsw.CorruptError, apsw.NotADBError)
_TABLES: Final = (Path(__file__).parents[1] / "sql" / "audit.sql").read_text()


class Signed(NamedTuple):
    """A checkpoint as it was signed: the size, the root, the signed note and when."""

    size: int
    root: bytes
    note: str
    signed_ms: int


class Proved(NamedTuple):
    """How far the log was proved, with what root, and when; milliseconds since 1970 UTC."""

    size: int
    root: bytes
    proved_ms: int


class Failed(NamedTuple):
    """A proof that failed: the first position at fault, in words, and when."""

    position: int
    words: str
    found_ms: int


class Backup(NamedTuple):
    """A copy of the log: its file, how many events it holds, and when it was made."""

    file: str
    size: int
    made_ms: int


class Exported(NamedTuple):
    """An export: where it went, of which story or None, with what parts, up to what size, when."""

    place: str
    story: str | None
    parts: str
    size: int
    made_ms: int


class Redaction(NamedTuple):
    """An erasure: the event that says so, its story, and whether every file was cleaned of it."""

    position: int
    story: str
    cleaned_ms: int | None


class Book:
    """One connection to the book; safe to use from threads, one at a time.

    Args:
        path: its file, readable by its owner alone; or `:memory:`.

    Whatever is done with it raises BookDamaged where the file is no sound book.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.lock = threading.RLock()
        if path != ":memory:":
            Path(path).touch(mode=0o600, exist_ok=True)
        self.connection = apsw.Connection(path)
        self.connection.set_busy_handler(patience)
        with self.at_hand() as connection:
            if path != ":memory:":
                patiently(lambda: connection.pragma("journal_mode", "wal"))
            connection.execute(_TABLES)

    @contextmanager
    def at_hand(self) -> Iterator[apsw.Connection]:
        """Give the connection to one thread alone.

        Raises:
            BookDamaged: the file is no sound database.
        """
        with self.lock:
            try:
                yield self.connection
            except _DAMAGE as error:
                why = f"expected a sound database; found: {error}"
                raise BookDamaged(self.path, why) from error

    @contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """Everything within is written together or not at all."""
        with self.at_hand() as connection, writing(connection):
            yield connection

    def keep(self, signed: Signed) -> None:
        """Keep a checkpoint that was signed, in place of one of the same size under another key."""
        with self.at_hand() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?)", tuple(signed)
            )

    def signed(self, size: int | None = None) -> Signed | None:
        """Give the checkpoint of a size, or the last one; None where there is none."""
        with self.at_hand() as connection:
            row = connection.execute(
                "SELECT size, root, note, signed_ms FROM checkpoints "
                "WHERE size = coalesce(?, (SELECT max(size) FROM checkpoints))",
                (size,),
            ).get
        return None if row is None else Signed(*row)

    def remember(self, proved: Proved) -> None:
        """Remember how far the log was proved; what failed before is mended."""
        with self.transaction() as connection:
            # One for each size is enough to know; the rest would only grow.
            connection.execute("DELETE FROM proofs WHERE size = ?", (proved.size,))
            connection.execute("INSERT INTO proofs VALUES (?, ?, ?)", tuple(proved))
            connection.execute("DELETE FROM failures")

    def proved(self) -> Proved | None:
        """Give the longest proof, the latest of equals; None where nothing was proved yet."""
        with self.at_hand() as connection:
            row = connection.execute(
                "SELECT size, root, proved_ms FROM proofs ORDER BY size DESC, rowid DESC LIMIT 1"
            ).get
        return None if row is None else Proved(*row)

    def note_failure(self, failed: Failed) -> None:
        """Write down that the log is not what it was."""
        with self.at_hand() as connection:
            connection.execute("INSERT INTO failures VALUES (?, ?, ?)", tuple(failed))

    def failed(self) -> Failed | None:
        """Give the last proof that failed, None where one held since."""
        with self.at_hand() as connection:
            row = connection.execute("SELECT * FROM failures ORDER BY rowid DESC LIMIT 1").get
        return None if row is None else Failed(*row)

    def note_backup(self, backup: Backup) -> None:
        """Write down where a copy of the log is."""
        with self.at_hand() as connection:
            connection.execute("INSERT INTO backups VALUES (?, ?, ?)", tuple(backup))

    def backups(self) -> list[Backup]:
        """Give all copies that were made, oldest first."""
        with self.at_hand() as connection:
            rows = connection.execute("SELECT * FROM backups ORDER BY rowid").fetchall()
        return [Backup._make(row) for row in rows]

    def note_export(self, exported: Exported) -> None:
        """Write down where an export went."""
        with self.lock:
            self.connection.execute("INSERT INTO exports VALUES (?, ?, ?, ?, ?)", tuple(exported))

    def exports(self) -> list[Exported]:
        """Give all exports that were made, oldest first."""
        with self.lock:
            rows = self.connection.execute("SELECT * FROM exports ORDER BY rowid").fetchall()
        return [Exported._make(row) for row in rows]

    def note_redactions(self, found: Sequence[tuple[int, str]]) -> None:
        """Write down erasures (position, story), to be followed up in every file."""
        with self.at_hand() as connection:
            connection.executemany("INSERT OR IGNORE INTO redactions VALUES (?, ?, NULL)", found)

    def redactions(self, *, open_only: bool = False) -> list[Redaction]:
        """Give the erasures in order, or those alone that files were not cleaned of yet."""
        with self.at_hand() as connection:
            rows = connection.execute(
                "SELECT * FROM redactions WHERE cleaned_ms IS NULL OR NOT ? ORDER BY position",
                (open_only,),
            ).fetchall()
        return [Redaction._make(row) for row in rows]

    def cleaned(self, position: int, now_ms: int) -> None:
        """Write down that every file was cleaned of an erasure."""
        with self.at_hand() as connection:
            connection.execute(
                "UPDATE redactions SET cleaned_ms = ? WHERE position = ?", (now_ms, position)
            )

    def close(self) -> None:
        """Let go of the file, once whoever is at work with it has finished."""
        with self.lock:
            self.connection.close()
