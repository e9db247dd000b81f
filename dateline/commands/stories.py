"""What each command does, once the newsroom is open: call, then show."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol

import orjson
import uuid_utils

from consumers.rebuild import rebuild
from consumers.stories.differences import differences
from consumers.stories.moments import as_of, at, moment
from consumers.stories.projection import Summary
from consumers.views import STORAGE
from dateline import printing
from dateline.commands.given import lines_of
from dateline.outcomes import DONE, REFUSED
from dateline.wiring import Newsroom
from events import log as logs
from events.envelope import Recorded
from events.errors import NotFound, PartlyRepeated, Refused, WrongVersion
from events.log import Expect
from events.vocabulary import KINDS, Unknown
from producers.case import Actor
from producers.importing import Import
from producers.intake import take

__all__ = [
    "diff",
    "file",
    "follow",
    "history",
    "import_file",
    "parked_list",
    "parked_retry",
    "parked_skip",
    "rebuild_view",
    "stories",
    "story",
    "summaries",
]


PAGE = 500  # stories read at a time
BAD_SHOWN = 20  # lines of an import that are named; whoever wants them all asks for JSON


async def file(
    room: Newsroom, filing: dict[str, Any], by: str, expected: int | None, *, json: bool
) -> int:
    """File one development and say where it stands."""
    receipt = await room.publisher.file(
        take(filing),
        Actor(by),
        Expect.ANY if expected is None else expected,
        correlation=str(uuid_utils.uuid7()),
    )
    if json:
        printing.show_json(receipt._asdict())
    else:
        again = " (recorded before)" if receipt.duplicate else ""
        printing.line(
            f"{receipt.story}: {receipt.ref} {receipt.kind} at version {receipt.version}, "
            f"position {receipt.position}{again}"
        )
    return DONE


async def import_file(room: Newsroom, file: str, by: str, *, json: bool) -> int:
    """Import a file of filings; exit 1 when a line could not be taken.

    Raises:
        LogUnavailable: run it again; it goes on where it stopped.
        Refused: the file is not whole, or others file faster than it is judged.
    """
    with printing.steps() as told:
        run = Import(room.log, room.publisher, Actor(by), room.clock, told)
        try:
            done = await run.run(lines_of(file))
        except (WrongVersion, PartlyRepeated) as error:
            wanted = "nobody to file faster than an import is judged; run it again, it goes on"
            raise Refused("import-overtaken", "story", wanted, str(error)) from error
    if json:
        printing.show_json({**done._asdict(), "bad": [bad._asdict() for bad in done.bad]})
    else:
        printing.line(f"{done.appended} imported, {done.known} known before, {done.left} left out")
    for bad in done.bad[:BAD_SHOWN]:
        left = f"; nothing of story {bad.story} was imported in this run" if bad.story else ""
        printing.complain(f"dateline: line {bad.line}: {bad.why}{left}")
    if len(done.bad) > BAD_SHOWN:
        more = printing.counted(len(done.bad) - BAD_SHOWN, "more line")
        printing.complain(f"dateline: {more}; --json has them all")
    return REFUSED if done.bad else DONE


async def story(
    room: Newsroom,
    slug: str,
    as_of_text: str | None,
    occurred_by: str | None,
    *,
    public: bool,
    json: bool,
) -> int:
    """Show a story now, as it was known at a moment, or as the world stood at a time."""
    if as_of_text is None and occurred_by is None:
        state = await room.state(slug, public=public)
    else:
        state = await _state_at(room, slug, as_of_text, occurred_by, public=public)
    if json:
        printing.show_json(state)
    else:
        printing.show_state(orjson.loads(state))
    return DONE


async def _state_at(
    room: Newsroom, slug: str, when: str | None, occurred_by: str | None, *, public: bool
) -> bytes:
    moment_ = moment(when, room.now()) if when is not None else None
    limit = moment(occurred_by, room.now(), "occurred_by") if occurred_by is not None else None
    if isinstance(limit, int):
        raise Refused("moment", "occurred_by", "a time such as 2025-10-10", str(limit))
    upto = await at(room.log, moment_) if moment_ is not None else (await room.log.head()).size
    clock = moment_ if isinstance(moment_, datetime) else None
    now = clock.isoformat().replace("+00:00", "Z") if clock else None
    found = await as_of(room.log, slug, upto, now=now, occurred_by=limit, public=public)
    if found is None:
        by = f" (all that was recorded by {when})" if isinstance(moment_, datetime) else ""
        raise NotFound("story", f"{slug} at position {upto}{by}")
    return found


async def stories(room: Newsroom, *, json: bool) -> int:
    """List all stories, the one that moved last first."""
    await room.subscription.catch_up()
    if json:
        printing.show_json([summary._asdict() for summary in summaries(room)])
        return DONE
    shown = 0
    for summary in summaries(room):
        shown += 1
        printing.line(
            f"{summary.story:<40} {summary.status:<7} version {summary.version:<6} "
            f"{summary.recorded_at}  {summary.title}"
        )
    if not shown:
        printing.line("no stories yet: file one with `dateline file STORY story-opened …`")
    return DONE


def summaries(room: Newsroom) -> Iterator[Summary]:
    """Give all stories, the one that moved last first."""
    page = room.stories.summaries(PAGE)
    while page:
        yield from page
        page = room.stories.summaries(PAGE, page[-1].position)


async def history(room: Newsroom, slug: str, *, json: bool) -> int:
    """Show every event of a story, those of unknown kinds as well.

    Raises:
        NotFound: there is no such story.
    """
    shown = 0
    async for event in room.log.read_versions(slug):
        shown += 1
        if json:
            printing.show_json(printing.event_object(event))
        else:
            printing.show_event(event)
    if not shown:
        raise NotFound("story", slug)
    return DONE


async def diff(room: Newsroom, slug: str, before: str, after: str, *, json: bool) -> int:
    """Show what changed between two moments.

    Raises:
        NotFound: the story was there at neither.
        Refused: one of them is no moment.
    """
    ends = [
        await at(room.log, moment(text, room.now(), name))
        for name, text in (("FROM", before), ("TO", after))
    ]
    states = [await as_of(room.log, slug, end) for end in ends]
    if states == [None, None]:
        raise NotFound("story", f"{slug} at position {max(ends)}")
    old, new = (None if state is None else orjson.loads(state) for state in states)
    changes = differences(old, new)
    if json:
        shown = [change._asdict() for change in changes]
        printing.show_json({"story": slug, "from": ends[0], "to": ends[1], "changes": shown})
    elif changes:
        printing.show_changes(changes)
    else:
        printing.line(f"nothing changed in {slug} between positions {ends[0]} and {ends[1]}")
    return DONE


async def follow(
    room: Newsroom, after: int | None, slug: str | None, kind: str | None, *, json: bool
) -> int:
    """Show events as they come, until interrupted.

    Raises:
        Refused: there is no such kind or position.
    """
    if kind is not None and kind not in KINDS:
        raise Refused("kind", "kind", "a kind of the vocabulary", repr(kind))
    size = (await room.log.head()).size
    start = size if after is None else after
    if start > size:
        raise Refused("cursor", "after", f"a position up to {size}", str(start))
    if not size:
        printing.complain(f"dateline: nothing is in {room.log.url} yet; waiting for it")
    elif slug is not None and await anext(room.log.read_versions(slug), None) is None:
        printing.complain(f"dateline: there is no story {slug} yet; waiting for it")
    async for event in logs.follow(room.log, start, story=slug):
        if kind is not None and event.development.kind != kind:
            continue
        if json:
            printing.show_json(printing.event_object(event))
        else:
            printing.show_event(event, story=slug is None)
    return DONE


async def rebuild_view(room: Newsroom, *, json: bool) -> int:
    """Make the view of stories anew."""
    with printing.progress("rebuild") as told:
        checkpoint = await rebuild(room.log, room.views, room.stories, told)
    if json:
        printing.show_json({"projection": room.stories.name, "checkpoint": checkpoint})
    else:
        printing.line(f"{room.stories.name} rebuilt up to position {checkpoint}")
    return DONE


async def parked_list(room: Newsroom, *, json: bool) -> int:
    """List what consumers could not handle."""
    await room.subscription.catch_up()
    found = room.views.parked()
    if json:
        printing.show_json([event._asdict() for event in found])
        return DONE
    for event in found:
        printing.line(
            f"{event.position:>7}  {event.consumer}  {event.story} version {event.version} "
            f"{event.kind}: {event.reason}"
        )
    if not found:
        printing.line("nothing is parked")
    return DONE


class Refolding(Protocol):
    """A consumer that can make one story anew."""

    def refold(self, story: str, events: Sequence[Recorded]) -> None:
        """Make a story anew from all of its events, inside a transaction."""


async def parked_retry(room: Newsroom, consumer: str, position: int, by: str, *, json: bool) -> int:
    """Record the act, then make the story anew with the event in its place.

    Raises:
        NotFound: it is not parked.
        Refused: there is no such consumer.
    """
    event = _parked(room, consumer, position)
    folds: dict[str, Refolding] = {room.stories.name: room.stories}
    if room.dispatch is not None:
        folds[room.dispatch.watching.name] = room.dispatch.watching
    if consumer not in folds:
        raise Refused("consumer", "consumer", " or ".join(folds), consumer)
    act = {"story": event.story, "kind": "parked-retried", "consumer": consumer, "parked": position}
    receipt = await room.publisher.file(take(act), Actor(by))
    await room.subscription.catch_up()
    events = [found async for found in room.log.read_versions(event.story)]
    try:
        with room.views.transaction():
            checkpoint = room.views.position(consumer).checkpoint
            folds[consumer].refold(
                event.story, [found for found in events if found.position <= checkpoint]
            )
            if any(found.position == position and _understood(found) for found in events):
                room.views.unpark(consumer, position)
    except STORAGE:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it raised before, it may raise again
        printing.complain(f"dateline: {type(error).__name__}: {error}")
    still = any(found.position == position for found in room.views.parked(consumer))
    if json:
        printing.show_json({**receipt._asdict(), "parked": still})
    else:
        printing.line(f"position {position} {'is still parked' if still else 'was handled'}")
    return REFUSED if still else DONE


def _understood(event: Recorded) -> bool:
    return not isinstance(event.development, Unknown)


async def parked_skip(
    room: Newsroom, consumer: str, position: int, reason: str, by: str, *, json: bool
) -> int:
    """Record the act and take the event off the list."""
    event = _parked(room, consumer, position)
    act = {
        "story": event.story,
        "kind": "parked-skipped",
        "consumer": consumer,
        "parked": position,
        "reason": reason,
    }
    receipt = await room.publisher.file(take(act), Actor(by))
    with room.views.transaction():
        room.views.unpark(consumer, position)
    if json:
        printing.show_json(receipt._asdict())
    else:
        printing.line(f"position {position} skipped by {consumer}")
    return DONE


def _parked(room: Newsroom, consumer: str, position: int) -> Any:  # noqa: ANN401 - consumers.views.ParkedEvent
    for event in room.views.parked(consumer):
        if event.position == position:
            return event
    raise NotFound("parked event", f"{position} of {consumer}")
