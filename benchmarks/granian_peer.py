"""`python -m benchmarks.granian_peer NAME PORT`: a peer of the feed on granian, embedded."""

import asyncio
import sys

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from benchmarks import feed_peers

__all__ = ["serve"]

STREAMS = 100_000  # connections that may be open at once; its default would stop at 128


async def serve(name: str, port: int) -> None:
    """Serve one of `benchmarks.feed_peers` until killed."""
    server = Server(
        getattr(feed_peers, name),
        port=port,
        interface=Interfaces.ASGINL,
        backlog=2048,
        backpressure=STREAMS,
        websockets=False,
        log_enabled=False,
    )
    await server.serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1], int(sys.argv[2])))
