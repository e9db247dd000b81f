"""The audit tree of RFC 6962: one hash that stands for the whole history, grown leaf by leaf.

Section 2.1 of the RFC: a leaf is SHA-256(0x00 ‖ bytes), a node SHA-256(0x01 ‖ left ‖ right).
"""

from collections.abc import Iterable
from hashlib import sha256

__all__ = ["EMPTY_ROOT", "Frontier", "leaf_hash"]

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """Hash one leaf: 32 bytes."""
    return sha256(b"\x00" + leaf).digest()


class Frontier:
    """The right edge of the tree: all that must be kept to add a leaf and to know the root.

    Args:
        size: how many leaves the tree has.
        hashes: the roots of its perfect subtrees, largest first, 32 bytes each; as many as
            `size` has one bits.
    """

    __slots__ = ("_hashes", "size")

    def __init__(self, size: int = 0, hashes: bytes = b"") -> None:
        if len(hashes) != 32 * size.bit_count():
            edge = size.bit_count()
            msg = f"a tree of {size} leaves has {edge} edge hashes, not {len(hashes) / 32:g}"
            raise ValueError(msg)
        self.size = size
        self._hashes = [hashes[i : i + 32] for i in range(0, len(hashes), 32)]

    def append(self, leaf: bytes) -> None:
        """Add one leaf; costs two hashes on average."""
        self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaves in order."""
        size, hashes = self.size, self._hashes
        for leaf in leaves:
            node = sha256(b"\x00" + leaf).digest()
            complete = size
            while complete & 1:
                node = sha256(b"\x01" + hashes.pop() + node).digest()
                complete >>= 1
            hashes.append(node)
            size += 1
        self.size = size

    @property
    def hashes(self) -> bytes:
        """The edge, as the constructor takes it."""
        return b"".join(self._hashes)

    @property
    def root(self) -> bytes:
        """The tree's root: 32 bytes."""
        if not self._hashes:
            return EMPTY_ROOT
        edge = list(self._hashes)
        node = edge.pop()
        while edge:
            node = sha256(b"\x01" + edge.pop() + node).digest()
        return node
