"""The events of the measurements: the same for ours, the peer and the limit."""

from datetime import UTC, datetime, timedelta

import uuid_utils

from events.developments import StatementIssued
from events.envelope import Filed
from events.filing import Attribution, Claim, Occurred

__all__ = ["Row", "development", "filed", "rows"]

STORIES = 100

_START = datetime(2025, 10, 10, 18, 0, tzinfo=UTC)


Row = tuple[str, int, StatementIssued]
"""Story, version and the event."""


def rows(count: int, together: int = 1) -> list[Row]:
    """Give events of a hundred stories in turn, `together` of each at a time."""
    found = []
    for number in range(count):
        turn, place = divmod(number, together)
        passed, story = divmod(turn, STORIES)
        version = passed * together + place + 1
        found.append((f"story-{story:03d}", version, development(number)))
    return found


def filed(row: Row) -> Filed:
    """Give an event its id, as whoever files it does."""
    return Filed(str(uuid_utils.uuid7()), "desk:benchmark", row[2])


def development(number: int) -> StatementIssued:
    """Make one event of twelve fields, about 600 bytes as JSON; every one is different."""
    return StatementIssued(
        ref=f"E{number}",
        headline=f"Ministry says convoy {number} reached the border before nightfall",
        body=(
            f"The spokesperson said that convoy number {number} had crossed and that the next one "
            "was expected in the morning, weather permitting."
        ),
        attribution=Attribution(speaker="org:ministry-of-transport", verb="said"),
        occurred=Occurred(basis="stated", text="on Friday evening", date="2025-10-10"),
        urgency=4,
        claims=(Claim(ref=f"C{number}", text="the convoy crossed without incident"),),
        people=("person:ada-lovelace",),
        places=("place:ukraine",),
        orgs=("org:ministry-of-transport",),
        filed_at=_START + timedelta(seconds=number),
    )
