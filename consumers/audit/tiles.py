"""The audit tree on disk in tiles, so that a proof reads few kilobytes however long the log is."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from consumers.audit.book import Book
from events.errors import BookDamaged
from events.tree import EMPTY_ROOT, node_hash, range_root

__all__ = ["Tiles"]

HEIGHT = 8  # levels of the tree in a tile, as C2SP tlog-tiles has it
WIDTH: Final = 1 << HEIGHT
HASH = 32  # bytes
REMEMBERED = 512  # whole tiles in memory, 8 KiB each


class Tiles:
    """The tiles of one log.

    Args:
        book: where they are.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._whole = lru_cache(maxsize=REMEMBERED)(self._read)

    @property
    def size(self) -> int:
        """How many leaves are in the tiles."""
        with self._book.at_hand() as connection:
            place, length = connection.execute(
                "SELECT place, length(hashes) FROM tiles WHERE level = 0 "
                "ORDER BY place DESC LIMIT 1"
            ).get or (0, 0)
        return int(place) * WIDTH + int(length) // HASH

    def extend(self, after: int, leaves: Sequence[bytes]) -> None:
        """Add leaf hashes behind the first `after`, those left out that others added meanwhile."""
        with self._book.transaction():
            size = self.size
            if after <= size < after + len(leaves):
                self._extend(0, size, leaves[size - after :])

    def _extend(self, level: int, size: int, hashes: Sequence[bytes]) -> None:
        """Add hashes to a level, and the roots of the tiles that they fill to the next."""
        roots = []
        done = 0
        while done < len(hashes):
            place, held = divmod(size + done, WIDTH)
            new = hashes[done : done + WIDTH - held]
            tile = (self._read(level, place) if held else b"") + b"".join(new)
            self._book.connection.execute(
                "INSERT OR REPLACE INTO tiles VALUES (?, ?, ?)", (level, place, tile)
            )
            if len(tile) == WIDTH * HASH:
                roots.append(_root(tile))
            done += len(new)
        if roots:
            self._extend(level + 1, size // WIDTH, roots)

    def _read(self, level: int, place: int) -> bytes:
        with self._book.at_hand() as connection:
            found = connection.execute(
                "SELECT hashes FROM tiles WHERE level = ? AND place = ?", (level, place)
            ).get
        return bytes(found or b"")

    def _tile(self, level: int, place: int, upto: int) -> bytes:
        """Give a tile with at least `upto` hashes; one that is whole stays in memory."""
        if upto < WIDTH:
            return self._read(level, place)
        return self._whole(level, place)

    def node(self, level: int, place: int) -> bytes:
        """See `events.tree.Node`.

        Raises:
            BookDamaged: no tile holds it.
        """
        tile_level, within = divmod(level, HEIGHT)
        tile, first = divmod(place << within, WIDTH)
        last = first + (1 << within)
        hashes = self._tile(tile_level, tile, last)[first * HASH : last * HASH]
        if len(hashes) != HASH << within:
            raise self._without(level, place)
        return _root(hashes)

    def _without(self, level: int, place: int) -> BookDamaged:
        why = f"expected a tile with level {level}, place {place}; found none"
        return BookDamaged(self._book.path, why)

    def leaf(self, index: int) -> bytes:
        """Give a leaf's hash; the first is 0."""
        return self.node(0, index)

    def leaves(self, first: int, end: int) -> list[bytes]:
        """Give the hashes of the leaves from `first` up to `end`; the first of all is 0.

        Raises:
            BookDamaged: no tile holds one of them.
        """
        found: list[bytes] = []
        while (at := first + len(found)) < end:
            place, start = divmod(at, WIDTH)
            upto = min(WIDTH, end - place * WIDTH)
            hashes = self._tile(0, place, upto)[start * HASH : upto * HASH]
            if len(hashes) != (upto - start) * HASH:
                raise self._without(0, at)
            found += [hashes[i : i + HASH] for i in range(0, len(hashes), HASH)]
        return found

    def root(self, size: int) -> bytes:
        """Give the root over the first `size` leaves."""
        return range_root(self.node, 0, size) if size else EMPTY_ROOT


def _root(hashes: bytes) -> bytes:
    level = [hashes[i : i + HASH] for i in range(0, len(hashes), HASH)]
    while len(level) > 1:
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]
