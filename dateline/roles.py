"""What a server may be there for: all of it on one machine, parts of it on each of many."""

from typing import Final

__all__ = ["ALL", "Roles", "roles_of"]

Roles = frozenset[str]

WHAT: Final = {
    "desk": "takes filings",
    "feed": "serves stories, the live feed, feeds for readers and proofs",
    "alerts": "decides on alerts and sends them",
    "clock": "lifts embargoes",
    "hub": "tells the WebSub hub what changed",
}
ALL: Final[Roles] = frozenset(WHAT)


def roles_of(text: str) -> Roles:
    """Read roles as they are typed, such as `desk,feed`.

    Raises:
        ValueError: one of them is none; says which there are.
    """
    named = frozenset(name.strip() for name in text.split(",") if name.strip())
    strange = sorted(named - ALL)
    if strange or not named:
        among = ", ".join(WHAT)
        raise ValueError(f"expected roles of {among}; found {', '.join(strange) or 'none'}")
    return named
