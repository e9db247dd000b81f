"""A mirror's write-ahead log, moved into its database by a thread beside while folding goes on.

To move it takes the disk, and to fold takes a processor: one after the other, a node that catches
up would wait a tenth of its time. SQLite begins the log anew once all of it was moved and nobody
has written since. So the thread moves most of it, and whoever writes the little that was added
meanwhile.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import apsw

from events.sqlite.file import connect

__all__ = ["Moving"]

PAGES = 16_000  # of 4 KiB in the write-ahead log before it is moved: many are written again


class Moving:
    """Moves the write-ahead log of one file; all calls come from the thread that writes.

    Args:
        path: the database file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="dateline-mover")
        self._connection: apsw.Connection | None = None
        self._under_way: Future[None] | None = None

    def has_moved_most(self, pages: int) -> bool:
        """See to a log of so many pages, and say whether the caller is to move the rest now.

        Raises:
            apsw.Error: the thread could not move it.
        """
        if self._under_way is None:
            if pages >= PAGES:
                self._under_way = self._thread.submit(self._move)
            return False
        if not self._under_way.done():
            return False
        moved, self._under_way = self._under_way, None
        moved.result()
        return True

    def _move(self) -> None:
        if self._connection is None:
            self._connection = connect(self._path, make=False)
        with suppress(apsw.BusyError):  # somebody else moves it
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def close(self) -> None:
        """Let what is under way end, and let go of the file."""
        self._thread.shutdown()
        if self._connection is not None:
            self._connection.close()
