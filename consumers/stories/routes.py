"""Reading over HTTP: stories, their history, and the live feed."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from consumers.answers import json, slug_of
from consumers.feed.bulletin import Wanted
from consumers.feed.live import PAGE, Feed, turn_away
from consumers.stories.moments import as_of, at, moment
from consumers.stories.projection import Stories
from consumers.subscription import Subscription
from consumers.views import STORAGE
from events.envelope import SLUG
from events.errors import NotFound, Refused
from events.log import Log
from events.vocabulary import KINDS

__all__ = ["Desk", "live", "routes"]

# Who names two stories and hears of one would take the silence about the other for no news.
ONCE = ("story", "kind", "max_urgency", "since", "last_event_id")

Insider = Callable[[Request], bool]
"""Says whether a request's key may see what is not released."""


Who = Callable[[Request], str]
"""Names who asks by its key or address, so that connections can be counted."""


class Desk(Protocol):
    """What the routes read from."""

    log: Log

    @property
    def stories(self) -> Stories:
        """The projection of stories."""
        ...

    @property
    def subscription(self) -> Subscription:
        """The projection of stories at work."""
        ...

    async def state(self, story: str, *, public: bool = False) -> bytes:
        """Give a story's state as JSON; NotFound when this reader has none."""
        ...

    def now(self) -> Any:  # noqa: ANN401 - datetime; a protocol needs no import of it
        """Give the time."""
        ...


def routes(room: Desk, insider: Insider) -> list[Route]:
    """Give the routes of the consuming side.

    Args:
        room: the log and what is made of it.
        insider: tells who may see what is not released.
    """

    async def stories(request: Request) -> Response:
        limit = _number(request, "limit", PAGE, least=1, most=PAGE)
        before = _number(request, "before", None)
        with suppress(*STORAGE):  # a disk that takes no more: what is known by now is told
            await room.subscription.catch_up()
        public = not insider(request)
        found = await asyncio.to_thread(room.stories.summaries, limit, before, public=public)
        body = orjson.dumps([summary._asdict() for summary in found])
        more = {}
        if len(found) == limit:
            following = f"/v1/stories?limit={limit}&before={found[-1].position}"
            more["link"] = f'<{following}>; rel="next"'
        return json(request, body, more)

    async def story(request: Request) -> Response:
        slug, public = slug_of(request), not insider(request)
        return json(request, await _state(room, request, slug, public=public))

    async def history(request: Request) -> Response:
        slug = slug_of(request)
        await room.state(slug, public=True)  # or there is no such story
        after = _number(request, "after", 0)
        limit = _number(request, "limit", PAGE, least=1, most=PAGE)
        size = (await room.log.head()).size
        page = await asyncio.to_thread(room.stories.updates, after, size, limit, Wanted(slug))
        events = b",".join(update.event for update in page)
        following = b"null" if len(page) < limit else b"%d" % page[-1].position
        return json(request, b'{"developments":[%b],"next":%b}' % (events, following))

    return [
        Route("/v1/stories", stories),
        Route("/v1/stories/{story}", story),
        Route("/v1/stories/{story}/developments", history, methods=["GET"]),
    ]


async def _state(room: Desk, request: Request, slug: str, *, public: bool) -> bytes:
    """Give a story's state, now or as of the moments that are asked for."""
    asked = request.query_params
    if "as_of" not in asked and "occurred_by" not in asked:
        return await room.state(slug, public=public)
    if public:
        await room.state(slug, public=True)  # or there is no such story, nor ever was for readers
    when = moment(asked["as_of"], room.now()) if "as_of" in asked else None
    limit = (
        moment(asked["occurred_by"], room.now(), "occurred_by") if "occurred_by" in asked else None
    )
    if isinstance(limit, int):
        raise Refused("moment", "occurred_by", "a time", str(limit))
    size = (await room.log.head()).size
    upto = size if when is None else await at(room.log, when)
    state = await as_of(room.log, slug, upto, occurred_by=limit, public=public)
    if state is None:
        raise NotFound("story", slug)
    return state


def live(room: Desk, feed: Feed, who: Who) -> ASGIApp:
    """Give the live feed as an ASGI application.

    It stands outside of Starlette, whose layers cost more for each update than sending it.
    """

    async def listen(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if request.method != "GET":
            raise HTTPException(405, headers={"allow": "GET"})
        asked = request.query_params
        for name in ONCE:
            if len(given := asked.getlist(name)) > 1:
                raise Refused("filter", name, "it once", f"it {len(given)} times")
        wanted = Wanted(
            _possible(asked.get("story")),
            _known_kind(asked.get("kind")),
            _number(request, "max_urgency", None, most=9),
        )
        since = None
        if "since" in asked:
            since = await at(room.log, moment(asked["since"], room.now(), "since"))
        cursor = request.headers.get("last-event-id") or asked.get("last_event_id")
        start = await feed.start(cursor, since)
        name = who(request)
        if feed.has_room(name):
            await feed.serve(name, start, wanted, receive, send)
        else:
            await turn_away(send, browser="sec-fetch-mode" in request.headers)

    return listen


def _possible(story: str | None) -> str | None:
    """Give a story to be told of, which may be opened later; of one that cannot be is no news."""
    if story is not None and not SLUG.fullmatch(story):
        raise Refused("filter", "story", "1 to 80 of a-z, 0-9 and -", repr(story))
    return story


def _known_kind(kind: str | None) -> str | None:
    if kind is not None and kind not in KINDS:
        raise Refused("filter", "kind", "a kind of the vocabulary", repr(kind))
    return kind


def _number(
    request: Request, name: str, default: int | None, *, least: int = 0, most: int = 10**15
) -> Any:  # noqa: ANN401 - int, or the default
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16 and least <= int(text) <= most):  # noqa: PLR2004 - as many digits as `most` has at most
        raise Refused("number", name, f"a number from {least} to {most}", repr(text)[:40])
    return int(text)
