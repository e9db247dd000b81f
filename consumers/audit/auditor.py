"""The auditor at work: keeps the tree in tiles, signs checkpoints, and makes proofs of both."""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from consumers.audit.book import Book, Proved, Signed
from consumers.audit.proofs import Consistency, Inclusion
from consumers.audit.signing import Keyring, Rotation, is_signed
from consumers.audit.tiles import Tiles
from consumers.audit.verify import Pause, Progress, Verified, verify
from events.checkpoint import (
    Checkpoint,
    VerifierKey,
    checkpoint_in,
    cosigners,
    open_note,
    verifier_key,
)
from events.custody import RECORD, SigningKeyChanged
from events.errors import BookDamaged, LogDamaged, NotFound, Refused
from events.log import ERASES, Clock, Head, Leaf, Log
from events.tree import (
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
)

__all__ = ["Auditor", "Noticed"]

BLANK: Final = "\n\n"  # what parts a note from its signatures
LIFTS: Final = frozenset({"embargo-lifted", "embargo-broken"})


class Noticed(NamedTuple):
    """How far the auditor is, and the position at which it last saw an embargo lifted, or 0."""

    size: int
    lifted: int


class Auditor:
    """Keeps the book of one log.

    Args:
        log: the log.
        book: the auditor's book.
        keyring: signs.
        clock: milliseconds since 1970 UTC.
    """

    def __init__(self, log: Log, book: Book, keyring: Keyring, clock: Clock) -> None:
        self.log = log
        self.book = book
        self.keyring = keyring
        self.tiles = Tiles(book)
        self._clock = clock
        self.newest: Signed | None = None
        self._lifted = 0  # position of the last embargo that was seen to be lifted
        self._checked = 0  # size at which the tiles were last held against the log's own tree

    @property
    def note(self) -> str | None:
        """The last signed checkpoint that is known here, for whoever publishes it."""
        return self.newest.note if self.newest else None

    @property
    def header(self) -> str | None:
        """The same in base64, as headers carry it."""
        return base64.b64encode(self.newest.note.encode()).decode() if self.newest else None

    async def catch_up(self) -> Noticed:
        """Bring the tiles up to the log, and hold them against its tree.

        Raises:
            LogDamaged: the log is not the one that the tiles were made of; names the position.
            BookDamaged: the tiles are not what they were themselves.
        """
        # The tiles first: somebody else may bring them up to what is appended meanwhile.
        size = await asyncio.to_thread(lambda: self.tiles.size)
        head = await self.log.head()
        if size > head.size:
            raise LogDamaged(
                self.log.url,
                head.size + 1,
                f"{size} events, as were there before ({self.book.path})",
                f"{head.size}",
            )
        async for page in self.log.read_leaves(size, head.size):
            leaves = [leaf_hash(leaf.envelope) for leaf in page]
            erased = [(leaf.position, leaf.story) for leaf in page if leaf.kind == ERASES]
            lifts = [leaf.position for leaf in page if leaf.kind in LIFTS]
            self._lifted = max([self._lifted, *lifts])
            await asyncio.to_thread(self._write, size, leaves, erased)
            size += len(leaves)
        if head.size != self._checked:
            await self._hold_against(head)
            self._checked = head.size
        return Noticed(head.size, self._lifted)

    def _write(
        self, after: int, leaves: Sequence[bytes], erased: Sequence[tuple[int, str]]
    ) -> None:
        self.book.note_redactions(erased)  # first: what is in the tiles is not read again
        self.tiles.extend(after, leaves)

    async def _hold_against(self, head: Head) -> None:
        if await asyncio.to_thread(self.tiles.root, head.size) == head.root:
            return
        await asyncio.to_thread(self._expect_sound_tiles)
        position = await self.first_difference()
        if not position:
            why = "expected tiles that lead to the root of their leaves; found others"
            raise BookDamaged(self.book.path, why)
        raise LogDamaged(
            self.log.url, position, f"the event that was there before ({self.book.path})", "another"
        )

    def _expect_sound_tiles(self) -> None:
        """Hold the tiles against the last checkpoint: what disagrees with it is at fault itself."""
        signed = self._last_signed()
        if signed is None or signed.size > self.tiles.size:
            return
        if self.tiles.root(signed.size) != signed.root:
            why = f"expected tiles that lead to checkpoint {signed.size}; found others"
            raise BookDamaged(self.book.path, why)

    def _last_signed(self) -> Signed | None:
        """Give the last checkpoint, held against the note that was signed."""
        signed = self.book.signed()
        if signed is not None:
            noted = checkpoint_in(f"{signed.note.rpartition(BLANK)[0]}\n")
            if (noted.size, noted.root) != (signed.size, signed.root):
                why = f"expected checkpoint {signed.size} as its note has it; found another"
                raise BookDamaged(self.book.path, why)
        return signed

    async def first_difference(self) -> int:
        """Give the first position where the log is not as it was seen before, 0 for none."""
        size = await asyncio.to_thread(lambda: self.tiles.size)
        async for page in self.log.read_leaves(0, size):
            position = await asyncio.to_thread(self._differs, page)
            if position:
                return position
        return 0

    def _differs(self, page: Sequence[Leaf]) -> int:
        known = self.tiles.leaves(page[0].position - 1, page[-1].position)
        for leaf in page:
            if leaf_hash(leaf.envelope) != known[leaf.position - page[0].position]:
                return leaf.position
        return 0

    async def verify(
        self,
        progress: Progress,
        pause: Pause | None = None,
        kept: Mapping[int, bytes] | None = None,
    ) -> Verified:
        """Prove the whole log, that it goes on from all that is known of it, and remember that.

        Args:
            progress: told how far it is.
            pause: waited for now and then.
            kept: roots by size that somebody kept elsewhere.

        Raises:
            LogDamaged: naming the first position at fault where it is known.
            BookDamaged: what is known of the log is not what was written down.
        """
        known = [self.book.proved(), self._last_signed()]
        own = [(each.size, each.root) for each in known if each is not None and each.size]
        redactions: list[tuple[int, str]] = []
        try:
            roots = self._agreed([*own, *(kept or {}).items()])
            found = await verify(self.log, progress, roots, pause, redactions)
        except LogDamaged as damage:
            if damage.position:
                raise
            # The tree alone does not say where; the leaves that were seen before do.
            position = await self.first_difference()
            raise LogDamaged(self.log.url, position, damage.expected, damage.found) from None
        self.book.note_redactions(redactions)  # whatever became of them in the book
        await self.catch_up()  # refuses what is not the log that was seen before
        self.book.remember(Proved(found.events, bytes.fromhex(found.root), self._clock()))
        return found

    def _agreed(self, known: Sequence[tuple[int, bytes]]) -> dict[int, bytes]:
        """Give the roots by size, where all that know one of a size know the same."""
        roots: dict[int, bytes] = {}
        for size, root in known:
            if roots.setdefault(size, root) != root:
                expected = f"root {root.hex()} over the first {size} events"
                raise LogDamaged(self.log.url, 0, expected, roots[size].hex())
        return roots

    async def rotations(self, to: VerifierKey | None = None) -> list[Rotation]:
        """Give the recorded changes that lead to a key, ours by default; oldest first."""
        return (await self._changes(to))[0]

    async def strange_rotations(self) -> list[int]:
        """Give the positions of changes of the key that do not lead to ours, whoever filed them."""
        return (await self._changes(None))[1]

    async def _changes(self, to: VerifierKey | None) -> tuple[list[Rotation], list[int]]:
        recorded = [
            (event.position, event.development)
            async for event in self.log.read_versions(RECORD)
            if isinstance(event.development, SigningKeyChanged)
        ]
        key = str(to or self.keyring.public)
        chain: list[Rotation] = []
        strange: list[int] = []
        # Backwards from the key: what does not lead to it says nothing, whatever it says.
        for position, change in reversed(recorded):
            made = _rotation(change) if change.new == key else None
            if made is not None and made.holds:
                chain.insert(0, made)
                key = change.old
            else:
                strange.insert(0, position)
        return chain, strange

    async def signer_of(self, signed: Signed) -> VerifierKey:
        """Give the key that signed a checkpoint; another process may have changed it since."""
        keys = await self.keys()
        return next((key for key in reversed(keys) if is_signed(signed.note, key)), keys[-1])

    async def keys(self) -> list[VerifierKey]:
        """Give the keys that checkpoints of this log are or were signed with, the newest last."""
        return [change.old for change in await self.rotations()] + [self.keyring.public]

    async def cosigned(self, note: str, witness: VerifierKey) -> Signed:
        """Keep a checkpoint of ours that a witness cosigned, in place of the plain one.

        Raises:
            Refused: it is none of ours, or the witness did not cosign it.
        """
        head = checkpoint_in(open_note(note, [*await self.keys(), witness]))
        if not cosigners(note, [witness]):
            raise Refused("witness", "note", f"a cosignature of {witness.name}", "none")
        known = await asyncio.to_thread(self.book.signed, head.size)
        if known is None or known.root != head.root:
            raise Refused(
                "witness", "note", "a checkpoint of this log", f"one of {head.size} events"
            )
        self.newest = known._replace(note=note)
        await asyncio.to_thread(self.book.keep, self.newest)
        return self.newest

    async def checkpoint(self) -> Signed:
        """Give a signed checkpoint of the log as it is now.

        Raises:
            LogDamaged: the log does not go on from what was signed before; nothing is signed.
        """
        size = (await self.catch_up()).size
        self.newest = await asyncio.to_thread(self._sign, size)
        return self.newest

    async def checkpoint_of(self, size: int, root: bytes) -> Signed:
        """Give a signed checkpoint of a copy of the log, which may have grown since.

        Raises:
            LogDamaged: the log was another at that size.
        """
        await self.catch_up()
        if await asyncio.to_thread(self.tiles.root, size) != root:
            raise LogDamaged(self.log.url, 0, f"the first {size} events of the log", "others")
        return await asyncio.to_thread(self._sign, size)

    def _sign(self, size: int) -> Signed:
        known, last = self.book.signed(size), self._last_signed()
        if known is not None and is_signed(known.note, self.keyring.public):
            return known
        if last is not None and self.tiles.root(last.size) != last.root:
            raise LogDamaged(
                self.log.url, 0, f"a log that goes on from checkpoint {last.size}", "another"
            )
        made = Checkpoint(self.keyring.origin, size, self.tiles.root(size))
        note = self.keyring.sign(made.text)
        signed = Signed(size, made.root, note, self._clock())
        self.book.keep(signed)
        return signed

    async def latest(self) -> Signed:
        """Give the last checkpoint that was signed; the first is signed now.

        Raises:
            LogDamaged: the log is shorter than that.
        """
        signed = await self.recalled()
        if signed is None:
            return await self.checkpoint()
        if signed.size > await asyncio.to_thread(lambda: self.tiles.size):
            size = (await self.catch_up()).size
            if signed.size > size:
                expected = f"{signed.size} events, as were signed before ({self.book.path})"
                raise LogDamaged(self.log.url, size + 1, expected, f"{size}")
        return signed

    async def recalled(self) -> Signed | None:
        """Give the last checkpoint that was signed, by whichever process; None for none."""
        self.newest = await asyncio.to_thread(self._last_signed) or self.newest
        return self.newest

    async def inclusion(self, position: int) -> Inclusion:
        """Prove that an event is in the log.

        Raises:
            NotFound: there is no such position.
        """
        signed = await self.latest()
        if position > signed.size:
            signed = await self.checkpoint()
        if not 1 <= position <= signed.size:
            raise NotFound("position", str(position))
        return await self.included(position, signed)

    async def included(self, position: int, signed: Signed) -> Inclusion:
        """Prove that an event is in the log of a checkpoint that was signed at or after it."""
        return await asyncio.to_thread(self._included, position, signed)

    def _included(self, position: int, signed: Signed) -> Inclusion:
        index = position - 1
        proof = inclusion_proof(self.tiles.node, index, signed.size)
        leaf = self.tiles.leaf(index)
        if not is_included(leaf, index, signed.size, proof, signed.root):
            why = f"expected tiles that lead to checkpoint {signed.size}; found others"
            raise BookDamaged(self.book.path, why)
        return Inclusion(position, leaf, proof, signed)

    async def consistency(self, earlier: int, size: int | None = None) -> Consistency:
        """Prove that the log of `size` events, all by default, begins with that of `earlier`.

        Raises:
            Refused: the two are no sizes of this log, the smaller first.
        """
        known = (await self.catch_up()).size if size is None else size
        signed = await self.latest()
        if known > signed.size:
            signed = await self.checkpoint()
        if not 1 <= earlier <= known <= signed.size:
            raise Refused(
                "sizes",
                "from",
                "two sizes of this log, the smaller first",
                f"{earlier} and {known}",
            )
        return await asyncio.to_thread(self._consistent, earlier, known, signed)

    def _consistent(self, earlier: int, size: int, signed: Signed) -> Consistency:
        proof = self._leads(earlier, size, self.tiles.root(size))
        self._leads(size, signed.size, signed.root)  # else both ends may be wrong alike
        return Consistency(earlier, size, self.tiles.root(earlier), self.tiles.root(size), proof)

    def _leads(self, earlier: int, size: int, root: bytes) -> list[bytes]:
        """Make a consistency proof to a root, and hold it against that root."""
        proof = consistency_proof(self.tiles.node, earlier, size)
        if not is_consistent(earlier, size, proof, self.tiles.root(earlier), root):
            why = f"expected tiles of {earlier} events that lead to {size}; found others"
            raise BookDamaged(self.book.path, why)
        return proof


def _rotation(change: SigningKeyChanged) -> Rotation | None:
    """Read a change that was recorded; None where its keys are none."""
    try:
        old, new = verifier_key(change.old), verifier_key(change.new)
    except Refused:
        return None
    first, second = map(base64.b64decode, change.signatures)
    return Rotation(old, new, (first, second))
