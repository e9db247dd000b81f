"""The sample in a newsroom, and what the views of a log ought to hold."""

from conftest import SAMPLE, Clock

from consumers.stories.projection import Stories
from consumers.subscription import Subscription
from consumers.views import Views
from dateline.wiring import Newsroom
from events.log import Log
from producers.case import Actor
from producers.importing import Import

__all__ = ["fresh_contents", "import_sample", "watched"]


async def import_sample(room: Newsroom) -> None:
    run = Import(room.log, room.publisher, Actor("import"), room.clock, lambda *_: None)
    await run.run(SAMPLE.read_bytes().splitlines())


async def fresh_contents(log: Log) -> list[tuple[str, str, str]]:
    """What a new view of the whole log holds."""
    views = Views(":memory:", Clock())
    stories = Stories(views)
    await Subscription(log, views, stories).catch_up()
    found = list(stories.contents())
    views.close()
    return found


def watched(views: Views) -> list[tuple[str, ...]]:
    """All that alerts remember, in order: two watches can be compared."""
    generation = views.position("alerts").generation
    rows: list[tuple[str, ...]] = views.connection.execute(
        f"SELECT story, key, kind, content FROM alert_parts_{generation} ORDER BY story, key"
    ).fetchall()  # type: ignore[assignment]  # - the types of our own columns
    return rows
