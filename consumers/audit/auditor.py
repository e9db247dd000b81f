"""The auditor at work: keeps the tree in tiles, signs checkpoints, and makes proofs of both."""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from consumers.audit.book import Book, Proved, Signed
from consumers.audit.signing import Keyring, Rotation
from consumers.audit.tiles import Tiles
from consumers.audit.verify import Pause, Progress, Verified, verify
from events.checkpoint import (
    Checkpoint,
    VerifierKey,
    checkpoint_in,
    cosigners,
    open_note,
    tlog_proof,
    verifier_key,
)
from events.custody import RECORD, SigningKeyChanged
from events.errors import LogDamaged, NotFound, Refused
from events.log import ERASES, Clock, Head, Log
from events.tree import consistency_proof, inclusion_proof, leaf_hash

__all__ = ["Auditor", "Consistency", "Inclusion", "Noticed"]

LIFTS: Final = frozenset({"embargo-lifted", "embargo-broken"})


class Noticed(NamedTuple):
    """How far the auditor is, and the position at which it last saw an embargo lifted, or 0."""

    size: int
    lifted: int


class Inclusion(NamedTuple):
    """The proof that an event is in the log of a checkpoint."""

    position: int
    leaf: bytes
    proof: list[bytes]
    checkpoint: Signed

    @property
    def tlog_proof(self) -> str:
        """The proof as a `.tlog-proof` file."""
        return tlog_proof(self.position - 1, self.proof, self.checkpoint.note)

    @property
    def shown(self) -> dict[str, Any]:
        """The proof as a JSON object."""
        return {
            "position": self.position,
            "leaf": self.leaf.hex(),
            "proof": [each.hex() for each in self.proof],
            "size": self.checkpoint.size,
            "root": self.checkpoint.root.hex(),
            "checkpoint": self.checkpoint.note,
        }


class Consistency(NamedTuple):
    """The proof that the log of `size` events begins with that of `earlier` events."""

    earlier: int
    size: int
    earlier_root: bytes
    root: bytes
    proof: list[bytes]

    @property
    def shown(self) -> dict[str, Any]:
        """The proof as a JSON object."""
        return {
            "from": self.earlier,
            "to": self.size,
            "from_root": self.earlier_root.hex(),
            "to_root": self.root.hex(),
            "proof": [each.hex() for each in self.proof],
        }


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
        position = await self.first_difference()
        raise LogDamaged(
            self.log.url, position, f"the event that was there before ({self.book.path})", "another"
        )

    async def first_difference(self) -> int:
        """Give the first position where the log is not as it was seen before, 0 for none."""
        size = await asyncio.to_thread(lambda: self.tiles.size)
        async for event in self.log.read_sealed(upto=size):
            known = await asyncio.to_thread(self.tiles.leaf, event.position - 1)
            if leaf_hash(event.envelope) != known:
                return event.position
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
        """
        known = [self.book.proved(), self.book.signed()]
        own = {each.size: each.root for each in known if each is not None and each.size}
        try:
            found = await verify(self.log, progress, {**own, **(kept or {})}, pause)
        except LogDamaged as damage:
            if damage.position:
                raise
            # The tree alone does not say where; the leaves that were seen before do.
            position = await self.first_difference()
            raise LogDamaged(self.log.url, position, damage.expected, damage.found) from None
        root = bytes.fromhex(found.root)
        self.book.remember(Proved(found.events, root, self._clock()))
        await self.catch_up()
        return found

    async def rotations(self) -> list[Rotation]:
        """Give the changes of the signing key that were recorded, oldest first.

        Raises:
            LogDamaged: one was not signed by both keys.
        """
        found = []
        async for event in self.log.read_versions(RECORD):
            change = event.development
            if isinstance(change, SigningKeyChanged):
                first, second = map(base64.b64decode, change.signatures)
                made = Rotation(verifier_key(change.old), verifier_key(change.new), (first, second))
                if not made.holds:
                    expected = "a change of the key that both keys signed"
                    raise LogDamaged(self.log.url, event.position, expected, "another")
                found.append(made)
        return found

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
        known, last = self.book.signed(size), self.book.signed()
        if known is not None and self.keyring.signed(known.note):
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
        """Give the last checkpoint that was signed; the first is signed now."""
        self.newest = await asyncio.to_thread(self.book.signed) or await self.checkpoint()
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
        return Inclusion(position, self.tiles.leaf(index), proof, signed)

    async def consistency(self, earlier: int, size: int | None = None) -> Consistency:
        """Prove that the log of `size` events, all by default, begins with that of `earlier`.

        Raises:
            Refused: the two are no sizes of this log, the smaller first.
        """
        known = (await self.catch_up()).size if size is None else size
        if known > await asyncio.to_thread(lambda: self.tiles.size):
            await self.catch_up()
        if not 1 <= earlier <= known <= await asyncio.to_thread(lambda: self.tiles.size):
            raise Refused(
                "sizes",
                "from",
                "two sizes of this log, the smaller first",
                f"{earlier} and {known}",
            )
        return await asyncio.to_thread(self._consistent, earlier, known)

    def _consistent(self, earlier: int, size: int) -> Consistency:
        proof = consistency_proof(self.tiles.node, earlier, size)
        return Consistency(earlier, size, self.tiles.root(earlier), self.tiles.root(size), proof)
