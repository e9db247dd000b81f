"""The one thread of a process that writes a SQLite log: many appends, one commit, one fsync.

Appends get their places where they are sent, once the end of the log is known, and one statement
writes them while the program prepares the next ones. Whether the end was still that one is checked
by the same statement, so several processes may write the same file; what does not fit is placed
anew within a transaction of several steps. Nobody is told of success before the bytes are on the
disk.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial

import apsw

from events.errors import LogError, LogMoved, LogUnavailable
from events.log import Appended, Clock
from events.sqlite.file import connect, explain, identity, patience, patiently
from events.sqlite.insertion import MOST_ROWS, insert, prepare_for_insertion
from events.sqlite.places import End, Pending, Places, together
from events.sqlite.transaction import commit_by_steps
from events.sqlite.write_ahead import lay_out
from events.waiting import settle, tell

__all__ = ["Writer"]

MOST_IN_A_COMMIT = 2_000  # events; bounds how long one commit keeps other processes waiting
WAL_PAGES = 2_000  # pages of 4 KiB before the write-ahead log is moved into the database
LOOK_EVERY = 250  # events between two looks at how long it is; those of a few hundred appends
LAID_OUT = 3_300  # pages laid out for it: those, and as many as may come between two looks
MANY = 32  # events; whoever has appended so many will append enough for that to pay
WAL_LIMIT = 64 * 1024 * 1024  # bytes the write-ahead log keeps on disk once it has been moved
QUICK = 0.002  # seconds; while commits take no longer, a lone append is not handed over
BRISK = 0.000_040  # seconds an event; while commits take no longer, half of what waits may wait on
FEW = 32  # events; a commit of fewer costs more than it gains by leaving others for the next
STALE_MS = 100  # a place older than this is given anew, with the time that it is by then


class _Group:
    """Appends of one event loop that are committed together, and their places once given."""

    __slots__ = ("appends", "events", "places")

    def __init__(self, appends: list[Pending]) -> None:
        self.appends = appends
        self.events = sum(len(append.batch) for append in appends)
        self.places: Places | None = None


Outcome = Appended | LogError
"""What became of an append."""


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
        self._changed = threading.Condition()  # guards what follows, down to the connection
        self._queue: deque[_Group] = deque()
        self._unplaced = 0  # groups in the queue without places: nothing is placed behind them
        self._end: End | None = None  # None while places would be guesses
        self._last_end: End | None = None  # as it was before a transaction that looks for it
        self._at_work = False  # whether some thread works with the connection
        self._closing = False
        self._patient = True  # whether another process's lock is waited for
        self._took = self._pace = 0.0  # seconds of the last commit, and for each of its events
        self._unlooked = LOOK_EVERY - MANY  # events since the write-ahead log was last looked at
        self._laid_out = False
        self._file: tuple[int, int] | None = None
        self._connection: apsw.Connection | None = self._open()
        self._thread = threading.Thread(target=self._run, name="dateline-writer", daemon=True)
        self._thread.start()

    def submit(self, appends: list[Pending]) -> None:
        """Hand over appends of one event loop; each future is resolved in that loop."""
        groups = _grouped(appends)
        with self._changed:
            for group in groups:
                if self._unplaced or not self._place(group):
                    self._unplaced += 1
                self._queue.append(group)
            self._changed.notify()

    def commit_now(self, append: Pending) -> bool:
        """Commit a lone append in the calling thread, if nobody is at it and the disk is quick.

        Handing over to another thread and back costs as much as the sync of a quick disk. False
        means that nothing was done: submit it. It overtakes nothing that was submitted before.
        """
        group = _Group([append])
        with self._changed:
            # The thread would never have its turn to look after the write-ahead log otherwise.
            busy = self._at_work or self._queue or self._wal_is_due
            if busy or self._took > QUICK or not self._place(group):
                return False
            self._at_work, self._patient = True, False
        try:
            outcomes = self._attempt([group])
        except apsw.BusyError:
            return False
        finally:
            with self._changed:
                self._at_work, self._patient = False, True
                if self._queue or self._wal_is_due:
                    self._changed.notify()
        settle([(append.future, outcomes[0])])
        return True

    def close(self) -> None:
        """Finish what was submitted, then let go of the file."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _place(self, group: _Group) -> bool:
        """Give a group its places, if they follow from the end of the log and nothing else."""
        if self._end is not None:
            now = self._now()
            group.places = None if now is None else self._end.place(group.appends, now)
        return group.places is not None

    def _now(self) -> int | None:
        try:
            return self._clock()
        except Exception:  # noqa: BLE001 - the transaction asks again, and tells why there is none
            return None

    def _run(self) -> None:
        while (groups := self._take()) is not None:
            if groups:
                outcomes = self._attempt(groups)
                waiting = [append.future for group in groups for append in group.appends]
                tell(zip(waiting, outcomes, strict=True))
            self._tend_wal()
            with self._changed:
                self._at_work = False
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _take(self) -> list[_Group] | None:
        """Wait for work, and take what is committed next; None when there will be no more."""
        with self._changed:
            while self._at_work or not (self._queue or self._closing or self._wal_is_due):
                self._changed.wait()
            if self._closing and not self._queue:
                return None
            self._at_work = True
            self._place_waiting()
            return self._take_placed() or self._take_unplaced()

    def _place_waiting(self) -> None:
        """Give places to groups that were sent while places would have been guesses."""
        if not self._unplaced:
            return
        for group in self._queue:
            if group.places is None:
                if not self._place(group):
                    return
                self._unplaced -= 1

    def _take_placed(self) -> list[_Group]:
        """Take groups that have their places."""
        waiting = sum(group.events for group in self._queue)
        # While some are on their way to a quick disk, those who sent the others prepare their next.
        most = max(FEW, waiting // 2) if self._pace < BRISK else waiting
        groups: list[_Group] = []
        events = 0
        while self._queue:
            group = self._queue[0]
            events += group.events
            if group.places is None or (groups and events > min(most, MOST_ROWS - 1)):
                break
            if self._is_stale(group.places):
                self._forget()
                break
            groups.append(self._queue.popleft())
        return groups

    def _is_stale(self, places: Places) -> bool:
        now = self._now()
        return now is None or now - places.after.recorded_ms > STALE_MS

    def _take_unplaced(self) -> list[_Group]:
        """Take groups whose places have to be looked for; nothing is placed meanwhile."""
        groups: list[_Group] = []
        events = 0
        while self._queue and self._queue[0].places is None and events < MOST_IN_A_COMMIT:
            groups.append(self._queue.popleft())
            events += groups[-1].events
        self._unplaced -= len(groups)
        if groups:
            self._last_end, self._end = self._end, None
        return groups

    def _forget(self) -> None:
        """Take back all places that were given and not written: the end was another."""
        with self._changed:
            self._end = self._last_end = None
            for group in self._queue:
                self._unplaced += group.places is not None
                group.places = None

    def _attempt(self, groups: list[_Group]) -> list[Outcome]:
        """Commit groups; any failure of the disk is everybody's, and nobody is told of success.

        Raises:
            apsw.BusyError: another process is at it, and nobody is to wait for it.
        """
        appends = [append for group in groups for append in group.appends]
        started = time.perf_counter()
        try:
            if self._connection is None:
                self._connection = self._open()
            outcomes, size = self._commit(self._connection, groups, appends)
        except apsw.Error as error:
            self._abandon(error)
            if isinstance(error, apsw.BusyError) and not self._patient:
                raise
            return [explain(self._url, error)] * len(appends)
        except LogError as error:
            self._abandon(None)
            return [error] * len(appends)
        except Exception as error:  # noqa: BLE001 - a clock, say; nobody may be left waiting for ever
            self._abandon(None)
            why = f"{type(error).__name__}: {error}"
            return [LogUnavailable(self._url, why)] * len(appends)
        self._took = time.perf_counter() - started
        events = sum([group.events for group in groups])
        self._pace = self._took / events
        self._unlooked += events
        self._committed(size)
        return outcomes

    def _commit(
        self, connection: apsw.Connection, groups: list[_Group], appends: list[Pending]
    ) -> tuple[list[Outcome], int]:
        if not self.in_place:
            # What is written now would be in no log that anybody opens from now on.
            raise LogMoved(self._url)
        places = [group.places for group in groups if group.places is not None]
        if places and not connection.in_transaction:
            try:
                insert(connection, together(places))
            except apsw.ConstraintError:  # another process wrote, or an id is there already
                self._forget()
            else:
                size = places[-1].after.size
                return [outcome for each in places for outcome in each.outcomes], size
        known, self._last_end = self._last_end, None
        outcomes, end = commit_by_steps(self._url, connection, known, appends, self._clock)
        with self._changed:
            self._end = end
        return outcomes, end.edge.size

    def _abandon(self, error: apsw.Error | None) -> None:
        """Give up the transaction; after an error of the disk, the connection as well.

        An fsync that failed once may report success the next time although bytes were lost, so
        the file is opened anew, and everything in its write-ahead log is written and synced
        again, before anything more is acknowledged.
        """
        self._forget()
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

    @property
    def in_place(self) -> bool:
        """Whether the file that was opened first is still the one that others open."""
        return identity(self._path) == self._file

    def _open(self) -> apsw.Connection:
        again = self._file is not None
        if again and not self.in_place:  # or an empty log would take the place of this one
            raise LogMoved(self._url)
        connection = connect(self._path, make=not again)
        self._file = identity(self._path)
        try:
            # Here rather than where the tables are made: a restored copy comes without it.
            patiently(partial(connection.pragma, "journal_mode", "wal"))
            connection.pragma("synchronous", "FULL")
            connection.pragma("journal_size_limit", WAL_LIMIT)
            connection.pragma("secure_delete", value=True)
            connection.wal_autocheckpoint(0)
            patiently(partial(connection.wal_checkpoint, mode=apsw.SQLITE_CHECKPOINT_PASSIVE))
            prepare_for_insertion(connection)
            connection.set_busy_handler(self._patience)
        except BaseException:
            connection.close()
            raise
        return connection

    def _patience(self, times: int) -> bool:
        return self._patient and patience(times)

    @property
    def _wal_is_due(self) -> bool:
        return self._unlooked >= LOOK_EVERY

    def _tend_wal(self) -> None:
        """Move the write-ahead log into the database, after the appenders have their answer.

        SQLite would tell its length at every commit, but by calling back: whoever commits would
        wait for the interpreter's lock while everybody waits for theirs.
        """
        if not self._wal_is_due:
            return
        self._unlooked = 0
        if self._connection is None:  # it looks when it is opened anew
            return
        try:
            if not self._laid_out:
                self._laid_out = True
                lay_out(self._connection, LAID_OUT, self._file)
            pages, _ = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
            if pages >= WAL_PAGES:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error as error:
            self._abandon(error)


def _grouped(appends: list[Pending]) -> list[_Group]:
    """Divide what was sent in one turn of a loop, so that a part of it may go first."""
    groups: list[_Group] = []
    group: list[Pending] = []
    events = 0
    for append in appends:
        events += len(append.batch)
        if group and events > FEW:
            groups.append(_Group(group))
            group, events = [], len(append.batch)
        group.append(append)
    return [*groups, _Group(group)] if group else groups
