"""Stories over HTTP in the formats of others: Atom, JSON Feed, ninjs, LiveBlogPosting, RSS."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from consumers.answers import Changed, answer, asked_url, slug_of
from consumers.kept import MADE_BYTES, kept
from consumers.outputs import atom, json_feed, live_blog, ninjs, rss
from consumers.outputs.place import ALL, Place
from consumers.outputs.told import LATEST, Moved, came, pages
from consumers.stories.projection import Stories, Summary
from consumers.subscription import Subscription
from consumers.views import STORAGE
from events.errors import NotFound, Refused

__all__ = ["FORMS", "FORMS_OF_ALL", "Served", "routes"]

PARSED_BYTES = 16 * 1024 * 1024  # of states kept; taken apart, each is some eight times as large
PAGE_DIGITS = 9  # no story has more pages

State = Mapping[str, Any]


class Form(NamedTuple):
    """A format: its media type, and how it is made of a story, and of a page where it has pages."""

    media_type: str
    story: Callable[[State, Place], bytes]
    archive: Callable[[State, Place, int], bytes] | None = None


FORMS: Final = {
    "atom": Form(atom.MEDIA_TYPE, atom.story, atom.archive),
    "ninjs.json": Form(ninjs.MEDIA_TYPE, ninjs.story),
    "json": Form(json_feed.MEDIA_TYPE, json_feed.story, json_feed.archive),
    "jsonld": Form(live_blog.MEDIA_TYPE, live_blog.story),
    "rss": Form(rss.MEDIA_TYPE, rss.story),
}
"""Formats of a story by the ending of their URL; an ending stands before those it ends with."""

FORMS_OF_ALL: Final = {
    "atom": (atom.MEDIA_TYPE, atom.all_stories),
    "json": (json_feed.MEDIA_TYPE, json_feed.all_stories),
}


class Document(NamedTuple):
    """What is answered: its own URL, and when the story that it tells last changed."""

    body: bytes
    media_type: str
    url: str
    changed: str | None


class Served(Protocol):
    """What the routes read from."""

    @property
    def stories(self) -> Stories:
        """The projection of stories."""
        ...

    @property
    def subscription(self) -> Subscription:
        """What keeps it current."""
        ...

    async def state(self, story: str, *, public: bool = False) -> bytes:
        """Give a story's state as JSON; NotFound when this reader has none."""
        ...

    def now(self) -> datetime:
        """Give the time."""
        ...


def routes(
    room: Served,
    base: str | None = None,
    hub: str | None = None,
    signed: Callable[[], str | None] = lambda: None,
) -> list[Route]:
    """Give the routes of the outputs. Whatever key is shown, they tell what readers may see.

    Args:
        room: the newsroom.
        base: the URL that readers reach the server by; by default, what each request went to.
        hub: the WebSub hub that is told of changes.
        signed: gives the last signed checkpoint in base64. It goes with every answer as a
            header, since a document changes with its story alone.
    """

    def place(request: Request) -> Place:
        return Place(base or asked_url(request), hub)

    def route(ending: str, form: Form) -> Route:
        async def output(request: Request) -> Response:
            slug, page, here = slug_of(request), _page(request, form), place(request)
            document = await _of_story(room, slug, ending, page, here)
            if document is None:
                return RedirectResponse(here.feed(slug, ending), 302)
            return _answer(request, document, hub, room.now(), signed())

        return Route(f"/feeds/{{story}}.{ending}", output)

    def over_all(ending: str) -> Route:
        async def output(request: Request) -> Response:
            document = await _of_all(room, ending, place(request))
            return _answer(request, document, hub, room.now(), signed())

        return Route(f"/feeds/{ALL}.{ending}", output)

    return [
        *(over_all(ending) for ending in FORMS_OF_ALL),
        *(route(ending, form) for ending, form in FORMS.items()),
    ]


async def _of_story(
    room: Served, slug: str, ending: str, page: int | None, place: Place
) -> Document | None:
    """Give a story's document or a page of it; None where the page is not complete yet."""
    content = await room.state(slug, public=True)
    state = await asyncio.to_thread(_parsed, content)
    if page is not None and not 1 <= page <= pages(state):
        if page == pages(state) + 1:
            return None
        raise NotFound("page", str(page))
    body = await asyncio.to_thread(_made, ending, content, place, page)
    url = place.feed(slug, ending, page)
    return Document(body, FORMS[ending].media_type, url, state["recorded_at"])


async def _of_all(room: Served, ending: str, place: Place) -> Document:
    """Give the document of the latest of all stories."""
    media_type, make = FORMS_OF_ALL[ending]
    states, moved = await _newest(room)
    body = await asyncio.to_thread(make, states, place, moved)
    changed = moved.recorded_at if moved else None
    return Document(body, media_type, place.feed(ALL, ending), changed)


async def _newest(room: Served) -> tuple[list[State], Moved | None]:
    """Give the stories that may have one of the latest developments, and the last change of any."""
    with suppress(*STORAGE):  # a disk that takes no more: what is known by now is told
        await room.subscription.catch_up()
    last = await asyncio.to_thread(room.stories.last_told)
    found: list[State] = []
    places: list[int] = []
    async for summary in _last_moved(room):
        # None has a development later than its last move.
        if len(places) >= LATEST and sorted(places)[-LATEST] > summary.position:
            break
        try:
            content = await room.state(summary.story, public=True)
        except NotFound:  # it went out of sight meanwhile
            continue
        state = await asyncio.to_thread(_parsed, content)
        found.append(state)
        places += [came(state, item)[0] for item in state["timeline"]]
    # What is told by now, and what moved while it was read.
    moved = [Moved(state["position"], state["recorded_at"]) for state in found]
    moved += [Moved(*last)] if last is not None else []
    return found, max(moved, default=None)


async def _last_moved(room: Served) -> AsyncIterator[Summary]:
    """Give the stories that readers see, the one that moved last first."""
    before = None
    while page := await asyncio.to_thread(room.stories.summaries, LATEST, before, public=True):
        for summary in page:
            yield summary
        before = page[-1].position


@kept(PARSED_BYTES)
def _parsed(content: bytes) -> State:
    state: State = orjson.loads(content)
    return state


@kept(MADE_BYTES)
def _made(ending: str, content: bytes, place: Place, page: int | None) -> bytes:
    form, state = FORMS[ending], _parsed(content)
    if page is None or form.archive is None:
        return form.story(state, place)
    return form.archive(state, place, page)


def _page(request: Request, form: Form) -> int | None:
    asked = request.query_params.get("page")
    if asked is None or form.archive is None:
        return None
    if not (asked.isascii() and asked.isdigit() and len(asked) <= PAGE_DIGITS):
        raise Refused("number", "page", "a number from 1", repr(asked)[:40])
    return int(asked)


def _answer(
    request: Request, document: Document, hub: str | None, now: datetime, signed: str | None
) -> Response:
    """Answer with a document, its links, and when it last changed."""
    links = [f'<{document.url}>; rel="self"', *([f'<{hub}>; rel="hub"'] if hub else [])]
    headers = {"link": ", ".join(links)}
    if signed is not None:
        headers["dateline-checkpoint"] = signed
    changed = None
    if document.changed is not None:
        changed = Changed(datetime.fromisoformat(document.changed), now)
    return answer(request, document.body, document.media_type, headers, changed)
