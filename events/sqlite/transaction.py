"""A commit of several steps, for appends whose places have to be looked for in the log.

So are those to a story that was not met before, repeats, erasures, those that expect another
version, and all of them after another process wrote.
"""

from collections.abc import Sequence

import apsw

from events.envelope import Prepared, Sealed
from events.errors import LogDamaged, LogError
from events.log import ERASES, Appended, Clock, check_version, repeats
from events.sqlite.erasure import erase
from events.sqlite.insertion import COLUMNS, MOST_ROWS, WIDTH, Edge, insert, settlement
from events.sqlite.places import End, Pending, Rows
from events.tree import Frontier

__all__ = ["commit_by_steps", "read_tree"]


def commit_by_steps(
    url: str,
    connection: apsw.Connection,
    known: End | None,
    appends: Sequence[Pending],
    clock: Clock,
) -> tuple[list[Appended | LogError], End]:
    """Place and commit appends in one transaction, in which nobody else writes.

    Args:
        url: the log's URL, for messages.
        connection: the writing connection; a transaction is left open when this raises.
        known: the end of the log as it was known last, if it was.
        appends: what is to be committed.
        clock: time of recording.

    Returns:
        What became of each append, and the end of the log afterwards.

    Raises:
        apsw.Error: the disk, or another process.
        LogDamaged: the end of the log is none.
    """
    connection.execute("BEGIN IMMEDIATE")
    end = _find_end(url, connection, known)
    search = _Search(connection, end, clock())
    outcomes = [search.place(append) for append in appends]
    rows, before = search.rows, end.edge
    if rows.envelopes:
        end.advance(rows)
        values = settlement(before, end.edge) + rows.values
        for start in range(0, len(values), MOST_ROWS * WIDTH):
            insert(connection, values[start : start + MOST_ROWS * WIDTH])
        for append, outcome in zip(appends, outcomes, strict=True):
            if append.batch[0].kind == ERASES and isinstance(outcome, Appended):
                erase(connection, append.story, outcome.versions[0], append.batch[0].body)
    connection.execute("COMMIT")
    return outcomes, end


def read_tree(url: str, connection: apsw.Connection) -> tuple[Frontier, int]:
    """Give the audit tree as far as it goes, and the last `recorded_ms`.

    Raises:
        LogDamaged: what is stored is no tree.
    """
    try:
        edge = _edge(connection)
        return Frontier(edge.size, edge.hashes), edge.recorded_ms
    except (TypeError, ValueError) as error:
        raise LogDamaged(url, 0, "an audit tree", str(error)) from error


def _edge(connection: apsw.Connection) -> Edge:
    return Edge(*connection.execute("SELECT size, hashes, recorded_ms FROM tree").get)


def _find_end(url: str, connection: apsw.Connection, known: End | None) -> End:
    """Give the end of the log, with the versions that are known if nobody else wrote."""
    try:
        edge = _edge(connection)
        if known is not None and known.edge == edge:
            known.trim()
            return known
        end = End(edge)
    except (TypeError, ValueError) as error:
        raise LogDamaged(url, 0, "an audit tree", str(error)) from error
    last = connection.execute("SELECT max(position) FROM events").get or 0
    if last != edge.size:
        raise LogDamaged(url, last, f"{edge.size} events, as the tree has", f"{last}")
    return end


class _Search:
    """Looks for the places of one commit's appends."""

    def __init__(self, connection: apsw.Connection, end: End, now: int) -> None:
        self.rows = Rows(end.edge, now)
        self._connection = connection
        self._end = end
        self._arrived: dict[bytes, int] = {}  # ids of this commit, and which of its rows they are

    def place(self, append: Pending) -> Appended | LogError:
        """Give an append its places behind those before it, or say why it gets none."""
        story, batch = append.story, append.batch
        try:
            again = repeats(story, batch, self._known(batch))
            if again is not None:
                return again
            version = self._version(story)
            check_version(story, append.expected, version)
        except LogError as error:
            return error
        self._end.versions[story] = version + len(batch)
        row = len(self.rows.envelopes)
        self._arrived.update((event.id, row + number) for number, event in enumerate(batch))
        return self.rows.add(story, version, batch)

    def _known(self, batch: Sequence[Prepared]) -> dict[bytes, Sealed]:
        """Give the events of these ids that are there, or come in with this commit."""
        found: dict[bytes, Sealed] = {}
        for event in batch:
            row = self._arrived.get(event.id)
            if row is not None:
                found[event.id] = self.rows.sealed(row)
                continue
            stored = self._connection.execute(
                f"SELECT {COLUMNS} FROM events WHERE id = ?", (event.id,)
            ).get
            if stored is not None:
                found[event.id] = Sealed._make(stored)
        return found

    def _version(self, story: str) -> int:
        version = self._end.versions.get(story)
        if version is None:
            newest = "SELECT max(version) FROM events WHERE story = ?"
            version = self._connection.execute(newest, (story,)).get or 0
        return version
