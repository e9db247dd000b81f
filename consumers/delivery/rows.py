"""What the ledger says of a delivery, as it is handed about, and who of it is owed an alert."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from events.alerts import Level

__all__ = [
    "Attempt",
    "Delivery",
    "Earlier",
    "End",
    "Held",
    "Planned",
    "State",
    "Tally",
]

State = Literal[
    "pending",
    "in flight",
    "delivered",
    "retry",
    "failed",
    "expired",
    "superseded",
    "held",
    "suppressed",
    "skipped",
]
_UNOWED: Final = frozenset({"suppressed", "superseded"})  # nobody waits for these


class Planned(NamedTuple):
    """What is decided of one alert and one target; `recorded_ms` is when the alert was issued."""

    event: str
    target: str
    position: int
    story: str
    alert: str
    kind: str
    level: str
    fast: bool
    state: State
    reason: str
    due_ms: int
    digested: bool = False
    recorded_ms: int | None = None


class Delivery(NamedTuple):
    """A delivery that is claimed: written down as under way, it goes out next."""

    delivery: int
    webhook_id: str
    event: str
    target: str
    position: int
    story: str
    alert: str
    kind: str
    level: str
    fast: bool
    tries: int
    before: int
    made_ms: int
    expires_ms: int
    reason: str


class End(NamedTuple):
    """How one try ended, and what becomes of the delivery.

    `may_have` is false only where it is certain that the target did not get it; `digest` that
    others end with it.
    """

    delivery: int
    number: int
    state: State
    due_ms: int
    began_ms: int
    milliseconds: int
    status: int | None = None
    error: str | None = None
    address: str | None = None
    may_have: bool = True
    shown_as: str | None = None
    digest: bool = False


class Attempt(NamedTuple):
    """A try as it is listed; of what was never tried all of the try is None."""

    webhook_id: str
    kind: str
    story: str
    alert: str
    state: State
    reason: str
    number: int | None
    began_ms: int | None
    milliseconds: int | None
    status: int | None
    error: str | None
    address: str | None
    target: str


class Earlier(NamedTuple):
    """What a target was shown before: its id, and what the channel calls it."""

    webhook_id: str
    shown_as: str | None


class Tally(NamedTuple):
    """How many targets got an alert, of how many that are owed it."""

    reached: int = 0
    owed: int = 0

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> "Tally":
        """Give the tally of so many deliveries in each state."""
        owed = sum(count for state, count in counts.items() if state not in _UNOWED)
        return cls(counts.get("delivered", 0), owed)


class Held(NamedTuple):
    """A delivery whose time to be decided again has come."""

    delivery: int
    event: str
    target: str
    position: int
    level: Level
    digested: bool
