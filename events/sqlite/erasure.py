"""Erasure in a SQLite log: contents and their nonces gone from the file, the event still proved.

The events and the redaction that says so are written in one transaction: either the words are gone
and the log says why, or neither. What is left of each body stands beside the events, where whoever
reads them finds it.
"""

from functools import partial

import apsw
import orjson

from events.sqlite.file import connect, patiently

__all__ = ["erase", "scrub"]


def erase(connection: apsw.Connection, story: str, version: int, body: bytes) -> None:
    """Erase what a redaction says of what was before it, within the transaction that records it.

    Args:
        connection: of the log, with `secure_delete` on.
        story: the story of the redaction.
        version: its version; what comes later is not erased, wherever it is recorded.
        body: its canonical bytes.
    """
    for erasure in orjson.loads(body).get("erases", ()):
        if erasure["version"] >= version:
            continue
        place = (story, erasure["version"])
        if "remains" in erasure:
            connection.execute(
                "INSERT OR REPLACE INTO remains SELECT position, ? FROM events "
                "WHERE story = ? AND version = ?",
                (erasure["remains"].encode(), *place),
            )
            connection.execute(
                "UPDATE events SET body = NULL, body_nonce = NULL WHERE story = ? AND version = ?",
                place,
            )
        if erasure.get("private"):
            connection.execute(
                "UPDATE events SET private = NULL, private_nonce = NULL "
                "WHERE story = ? AND version = ?",
                place,
            )


def scrub(path: str) -> None:
    """Empty the write-ahead log of a log, where pages are kept as they were before an erasure.

    Raises:
        apsw.Error: somebody reads the old pages still; try again.
    """
    connection = connect(path)
    try:
        patiently(partial(_truncate, connection))
    finally:
        connection.close()


def _truncate(connection: apsw.Connection) -> None:
    left, _ = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    if left > 0:
        raise apsw.BusyError("the write-ahead log is in use")
