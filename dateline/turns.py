"""Whose turn it is: where many nodes share a log, each reaction is at work on one of them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from dateline.wiring import Newsroom

__all__ = ["Work", "one_at_a_time", "together"]

Work = Callable[[], Awaitable[None]]
"""Something that goes on until it is cancelled."""


def one_at_a_time(
    room: Newsroom, works: Mapping[str, Work], before: Mapping[str, Work]
) -> dict[str, Work]:
    """Give each work as one that waits for this node's turn.

    Args:
        room: the newsroom.
        works: by name.
        before: what has to be done before a node takes a turn at a work of that name at all.
    """
    return {name: _in_turn(room, name, work, before.get(name)) for name, work in works.items()}


def _in_turn(room: Newsroom, name: str, work: Work, before: Work | None) -> Work:
    async def in_turn() -> None:
        if before is not None and room.shared:
            await before()
        await room.one_at_a_time(name.replace(" ", "-"), work)

    return in_turn


def together(name: str, works: Mapping[str, Work], *, shared: bool) -> dict[str, Work]:
    """Make one work of several that share what is kept on this node, if it may be another's turn.

    Args:
        name: of the one.
        works: the several.
        shared: whether other nodes take turns with this one.
    """
    if not shared:
        return dict(works)

    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as group:  # when one fails, none goes on alone
            for work in works.values():
                group.create_task(_done(work))

    return {name: all_of_them}


async def _done(work: Work) -> None:
    await work()
