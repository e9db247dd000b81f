"""Pages over HTTP: the front page, a story, and what they load."""

import asyncio
from contextlib import suppress
from typing import Final, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consumers.answers import answer, asked_url, slug_of
from consumers.kept import MADE_BYTES, kept
from consumers.outputs.place import Place
from consumers.pages import page
from consumers.stories.projection import Stories
from consumers.subscription import Subscription
from consumers.views import STORAGE
from events.errors import NotFound

__all__ = ["POLICY", "routes"]

HTML: Final = "text/html; charset=utf-8"
MOST_STORIES = 200  # on the front page; whoever wants more asks the API

# A page loads its own style and script and talks to its own server: nothing inline, no picture,
# nothing of anybody else's, whatever was filed.
POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_GUARD: Final = {"content-security-policy": POLICY}


class Served(Protocol):
    """What pages are made of."""

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


def routes(room: Served, base: str | None = None) -> list[Route]:
    """Give the routes of pages. Whatever key is shown, they tell what readers may see.

    Args:
        room: the newsroom.
        base: the URL that readers reach the server by; by default, what each request went to.
    """

    def place(request: Request) -> Place:
        return Place(base or asked_url(request))

    async def home(request: Request) -> Response:
        with suppress(*STORAGE):  # a disk that takes no more: what is known by now is told
            await room.subscription.catch_up()
        found = await asyncio.to_thread(room.stories.summaries, MOST_STORIES, public=True)
        body = await asyncio.to_thread(page.home, found, place(request))
        return answer(request, body, HTML, _GUARD)

    async def story(request: Request) -> Response:
        try:
            content = await room.state(slug_of(request), public=True)
        except NotFound:
            return Response(page.missing(), 404, _GUARD, HTML)
        body = await asyncio.to_thread(_made, content, place(request))
        return answer(request, body, HTML, _GUARD)

    def asset(name: str, media_type: str) -> Route:
        content = (page.FOLDER / name).read_bytes()

        async def told(request: Request) -> Response:
            return answer(request, content, media_type)

        return Route(f"/assets/{name}", told)

    return [
        Route("/", home),
        Route("/stories/{story}", story),
        *(asset(name, media_type) for name, media_type in page.ASSETS.items()),
    ]


@kept(MADE_BYTES)
def _made(content: bytes, place: Place) -> bytes:
    return page.story(orjson.loads(content), place)
