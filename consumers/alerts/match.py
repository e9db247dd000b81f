"""Match: the route by which a development alerts, or that there is none."""

from collections.abc import Sequence
from typing import NamedTuple

from consumers.alerts.policy import ALERTING, Policy, Route

__all__ = ["Facts", "Routing", "Rules"]


class Facts(NamedTuple):
    """What of a development is looked at; `urgency` 1 is the most urgent."""

    story: str
    kind: str
    urgency: int
    places: Sequence[str] = ()
    people: Sequence[str] = ()


class Routing:
    """The routes of a policy, found by kind so that most news is looked at once.

    Args:
        policy: the policy.
    """

    def __init__(self, policy: Policy) -> None:
        self._by_kind = {
            kind: tuple(_named(r) for r in policy.route if not r.kinds or kind in r.kinds)
            for kind in ALERTING
        }

    def route(self, facts: Facts) -> Route | None:
        """Give the first route that takes a development."""
        for names, begins, route in self._by_kind.get(facts.kind, ()):
            if (
                facts.urgency <= route.urgency
                and (not route.stories or facts.story in names or facts.story.startswith(begins))
                and (not route.places or not route.places.isdisjoint(facts.places))
                and (not route.people or not route.people.isdisjoint(facts.people))
            ):
                return route
        return None


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
