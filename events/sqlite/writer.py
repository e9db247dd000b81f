"""The one thread of a process that writes a SQLite log: many appends, one commit, one fsync.

Appends that arrive while a commit is on its way to the disk share the next one (group commit).
Whatever an append expects is checked inside the write transaction, so several processes may
write the same file. Nobody is told of success before the bytes are on the disk.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

import apsw

from events.envelope import Prepared, Sealed, seal
from events.errors import LogDamaged, LogError, LogUnavailable
from events.log import ERASES, Appended, Clock, ExpectedVersion, check_version, repeats
from events.sqlite.erasure import erase
from events.sqlite.file import connect, explain, identity, patience, patiently
from events.tree import Frontier

__all__ = ["COLUMNS", "Pending", "Writer", "read_tree"]

MOST_IN_A_COMMIT = 2_000  # events; bounds how long one commit keeps other processes waiting
WAL_PAGES = 2_000  # pages of 4 KiB before the write-ahead log is moved into the database
WAL_LIMIT = 64 * 1024 * 1024  # bytes the write-ahead log keeps on disk once it has been moved
STORIES_REMEMBERED = 50_000  # versions kept in memory, so that a known story costs no look-up
QUICK = 0.002  # seconds; while commits take no longer, a lone append is not handed over
MOST_ROWS = 128  # rows in one INSERT; twelve values each, below SQLite's bound of 32,766

COLUMNS: Final = ", ".join(Sealed._fields)
WIDTH: Final = len(Sealed._fields)
_ROW: Final = f"({', '.join('?' * WIDTH)})"
# Rows go in by powers of two, so that a batch takes few statements and few are kept prepared.
_INSERTS: Final = {
    rows: f"INSERT INTO events ({COLUMNS}) VALUES {', '.join([_ROW] * rows)}"
    for rows in (1 << power for power in range(MOST_ROWS.bit_length()))
}

Value = int | str | bytes
"""What a column of an event holds when it is written."""


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
        self._seen = -1  # SQLite's data version after our last commit; -1 before a look
        self._tree = Frontier()
        self._recorded_ms = 0
        self._newest = b""
        self._versions: dict[str, int] = {}
        self._wal_pages = 0
        self._took = 0.0
        self._file: tuple[int, int] | None = None
        self._turn = threading.Lock()  # held by whichever thread works with the connection
        self._counting = threading.Lock()
        self._outstanding = 0  # appends that were submitted and are not committed yet
        self._connection = self._open()
        self._thread = threading.Thread(target=self._run, name="dateline-writer", daemon=True)
        self._thread.start()

    def submit(self, appends: list[Pending]) -> None:
        """Hand over appends of one event loop; each future is resolved in that loop."""
        with self._counting:
            self._outstanding += len(appends)
        self._queue.put(appends)

    def commit_now(self, append: Pending) -> bool:
        """Commit a lone append in the calling thread, if nobody is at it and the disk is quick.

        Handing over to another thread and back costs as much as the sync of a quick disk. False
        means that nothing was done: submit it. It overtakes nothing that was submitted before.
        """
        if self._took > QUICK or not self._turn.acquire(blocking=False):
            return False
        try:
            connection = self._connection
            if self._outstanding or connection is None or not _begin_at_once(connection):
                return False
            outcomes = self._attempt([append])
        finally:
            self._turn.release()
        _resolve([(append, outcomes[0])])
        if self._wal_pages >= WAL_PAGES:
            self._queue.put([])  # the thread tends it
        return True

    def close(self) -> None:
        """Finish what was submitted, then let go of the file."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        group: list[Pending] = []
        closing = False
        while not closing:
            group, closing = self._collect()
            with self._turn:
                if group:
                    _tell(group, self._attempt(group))
                    with self._counting:
                        self._outstanding -= len(group)
                self._tend_wal()
        with self._turn:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

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
        started = time.perf_counter()
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
        self._took = time.perf_counter() - started
        self._committed(self._tree.size)
        return outcomes

    def _commit(
        self, connection: apsw.Connection, group: list[Pending]
    ) -> list[Appended | LogError]:
        if not connection.in_transaction:
            connection.execute("BEGIN IMMEDIATE")
        if identity(self._path) != self._file:
            # What is written now would be in no log that anybody opens from now on.
            raise LogUnavailable(
                self._url, "its file was moved or replaced: start the program anew"
            )
        if connection.data_version() != self._seen:
            self._catch_up(connection)
        tree, size = self._tree, self._tree.size
        if len(self._versions) >= STORIES_REMEMBERED:  # only here: a group's own are not stored yet
            self._versions.clear()
        now = max(self._clock(), self._recorded_ms)
        rows = _Rows(size, now)
        outcomes = [self._place(connection, append, rows) for append in group]
        if rows.envelopes:
            _insert(connection, rows.values)
            for append, outcome in zip(group, outcomes, strict=True):
                if append.batch[0].kind == ERASES and isinstance(outcome, Appended):
                    erase(connection, append.story, append.batch[0].body)
            tree.extend(rows.envelopes)
            connection.execute(
                "UPDATE tree SET size = ?, hashes = ?, recorded_ms = ?",
                (tree.size, tree.hashes, now),
            )
        connection.execute("COMMIT")
        self._seen = connection.data_version()
        self._recorded_ms = now
        return outcomes

    def _place(
        self, connection: apsw.Connection, append: Pending, rows: "_Rows"
    ) -> Appended | LogError:
        """Give an append its places behind `rows`, or say why it gets none."""
        story, batch = append.story, append.batch
        ids = [event.id for event in batch]
        newest = max(ids)
        try:
            # Ids are in time order: past the newest of all, and each once, they are new.
            if min(ids) <= self._newest or len(set(ids)) < len(ids):
                again = repeats(story, batch, self._known(connection, ids, rows))
                if again is not None:
                    return again
            version = self._version(connection, story)
            check_version(story, append.expected, version)
        except LogError as error:
            return error
        self._newest = max(self._newest, newest)
        count = len(batch)
        self._versions[story] = version + count
        position = rows.add(story, version, batch)
        return Appended(
            tuple(range(position + 1, position + count + 1)),
            tuple(range(version + 1, version + count + 1)),
        )

    def _known(
        self, connection: apsw.Connection, ids: list[bytes], rows: "_Rows"
    ) -> dict[bytes, Sealed]:
        """Look up ids, among what this commit adds as well."""
        old = {event_id for event_id in ids if event_id <= self._newest}
        found = {row.id: row for row in rows.sealed() if row.id in old} if old else {}
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

    def _catch_up(self, connection: apsw.Connection) -> None:
        """Another connection wrote since our last commit, or the file was just opened."""
        self._versions.clear()
        self._tree, self._recorded_ms = read_tree(self._url, connection)
        size = self._tree.size
        # Each by itself is one step down an index; together they would be a walk through it.
        last = connection.execute("SELECT max(position) FROM events").get
        newest = connection.execute("SELECT max(id) FROM events").get
        if (last or 0) != size:
            raise LogDamaged(
                self._url, last or 0, f"{size} events, as the tree has", f"{last or 0}"
            )
        self._newest = newest or b""

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
        self._file = identity(self._path)
        try:
            # Here rather than where the tables are made: a restored copy comes without it.
            patiently(partial(connection.pragma, "journal_mode", "wal"))
            connection.pragma("synchronous", "FULL")
            connection.pragma("journal_size_limit", WAL_LIMIT)
            connection.pragma("secure_delete", value=True)
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


def _begin_at_once(connection: apsw.Connection) -> bool:
    """Begin to write unless another process does; no event loop is kept waiting for its lock."""
    connection.set_busy_handler(None)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except apsw.Error:  # whatever it is, the writer's thread meets it too and deals with it
        return False
    finally:
        connection.set_busy_handler(patience)
    return True


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


class _Rows:
    """What one commit adds, as the flat list of values that SQLite is given.

    Args:
        size: of the log before.
        now: milliseconds since 1970 UTC, the time of recording.
    """

    def __init__(self, size: int, now: int) -> None:
        self._size = size
        self._now = now
        self.values: list[Value] = []
        self.envelopes: list[bytes] = []

    def add(self, story: str, version: int, batch: Sequence[Prepared]) -> int:
        """Place a batch after a version of its story; gives the position it stands behind."""
        values, envelopes, now = self.values, self.envelopes, self._now
        before = position = self._size + len(envelopes)
        for event in batch:
            position += 1
            version += 1
            envelope = seal(event, position, version, now)
            envelopes.append(envelope)
            values += (
                *(position, story, version, event.id, event.kind, event.schema, now, envelope),
                *event.contents,
            )
        return before

    def sealed(self) -> Iterator[Sealed]:
        """Give what was added as events."""
        for start in range(0, len(self.values), WIDTH):
            yield Sealed._make(self.values[start : start + WIDTH])


def _insert(connection: apsw.Connection, values: list[Value]) -> None:
    done, end = 0, len(values)
    while done < end:
        rows = min(MOST_ROWS, 1 << ((end - done) // WIDTH).bit_length() - 1)
        connection.execute(_INSERTS[rows], values[done : done + rows * WIDTH])
        done += rows * WIDTH


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
