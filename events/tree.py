"""The audit tree of RFC 6962: one hash that stands for the whole history, grown leaf by leaf.

Section 2.1 of the RFC: a leaf is SHA-256(0x00 ‖ bytes), a node SHA-256(0x01 ‖ left ‖ right). Proofs
are made as there and checked as in RFC 9162, which tells it step by step.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256

__all__ = [
    "EMPTY_ROOT",
    "Frontier",
    "Node",
    "consistency_proof",
    "inclusion_proof",
    "is_consistent",
    "is_included",
    "leaf_hash",
    "node_hash",
    "range_root",
]

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

    def __iter__(self) -> Iterator[bytes]:
        """Give the roots of the perfect subtrees, largest first."""
        return iter(self._hashes)

    def joined(self, more: "Frontier") -> "Frontier":
        """Give this tree with the leaves of another behind its own.

        Args:
            more: the other; this one's size must be a multiple of its widest subtree.

        Raises:
            ValueError: it does not begin where this one ends.
        """
        size, hashes, subtrees = self.size, list(self._hashes), iter(more)
        for level in range(more.size.bit_length() - 1, -1, -1):
            if not more.size >> level & 1:
                continue
            if size % (1 << level):
                msg = f"a subtree of {1 << level} leaves does not begin behind {size}"
                raise ValueError(msg)
            node, complete = next(subtrees), size >> level
            while complete & 1:
                node = node_hash(hashes.pop(), node)
                complete >>= 1
            hashes.append(node)
            size += 1 << level
        return Frontier(size, b"".join(hashes))

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


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into one: 32 bytes."""
    return sha256(b"\x01" + left + right).digest()


Node = Callable[[int, int], bytes]
"""Gives the root of the perfect subtree of 2**level leaves that stands at a place of its level."""


def range_root(node: Node, first: int, end: int) -> bytes:
    """Give the root over the leaves from `first` up to `end`, where `first` begins a subtree.

    Every subtree in a proof of RFC 6962 begins at a multiple of its own size.
    """
    pieces = []
    while first < end:
        level = (end - first).bit_length() - 1
        pieces.append(node(level, first >> level))
        first += 1 << level
    root = pieces.pop() if pieces else EMPTY_ROOT
    while pieces:
        root = node_hash(pieces.pop(), root)
    return root


def inclusion_proof(node: Node, index: int, size: int) -> list[bytes]:
    """Prove that a leaf is in a tree: the hashes beside its way up (RFC 6962, section 2.1.1).

    Args:
        node: the tree's perfect subtrees.
        index: the leaf, from 0.
        size: leaves of the tree.

    Raises:
        ValueError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    proof: list[bytes] = []
    first, end = 0, size
    while end - first > 1:
        middle = first + _split(end - first)
        if index < middle:
            proof.append(range_root(node, middle, end))
            end = middle
        else:
            proof.append(range_root(node, first, middle))
            first = middle
    return proof[::-1]


def consistency_proof(node: Node, earlier: int, size: int) -> list[bytes]:
    """Prove that a tree begins with an earlier one (RFC 6962, section 2.1.2).

    Args:
        node: the tree's perfect subtrees.
        earlier: leaves of the earlier tree, at least 1.
        size: leaves of the tree.

    Raises:
        ValueError: the tree is no later one.
    """
    if not 1 <= earlier <= size:
        raise ValueError(f"a tree of {size} leaves follows none of {earlier}")
    proof: list[bytes] = []
    first, end, whole = 0, size, True
    while earlier != end:
        middle = first + _split(end - first)
        if earlier <= middle:
            proof.append(range_root(node, middle, end))
            end = middle
        else:
            proof.append(range_root(node, first, middle))
            first, whole = middle, False
    if not whole:
        proof.append(range_root(node, first, end))
    return proof[::-1]


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether a proof leads from a leaf's hash to a root (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size or not _hashes(leaf, root, *proof):
        return False
    place, last, found = index, size - 1, leaf
    for beside in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(beside, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, beside)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(
    earlier: int, size: int, proof: Sequence[bytes], earlier_root: bytes, root: bytes
) -> bool:
    """Whether a proof leads from an earlier root to a root (RFC 9162, section 2.1.4.2).

    Every tree begins with the empty one, which takes no proof.
    """
    if earlier == size:
        return not proof and earlier_root == root
    if not 0 <= earlier < size or not _hashes(*proof):
        return False
    if earlier == 0:
        return not proof
    way = list(proof) if earlier & (earlier - 1) else [earlier_root, *proof]
    if not way:
        return False
    place, last = earlier - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    before = now = way[0]
    for beside in way[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            before, now = node_hash(beside, before), node_hash(beside, now)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            now = node_hash(now, beside)
        place, last = place >> 1, last >> 1
    return last == 0 and before == earlier_root and now == root


def _split(count: int) -> int:
    """Give the largest power of two below a number of leaves, which the left subtree has."""
    return 1 << (count - 1).bit_length() - 1


def _hashes(*values: bytes) -> bool:
    return all(len(value) == sha256().digest_size for value in values)
