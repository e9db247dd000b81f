"""The places that appends get at the end of a log, given before anything is written.

Positions, versions and the tree follow from the end of the log alone. Whoever knows the end gives
places in the middle of other work, and whether the end was still that one is checked where they are
written.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from events.envelope import Prepared, Sealed, seal
from events.errors import WrongVersion
from events.log import ERASES, Appended, Expect, ExpectedVersion, check_version
from events.sqlite.insertion import MOST_ROWS, WIDTH, Edge, Value, settlement
from events.tree import Frontier

__all__ = ["End", "Pending", "Places", "Rows", "together"]

_NEW: Final = (0, Expect.MUST_NOT_EXIST)
STORIES_REMEMBERED = 50_000  # versions kept in memory, so that a known story costs no look-up


class Pending(NamedTuple):
    """One append on its way, and the future that learns how it went."""

    story: str
    batch: Sequence[Prepared]
    expected: ExpectedVersion
    future: asyncio.Future[Appended]


class Places(NamedTuple):
    """Where a group of appends goes, and all that is written to put it there.

    `before` is the tree that the places follow and `after` the tree with them; `values` are the
    events as `insert` takes them.
    """

    before: Edge
    after: Edge
    values: list[Value]
    outcomes: list[Appended]


def together(places: Sequence[Places]) -> list[Value]:
    """Give what is inserted for places that follow one another."""
    values = settlement(places[0].before, places[-1].after)
    for each in places:
        values += each.values
    return values


class Rows:
    """Events that got their places behind a size of the log, as SQLite takes them.

    Args:
        before: the tree before.
        now: milliseconds since 1970 UTC; recorded time never goes back, whatever the clock says.
    """

    def __init__(self, before: Edge, now: int) -> None:
        self.recorded_ms = max(now, before.recorded_ms)
        self._size = before.size
        self.values: list[Value] = []
        self.envelopes: list[bytes] = []

    def add(self, story: str, version: int, batch: Sequence[Prepared]) -> Appended:
        """Place a batch after a version of its story."""
        values, envelopes, now = self.values, self.envelopes, self.recorded_ms
        before = position = self._size + len(envelopes)
        first = version + 1
        for event in batch:
            position += 1
            version += 1
            envelope = seal(event, position, version, now)
            envelopes.append(envelope)
            values += (
                *(position, story, version, event.id, event.kind, event.schema, now, envelope),
                *event.contents,
            )
        return Appended(tuple(range(before + 1, position + 1)), tuple(range(first, version + 1)))

    def sealed(self, row: int) -> Sealed:
        """Give what was added as an event."""
        return Sealed._make(self.values[row * WIDTH : (row + 1) * WIDTH])


class End:
    """What is known of the end of a log.

    Args:
        edge: the audit tree.

    Raises:
        ValueError: it is no tree.
    """

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self.versions: dict[str, int] = {}
        self._tree = Frontier(edge.size, edge.hashes)

    def place(self, appends: Sequence[Pending], now: int) -> Places | None:
        """Place appends behind all that were placed before.

        None, and nothing is changed, where one of them is not plainly new: of a story whose
        version is not known, expecting another version, erasing, or too large for a statement.
        """
        self.trim()
        versions, found = self.versions, dict[str, int]()
        before = self.edge
        rows, outcomes = Rows(before, now), []
        for story, batch, expected, _ in appends:
            version = found.get(story) or versions.get(story)
            if version is None and expected in _NEW:
                version = 0  # were the story there, its first version would be too
            if version is None or not _is_plain(story, batch, expected, version):
                return None
            outcomes.append(rows.add(story, version, batch))
            found[story] = version + len(batch)
        if len(rows.envelopes) >= MOST_ROWS:
            return None
        self.advance(rows)
        versions.update(found)
        return Places(before, self.edge, rows.values, outcomes)

    def advance(self, rows: Rows) -> None:
        """Go on behind events that got their places."""
        self._tree.extend(rows.envelopes)
        self.edge = Edge(self._tree.size, self._tree.hashes, rows.recorded_ms)

    def trim(self) -> None:
        """Forget versions when there are too many; never between two appends of one commit."""
        if len(self.versions) >= STORIES_REMEMBERED:
            self.versions.clear()


def _is_plain(
    story: str, batch: Sequence[Prepared], expected: ExpectedVersion, version: int
) -> bool:
    try:
        check_version(story, expected, version)
    except WrongVersion:
        return False
    return batch[0].kind != ERASES and len(batch) < MOST_ROWS
