"""What a record becomes at its place on the topic: the one rule that every node follows.

Kafka appends whatever it is sent. So a record only asks for places in the log, and whether it
gets them follows from what stands before it and from nothing else: no clock, no node, no chance.
What gets none is void; it stays on the topic, and is shown to auditors with the reason.
"""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from events.envelope import instant
from events.errors import WrongVersion
from events.kafka.records import Offer, Parcel
from events.log import check_version

__all__ = ["Places", "Void", "Why", "arbitrate"]

CLOCKS_APART = 60_000  # milliseconds by which a relayed event may be ahead of the broker's clock


class Why(Enum):
    """Why a record is void."""

    GARBAGE = "garbage"
    PARTLY_REPEATED = "partly repeated"
    REPEATED = "repeated"
    TAKEN = "place taken"
    WRONG_VERSION = "wrong version"


class Void(NamedTuple):
    """A record without places; `found` is the version or the number of known ids, by `why`."""

    why: Why
    reason: str
    found: int = 0


class Places(NamedTuple):
    """What every event of a record is given, in order."""

    positions: tuple[int, ...]
    versions: tuple[int, ...]
    recorded_ms: tuple[int, ...]


class Standing(NamedTuple):
    """All that stands before a record, as far as it matters.

    `version_of` gives a story's version, 0 when there is none; `knows` whether an id is in the
    log; both with all accepted records before this one.
    """

    size: int
    recorded_ms: int
    version_of: Callable[[str], int]
    knows: Callable[[bytes], bool]


def arbitrate(offer: Offer, standing: Standing, appended_ms: int) -> Places | Void:
    """Decide what becomes of a record.

    Args:
        offer: what the record asks.
        standing: what stands before it.
        appended_ms: when the broker took the record, in milliseconds since 1970 UTC.
    """
    ids = [parcel.prepared.id for parcel in offer.parcels]
    if len(ids) > 1 and len(set(ids)) < len(ids):
        return Void(Why.GARBAGE, "expected each id once; found one twice in the record")
    known = sum(map(standing.knows, ids))
    if known == len(ids):
        return Void(Why.REPEATED, f"all {known} ids are in the log already", known)
    if known:
        return Void(Why.PARTLY_REPEATED, f"{known} of {len(ids)} ids are in the log", known)
    if offer.story is None:
        return _relayed(offer.parcels, standing, appended_ms)
    found = standing.version_of(offer.story)
    try:
        check_version(offer.story, offer.expected, found)
    except WrongVersion as error:
        return Void(Why.WRONG_VERSION, str(error), found)
    count, size = len(ids), standing.size
    return Places(
        tuple(range(size + 1, size + count + 1)),
        tuple(range(found + 1, found + count + 1)),
        (max(appended_ms, standing.recorded_ms),) * count,
    )


def _relayed(parcels: list[Parcel], standing: Standing, appended_ms: int) -> Places | Void:
    """Take events with their places if those are exactly the next ones."""
    versions: dict[str, int] = {}
    last_ms = standing.recorded_ms
    given = []
    for position, parcel in enumerate(parcels, standing.size + 1):
        version = versions.get(parcel.story) or standing.version_of(parcel.story)
        versions[parcel.story] = version + 1
        found = parcel.places or (0, 0, 0)
        if found[:2] != (position, version + 1):
            return Void(
                Why.TAKEN,
                f"expected position {position}, version {version + 1} of {parcel.story}; "
                f"found position {found[0]}, version {found[1]}",
                standing.size,
            )
        if not last_ms <= found[2] <= max(last_ms, appended_ms + CLOCKS_APART):
            now = instant(appended_ms)
            return Void(
                Why.TAKEN,
                f"expected a time from {instant(last_ms)} to a minute past the broker's, {now}; "
                f"found {instant(found[2])}",
            )
        last_ms = found[2]
        given.append(found)
    return Places(*zip(*given, strict=True))
