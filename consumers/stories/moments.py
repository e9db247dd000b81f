"""A moment of the log, given as a position or as a time, and the story as it stood then."""

import asyncio
import calendar
from collections.abc import Mapping
from datetime import UTC, date, datetime, time

from consumers.stories.parts import Figure, Item, Part, Parts
from consumers.stories.state import document, sections_of
from consumers.stories.story import evolve
from events.developments import News, StoryOpened
from events.editorial import ConflictNoted, Redacted
from events.envelope import Recorded
from events.errors import Refused
from events.filing import Occurred
from events.log import Log

__all__ = ["as_of", "at", "happened_by", "moment"]

POSITION_DIGITS = 18  # no log is longer


def moment(text: str, now: datetime, field: str = "as_of") -> int | datetime:
    """Read a moment as people type it.

    Args:
        text: a position (`17`), a time (`2025-10-10T14:05:00Z`), a date (its last moment) or a
            time of today (`14:05`). Without a zone a time is meant in UTC.
        now: says which day is today.
        field: what the moment is of, for the refusal.

    Returns:
        The position, or the time in UTC.

    Raises:
        Refused: it is none of these.
    """
    if text.isascii() and text.isdigit() and len(text) <= POSITION_DIGITS:
        return int(text)
    try:
        if text[2:3] == ":":
            clock = time.fromisoformat(text)
            today = now.astimezone(clock.tzinfo or UTC).date()
            text = datetime.combine(today, clock).isoformat()
        if "T" not in text and " " not in text:
            return datetime.combine(date.fromisoformat(text), time.max, UTC)
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        wanted = "a time such as 2025-10-10T14:05:00Z, a date, or 14:05"
        if field != "occurred_by":  # the world has no positions
            wanted = f"a position, {wanted}"
        raise Refused("moment", field, wanted, repr(text)) from None


async def at(log: Log, when: int | datetime) -> int:
    """Give the last position of a moment: itself, or what was recorded by then."""
    if isinstance(when, int):
        return min(when, (await log.head()).size)
    return await log.position_at(int(when.timestamp() * 1000))


async def as_of(
    log: Log,
    story: str,
    upto: int,
    *,
    now: str | None = None,
    occurred_by: datetime | None = None,
    public: bool = False,
) -> bytes | None:
    """Give a story as it was known at a position, from its events alone.

    Args:
        log: the log.
        story: its slug.
        upto: the last position that counts.
        now: the moment by which responses are overdue; when this reader last saw the story move by
            default, so that readers cannot tell from it when what they may not see was recorded.
        occurred_by: leave out developments that had not certainly happened by then, keeping all
            that is known today of those that had.
        public: as readers without a key saw it.

    Returns:
        The state as JSON, None when there was no such story.
    """
    known: Parts = {}
    async for event in log.read(upto=upto, story=story):
        known.update(evolve(known, event))
    parts = known
    if occurred_by is not None:
        parts = {}
        async for event in log.read(upto=upto, story=story):
            if happened_by(event, known, occurred_by) and _about_what_is_there(event, known, parts):
                parts.update(evolve(parts, event))
    if public:
        parts = await _still_public(log, story, upto, known, parts)

    def written() -> bytes | None:
        sections, lead = sections_of(parts, public=public)
        return document(sections, lead, upto, now, public=public)

    # In a thread: a story of thousands takes long to write, and others wait for this event loop.
    return await asyncio.to_thread(written)


def _about_what_is_there(event: Recorded, known: Parts, parts: Parts) -> bool:
    """Whether an act of the desk is about something that had happened by then.

    One that is not moves nothing, so that what it is about may as well be out of readers' sight.
    """
    about: tuple[str | None, ...] = ()
    match event.development:
        case News():
            return True
        case ConflictNoted(conflict=conflict):
            about = conflict.between
        case act:
            about = (getattr(act, "target", None),)
    return all(ref in parts or ref not in known for ref in about)


async def _still_public(log: Log, story: str, upto: int, known: Parts, parts: Parts) -> Parts:
    """Leave out what readers saw then and may not see now: what is taken back is out of reach."""
    today = dict(known)
    async for event in log.read(upto, story=story):
        today.update(evolve(today, event))
        if isinstance(event.development, Redacted):
            parts = parts | {
                key: part for key, part in evolve(parts, event).items() if key and key in parts
            }
    seen = {}
    for key, part in parts.items():
        now = today[key]
        if part.public and not now.public:
            continue
        if isinstance(part, Figure) and not all(
            today[revision["by"]].public for revision in part.history
        ):
            part = now  # noqa: PLW2901 - what a held revision said is taken back with it
        seen[key] = part
    return seen


def happened_by(event: Recorded, known: Mapping[str, Part], limit: datetime) -> bool:
    """Whether what an event tells had certainly happened by a moment, as far as is known.

    What happened "in August" had certainly happened by the end of August; nothing happens after
    it was filed. Acts of the desk are about developments and are no happenings of their own.

    Args:
        event: one of a story's events.
        known: the story's parts, corrections applied.
        limit: the moment.
    """
    news = event.development
    if not isinstance(news, News) or isinstance(news, StoryOpened):
        return True
    filed = news.filed_at or datetime.fromtimestamp(event.recorded_ms / 1000, UTC)
    item = known.get(news.ref or f"d{event.version}")
    occurred = Occurred(**(item.occurred or {})) if isinstance(item, Item) else news.occurred
    stated = _latest(occurred)
    return (min(filed, stated) if stated else filed) <= limit


def _latest(occurred: Occurred) -> datetime | None:
    """Give the last moment that the words allow for, None when they set no end."""
    text = occurred.end or occurred.date or (occurred.start if not occurred.window else None)
    if text is None:
        return None
    if "T" in text:
        return datetime.fromisoformat(text)
    year, *rest = (int(number) for number in text.split("-"))
    month = rest[0] if rest else 12
    day = rest[1] if len(rest) > 1 else calendar.monthrange(year, month)[1]
    return datetime.combine(date(year, month, day), time.max, UTC)
