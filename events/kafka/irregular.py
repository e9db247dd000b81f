"""Records that auditors should see: those that got no place, and those of nodes that disagree."""

from collections.abc import Iterable
from typing import NamedTuple

import apsw

from events.kafka.arbitration import Void
from events.kafka.records import Claim

__all__ = ["Irregular", "VoidRecord"]

MOST_VOIDS = 1_000  # shown at a time; a topic may be flooded


class VoidRecord(NamedTuple):
    """A record that got no place, as auditors see it."""

    offset: int
    appended_ms: int
    story: str | None
    why: str
    reason: str


class Irregular:
    """What is irregular on the topic, in the file of a mirror.

    Args:
        connection: the mirror's.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def note(self, offset: int, appended_ms: int, story: str | None, void: Void) -> None:
        """Keep a record that got no place."""
        self._connection.execute(
            "INSERT INTO void VALUES (?, ?, ?, ?, ?, ?)",
            (offset, appended_ms, story, void.why.value, void.reason, void.found),
        )

    def compare(self, claims: Iterable[tuple[int, int, bytes]], newest: Claim | None) -> None:
        """Hold what other nodes believe, by offset, against what this one knows."""
        for offset, size, theirs in claims:
            if Claim(size, theirs) == newest:
                continue
            ours = self._connection.execute("SELECT root FROM roots WHERE size = ?", (size,)).get
            if ours is not None and ours != theirs:
                self._connection.execute(
                    "INSERT INTO disagreements VALUES (?, ?, ?)", (offset, size, theirs)
                )

    def voids(self) -> list[VoidRecord]:
        """Give the last records that got no place, in the order of their offsets."""
        rows = self._connection.execute(
            "SELECT * FROM (SELECT offset, appended_ms, story, why, reason FROM void "
            "ORDER BY offset DESC LIMIT ?) ORDER BY offset",
            (MOST_VOIDS,),
        )
        return [VoidRecord._make(row) for row in rows]

    def counts(self) -> tuple[int, int]:
        """Give how many records are void, and how many were sent by nodes that disagree."""
        count = self._connection.execute
        return (
            count("SELECT count(*) FROM void").get,
            count("SELECT count(*) FROM disagreements").get,
        )
