"""The view of all stories: every part of every story on disk, kept current event by event."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

import apsw
import orjson

from consumers.feed.bulletin import Bulletin, Wanted
from consumers.feed.updates import (
    UNTOLD,
    Update,
    comes_into_sight,
    taken_back,
    turned,
    update_of,
)
from consumers.remembered import Remembered, Story
from consumers.stories import tables
from consumers.stories.parts import Heading, Part
from consumers.stories.state import EVERYBODY, INTERNAL, Row, document, good_until, part_of, row_of
from consumers.stories.story import evolve, fold
from consumers.views import Views
from events.envelope import Recorded

__all__ = ["Stories", "Summary"]

SHOWN = 200  # states kept as readers were shown them
EMBARGOES = 100  # looked at together
LAST = 1 << 62  # past every position
PARTS_REMEMBERED = 20_000  # parts kept in memory between events, some 20 MB

_PLACE: Final = "SELECT generation, checkpoint FROM subscriptions WHERE consumer = ?"


class Summary(NamedTuple):
    """A story in a list of stories."""

    story: str
    title: str
    status: str
    version: int
    position: int
    recorded_at: str


class _Shown(NamedTuple):
    """A state as readers were shown it, good while the story stands at a position, and until."""

    good_for: int
    until: datetime
    state: bytes


class Stories:
    """The projection behind `dateline story` and `dateline stories`.

    Args:
        views: the database it lives in.
    """

    name = "stories"
    later: Literal["wait", "pass"] = "pass"

    def __init__(self, views: Views) -> None:
        self._views = views
        self._bulletin = Bulletin(views)
        self._remembered: Remembered[Part] = Remembered(self, PARTS_REMEMBERED)
        self._good_for = (0, -1, -1)
        self._made = 0  # the generation whose tables are known to be there
        self._shown: dict[str, _Shown] = {}
        self._shown_with = -1  # SQLite's data version of when these were read

    def project(self, generation: int, events: Sequence[Recorded]) -> None:
        """See `consumers.subscription.Projection.project`."""
        connection = self._views.connection
        # Another process may have projected, or made a story anew: what it wrote is not remembered.
        # Nor are tables: those of a transaction that was rolled back are not there.
        now = (generation, events[0].position - 1, connection.pragma("data_version"))
        if self._good_for != now:
            self._remembered.forget()
            self._make(generation)
        self._good_for = (0, -1, -1)
        stories: dict[str, Story[Part]] = {}
        latest: dict[tuple[str, str], Row | Part] = {}
        told: list[Update] = []
        for event in events:
            story = event.story
            known = stories[story] = self._remembered.story(generation, story)
            parts = evolve(known, event)
            # What nobody is told part by part is only written as the last of these events left it.
            made = {k: row_of(part) for k, part in parts.items() if part.section not in UNTOLD}
            earlier: list[Row] = []
            if comes_into_sight(known, parts) and event.version > 1:
                earlier = self._in_sight(generation, story, latest, made)
            elif names := turned(known, parts):
                seen = self._in_sight(generation, story, latest, made, naming=True)
                earlier = [
                    row for row in seen if names.intersection(orjson.loads(row.names or "[]"))
                ]
            update = update_of(known, parts, made, event, earlier)
            back = taken_back(known, parts, event)
            if back:
                self._bulletin.add(generation, told)
                told.clear()
                self._bulletin.take_back(generation, story, back)
            if update is not None:
                told.append(update)
            known.parts |= parts
            latest |= {(story, key): made.get(key) or part for key, part in parts.items()}
        rows = (
            (story, row if isinstance(row, Row) else row_of(row))
            for (story, _), row in latest.items()
        )
        tables.put(connection, generation, rows)
        self._bulletin.add(generation, told)
        self._remembered.count(stories.values())
        self._good_for = (generation, events[-1].position, connection.pragma("data_version"))

    def _in_sight(
        self,
        generation: int,
        story: str,
        latest: Mapping[tuple[str, str], Row | Part],
        made: Mapping[str, Row],
        *,
        naming: bool = False,
    ) -> list[Row]:
        """Give a story's public parts before an event, or those that name others.

        Those that it made are left out.
        """
        found = tables.rows(self._views.connection, generation, story, naming=naming)
        found |= {
            key: row for (of, key), row in latest.items() if of == story and isinstance(row, Row)
        }
        seen = [row for key, row in found.items() if row.audience != INTERNAL and key not in made]
        return sorted(seen, key=lambda row: (row.place, row.key))

    def stored(self, generation: int, story: str, key: str) -> Part | None:
        """Give one part of a story as it is stored."""
        return tables.part(self._views.connection, generation, story, key)

    def all_of(self, generation: int, story: str) -> Iterator[tuple[str, Part]]:
        """Give every stored part of a story."""
        found = tables.rows(self._views.connection, generation, story)
        return ((key, part_of(row.section, row.content)) for key, row in found.items())

    def state(self, story: str, now: str, *, public: bool = False) -> bytes | None:
        """Give the state of a story as JSON, None when there is none for this reader."""
        with self._views.lock:
            if public:
                others = self._views.connection.pragma("data_version")
                if others != self._shown_with:  # another process wrote, perhaps a story anew
                    self._shown.clear()
                    self._shown_with = others
                shown, seen = self._shown.get(story), self._seen(story)
                if seen is None:  # in the same time whether there is nothing or much to hide
                    return None
                if (
                    shown is not None
                    and shown.good_for == seen
                    and datetime.fromisoformat(now) <= shown.until
                ):
                    return shown.state
            with self._reading(public=public) as (connection, generation, checkpoint):
                sections = tables.sections(connection, generation, story, public=public)
                lead = tables.lead(connection, generation, story, public=public)
        state = document(sections, lead, checkpoint, now, public=public)
        if public and state is not None:
            # Readers are told no more of the heading than what moved it for them, so that one
            # state stands until it moves again.
            good_for = Heading(**orjson.loads(sections["heading"])).public_position
            if len(self._shown) >= SHOWN:
                self._shown.pop(next(iter(self._shown)))
            self._shown[story] = _Shown(good_for, good_until(sections, now), state)
        return state

    def _seen(self, story: str) -> int | None:
        """Give the position at which readers last saw a story move, None where they see none."""
        # Not by what is remembered: another process may be ahead of what this one projected.
        with self._reading(public=True) as (connection, generation, _):
            found = tables.heading(connection, generation, story, public=True)
        return found.public_position if found else None

    @contextmanager
    def _reading(self, *, public: bool) -> Iterator[tuple[apsw.Connection, int, int]]:
        """Give the connection, the generation and its checkpoint, which hold within.

        In one transaction: another process may let a new generation take the place of this one,
        and remove it, at any moment.
        """
        with self._views.lock:
            self._ready()
            connection = self._views.public if public else self._views.connection
            connection.execute("BEGIN")
            try:
                generation, checkpoint = connection.execute(_PLACE, (self.name,)).get or (1, 0)
                yield connection, generation, checkpoint
            finally:
                connection.execute("COMMIT")

    def embargoes(self) -> list[tuple[str, str, str]]:
        """Give (story, ref, until) of the embargoes that end first, in order."""
        with self._reading(public=False) as (connection, generation, _):
            rows = connection.execute(
                f"SELECT story, key, until FROM story_parts_{generation} "
                "WHERE until IS NOT NULL ORDER BY until LIMIT ?",
                (EMBARGOES,),
            )
            return [(str(story), str(ref), str(until)) for story, ref, until in rows]

    def of_alerts(
        self,
        section: Literal["alerts", "silences"],
        limit: int,
        before: int | None = None,
        *,
        story: str | None = None,
        state: str | None = None,
    ) -> list[dict[str, Any]]:
        """Give what stories have of alerts or silences, the newest first, each with its story.

        Args:
            section: which of the two.
            limit: how many at most.
            before: only what came before a position.
            story: only those of one story.
            state: only alerts of which this became.
        """
        with self._reading(public=False) as (connection, generation, _):
            rows = connection.execute(
                f"SELECT story, content FROM story_parts_{generation} WHERE section = ?1 "
                "AND section IN ('alerts', 'silences') AND (?3 IS NULL OR place < ?3) "
                "AND (?4 IS NULL OR story = ?4) AND (?5 IS NULL OR content ->> 'state' = ?5) "
                "ORDER BY place DESC LIMIT ?2",
                (section, limit, before, story, state),
            ).fetchall()
        return [{"story": story, **orjson.loads(str(content))} for story, content in rows]

    def updates(self, after: int, upto: int, limit: int, wanted: Wanted) -> list[Update]:
        """Give what readers were told past a position and up to another, in order."""
        with self._reading(public=True) as (_, generation, _):
            return self._bulletin.read(generation, after, upto, limit, wanted)

    def last_told(self) -> tuple[int, str] | None:
        """Give position and time of the last change that readers saw, of any story."""
        with self._reading(public=True) as (_, generation, _):
            return self._bulletin.last(generation)

    def summaries(
        self, limit: int, before: int | None = None, *, public: bool = False
    ) -> list[Summary]:
        """Give stories, the one that moved last first.

        Args:
            limit: how many at most.
            before: only those that last moved before a position.
            public: for readers, by what they saw move.
        """
        end = LAST if before is None else before
        with self._reading(public=public) as (connection, generation, _):
            found = tables.headings(connection, generation, public=public, before=end, limit=limit)
        return [_summary(heading, public=public) for heading in found]

    def seen_by_readers(self) -> frozenset[int]:
        """Give the positions whose events hold nothing but what readers may see today.

        An event that names something that readers may not know of is not among them.
        """
        with self._reading(public=False) as (connection, generation, _):
            telling = {
                (naming.story, orjson.loads(naming.content).get("development", naming.key))
                for naming in tables.naming_hidden(connection, generation)
            }
            rows = connection.execute(
                f"SELECT story, key, place FROM story_parts_{generation} WHERE audience = "
                f"{EVERYBODY} AND section IN ('opening', 'timeline', 'corrections')"
            )
            return frozenset(
                int(place) for story, key, place in rows if (story, key) not in telling
            )

    def refold(self, story: str, events: Sequence[Recorded]) -> None:
        """Make one story anew from all of its events, inside a transaction."""
        generation = self._views.position(self.name).generation
        self._make(generation)
        self._remembered.forget()
        self._shown.clear()
        connection = self._views.connection
        tables.clear(connection, generation, story)
        parts = fold(events).values()
        tables.put(connection, generation, ((story, row_of(part)) for part in parts))

    def remake(self, generation: int, story: str, events: Sequence[Recorded]) -> None:
        """See `consumers.subscription.Remaking.remake`."""
        self._make(generation)
        self._shown.clear()
        connection = self._views.connection
        connection.execute(f"DELETE FROM story_parts_{generation} WHERE story = ?", (story,))
        self._bulletin.forget(generation, story)
        self._remembered.forget()
        self._good_for = (0, -1, -1)
        if events:
            self.project(generation, events)

    def contents(self, generation: int | None = None) -> Iterator[tuple[str, str, str]]:
        """Give every stored part as (story, key, JSON), in order: two views can be compared."""
        if generation is None:
            generation = self._views.position(self.name).generation
        self._make(generation)
        yield from self._views.connection.execute(
            f"SELECT story, key, content FROM story_parts_{generation} ORDER BY story, key"
        )

    def drop(self, generation: int) -> None:
        """Remove a generation of the view, inside a transaction."""
        tables.drop(self._views.connection, generation)
        self._bulletin.drop(generation)

    def _ready(self) -> int:
        """Give the generation to read, its tables made."""
        generation = self._views.position(self.name).generation
        if generation != self._made:
            self._shown.clear()
            if self._views.connection.in_transaction:
                self._make(generation)
                return generation
            if not self._is_made(generation):
                # Together: another process may take a generation away between any two of these.
                with self._views.transaction():
                    generation = self._views.position(self.name).generation
                    self._make(generation)
            self._made = generation
        return generation

    def _is_made(self, generation: int) -> bool:
        last = f"public_updates_{generation}"
        found = "SELECT count(*) FROM sqlite_schema WHERE name = ?"
        return bool(self._views.connection.execute(found, (last,)).get)

    def _make(self, generation: int) -> None:
        # Each time: a table made in a transaction that was rolled back is not there.
        tables.make(self._views.connection, generation)
        self._bulletin.make(generation)


def _summary(heading: Heading, *, public: bool) -> Summary:
    if not public:
        return Summary(
            heading.story,
            heading.title,
            heading.status,
            heading.version,
            heading.position,
            heading.recorded_at,
        )
    return Summary(
        heading.story,
        heading.public_title or "",
        heading.status,
        heading.public_version,
        heading.public_position,
        heading.public_recorded_at or "",
    )
