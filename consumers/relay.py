"""From one machine to many: a log copied to a Kafka log, event by event, as it is and as it grows.

Each event keeps its bytes, its place and its time, so both logs have the same tree. The Kafka log
takes an event only as exactly its next one: however often the copying is cut off, begun again or
run twice, nothing is lost, doubled or put in another order.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple, Protocol

from events.envelope import Sealed
from events.errors import Conflict, LogDamaged
from events.log import Head, Log
from events.tree import Frontier

__all__ = ["Relayed", "Target", "relay"]

EVENTS = 500  # in one record
BYTES = 4 * 1024 * 1024  # in one record, unless a single event has more

Progress = Callable[[int, int], None]
"""Called with the events that the target has and those that the source has."""


class Target(Protocol):
    """A log that takes events with their places."""

    @property
    def url(self) -> str:
        """Where it is."""
        ...

    async def head(self) -> Head:
        """Say how far it goes."""
        ...

    async def relay(self, events: Sequence[Sealed]) -> None:
        """Take the next events, or refuse them."""
        ...


class Relayed(NamedTuple):
    """What was copied in this run, the size of both logs, and the root that both have."""

    copied: int
    events: int
    root: str


async def relay(
    source: Log, target: Target, progress: Progress, *, follow: bool = False
) -> Relayed:
    """Copy what the target lacks, and hold the roots against each other.

    Args:
        source: the log to copy.
        target: the log that grows.
        progress: told how far it is.
        follow: go on with what is appended, for ever.

    Raises:
        Conflict: the target has more than the source.
        LogDamaged: the target is no copy of the source, as far as it goes.
        LogUnavailable: one of them is out of reach; run it again.
    """
    start = at = (await target.head()).size
    tree = await _tree(source, target, at)
    while True:
        size = (await source.head()).size
        async for events in _batches(source, at, size):
            await target.relay(events)
            tree.extend(event.envelope for event in events)
            at += len(events)
            progress(at, size)
        await _check(target, tree)
        if not follow:
            return Relayed(at - start, at, tree.root.hex())
        await source.grown(at)


async def _tree(source: Log, target: Target, size: int) -> Frontier:
    """Give the source's tree at a size, and see that it is the target's."""
    there = (await source.head()).size
    if there < size:
        raise Conflict(
            f"{target.url} went on without the log that it copies: expected at most the {there} "
            f"events of that; found {size}; file into one of them alone"
        )
    tree = Frontier()
    async for leaves in source.read_leaves(0, size):
        tree.extend(leaf.envelope for leaf in leaves)
    await _check(target, tree)
    return tree


async def _check(target: Target, tree: Frontier) -> None:
    head = await target.head()
    if (head.size, head.root) != (tree.size, tree.root):
        raise LogDamaged(
            target.url,
            min(head.size, tree.size),
            f"{tree.size} events as in the log it copies, root {tree.root.hex()}",
            f"{head.size} events, root {head.root.hex()}",
        )


async def _batches(source: Log, after: int, upto: int) -> AsyncIterator[list[Sealed]]:
    batch: list[Sealed] = []
    size = 0
    async for event in source.read_sealed(after, upto=upto):
        more = len(event.envelope) + len(event.body or b"") + len(event.private or b"")
        if batch and (len(batch) == EVENTS or size + more > BYTES):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += more
    if batch:
        yield batch
