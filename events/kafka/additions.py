"""What one commit of a mirror adds: events at their places, as rows that SQLite takes together."""

from collections.abc import Iterable, Iterator
from typing import Final

import apsw

from events.envelope import Sealed, seal
from events.kafka.arbitration import Places
from events.kafka.records import Contents, Offer, key_number
from events.log import ERASES
from events.sqlite.insertion import COLUMNS

__all__ = ["Additions"]

MOST_ROWS = 512  # in one INSERT, the longest of which is still kept prepared

_WIDTH: Final = len(Sealed._fields)
_ROW: Final = f"({','.join('?' * _WIDTH)})"
# Rows go in by powers of two, so that a commit takes few statements and few are kept prepared.
_INSERTS: Final = {
    rows: f"INSERT INTO events ({COLUMNS}) VALUES {','.join([_ROW] * rows)}"
    for rows in (1 << power for power in range(MOST_ROWS.bit_length()))
}


class Additions:
    """Events on their way into a mirror, and where their keys are.

    `size` is that of the log with them, `envelopes` their leaves of the tree.

    Args:
        size: of the log before.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.envelopes: list[bytes] = []
        self._values: list[int | str | bytes | None] = []
        self._runs: list[tuple[int, int, bytes]] = []
        self._redactions: list[int] = []

    def add(self, offer: Offer, contents: Iterable[Contents], places: Places) -> None:
        """Add the events of a record at their places."""
        values, envelopes = self._values, self.envelopes
        for parcel, content, position, version, recorded_ms in zip(
            offer.parcels, contents, *places, strict=True
        ):
            event = parcel.prepared
            if event.kind == ERASES:
                self._redactions.append(len(values))
            envelope = seal(event, position, version, recorded_ms)
            envelopes.append(envelope)
            values += (
                *(position, parcel.story, version, event.id, event.kind, event.schema),
                *(recorded_ms, envelope, *content),
            )
        self.size += len(offer.parcels)
        self._run(places.positions[0], len(offer.parcels), offer.first_key)

    def _run(self, position: int, events: int, first_key: bytes) -> None:
        if self._runs:
            start, before, first = self._runs[-1]
            if key_number(first, before) == first_key:
                self._runs[-1] = (start, before + events, first)
                return
        self._runs.append((position, events, first_key))

    def store(self, connection: apsw.Connection) -> None:
        """Write them, within a transaction."""
        values, done = self._values, 0
        while done < len(values):
            rows = min(MOST_ROWS, 1 << ((len(values) - done) // _WIDTH).bit_length() - 1)
            connection.execute(_INSERTS[rows], values[done : done + rows * _WIDTH])
            done += rows * _WIDTH
        connection.executemany("INSERT INTO accepted VALUES (?, ?, ?)", self._runs)

    def redactions(self) -> Iterator[Sealed]:
        """Give those that erase others."""
        for at in self._redactions:
            yield Sealed._make(self._values[at : at + _WIDTH])
