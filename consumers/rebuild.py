"""A view made anew beside the live one: readers keep the old until the new has caught up."""

from collections.abc import Callable

from consumers.stories.projection import Stories
from consumers.subscription import BATCH, Subscription
from consumers.views import Position, Views
from events.log import Log

__all__ = ["rebuild"]

Progress = Callable[[int, int], None]
"""Called with the events done and the events there are."""


async def rebuild(source: Log, views: Views, stories: Stories, progress: Progress) -> int:
    """Build the next generation of the view, then let it take the place of the live one.

    The live view goes on meanwhile. Cancelled at any moment, it leaves the live view as it was;
    what it had built is removed by the next rebuild.

    Returns:
        The position that the new view is good for.

    Raises:
        RebuildUnderWay: another one is being made.
    """
    with views.alone():
        return await _rebuild(source, views, stories, progress)


async def _rebuild(source: Log, views: Views, stories: Stories, progress: Progress) -> int:
    shadow = f"{stories.name} (rebuilding)"
    with views.transaction():
        # What an earlier one left behind, and a view that began anew since, may have either number.
        left, live = views.position(shadow).generation, views.position(stories.name).generation
        stories.drop(left if left != live else live + 1)
        generation = max(left, live) + 1
        views.forget(shadow)
        views.move(shadow, Position(generation))
    subscription = Subscription(source, views, stories, shadow)
    size = (await source.head()).size
    done = 0
    while done < size:
        done = await subscription.catch_up(min(done + BATCH * 4, size))
        progress(done, size)
        if done == size:
            size = (await source.head()).size
    with views.transaction() as connection:
        built = views.position(shadow)
        live = views.position(stories.name).generation
        views.move(stories.name, built)
        connection.execute("DELETE FROM parked WHERE consumer = ?", (stories.name,))
        connection.execute(
            "UPDATE parked SET consumer = ? WHERE consumer = ?", (stories.name, shadow)
        )
        views.forget(shadow)
        stories.drop(live)
    return built.checkpoint
