"""Alerts over HTTP, for the newsroom: what was decided, why, and what is silenced."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consumers.alerts.explain import explain
from consumers.alerts.policy import Policy
from consumers.answers import said
from consumers.stories.projection import Stories
from consumers.subscription import Subscription
from events.alerts import STATES
from events.errors import NotFound, Refused, Unauthorised
from events.log import Log

__all__ = ["routes"]

PAGE = 100  # alerts in one answer

Insider = Callable[[Request], bool]
"""Says whether a request's key may see what is not released."""


class Room(Protocol):
    """What the routes read from."""

    log: Log

    @property
    def stories(self) -> Stories:
        """The projection of stories."""
        ...

    async def alerts(
        self,
        limit: int,
        before: int | None = None,
        *,
        story: str | None = None,
        state: str | None = None,
    ) -> list[dict[str, Any]]:
        """Give the newest alerts of all stories, each with how many it reached of how many."""
        ...

    @property
    def subscription(self) -> Subscription:
        """The projection of stories at work."""
        ...


def routes(room: Room, insider: Insider, policy: Policy | None) -> list[Route]:
    """Give the routes of alerts; alerts are no public matter, so each takes an insider's key.

    Args:
        room: the log and what is made of it.
        insider: tells who may see what is not released.
        policy: the policy as it is now.
    """

    def check(request: Request) -> None:
        if not insider(request):
            raise Unauthorised("expected a key with read:internal; found none")

    async def alerts(request: Request) -> Response:
        check(request)
        asked = request.query_params
        state = asked.get("state")
        if state is not None and state not in STATES:
            raise Refused("filter", "state", f"one of {', '.join(STATES)}", repr(state)[:40])
        found = await room.alerts(
            PAGE, _number(asked, "before"), story=asked.get("story"), state=state
        )
        following = found[-1]["position"] if len(found) == PAGE else None
        return _json({"alerts": found, "next": following})

    async def silences(request: Request) -> Response:
        check(request)
        await room.subscription.catch_up()
        return _json({"silences": room.stories.of_alerts("silences", PAGE)})

    async def explained(request: Request) -> Response:
        check(request)
        story, ref = request.path_params["story"], request.path_params["ref"]
        events = [event async for event in room.log.read_versions(story)]
        found = explain(events, ref, policy) if events else None
        if found is None:
            raise NotFound("alert or development", f"{story}/{ref}")
        told = found._asdict() | {"steps": [step._asdict() for step in found.steps]}
        return _json(told)

    return [
        Route("/v1/alerts", alerts),
        Route("/v1/alerts/silences", silences),
        Route("/v1/alerts/{story}/{ref}", explained),
    ]


def _number(asked: Mapping[str, str], name: str) -> int | None:
    text = asked.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):  # noqa: PLR2004 - below 10**15
        raise Refused("number", name, "a position", repr(text)[:40])
    return int(text)


def _json(value: Any) -> Response:  # noqa: ANN401 - any JSON value
    headers = {"cache-control": "no-store", "vary": "authorization"}
    return said(value, headers=headers)
