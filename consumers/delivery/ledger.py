"""The ledger: a SQLite file beside the log, where every decision to send is written before it is.

Whoever writes hands over a piece of work and awaits its end. All that is handed over while one
commit is synced to the disk shares the next, so that two hundred deliveries cost one sync. What is
short is done by the event loop itself and only its sync by the thread: a statement takes
microseconds, and passing it to a thread that competes with the loop takes ten times that. A short
look that finds the connection free is over before anybody could wait for it.
"""

import asyncio
import contextlib
import fcntl
import os
import re
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import apsw

from consumers.alerts.targets import CHASES
from events.errors import DeliveriesUnavailable
from events.sqlite.file import begin_private, patiently, plan_once, writing

__all__ = ["SQL", "Ledger"]

APPLICATION_ID = 0x44_4C_44_56  # "DLDV", marks the file as a ledger of Dateline
FORMAT = 3  # `PRAGMA user_version` of the tables in sql/deliveries.sql
_WITH_WORDS, _UNCOUNTED = 1, 2  # formats before
BUSY_MS = 30_000  # how long to wait for another process's commit
SHARE = 200  # pieces of work in a commit; while it is synced, those of the one before go on
CACHE_KIB = 16 * 1024  # of the ledger kept in memory: some ten thousand open deliveries
WAL_PAGES = 4_000  # of 4 KiB that the write-ahead log grows to before it is worked in
NOT_OTHERS = 0o770  # rights that a newsroom may give its own people
LOOK_AGAIN = 0.5  # seconds between tries for the right to send, while another process has it

_FOLDER: Final = Path(__file__).parents[1] / "sql"
_TABLES: Final = (_FOLDER / "deliveries.sql").read_text()
_NAMED: Final = (_FOLDER / "delivering.sql").read_text()
_PARTS: Final = re.split(r"^-- name: (.+)\n", _NAMED, flags=re.MULTILINE)
SQL: Final[dict[str, str]] = dict(zip(_PARTS[1::2], map(str.strip, _PARTS[2::2]), strict=True))
"""The statements of sql/delivering.sql by name."""

_T = TypeVar("_T")
Work = Callable[[apsw.Connection], _T]


class _Waiting(NamedTuple):
    work: Callable[[apsw.Connection], Any]
    done: asyncio.Future[Any]
    long: bool


class Ledger:
    """One connection to the ledger, used by one thread of its own and awaited by one event loop.

    Args:
        path: the file, made when it is not there; or `:memory:`.

    Raises:
        DeliveriesUnavailable: the file cannot be used, or is another program's.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._waiting: list[_Waiting] = []
        self._at_work = False  # the thread is, and has the connection meanwhile
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="dateline-ledger")
        try:
            self._connection = self._thread.submit(_open, path).result()
        except apsw.Error as error:
            raise DeliveriesUnavailable(path, str(error)) from error

    async def write(self, work: Work[_T], *, long: bool = False) -> _T:
        """Do work within a transaction, and return when it is on the disk.

        `long` says that it takes longer than an event loop should be kept.

        Raises:
            DeliveriesUnavailable: nothing of it was written.
        """
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(work, done, long))
        if not self._at_work:
            self._at_work = True
            # Whatever else is handed over in this turn of the loop shares the commit.
            asyncio.get_running_loop().call_soon(self._hand_over)
        return await done

    async def read(self, work: Work[_T], *, long: bool = False) -> _T:
        """Do work that only reads; `long` as in `write`.

        Raises:
            DeliveriesUnavailable: nothing can be read.
        """
        if self._at_work:
            return await self.write(work, long=long)
        with contextlib.suppress(apsw.BusyError):  # another process; the thread waits for it
            if not long:
                return self._at_once(work)
        self._at_work = True
        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(self._thread, work, self._connection)
        # Not in a `finally`: who is cancelled leaves the thread at it.
        reading.add_done_callback(self._read)
        try:
            return await asyncio.shield(reading)
        except apsw.Error as error:
            raise DeliveriesUnavailable(self.path, str(error)) from error

    def _read(self, reading: asyncio.Future[Any]) -> None:
        if not reading.cancelled():
            reading.exception()  # told to whoever still waits
        self._hand_over()

    def _at_once(self, work: Work[_T]) -> _T:
        self._connection.set_busy_timeout(0)
        try:
            return work(self._connection)
        except apsw.BusyError:
            raise
        except apsw.Error as error:
            raise DeliveriesUnavailable(self.path, str(error)) from error
        finally:
            self._connection.set_busy_timeout(BUSY_MS)

    def _hand_over(self) -> None:
        batch, self._waiting = self._waiting[:SHARE], self._waiting[SHARE:]
        if not batch:
            self._at_work = False
            return
        loop = asyncio.get_running_loop()
        ends = self._here(batch)
        if ends is None:
            committed = loop.run_in_executor(self._thread, self._commit, batch)
        else:
            committed = loop.run_in_executor(self._thread, self._sync, ends)
        committed.add_done_callback(lambda ended: self._committed(batch, ended.result()))

    def _here(self, batch: list[_Waiting]) -> list[Any] | None:
        """Do a batch up to its commit, in the loop; None where that would keep it, or fails."""
        if any(waits.long for waits in batch):
            return None
        connection = self._connection
        try:
            connection.set_busy_timeout(0)
            connection.execute("BEGIN IMMEDIATE")
        except apsw.Error:  # another process is writing; the thread waits for it
            return None
        finally:
            connection.set_busy_timeout(BUSY_MS)
        try:
            return [waits.work(connection) for waits in batch]
        except Exception:  # noqa: BLE001 - done again in the thread, each on its own
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return None

    def _sync(self, ends: list[Any]) -> list[tuple[Any, Exception | None]]:
        try:
            self._connection.execute("COMMIT")
        except apsw.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            return [(None, self._explained(error))] * len(ends)
        return [(end, None) for end in ends]

    def _committed(self, batch: list[_Waiting], ends: list[tuple[Any, Exception | None]]) -> None:
        for waits, (result, error) in zip(batch, ends, strict=True):
            if waits.done.done():  # whoever waited was cancelled
                continue
            if error is None:
                waits.done.set_result(result)
            else:
                waits.done.set_exception(error)
        self._hand_over()

    def _commit(self, batch: list[_Waiting]) -> list[tuple[Any, Exception | None]]:
        """Commit all together; where one of them fails, each on its own."""
        try:
            return [(end, None) for end in self._together([waits.work for waits in batch])]
        except Exception as error:  # noqa: BLE001 - told to whoever handed it over
            if len(batch) == 1:
                return [(None, self._explained(error))]
        return [self._commit([waits])[0] for waits in batch]

    def _together(self, works: list[Callable[[apsw.Connection], Any]]) -> list[Any]:
        with writing(self._connection):
            return [work(self._connection) for work in works]

    def _explained(self, error: Exception) -> Exception:
        if isinstance(error, apsw.Error):
            return DeliveriesUnavailable(self.path, str(error))
        return error

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Wait for the right to send, which one process has at a time and which dies with it."""
        if self.path == ":memory:":
            yield
            return
        held = os.open(f"{self.path}.sending", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            while not _locked(held):  # noqa: ASYNC110 - no event tells of another process's end
                await asyncio.sleep(LOOK_AGAIN)
            yield
        finally:
            os.close(held)

    def close(self) -> None:
        """Finish what was handed over and let go of the file."""
        self._thread.submit(self._connection.close).result()
        self._thread.shutdown()


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _open(path: str) -> apsw.Connection:
    if path != ":memory:":
        begin_private(path)  # it says who is told of what
    connection = apsw.Connection(path)
    try:
        connection.set_busy_timeout(BUSY_MS)
        if path != ":memory:":
            connection.pragma("journal_mode", "wal")
        # What is written here decides whether somebody is told twice or never: it is synced.
        connection.pragma("synchronous", "FULL")
        connection.pragma("foreign_keys", value=True)
        connection.pragma("cache_size", -CACHE_KIB)
        connection.pragma("wal_autocheckpoint", WAL_PAGES)
        plan_once(connection)
        if connection.pragma("application_id") != APPLICATION_ID:
            _make(connection, path)
        if connection.pragma("user_version") == _WITH_WORDS:
            _forget_words(connection, path)
        if connection.pragma("user_version") == _UNCOUNTED:
            _count(connection)
        _check(path, f"a ledger of format {FORMAT}", connection.pragma("user_version") == FORMAT)
    except BaseException:
        connection.close()
        raise
    return connection


def _make(connection: apsw.Connection, path: str) -> None:
    """Make the tables, unless another process was faster."""
    with writing(connection):
        if connection.pragma("application_id") != APPLICATION_ID:
            tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
            _check(path, "a ledger or no file", not tables)
            connection.execute(_TABLES)
            connection.pragma("user_version", FORMAT)
            connection.pragma("application_id", APPLICATION_ID)


def _forget_words(connection: apsw.Connection, path: str) -> None:
    """Bring a ledger of format 1 to format 2: it held what corrections say, and all could read it.

    It is of the next format once none of that is left in it; cut short, all is done again.
    """
    connection.execute(SQL["without-words"], {"reason": CHASES})
    connection.execute("VACUUM")
    if path != ":memory:":
        patiently(partial(connection.wal_checkpoint, mode=apsw.SQLITE_CHECKPOINT_TRUNCATE))
        for name in (path, f"{path}-wal", f"{path}-shm"):
            with contextlib.suppress(FileNotFoundError):
                Path(name).chmod(Path(name).stat().st_mode & NOT_OTHERS)
    connection.pragma("user_version", _UNCOUNTED)


def _count(connection: apsw.Connection) -> None:
    """Bring a ledger of format 2 to format 3: count its deliveries, once."""
    with writing(connection):
        if connection.pragma("user_version") == _UNCOUNTED:
            connection.execute(_TABLES)
            connection.execute(SQL["recount"])
            connection.pragma("user_version", FORMAT)


def _check(path: str, wanted: str, found: object) -> None:
    if not found:
        raise DeliveriesUnavailable(path, f"expected {wanted}; found another database")
