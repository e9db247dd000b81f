"""Match: the route by which a development alerts, or that there is none."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from consumers.alerts.policy import ALERTING, Policy, Route

__all__ = ["Facts", "Routing", "Rules"]

LIVE: Final = 4_096  # stories and kinds whose routes are remembered; far fewer are live at a time


class Facts(NamedTuple):
    """What of a development is looked at; `urgency` 1 is the most urgent."""

    story: str
    kind: str
    urgency: int
    places: Sequence[str] = ()
    people: Sequence[str] = ()


class Routing:
    """The routes of a policy, found by story and kind so that most news is looked at once.

    Args:
        policy: the policy.
    """

    def __init__(self, policy: Policy) -> None:
        self._by_kind = {
            kind: tuple(_named(r) for r in policy.route if not r.kinds or kind in r.kinds)
            for kind in ALERTING
        }
        self._open_to = lru_cache(LIVE)(self._taking)

    def route(self, facts: Facts) -> Route | None:
        """Give the first route that takes a development."""
        for route in self._open_to(facts.story, facts.kind):
            if (
                facts.urgency <= route.urgency
                and (not route.places or not route.places.isdisjoint(facts.places))
                and (not route.people or not route.people.isdisjoint(facts.people))
            ):
                return route
        return None

    def _taking(self, story: str, kind: str) -> tuple[Route, ...]:
        """Give the routes that take a kind of news of a story, in their order."""
        return tuple(
            route
            for names, begins, route in self._by_kind.get(kind, ())
            if not route.stories or story in names or story.startswith(begins)
        )


def _named(route: Route) -> tuple[frozenset[str], tuple[str, ...], Route]:
    """Give a route with the names of its stories, and how those begin that it takes by that."""
    begins = tuple(sorted(name[:-1] for name in route.stories if name.endswith("*")))
    return route.stories, begins, route


class Rules(NamedTuple):
    """What the fold goes by.

    `begin` is the position up to which everything is history, of which nothing is decided any
    more; None while all of it is. Of the developments in `keep` everything is remembered.
    """

    policy: Policy
    routing: Routing
    begin: int | None = 0
    keep: frozenset[str] = frozenset()

    def is_history(self, position: int) -> bool:
        """Whether an event is from before alerts began."""
        return self.begin is None or position <= self.begin
