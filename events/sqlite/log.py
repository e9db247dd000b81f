"""The log in one SQLite file: the default, for one machine and any number of its processes."""

import asyncio
import contextlib
import os
import queue
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

import apsw

from events.entropy import drawn
from events.envelope import Entropy, Filed, Recorded, Sealed, prepare_batch
from events.errors import LogDamaged, LogMoved, LogUnavailable
from events.log import Appended, Clock, Elsewhere, Expect, ExpectedVersion, Head, Leaf, check_batch
from events.memory_log import wall_clock
from events.recall import recall
from events.sqlite.file import connect, explain
from events.sqlite.insertion import COLUMNS
from events.sqlite.places import Pending
from events.sqlite.transaction import read_tree
from events.sqlite.writer import Writer
from events.vocabulary import Happening

__all__ = ["SqliteLog"]

PAGE = 512  # events read at a time: a megabyte at most times, and little waiting for the first
FEW = 8  # events of a lone append that the event loop may commit itself
READERS = 4  # connections that read at the same time
LOOK_AGAIN = 0.02  # seconds between looks for what other processes appended; ours need no look

# Of a body that was erased, what is left of it.
_READ: Final = (
    "SELECT position, story, version, recorded_ms, envelope, kind, schema, coalesce(body, "
    "(SELECT remains.body FROM remains WHERE remains.position = events.position)) FROM events"
)
_STORED: Final = (
    f"SELECT {COLUMNS} FROM events WHERE position > ? AND position <= ? "
    f"ORDER BY position LIMIT {PAGE}"
)
_STRAY: Final = (
    "SELECT coalesce((SELECT min(position) FROM events WHERE position < 1), "
    "(SELECT min(position) FROM events WHERE position > (SELECT size FROM tree)))"
)
_END: Final = (1 << 63) - 1  # SQLite's last position
_T = TypeVar("_T")

Reading = Callable[[str, int, bytes | None], Happening]
"""Makes a development of its kind, schema and body."""


class _Wanted(NamedTuple):
    """Which events a reading is of, and the column whose last value the next page goes on after."""

    query: str
    goes_on_after: int


_OF_ALL: Final = _Wanted(
    f"{_READ} WHERE position > ?1 AND position <= ?2 ORDER BY position LIMIT {PAGE}", 0
)
_OF_A_STORY: Final = _Wanted(
    f"{_READ} WHERE version > ?1 AND position <= min(?2, (SELECT size FROM tree)) AND story = ?3 "
    f"AND position > ?4 ORDER BY version LIMIT {PAGE}",
    2,
)


class SqliteLog:
    """A log in a SQLite file, write-ahead logged, every commit synced to the disk.

    Args:
        path: the file; made when it is not there.
        clock: time of recording.
        entropy: source of nonces.
        reading: makes developments of bodies; where others than us write, `events.codec.decode`.

    Raises:
        LogUnavailable: the file cannot be opened.
        LogDamaged: it is no Dateline log.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        clock: Clock = wall_clock,
        entropy: Entropy = drawn,
        reading: Reading = recall,
    ) -> None:
        self._reading = reading
        self._path = os.fspath(path)
        self.url = f"sqlite:///{self._path}"
        self._entropy = entropy
        self._submitted: dict[asyncio.AbstractEventLoop, list[Pending]] = {}
        self._followers: set[asyncio.Event] = set()
        self._readers: queue.SimpleQueue[apsw.Connection] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="dateline-reader")
        self._closed = False
        self._size = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        try:
            self._writer = Writer(self.url, self._path, clock, self.announce)
        except apsw.Error as error:
            raise explain(self.url, error, reading=True) from error

    async def append(
        self, story: str, events: Sequence[Filed], expected: ExpectedVersion = Expect.ANY
    ) -> Appended:
        """See `events.log.Log.append`."""
        self._check_open()
        batch = prepare_batch(story, check_batch(events), self._entropy)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Appended] = loop.create_future()
        submitted = self._submitted.get(loop)
        if submitted is None:
            # All appends of this turn of the loop go to the writer together and share a commit.
            submitted = self._submitted[loop] = []
            loop.call_soon(self._hand_over, loop)
        submitted.append(Pending(story, batch, expected, future))
        return await future

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        appends = self._submitted.pop(loop, [])
        lone = len(appends) == 1 and len(appends[0].batch) <= FEW
        if not (lone and self._writer.commit_now(appends[0])):
            self._writer.submit(appends)

    def read(
        self, after: int = 0, *, upto: int | None = None, story: str | None = None
    ) -> AsyncIterator[Recorded]:
        """See `events.log.Log.read`."""
        if story is not None:
            return self._events(_OF_A_STORY, 0, _END if upto is None else upto, story, after)
        return self._events(_OF_ALL, after, upto)

    def read_versions(self, story: str, after: int = 0) -> AsyncIterator[Recorded]:
        """See `events.log.Log.read_versions`."""
        return self._events(_OF_A_STORY, after, _END, story, 0)

    async def _events(
        self, wanted: _Wanted, after: int, upto: int | None, *more: str | int
    ) -> AsyncIterator[Recorded]:
        """Give events page by page; made one by one, so that the garbage collector meets few."""
        if upto is None:
            upto = (await self.head()).size
        reading, make = self._reading, tuple.__new__  # the class's own takes twice as long
        while True:
            page = await self._run(partial(_rows, wanted.query, (after, upto, *more)))
            for position, story, version, recorded_ms, envelope, kind, schema, body in page:
                development = reading(kind, schema, body)
                event = (position, story, version, recorded_ms, envelope, development)
                yield make(Recorded, event)
            if len(page) < PAGE:
                return
            after = page[-1][wanted.goes_on_after]

    async def read_sealed(
        self, after: int = 0, *, upto: int | None = None
    ) -> AsyncIterator[Sealed]:
        """See `events.log.Log.read_sealed`."""
        last = upto if upto is not None else (await self.head()).size
        make = tuple.__new__  # as for readers; `_make` takes three times as long
        while after < last:
            page = await self._run(partial(_rows, _STORED, (after, last)))
            for row in page:
                yield make(Sealed, row)
            if not page:
                return
            after = page[-1][0]

    def reading_elsewhere(self) -> Elsewhere:
        """See `events.log.Log.reading_elsewhere`."""
        return _Stored(os.path.abspath(self._path))  # noqa: PTH100 - a text, as SQLite has it

    async def read_leaves(self, after: int, upto: int) -> AsyncIterator[Sequence[Leaf]]:
        """See `events.log.Log.read_leaves`."""
        query = (
            "SELECT position, story, kind, envelope FROM events "
            f"WHERE position > ? AND position <= ? ORDER BY position LIMIT {PAGE}"
        )

        while after < upto:
            page = await self._run(partial(_rows, query, (after, upto)))
            if not page:
                return
            yield [Leaf._make(row) for row in page]
            after = page[-1][0]

    async def grown(self, after: int) -> int:
        """See `events.log.Log.grown`."""
        self._loop = asyncio.get_running_loop()
        grown = asyncio.Event()
        self._followers.add(grown)
        try:
            while True:
                self._check_open()
                grown.clear()
                # What was appended here is known; what others append to the file is looked for.
                size = self._size if self._size > after else (await self.head()).size
                if size > after:
                    return size
                # Not `wait_for`, which until Python 3.12 forgets that it was cancelled when an
                # append comes at the same moment.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN):
                        await grown.wait()
        finally:
            self._followers.discard(grown)

    async def head(self) -> Head:
        """See `events.log.Log.head`."""
        tree, recorded_ms = await self._run(partial(read_tree, self.url))
        return Head(tree.size, tree.root, recorded_ms)

    async def find(self, ids: Sequence[str]) -> Mapping[str, Sealed]:
        """See `events.log.Log.find`."""
        query = f"SELECT {COLUMNS} FROM events WHERE id = ?"

        def look(connection: apsw.Connection) -> dict[str, Sealed]:
            keys = ((text, bytes.fromhex(text.replace("-", ""))) for text in ids)
            found = ((text, connection.execute(query, (key,)).get) for text, key in keys)
            return {text: Sealed._make(row) for text, row in found if row is not None}

        return await self._run(look)

    async def check(self) -> None:
        """See `events.log.Log.check`. SQLite does it in a thread of its own, beside other work."""

        def look(connection: apsw.Connection) -> tuple[int | None, str]:
            stray = connection.execute(_STRAY).get
            return stray, str(connection.execute("PRAGMA integrity_check(events)").get)

        stray, found = await self._run(look)
        if stray is not None:
            raise LogDamaged(self.url, stray, "no event outside of the tree", "one")
        if found != "ok":
            raise LogDamaged(self.url, 0, "a table that its indexes agree with", found)

    async def remains(self) -> Mapping[int, bytes]:
        """See `events.log.Log.remains`."""

        def look(connection: apsw.Connection) -> dict[int, bytes]:
            rows = connection.execute("SELECT position, body FROM remains")
            return {int(position): bytes(body) for position, body in rows}

        return await self._run(look)

    async def position_at(self, recorded_ms: int) -> int:
        """See `events.log.Log.position_at`. Halves the log twenty times for a million events."""

        def search(connection: apsw.Connection) -> int:
            low, high = 0, connection.execute("SELECT size FROM tree").get
            while low < high:
                middle = (low + high + 1) // 2
                at = connection.execute(
                    "SELECT recorded_ms FROM events WHERE position = ?", (middle,)
                ).get
                low, high = (middle, high) if at <= recorded_ms else (low, middle - 1)
            return low

        return await self._run(search)

    async def close(self) -> None:
        """See `events.log.Log.close`."""
        if self._closed:
            return
        self._closed = True
        for loop in list(self._submitted):
            self._hand_over(loop)
        await asyncio.get_running_loop().run_in_executor(None, self._writer.close)
        self._threads.shutdown()
        while not self._readers.empty():
            self._readers.get().close()
        for grown in self._followers:
            grown.set()

    def announce(self, size: int) -> None:
        """Wake the followers of this process, from the thread that writes."""
        self._size = size
        if self._followers and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop closed first; nobody follows
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for grown in self._followers:
            grown.set()

    async def _run(self, work: Callable[[apsw.Connection], _T]) -> _T:
        """Do reading work with a connection of its own, off the event loop."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._with, work)

    def _with(self, work: Callable[[apsw.Connection], _T]) -> _T:
        # Connections are opened as they are needed: some would read the one file, some the other.
        if not self._writer.in_place:
            raise LogMoved(self.url, reading=True)
        try:
            try:
                connection = self._readers.get_nowait()
            except queue.Empty:
                connection = connect(self._path, make=False)
                connection.pragma("query_only", value=True)
            try:
                return work(connection)
            except UnicodeDecodeError:
                expected = "a story and a kind in UTF-8"
                at = _not_text(connection)
                raise LogDamaged(self.url, at, expected, "other bytes") from None
            finally:
                self._readers.put(connection)
        except apsw.Error as error:
            raise explain(self.url, error, reading=True) from error

    def _check_open(self) -> None:
        if self._closed:
            raise LogUnavailable(self.url, "it is closed")


def _not_text(connection: apsw.Connection) -> int:
    """Give the first position where story or kind are no text, 0 where all are."""
    query = "SELECT position, CAST(story AS BLOB), CAST(kind AS BLOB) FROM events ORDER BY position"
    for position, *texts in connection.execute(query):
        try:
            _ = [bytes(text).decode() for text in texts]
        except UnicodeDecodeError:
            return int(position)
    return 0


class _Stored:
    """Reads the stored events of a file in whatever process it is sent to."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: apsw.Connection | None = None

    def __reduce__(self) -> tuple[type["_Stored"], tuple[str]]:
        return type(self), (self._path,)

    def __call__(self, after: int, upto: int) -> Iterator[Sealed]:
        """See `events.log.Elsewhere`."""
        if self._connection is None:
            self._connection = connect(self._path, make=False)
            self._connection.pragma("query_only", value=True)
        while page := _rows(_STORED, (after, upto), self._connection):
            yield from map(Sealed._make, page)
            after = page[-1][0]


def _rows(
    query: str, bindings: tuple[int | str, ...], connection: apsw.Connection
) -> list[tuple[Any, ...]]:
    return connection.execute(query, bindings).fetchall()
