"""The audit tree against RFC 6962, its published vectors and a second way of counting."""

import hmac
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.envelope import commit
from events.tree import (
    EMPTY_ROOT,
    Frontier,
    Node,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
)

# The eight leaves of the Certificate Transparency reference tests and the root after each.
LEAVES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def naive_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


def test_published_roots() -> None:
    """The root after each of the published leaves is the published one."""
    tree = Frontier()
    assert tree.root == EMPTY_ROOT == sha256(b"").digest()
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        tree.append(bytes.fromhex(leaf))
        assert tree.root.hex() == root
    assert leaf_hash(b"").hex() == ROOTS[0]


@given(leaves=st.lists(st.binary(max_size=8), max_size=70), cut=st.integers(0, 70))
def test_a_tree_can_be_put_down_and_taken_up(leaves: list[bytes], cut: int) -> None:
    """A tree kept as its edge alone grows on to the same root as the definition gives."""
    tree = Frontier()
    tree.extend(leaves[:cut])
    tree = Frontier(tree.size, tree.hashes)
    tree.extend(leaves[cut:])
    assert tree.root == naive_root(leaves)


def test_a_wrong_edge_is_refused() -> None:
    """An edge that does not fit its size is noticed when it is taken up."""
    with pytest.raises(ValueError, match="2 edge hashes, not 1"):
        Frontier(3, bytes(32))


@given(nonce=st.binary(min_size=32, max_size=32), content=st.binary(max_size=200))
def test_commitments_are_hmacs(nonce: bytes, content: bytes) -> None:
    """A commitment is the HMAC-SHA256 of RFC 2104, as the library computes it."""
    assert (
        commit(nonce, b"body", content) == hmac.digest(nonce, b"body\x00" + content, "sha256").hex()
    )


# The published proofs of the Certificate Transparency reference tests: (leaf, size, proof) with
# leaves from 1, and (size, size, proof).
INCLUSION = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (3, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        2,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
CONSISTENCY = [
    (1, 1, []),
    (1, 8, INCLUSION[1][2]),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
    (
        6,
        7,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
]
SOME_HASH = bytes.fromhex("abacaba000000000000000000000000000000000000000000060061e00123456")


def node_of(leaves: list[bytes]) -> Node:
    """The perfect subtrees over some leaves, by the definition."""
    return lambda level, place: naive_root(leaves[place << level : (place + 1) << level])


def published(size: int) -> tuple[list[bytes], bytes]:
    leaves = [bytes.fromhex(leaf) for leaf in LEAVES]
    return leaves, bytes.fromhex(ROOTS[size - 1])


def spoilt(proof: list[bytes], *others: bytes) -> list[list[bytes]]:
    """A proof with something put before or behind it, left out, exchanged or flipped."""
    found = [[*proof, other] for other in (b"", *others)]
    found += [[other, *proof] for other in (b"", *others)]
    if proof:
        found += [proof[:-1], [proof[0], SOME_HASH, *proof[1:]]]
    for place, each in enumerate(proof):
        flipped = bytes([each[0] ^ 8]) + each[1:]
        found.append([*proof[:place], flipped, *proof[place + 1 :]])
    return found


@pytest.mark.parametrize(("leaf", "size", "hashes"), INCLUSION)
def test_published_inclusion_proofs(leaf: int, size: int, hashes: list[str]) -> None:
    """Each published inclusion proof is made byte for byte, and holds; each spoilt one fails."""
    leaves, root = published(size)
    proof, index, ours = list(map(bytes.fromhex, hashes)), leaf - 1, leaf_hash(leaves[leaf - 1])
    assert inclusion_proof(node_of(leaves), index, size) == proof
    assert is_included(ours, index, size, proof, root)
    for wrong in spoilt(proof, root):
        assert not is_included(ours, index, size, wrong, root)
    for other in (index - 1, index + 1, index ^ 2):
        assert not is_included(ours, other, size, proof, root)
    for other in (size * 2, size // 2):
        assert not is_included(ours, index, other, proof, root)
    for wrong_root in (EMPTY_ROOT, SOME_HASH, b""):
        assert not is_included(ours, index, size, proof, wrong_root)
    assert not is_included(b"WrongLeaf", index, size, proof, root)


@pytest.mark.parametrize(("earlier", "size", "hashes"), CONSISTENCY)
def test_published_consistency_proofs(earlier: int, size: int, hashes: list[str]) -> None:
    """Each published consistency proof is made byte for byte, and holds; each spoilt one fails."""
    leaves, root = published(size)
    before, proof = bytes.fromhex(ROOTS[earlier - 1]), list(map(bytes.fromhex, hashes))
    assert consistency_proof(node_of(leaves), earlier, size) == proof
    assert is_consistent(earlier, size, proof, before, root)
    for wrong in spoilt(proof, before, root):
        assert not is_consistent(earlier, size, wrong, before, root)
    if not proof:
        return
    for other in (earlier - 1, earlier + 1, earlier ^ 2):
        assert not is_consistent(other, size, proof, before, root)
    for other in (size * 2, size // 2):
        assert not is_consistent(earlier, other, proof, before, root)
    assert not is_consistent(earlier, size, proof, root, before)
    assert not is_consistent(earlier, size, proof, b"WrongRoot", root)
    assert not is_consistent(earlier, size, [], before, root)


@pytest.mark.parametrize(
    ("earlier", "size", "same", "proof", "holds"),
    [
        (0, 0, False, [], False),
        (1, 1, False, [], False),
        (0, 0, True, [], True),
        (0, 1, False, [], True),
        (1, 1, True, [], True),
        (1, 0, False, [], False),
        (2, 1, False, [], False),
        (1, 2, False, [], False),
        (0, 0, True, [EMPTY_ROOT], False),
        (0, 1, True, [EMPTY_ROOT], False),
        (1, 1, True, [EMPTY_ROOT], False),
    ],
)
def test_published_edges_of_consistency(
    earlier: int, size: int, *, same: bool, proof: list[bytes], holds: bool
) -> None:
    """Empty trees, equal trees and trees that shrink are judged as the published tests have it."""
    assert (
        is_consistent(earlier, size, proof, EMPTY_ROOT, EMPTY_ROOT if same else SOME_HASH) is holds
    )


@given(leaves=st.lists(st.binary(max_size=3), min_size=1, max_size=70), data=st.data())
def test_every_proof_holds_for_its_own(leaves: list[bytes], data: st.DataObject) -> None:
    """In a tree of any size every leaf and every earlier tree is proved, and no other."""
    size, root = len(leaves), naive_root(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(node_of(leaves), index, size)
    assert is_included(leaf_hash(leaves[index]), index, size, proof, root)
    assert not is_included(leaf_hash(leaves[index] + b"x"), index, size, proof, root)
    earlier = data.draw(st.integers(1, size))
    way = consistency_proof(node_of(leaves), earlier, size)
    assert is_consistent(earlier, size, way, naive_root(leaves[:earlier]), root)
    assert not is_consistent(earlier, size, way, naive_root([*leaves[:earlier], b"x"]), root)


@given(st.integers(0, 40), st.integers(0, 7), st.integers(0, 128))
def test_trees_are_joined(blocks: int, level: int, more: int) -> None:
    """Two trees make one, where the second begins at a multiple of its widest subtree."""
    before, behind = blocks << level, min(more, 1 << level)
    leaves = [number.to_bytes(2, "big") for number in range(before + behind)]
    first, second, whole = Frontier(), Frontier(), Frontier()
    first.extend(leaves[:before])
    second.extend(leaves[before:])
    whole.extend(leaves)
    joined = first.joined(second)
    assert (joined.size, joined.hashes) == (whole.size, whole.hashes)


def test_a_tree_between_places_is_not_joined() -> None:
    """A tree that would begin in the middle of another's subtree is refused."""
    first, second = Frontier(), Frontier()
    first.extend([b"a"])
    second.extend([b"b", b"c"])
    with pytest.raises(ValueError, match="does not begin behind 1"):
        first.joined(second)
