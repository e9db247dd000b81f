"""The audit tree against RFC 6962, its published vectors and a second way of counting."""

import hmac
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.envelope import commit
from events.tree import EMPTY_ROOT, Frontier, leaf_hash

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
