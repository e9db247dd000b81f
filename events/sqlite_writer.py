"""The one thread of a process that writes a SQLite log: many appends, one commit, one fsync.

Appends that arrive while a commit is on its way to the disk share the next one (group commit).
Whatever an append expects is checked inside the write transaction, so several processes may
write the same file. Nobody is told of success before the bytes are on the disk.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

import apsw

from events.envelope import Prepared, Sealed, seal
from events.errors import LogDamaged, LogError, LogUnavailable
from events.log import Appended, Clock, ExpectedVersion, check_version, repeats
from events.sqlite_file import connect, explain, patiently
from events.tree import Frontier

__all__ = ["COLUMNS", "Pending", "Writer", "read_tree"]

MOST_IN_A_COMMIT = 2_000  # events; bounds how long one commit keeps other processes waiting
WAL_PAGES = 2_000  # pages of 4 KiB before the write-ahead log is moved into the database
WAL_LIMIT = 64 * 1024 * 1024  # bytes the write-ahead log keeps on disk once it has been moved
STORIES_REMEMBERED = 50_000  # versions kept in memory, so that a known story costs no look-up
MOST_ROWS = 128  # rows in one INSERT; twelve values each, below SQLite's bound of 32,766

COLUMNS: Final = ", ".join(Sealed._fields)
_ROW: Final = f"({', '.join('?' * len(Sealed._fields))})"
# Rows go in by powers of two, so that a batch takes few statements and few are kept prepared.
_INSERTS: Final = {
    rows: f"INSERT INTO events ({COLUMNS}) VALUES {', '.join([_ROW] * rows)}"
    for rows in (1 << power for power in range(MOST_ROWS.bit_length()))
}


class Pending(NamedTuple):
    """One append on its way, and the future that learns how it went."""

    story: str
    batch: Sequence[Prepared]
    expected: ExpectedVersion
    future: asyncio.Future[Appended]


class Writer:
    """Owns the writing connection and its thread.

    Args:
        url: the log's URL, for messages.
        path: the database file.
        clock: time of recording.
        committed: called in the thread after each commit with the new size of the log.
    """

    def __init__(self, url: str, path: str, clock: Clock, committed: Callable[[int], None]) -> None:
        self._url = url
        self._path = path
        self._clock = clock
        self._committed = committed
        self._queue: queue.SimpleQueue[list[Pending] | None] = queue.SimpleQueue()
        self._connection: apsw.Connection | None = None
        self._seen = -1
        self._newest = b""
        self._versions: dict[str, int] = {}
        self._wal_pages = 0
        self._connection = self._open()
        self._thread = threading.Thread(target=self._run, name="dateline-writer", daemon=True)
        self._thread.start()

    def submit(self, appends: list[Pending]) -> None:
        """Hand over appends of one event loop; each future is resolved in that loop."""
        self._queue.put(appends)

    def close(self) -> None:
        """Finish what was submitted, then let go of the file."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        group: list[Pending] = []
        closing = False
        while not closing:
            group, closing = self._collect()
            if group:
                _tell(group, self._attempt(group))
                self._tend_wal()
        if self._connection is not None:
            self._connection.close()

    def _collect(self) -> tuple[list[Pending], bool]:
        """Wait for appends, then take all that wait, up to the bound of a commit."""
        group: list[Pending] = []
        appends = self._queue.get()
        events = 0
        while appends is not None:
            group += appends
            events += sum(len(append.batch) for append in appends)
            if events >= MOST_IN_A_COMMIT:
                return group, False
            try:
                appends = self._queue.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _attempt(self, group: list[Pending]) -> list[Appended | LogError]:
        """Commit a group; any failure of the disk is everybody's, and nobody is told of success."""
        try:
            if self._connection is None:
                self._connection = self._open()
            outcomes = self._commit(self._connection, group)
        except apsw.Error as error:
            self._abandon(error)
            return [explain(self._url, error)] * len(group)
        except LogError as error:
            self._abandon(None)
            return [error] * len(group)
        except Exception as error:  # noqa: BLE001 - a clock, say; nobody may be left waiting for ever
            self._abandon(None)
            why = f"{type(error).__name__}: {error}"
            return [LogUnavailable(self._url, why)] * len(group)
        self._committed(self._seen)
        return outcomes

    def _commit(
        self, connection: apsw.Connection, group: list[Pending]
    ) -> list[Appended | LogError]:
        connection.execute("BEGIN IMMEDIATE")
        tree, last_ms = read_tree(self._url, connection)
        size = tree.size
        if size != self._seen:
            self._catch_up(connection, size)
        if len(self._versions) >= STORIES_REMEMBERED:  # only here: a group's own are not stored yet
            self._versions.clear()
        now = max(self._clock(), last_ms)
        rows: list[Sealed] = []
        outcomes = [self._place(connection, append, rows, size, now) for append in group]
        if rows:
            _insert(connection, rows)
            tree.extend(row.envelope for row in rows)
            connection.execute(
                "UPDATE tree SET size = ?, hashes = ?, recorded_ms = ?",
                (tree.size, tree.hashes, now),
            )
        connection.execute("COMMIT")
        self._seen = size + len(rows)
        return outcomes

    def _place(
        self,
        connection: apsw.Connection,
        append: Pending,
        rows: list[Sealed],
        size: int,
        now: int,
    ) -> Appended | LogError:
        """Give an append its places behind `rows`, or say why it gets none."""
        story, batch = append.story, append.batch
        try:
            again = repeats(story, batch, self._known(connection, batch, rows))
            if again is not None:
                return again
            version = self._version(connection, story)
            check_version(story, append.expected, version)
        except LogError as error:
            return error
        position = size + len(rows)
        rows += [
            Sealed(
                position + n,
                story,
                version + n,
                event.id,
                event.kind,
                event.schema,
                now,
                seal(event, position + n, version + n, now),
                event.body,
                event.body_nonce,
                event.private,
                event.private_nonce,
            )
            for n, event in enumerate(batch, 1)
        ]
        count = len(batch)
        self._versions[story] = version + count
        self._newest = max(self._newest, *(event.id for event in batch))
        return Appended(
            tuple(range(position + 1, position + count + 1)),
            tuple(range(version + 1, version + count + 1)),
        )

    def _known(
        self, connection: apsw.Connection, batch: Sequence[Prepared], rows: list[Sealed]
    ) -> dict[bytes, Sealed]:
        """Look up ids; ids are in time order, so one past the newest of all is certainly new."""
        old = {event.id for event in batch if event.id <= self._newest}
        if not old:
            return {}
        found = {row.id: row for row in rows if row.id in old} if rows else {}
        for event_id in old:
            row = connection.execute(
                f"SELECT {COLUMNS} FROM events WHERE id = ?",
                (event_id,),
            ).get
            if row is not None:
                found[event_id] = Sealed._make(row)
        return found

    def _version(self, connection: apsw.Connection, story: str) -> int:
        version = self._versions.get(story)
        if version is None:
            version = (
                connection.execute("SELECT max(version) FROM events WHERE story = ?", (story,)).get
                or 0
            )
        return version

    def _catch_up(self, connection: apsw.Connection, size: int) -> None:
        """Another process wrote since our last commit, or the file was just opened."""
        self._versions.clear()
        last, newest = connection.execute("SELECT max(position), max(id) FROM events").get
        if (last or 0) != size:
            raise LogDamaged(
                self._url, last or 0, f"{size} events, as the tree has", f"{last or 0}"
            )
        self._newest = newest or b""
        self._seen = size

    def _abandon(self, error: apsw.Error | None) -> None:
        """Give up the transaction; after an error of the disk, the connection as well.

        An fsync that failed once may report success the next time although bytes were lost, so
        the file is opened anew, and everything in its write-ahead log is written and synced
        again, before anything more is acknowledged.
        """
        self._seen = -1
        self._versions.clear()
        connection = self._connection
        if connection is None:
            return
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except apsw.Error as worse:  # a transaction that will not end ends with its connection
            error = worse
        if isinstance(error, apsw.BusyError | apsw.FullError | None):
            return
        self._connection = None
        try:
            connection.close()
        except apsw.Error:  # the file is out of reach; a new connection decides what is there
            return

    def _open(self) -> apsw.Connection:
        connection = connect(self._path)
        try:
            # Here rather than where the tables are made: a restored copy comes without it.
            patiently(partial(connection.pragma, "journal_mode", "wal"))
            connection.pragma("synchronous", "FULL")
            connection.pragma("journal_size_limit", WAL_LIMIT)
            connection.wal_autocheckpoint(0)
            patiently(partial(connection.wal_checkpoint, mode=apsw.SQLITE_CHECKPOINT_PASSIVE))
            connection.set_wal_hook(self._wal_grew)
        except BaseException:
            connection.close()
            raise
        return connection

    def _wal_grew(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _tend_wal(self) -> None:
        """Move the write-ahead log into the database, after the appenders have their answer."""
        if self._connection is None or self._wal_pages < WAL_PAGES:
            return
        self._wal_pages = 0
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error as error:
            self._abandon(error)


def read_tree(url: str, connection: apsw.Connection) -> tuple[Frontier, int]:
    """Give the audit tree as far as it goes, and the last `recorded_ms`.

    Raises:
        LogDamaged: what is stored is no tree.
    """
    row = connection.execute("SELECT size, hashes, recorded_ms FROM tree").get
    try:
        size, hashes, recorded_ms = row
        return Frontier(size, hashes), recorded_ms
    except (TypeError, ValueError) as error:
        raise LogDamaged(url, 0, "an audit tree", str(error)) from error


def _insert(connection: apsw.Connection, rows: list[Sealed]) -> None:
    done = 0
    while done < len(rows):
        left = len(rows) - done
        count = min(MOST_ROWS, 1 << (left.bit_length() - 1))
        connection.execute(
            _INSERTS[count], [value for row in rows[done : done + count] for value in row]
        )
        done += count


def _tell(group: list[Pending], outcomes: list[Appended | LogError]) -> None:
    """Wake each event loop once for all of its appends."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Pending, Appended | LogError]]] = {}
    for append, outcome in zip(group, outcomes, strict=True):
        by_loop.setdefault(append.future.get_loop(), []).append((append, outcome))
    for loop, told in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, told)
        except RuntimeError:  # the loop closed without waiting; nobody is left to be told
            continue


def _resolve(told: list[tuple[Pending, Appended | LogError]]) -> None:
    for append, outcome in told:
        if append.future.done():
            continue
        if isinstance(outcome, LogError):
            append.future.set_exception(outcome)
        else:
            append.future.set_result(outcome)
