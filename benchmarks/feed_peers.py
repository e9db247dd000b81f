"""What the live feed is held against, as ASGI applications that uvicorn runs like ours.

Each takes a burst as `POST /publish` (a JSON list of frames' data) and tells it to everybody on
`GET /feed`.
"""

import asyncio
from collections.abc import AsyncIterator

import orjson
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

__all__ = ["bare", "naive"]


def _naive() -> Starlette:
    """What a user would write: a queue for each client, an event object for each delivery."""
    queues: set[asyncio.Queue[str]] = set()

    async def feed(_request: Request) -> EventSourceResponse:
        queue: asyncio.Queue[str] = asyncio.Queue()
        queues.add(queue)

        async def events() -> AsyncIterator[ServerSentEvent]:
            number = 0
            try:
                while True:
                    number += 1
                    yield ServerSentEvent(await queue.get(), id=str(number))
            finally:
                queues.discard(queue)

        return EventSourceResponse(events())

    async def publish(request: Request) -> Response:
        for data in await request.json():
            for queue in queues:
                queue.put_nowait(orjson.dumps(data).decode())
        return JSONResponse({"clients": len(queues)})

    async def some_bytes(request: Request) -> Response:
        return Response(b"x" * request.path_params["size"], media_type="application/json")

    return Starlette(
        routes=[
            Route("/feed", feed),
            Route("/publish", publish, methods=["POST"]),
            Route("/bytes/{size:int}", some_bytes),
        ]
    )


class _Bare:
    """A shared ring of bytes, one task for each client and nothing else."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.waiting: list[asyncio.Future[None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["path"] == "/feed":
            await self._feed(send)
        else:
            await self._publish(receive, send)

    async def _feed(self, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b": hello\n\n", "more_body": True})
        number = len(self.frames)
        while True:
            if number == len(self.frames):
                grown = asyncio.get_running_loop().create_future()
                self.waiting.append(grown)
                await grown
            wire = b"".join(self.frames[number:])
            number = len(self.frames)
            await send({"type": "http.response.body", "body": wire, "more_body": True})

    async def _publish(self, receive: Receive, send: Send) -> None:
        body = bytearray()
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        for data in orjson.loads(body):
            number = len(self.frames) + 1
            self.frames.append(b"id: %d\ndata: %b\n\n" % (number, orjson.dumps(data)))
        waiting, self.waiting = self.waiting, []
        for grown in waiting:
            grown.set_result(None)
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


naive = _naive()
bare = _Bare()
