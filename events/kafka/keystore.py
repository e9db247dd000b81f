"""The keys of contents that a mirror knows, and what goes when one of them is erased."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import apsw

from events.kafka.records import KEY_NUMBER, KEYS_OF_EVENT, key_number

__all__ = ["KeyStore", "writing"]

KEY_BYTES = 32  # of AES-256
MOST_OWN = 30_000  # keys of this node kept at hand, so that its appends need no look-up
MOST_AT_ONCE = 1_000  # keys that the broker is told of before it answers


@contextmanager
def writing(connection: apsw.Connection) -> Iterator[None]:
    """Write in one transaction, waiting at its beginning for whoever shares the mirror.

    A transaction that began by reading could not wait: what it read would be old by then.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


class KeyStore:
    """Keys by their numbers, in the file of a mirror.

    Args:
        connection: the mirror's, with `secure_delete` on.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._own: dict[bytes, bytes | None] = {}  # what this node published last

    def add(self, keys: Sequence[tuple[bytes, bytes]]) -> None:
        """Remember keys of this node, before the topic of keys brings them back."""
        if len(self._own) > MOST_OWN:
            self._own.clear()
        self._own.update(keys)
        with writing(self._connection):
            self._connection.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?)", keys)

    def is_own(self, number: bytes | None) -> bool:
        """Whether a key was published from here, so that it is known already."""
        return number in self._own

    def find(self, first: bytes, count: int) -> dict[bytes, bytes | None]:
        """Give so many keys by their numbers, None for those that were erased."""
        if first in self._own:  # published together, so that it has them all or none
            numbers = [key_number(first, step) for step in range(count)]
            return {number: self._own.get(number) for number in numbers}
        return dict(
            self._connection.execute(
                "SELECT number, key FROM keys WHERE number BETWEEN ? AND ?",
                (first, key_number(first, count - 1)),
            )
        )

    def fold(self, keys: Sequence[tuple[bytes, bytes | None]], next_key: int) -> bool:
        """Take keys, and None where one was erased, as the topic brings them.

        Args:
            keys: with their numbers; what has no form of a key is passed over.
            next_key: the offset after them.

        Returns:
            Whether contents were erased.
        """
        erased = False
        connection = self._connection
        with writing(connection):
            for number, key in keys:
                if len(number) != KEY_NUMBER or (key is not None and len(key) != KEY_BYTES):
                    continue
                if key is not None:
                    connection.execute("INSERT OR IGNORE INTO keys VALUES (?, ?)", (number, key))
                    continue
                connection.execute(
                    "INSERT INTO keys VALUES (?, NULL) ON CONFLICT (number) DO UPDATE SET key=NULL",
                    (number,),
                )
                self._own.pop(number, None)
                connection.execute("DELETE FROM erasing WHERE number = ?", (number,))
                erased |= self._erase(number)
            connection.execute("UPDATE mirror SET next_key = max(next_key, ?)", (next_key,))
        return erased

    def _erase(self, number: bytes) -> bool:
        row = self._connection.execute(
            "SELECT position, events, first_key FROM accepted "
            "WHERE first_key BETWEEN ? AND ? ORDER BY first_key DESC LIMIT 1",
            (number[:8] + bytes(8), number),
        ).get
        step = int.from_bytes(number[8:]) - int.from_bytes(row[2][8:]) if row else 0
        event, part = divmod(step, KEYS_OF_EVENT)
        if row is None or event >= row[1]:
            return False  # it was no event's, or its event is still to come
        what = "private" if part else "body"
        self._connection.execute(
            f"UPDATE events SET {what} = NULL, {what}_nonce = NULL WHERE position = ?",
            (row[0] + event,),
        )
        return True

    def condemn(self, position: int, *, body: bool, private: bool) -> None:
        """Erase keys of an event here, and note that the broker is to erase them too."""
        row = self._connection.execute(
            "SELECT position, first_key FROM accepted "
            "WHERE position <= ? AND ? < position + events",
            (position, position),
        ).get
        start = KEYS_OF_EVENT * (position - row[0])
        for part, erased in enumerate((body, private)):
            number = key_number(row[1], start + part)
            if (
                erased
                and self._connection.execute(
                    "UPDATE keys SET key = NULL WHERE number = ? AND key IS NOT NULL RETURNING 1",
                    (number,),
                ).get
            ):
                self._connection.execute("INSERT OR IGNORE INTO erasing VALUES (?)", (number,))

    def condemned(self) -> list[bytes]:
        """Give numbers of keys that the broker is still to be told of, some at a time."""
        rows = self._connection.execute("SELECT number FROM erasing LIMIT ?", (MOST_AT_ONCE,))
        return [number for (number,) in rows]
