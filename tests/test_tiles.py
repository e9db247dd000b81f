"""The tree in tiles is the tree, however it came there."""

import asyncio
import itertools
from pathlib import Path

from conftest import Clock
from filings import filed, note, opening
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tree import naive_root

from consumers.audit.auditor import Auditor
from consumers.audit.book import Book
from consumers.audit.signing import Keyring
from consumers.audit.tiles import Tiles
from events.sqlite.log import SqliteLog
from events.tree import (
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
)

LEAVES = [b"%d" % number for number in range(1_100)]  # more than four tiles


@settings(max_examples=30)
@given(cuts=st.lists(st.integers(0, 1_100), max_size=8), size=st.integers(1, 1_100))
def test_tiles_give_the_root_of_every_size(cuts: list[int], size: int) -> None:
    """In whatever portions leaves come, each root is that of the definition, each proof holds."""
    book = Book(":memory:")
    tiles = Tiles(book)
    places = sorted({0, *cuts, len(LEAVES)})
    for start, end in itertools.pairwise(places):
        tiles.extend(start, [leaf_hash(leaf) for leaf in LEAVES[start:end]])
    root = naive_root(LEAVES[:size])
    assert (tiles.size, tiles.root(size)) == (len(LEAVES), root)
    index, earlier = size // 2, size // 3 + 1
    assert tiles.leaves(index, size) == [leaf_hash(leaf) for leaf in LEAVES[index:size]]
    proof = inclusion_proof(tiles.node, index, size)
    assert is_included(leaf_hash(LEAVES[index]), index, size, proof, root)
    way = consistency_proof(tiles.node, earlier, size)
    assert is_consistent(earlier, size, way, naive_root(LEAVES[:earlier]), root)
    book.close()


@settings(max_examples=30)
@given(after=st.integers(0, 300), count=st.integers(0, 300))
def test_whoever_comes_late_adds_what_is_left(after: int, count: int) -> None:
    """Who read the log when others had got further or less far adds the rest and nothing twice."""
    book = Book(":memory:")
    tiles = Tiles(book)
    hashes = [leaf_hash(leaf) for leaf in LEAVES]
    tiles.extend(0, hashes[:280])
    tiles.extend(after, hashes[after : after + count])
    size = max(280, after + count) if after <= 280 else 280
    assert (tiles.size, tiles.root(tiles.size)) == (size, naive_root(LEAVES[:size]))
    book.close()


async def test_auditors_at_the_same_time_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Several auditors of one log and book, while it grows, find it whole and sign one history."""
    log = SqliteLog(tmp_path / "log.db", Clock())
    await log.append("a", [filed(opening())])
    path = str(tmp_path / "signing.key")
    auditors = [
        Auditor(log, Book(str(tmp_path / "audit.db")), Keyring(path), Clock()) for _ in range(3)
    ]

    async def file() -> None:
        for number in range(200):
            await log.append("a", [note(f"{number}")])

    async def audit(auditor: Auditor) -> None:
        while (await auditor.checkpoint()).size < 201:
            await auditor.catch_up()

    await asyncio.gather(file(), *(audit(auditor) for auditor in auditors))
    assert (await auditors[0].verify(lambda *_: None)).events == 201
    assert len({(await auditor.checkpoint()).note for auditor in auditors}) == 1
    for auditor in auditors:
        auditor.book.close()
    await log.close()
