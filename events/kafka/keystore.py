"""The keys of contents that a mirror knows, and what goes when one of them is erased.

On their topic and here they stand in blocks for many events, each under the number of its first, so
that an event costs a part of a record and no more. A key is erased by the block once more, with
zeros in its place; the topic is compacted, so that the block as it was leaves the broker's disks.
Two nodes may erase from one block at a time, each putting back what the other erased: whoever reads
a key that is erased here has the broker erase it again, until the topic says what all of them say.
"""

from collections.abc import Sequence
from typing import Final

import apsw

from events.kafka.records import ERASED_KEY, KEY_BYTES, KEY_NUMBER, KEYS_BYTES, key_number

__all__ = ["BLOCK", "BLOCK_BYTES", "KeyStore"]

BLOCK = 64  # events whose keys are one record of their topic
BLOCK_BYTES: Final = KEYS_BYTES * BLOCK
MOST_AT_HAND = 512  # blocks kept in memory, 2 MiB, so that most events need no look-up
MOST_AT_ONCE = 400  # blocks that the broker is told of before it answers


class KeyStore:
    """Keys by the numbers of their blocks, in the file of a mirror.

    Args:
        connection: the mirror's, with `secure_delete` on.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._at_hand: dict[bytes, bytes] = {}

    def add(self, blocks: Sequence[tuple[bytes, bytes]]) -> None:
        """Remember blocks of this node, before their topic brings them back; in a transaction."""
        for number, block in blocks:
            self._keep(number, block)
        self._connection.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?)", blocks)

    def forget(self) -> None:
        """Keep nothing at hand: somebody else may have erased something."""
        self._at_hand.clear()

    def find(self, first: bytes, count: int, *, all_keys: bool) -> bytes | None:
        """Give the keys of so many events.

        Args:
            first: the number of the first.
            count: of events.
            all_keys: what is not known here is nowhere, and stands as erased; otherwise there is
                nothing to give where a key is not known yet.
        """
        place = first[-1] % BLOCK
        if place + count <= BLOCK:  # of one block, as most are
            block = self._block(first[:-1] + bytes((first[-1] - place,)))
            if block is not None:
                return block[KEYS_BYTES * place : KEYS_BYTES * (place + count)]
        blocks = []
        for step in range(-place, count, BLOCK):
            block = self._block(key_number(first, step))
            if block is None and not all_keys:
                return None
            blocks.append(block or bytes(BLOCK_BYTES))
        return b"".join(blocks)[KEYS_BYTES * place : KEYS_BYTES * (place + count)]

    def _block(self, number: bytes) -> bytes | None:
        block = self._at_hand.get(number)
        if block is None and (block := self._stored(number)) is not None:
            self._keep(number, block)
        return block

    def _stored(self, number: bytes) -> bytes | None:
        query = "SELECT block FROM keys WHERE number = ?"
        found: bytes | None = self._connection.execute(query, (number,)).get
        return found

    def _keep(self, number: bytes, block: bytes) -> None:
        if len(self._at_hand) >= MOST_AT_HAND:
            self._at_hand.clear()
        self._at_hand[number] = block

    def fold(self, records: Sequence[tuple[bytes, bytes | None]], next_key: int) -> bool:
        """Take blocks as their topic brings them, in a transaction.

        Each comes the first time or with less in it.

        Args:
            records: numbers and blocks, nothing for one that is erased whole; what has no form of
                a block is passed over.
            next_key: the offset after them.

        Returns:
            Whether contents were erased.
        """
        erased = False
        for number, value in records:
            block = bytes(BLOCK_BYTES) if value is None else value
            places = int.from_bytes(number[8:]) % BLOCK
            if len(number) == KEY_NUMBER and len(block) == BLOCK_BYTES and not places:
                erased |= self._take(number, block)
        self._connection.execute("UPDATE mirror SET next_key = max(next_key, ?)", (next_key,))
        return erased

    def _take(self, number: bytes, block: bytes) -> bool:
        connection = self._connection
        connection.execute("INSERT OR IGNORE INTO keys VALUES (?, ?)", (number, block))
        if connection.changes():
            return False  # nothing could be opened before
        known = self._stored(number)
        if known == block:
            connection.execute("DELETE FROM erasing WHERE number = ?", (number,))
            return False
        kept, erased, again = bytearray(block), False, False
        for part, at in enumerate(range(0, BLOCK_BYTES, KEY_BYTES)):
            ours, theirs = (each[at : at + KEY_BYTES] for each in (known or b"", block))
            if ours == ERASED_KEY != theirs:
                kept[at : at + KEY_BYTES] = ours
                again = True
            elif theirs == ERASED_KEY != ours:
                erased |= self._erase(number, part)
            else:
                kept[at : at + KEY_BYTES] = ours  # the first that was published
        if bytes(kept) != known:
            self._store(number, bytes(kept))
        act = "INSERT OR IGNORE INTO erasing VALUES (?)"
        connection.execute(act if again else "DELETE FROM erasing WHERE number = ?", (number,))
        return erased

    def _store(self, number: bytes, block: bytes) -> None:
        self._at_hand.pop(number, None)
        self._connection.execute("INSERT OR REPLACE INTO keys VALUES (?, ?)", (number, block))

    def _erase(self, number: bytes, part: int) -> bool:
        """Erase what the key of a part in a block opened, if it is there."""
        event, private = divmod(part, KEYS_BYTES // KEY_BYTES)
        own = key_number(number, event)
        row = self._connection.execute(
            "SELECT position, events, first_key FROM accepted "
            "WHERE first_key BETWEEN ? AND ? ORDER BY first_key DESC LIMIT 1",
            (number[:8] + bytes(8), own),
        ).get
        step = int.from_bytes(own[8:]) - int.from_bytes(row[2][8:]) if row else 0
        if row is None or step >= row[1]:
            return False  # it was no event's, or its event is still to come
        what = "private" if private else "body"
        erased = self._connection.execute(
            f"UPDATE events SET {what} = NULL, {what}_nonce = NULL "
            f"WHERE position = ? AND {what} IS NOT NULL RETURNING 1",
            (row[0] + step,),
        ).get
        return erased is not None

    def condemn(self, position: int, *, body: bool, private: bool) -> None:
        """Erase keys of an event here, and note that the broker is to erase them too."""
        first, first_key = self._connection.execute(
            "SELECT position, first_key FROM accepted "
            "WHERE position <= ? ORDER BY position DESC LIMIT 1",
            (position,),
        ).get
        own = key_number(first_key, position - first)
        event = int.from_bytes(own[8:]) % BLOCK
        parts = [2 * event + part for part, erased in enumerate((body, private)) if erased]
        self._condemn(key_number(own, -event), parts)

    def condemn_all(self, first: bytes, count: int) -> None:
        """Do so with the keys of a record that got no place, unless an event of the log has them.

        Args:
            first: the number of the first.
            count: of events.
        """
        start = int.from_bytes(first[8:])
        row = self._connection.execute(
            "SELECT events, first_key FROM accepted "
            "WHERE first_key BETWEEN ? AND ? ORDER BY first_key DESC LIMIT 1",
            (first[:8] + bytes(8), key_number(first, count - 1)),
        ).get
        if row is not None and int.from_bytes(row[1][8:]) + row[0] > start:
            return
        place = start % BLOCK
        for step in range(-place, count, BLOCK):
            events = range(max(0, -step), min(BLOCK, count - step))
            parts = [2 * event + part for event in events for part in (0, 1)]
            self._condemn(key_number(first, step), parts)

    def _condemn(self, number: bytes, parts: Sequence[int]) -> None:
        known = self._stored(number)
        if known is None:
            return
        block = bytearray(known)
        for part in parts:
            block[KEY_BYTES * part : KEY_BYTES * (part + 1)] = ERASED_KEY
        if bytes(block) != known:
            self._store(number, bytes(block))
            self._connection.execute("INSERT OR IGNORE INTO erasing VALUES (?)", (number,))

    def condemned(self) -> list[tuple[bytes, bytes]]:
        """Give blocks, with their numbers, that the broker is still to be told of."""
        query = "SELECT number, block FROM keys JOIN erasing USING (number) LIMIT ?"
        rows = self._connection.execute(query, (MOST_AT_ONCE,))
        return [(number, block) for number, block in rows]

    def condemned_numbers(self) -> set[bytes]:
        """Give the numbers of all such blocks."""
        return {number for (number,) in self._connection.execute("SELECT number FROM erasing")}
