"""Whether a development stands in public: the acts of the desk, as four switches."""

from dataclasses import dataclass, replace
from typing import Literal

from events.developments import Development
from events.editorial import (
    EmbargoBroken,
    EmbargoLifted,
    Held,
    HoldReleased,
    Published,
    Withdrawn,
)

__all__ = ["RELEASED", "Release", "ReleaseAct", "Status", "released"]

Status = Literal["published", "filed", "embargoed", "held", "withdrawn"]
ReleaseAct = Held | HoldReleased | Withdrawn | Published | EmbargoLifted | EmbargoBroken


@dataclass(frozen=True, slots=True)
class Release:
    """What keeps a development from the public; it is published when nothing does."""

    unapproved: bool = False
    embargoed: bool = False
    held: bool = False
    withdrawn: bool = False

    @property
    def status(self) -> Status:
        """The strongest of the switches, in the vocabulary's words."""
        if self.withdrawn:
            return "withdrawn"
        if self.held:
            return "held"
        if self.unapproved:
            return "filed"
        return "embargoed" if self.embargoed else "published"

    def after(self, act: ReleaseAct) -> "Release":
        """Give the switches as an act leaves them."""
        match act:
            case Held():
                return replace(self, held=True)
            case HoldReleased():
                return replace(self, held=False)
            case Withdrawn():
                return replace(self, withdrawn=True)
            case Published():
                return replace(self, unapproved=False)
            case EmbargoLifted() | EmbargoBroken():
                return replace(self, embargoed=False)


RELEASED = Release()


def released(development: Development, recorded_ms: int) -> Release:
    """Give the switches of a development as it is recorded.

    The desk takes an embargo that is to come, and it lasts until it is lifted, whatever time it is
    by the log: that time never goes back, so that it is ahead wherever a clock once was. Of
    imported history an embargo that had run out by then is none.
    """
    until = development.embargo_until
    if until is None and development.needs_approval is None:
        return RELEASED  # as nearly all news is; nothing need be made for it
    return Release(
        unapproved=bool(development.needs_approval),
        embargoed=until is not None
        and (development.filed_at is None or until.timestamp() * 1000 > recorded_ms),
    )
