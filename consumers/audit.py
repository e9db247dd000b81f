"""Whether the log still is what was written: every byte held against the audit tree."""

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from events.codec import canonical
from events.envelope import Sealed, commit, instant
from events.errors import LogDamaged
from events.log import Log
from events.tree import Frontier

__all__ = ["Verified", "verify"]

TOLD_EVERY = 5_000  # events between two words of progress

Progress = Callable[[int, int], None]
"""Called with the events verified and the events there are."""


class Verified(NamedTuple):
    """What was proved: so many events, the tree's root, and how many have had contents erased."""

    events: int
    root: str
    stories: int
    erased: int


async def verify(log: Log, progress: Progress) -> Verified:
    """Read the whole log and prove it; memory grows with the number of stories alone.

    Raises:
        LogDamaged: naming the first position at fault.
    """
    head = await log.head()
    tree = Frontier()
    versions: dict[str, int] = {}
    last_ms = 0
    erased = 0
    async for event in log.read_sealed(upto=head.size):
        expected = tree.size + 1
        if event.position != expected:
            raise LogDamaged(log.url, expected, "an event", f"position {event.position}")
        _check(log.url, event, versions.get(event.story, 0) + 1, last_ms)
        versions[event.story] = event.version
        last_ms = event.recorded_ms
        erased += event.body is None or event.private is None
        tree.append(event.envelope)
        if tree.size % TOLD_EVERY == 0:
            progress(tree.size, head.size)
    if tree.size != head.size:
        raise LogDamaged(log.url, tree.size + 1, f"{head.size} events", f"{tree.size}")
    # Read before the head: what was appended meanwhile stands in the tree by then.
    beyond = [event.position async for event in log.read_sealed(head.size, upto=head.size + 1)]
    if beyond and (await log.head()).size < beyond[0]:
        raise LogDamaged(log.url, beyond[0], "no event past the tree", "one")
    if tree.root != head.root:
        raise LogDamaged(log.url, 0, f"tree root {head.root.hex()}", tree.root.hex())
    progress(tree.size, head.size)
    return Verified(tree.size, tree.root.hex(), len(versions), erased)


def _check(url: str, event: Sealed, version: int, last_ms: int) -> None:
    """Hold one stored event against its envelope, its commitments and its place."""
    try:
        envelope: dict[str, Any] = orjson.loads(event.envelope)
        exact = canonical(envelope) == event.envelope
    except (orjson.JSONDecodeError, UnicodeDecodeError):
        raise LogDamaged(url, event.position, "an envelope in JSON", "other bytes") from None
    if not exact:
        raise LogDamaged(url, event.position, "an envelope in canonical JSON", "other bytes")
    stored = {
        "position": event.position,
        "story": event.story,
        "version": event.version,
        "kind": event.kind,
        "schema": event.schema,
        "recorded_at": instant(event.recorded_ms),
        "id": _uuid(event.id),
    }
    for name, value in stored.items():
        if envelope.get(name) != value:
            raise LogDamaged(url, event.position, f"{name} {envelope.get(name)}", str(value))
    if event.version != version:
        raise LogDamaged(url, event.position, f"version {version}", f"version {event.version}")
    if event.recorded_ms < last_ms:
        raise LogDamaged(
            url, event.position, f"a time not before {instant(last_ms)}", instant(event.recorded_ms)
        )
    for label, nonce, content in (
        ("body", event.body_nonce, event.body),
        ("private", event.private_nonce, event.private),
    ):
        if content is None and nonce is None:
            continue
        if content is None or nonce is None:
            raise LogDamaged(
                url, event.position, f"the {label} with its nonce, or neither", "one of them"
            )
        if commit(nonce, label.encode(), content) != envelope.get(label):
            raise LogDamaged(url, event.position, f"the {label} that was committed to", "another")


def _uuid(event_id: bytes) -> str:
    text = event_id.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
