"""The view of all stories: every part of every story on disk, kept current event by event."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

import orjson

from consumers.bulletin import Bulletin, Wanted
from consumers.parts import Heading, Part
from consumers.state import (
    EVERYBODY,
    INTERNAL,
    Row,
    document,
    for_readers,
    good_until,
    part_of,
    row_of,
)
from consumers.story import evolve, fold
from consumers.updates import Update, comes_into_sight, taken_back, update_of
from consumers.views import Views
from events.envelope import Recorded

__all__ = ["Stories", "Summary"]

SHOWN = 200  # states kept as readers were shown them
EMBARGOES = 100  # looked at together
PARTS_REMEMBERED = 20_000  # parts kept in memory between events, some 20 MB

# In the order in which a state shows its parts, so that reading one is one sweep; the second order
# finds a part by its key, and the lead without looking at contents; the others what names parts
# and what is under embargo.
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS story_parts_{generation} (
    story    TEXT    NOT NULL,
    section  TEXT    NOT NULL,
    place    INTEGER NOT NULL,
    key      TEXT    NOT NULL,
    audience INTEGER NOT NULL,
    rank     INTEGER,
    content  TEXT    NOT NULL,
    names    TEXT,
    until    TEXT,
    PRIMARY KEY (story, section, place, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS story_parts_{generation}_by_key
    ON story_parts_{generation} (story, key, section, rank, place);
CREATE INDEX IF NOT EXISTS story_parts_{generation}_naming
    ON story_parts_{generation} (story) WHERE names IS NOT NULL;
CREATE INDEX IF NOT EXISTS story_parts_{generation}_until
    ON story_parts_{generation} (until) WHERE until IS NOT NULL;
CREATE INDEX IF NOT EXISTS story_parts_{generation}_of_alerts
    ON story_parts_{generation} (section, place DESC) WHERE section IN ('alerts', 'silences');
CREATE VIEW IF NOT EXISTS newsroom_parts_{generation} AS
    SELECT story, section, place, key, rank, content FROM story_parts_{generation}
    WHERE audience <> 2;
CREATE VIEW IF NOT EXISTS public_parts_{generation} AS
    SELECT story, section, place, key, rank, content FROM story_parts_{generation}
    WHERE audience <> 0;
CREATE VIEW IF NOT EXISTS public_naming_{generation} AS
    SELECT story, section, content, (
        SELECT json_group_array(value) FROM json_each(names)
        WHERE EXISTS (
            SELECT 1 FROM story_parts_{generation} AS part
            WHERE part.story = naming.story AND part.key = value AND part.audience = 0
        ) AND NOT EXISTS (
            SELECT 1 FROM story_parts_{generation} AS stone
            WHERE stone.story = naming.story AND stone.key = value || '/withdrawn'
        )
    ) AS hidden
    FROM story_parts_{generation} AS naming WHERE names IS NOT NULL AND audience <> 0;
"""

_SECTIONS: Final = """
SELECT section, CAST(group_concat(
    CASE WHEN section IN ('claims', 'figures', 'occasions')
        THEN '"' || key || '":' || content ELSE content END, ',') AS BLOB)
FROM (
    SELECT section, key, content FROM {seen} WHERE story = ? ORDER BY section, place, key
)
GROUP BY section
"""

_LEAD: Final = """
SELECT content FROM {seen} WHERE (story, section, place, key) = (
    SELECT story, section, place, key FROM {seen}
    WHERE story = ? AND section = 'timeline' AND rank IS NOT NULL
    ORDER BY rank, place DESC LIMIT 1
)
"""

_PLACE: Final = "SELECT generation, checkpoint FROM subscriptions WHERE consumer = ?"

_NAMING: Final = """
SELECT section, content, hidden FROM public_naming_{generation}
WHERE story = ? AND hidden <> '[]'
"""


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
        self._remembered: OrderedDict[tuple[str, str], Part | None] = OrderedDict()
        self._good_for = (0, -1, -1)
        self._made = 0  # the generation whose tables are known to be there
        self._shown: dict[str, _Shown] = {}
        self._shown_with = -1  # SQLite's data version of when these were read

    def project(self, generation: int, events: Sequence[Recorded]) -> None:
        """See `consumers.subscription.Projection.project`."""
        connection = self._views.connection
        self._make(generation)
        # Another process may have projected, or made a story anew: what it wrote is not remembered.
        now = (generation, events[0].position - 1, connection.data_version())
        if self._good_for != now:
            self._remembered.clear()
        self._good_for = (0, -1, -1)
        changed: dict[tuple[str, str], Part] = {}
        rows: dict[tuple[str, str], Row] = {}
        told: list[Update] = []
        for event in events:
            story = event.story
            known = _Known(story, changed, self, generation)
            parts = evolve(known, event)
            made = {key: row_of(part) for key, part in parts.items()}
            earlier: list[Row] = []
            if comes_into_sight(known, parts) and event.version > 1:
                earlier = self._in_sight(generation, story, rows, made)
            update = update_of(known, parts, made, event, earlier)
            back = taken_back(known, parts, event)
            if back:
                self._bulletin.add(generation, told)
                told.clear()
                self._bulletin.take_back(generation, story, back)
            if update is not None:
                told.append(update)
            for key, part in parts.items():
                changed[story, key], rows[story, key] = part, made[key]
        connection.executemany(
            f"INSERT OR REPLACE INTO story_parts_{generation} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ((story, *_columns(row)) for (story, _), row in rows.items()),
        )
        self._bulletin.add(generation, told)
        for name, part in changed.items():
            self._remember(name, part)
        self._good_for = (generation, events[-1].position, connection.data_version())

    def _in_sight(
        self,
        generation: int,
        story: str,
        rows: Mapping[tuple[str, str], Row],
        made: Mapping[str, Row],
    ) -> list[Row]:
        """Give a story's public parts before an event, those that it made left out."""
        stored = self._views.connection.execute(
            "SELECT key, section, place, audience, rank, content, names, until "
            f"FROM story_parts_{generation} WHERE story = ?",
            (story,),
        )
        found = {row[0]: Row(*row) for row in stored}
        found |= {key: row for (of, key), row in rows.items() if of == story}
        seen = [row for key, row in found.items() if row.audience != INTERNAL and key not in made]
        return sorted(seen, key=lambda row: (row.place, row.key))

    def lookup(self, generation: int, story: str, key: str) -> Part | None:
        """Give one part of a story as it is stored."""
        name = (story, key)
        if name in self._remembered:
            self._remembered.move_to_end(name)
            return self._remembered[name]
        row = self._views.connection.execute(
            f"SELECT section, content FROM story_parts_{generation} WHERE story = ? AND key = ?",
            name,
        ).get
        part = None if row is None else part_of(*row)
        self._remember(name, part)
        return part

    def state(self, story: str, now: str, *, public: bool = False) -> bytes | None:
        """Give the state of a story as JSON, None when there is none for this reader."""
        with self._views.lock:
            if public:
                others = self._views.connection.data_version()
                if others != self._shown_with:  # another process wrote, perhaps a story anew
                    self._shown.clear()
                    self._shown_with = others
                shown = self._shown.get(story)
                if (
                    shown is not None
                    and shown.good_for == self._seen(story)
                    and datetime.fromisoformat(now) <= shown.until
                ):
                    return shown.state
            sections, lead, checkpoint = self._read(story, public=public)
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
        # Not by `lookup`, which remembers what this process projected: another may be ahead of it.
        found = self._views.public.execute(
            f"SELECT content FROM {_seen_by(self._ready(), public=True)} "
            "WHERE story = ? AND section = 'heading'",
            (story,),
        ).get
        return None if found is None else Heading(**orjson.loads(found)).public_position

    def _read(self, story: str, *, public: bool) -> tuple[dict[str, bytes], str | None, int]:
        """Read a story in one transaction, so that it is as of one checkpoint."""
        self._ready()
        connection = self._views.public if public else self._views.connection
        connection.execute("BEGIN")
        try:
            generation, checkpoint = connection.execute(_PLACE, (self.name,)).get or (1, 0)
            seen = _seen_by(generation, public=public)
            sections: dict[str, bytes] = dict(
                connection.execute(_SECTIONS.format(seen=seen), (story,)).fetchall()  # type: ignore[arg-type]  # - two columns
            )
            if public:
                self._scrub(sections, story, generation)
            lead = connection.execute(_LEAD.format(seen=seen), (story,)).get
        finally:
            connection.execute("COMMIT")
        return sections, lead, checkpoint

    def _scrub(self, sections: dict[str, bytes], story: str, generation: int) -> None:
        """Take the refs that readers may not know of out of what was read."""
        naming = self._views.public.execute(_NAMING.format(generation=generation), (story,))
        for section, content, hidden in naming:
            seen = for_readers(section, content, orjson.loads(hidden))
            # Every part tells its own ref, so that no two are alike.
            sections[section] = sections[section].replace(content.encode(), seen.encode(), 1)

    def embargoes(self) -> list[tuple[str, str, str]]:
        """Give (story, ref, until) of the embargoes that end first, in order."""
        with self._views.lock:
            generation = self._ready()
            rows = self._views.connection.execute(
                f"SELECT story, key, until FROM story_parts_{generation} "
                "WHERE until IS NOT NULL ORDER BY until LIMIT ?",
                (EMBARGOES,),
            )
            return [(str(story), str(ref), str(until)) for story, ref, until in rows]

    def of_alerts(
        self, section: Literal["alerts", "silences"], limit: int, before: int | None = None
    ) -> list[dict[str, Any]]:
        """Give what stories have of alerts or silences, the newest first, each with its story.

        Args:
            section: which of the two.
            limit: how many at most.
            before: only what came before a position.
        """
        with self._views.lock:
            rows = self._views.connection.execute(
                f"SELECT story, content FROM story_parts_{self._ready()} WHERE section = ?1 "
                "AND section IN ('alerts', 'silences') AND (?3 IS NULL OR place < ?3) "
                "ORDER BY place DESC LIMIT ?2",
                (section, limit, before),
            ).fetchall()
        return [{"story": story, **orjson.loads(str(content))} for story, content in rows]

    def updates(self, after: int, upto: int, limit: int, wanted: Wanted) -> list[Update]:
        """Give what readers were told past a position and up to another, in order."""
        with self._views.lock:
            generation = self._ready()
            return self._bulletin.read(generation, after, upto, limit, wanted)

    def summaries(self, *, public: bool = False) -> list[Summary]:
        """Give all stories, the one that moved last first."""
        with self._views.lock:
            seen = _seen_by(self._ready(), public=public)
            connection = self._views.public if public else self._views.connection
            rows = connection.execute(f"SELECT content FROM {seen} WHERE section = 'heading'")
            found = [_summary(orjson.loads(row[0]), public=public) for row in rows]
        return sorted(found, key=lambda summary: -summary.position)

    def seen_by_readers(self) -> frozenset[int]:
        """Give the positions whose events hold nothing but what readers may see today.

        An event that names something that readers may not know of is not among them.
        """
        with self._views.lock:
            generation = self._ready()
            connection = self._views.connection
            named = connection.execute(
                f"SELECT story, content FROM public_naming_{generation} WHERE hidden <> '[]'"
            )
            found = ((story, orjson.loads(str(content))) for story, content in named)
            telling = {(story, part.get("development", part["ref"])) for story, part in found}
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
        self._remembered.clear()
        self._shown.clear()
        connection = self._views.connection
        table = f"story_parts_{generation}"
        connection.execute(f"DELETE FROM {table} WHERE story = ?", (story,))
        connection.executemany(
            f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ((story, *_columns(row_of(part))) for part in fold(events).values()),
        )

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
        for view in ("newsroom_parts", "public_parts", "public_naming"):
            self._views.connection.execute(f"DROP VIEW IF EXISTS {view}_{generation}")
        self._views.connection.execute(f"DROP TABLE IF EXISTS story_parts_{generation}")
        self._bulletin.drop(generation)

    def _ready(self) -> int:
        """Give the generation to read, its tables made."""
        generation = self._views.position(self.name).generation
        if generation != self._made:
            self._make(generation)
            self._shown.clear()
            if not self._views.connection.in_transaction:
                self._made = generation
        return generation

    def _make(self, generation: int) -> None:
        # Each time: a table made in a transaction that was rolled back is not there.
        self._views.connection.execute(_TABLE.format(generation=generation))
        self._bulletin.make(generation)

    def _remember(self, key: tuple[str, str], part: Part | None) -> None:
        self._remembered[key] = part
        self._remembered.move_to_end(key)
        if len(self._remembered) > PARTS_REMEMBERED:
            self._remembered.popitem(last=False)


class _Known(Mapping[str, Part]):
    """A story's parts as an event finds them: changed in this batch, remembered, or on disk."""

    __slots__ = ("_changed", "_generation", "_stories", "_story")

    def __init__(
        self,
        story: str,
        changed: Mapping[tuple[str, str], Part],
        stories: Stories,
        generation: int,
    ) -> None:
        self._story = story
        self._changed = changed
        self._stories = stories
        self._generation = generation

    def __getitem__(self, key: str) -> Part:
        part = self._changed.get((self._story, key))
        if part is None:
            part = self._stories.lookup(self._generation, self._story, key)
        if part is None:
            raise KeyError(key)
        return part

    def __iter__(self) -> Iterator[str]:
        raise NotImplementedError("an event looks at the parts that it names, never at all")

    def __len__(self) -> int:
        raise NotImplementedError("an event looks at the parts that it names, never at all")


def _seen_by(generation: int, *, public: bool) -> str:
    """Name the view of what readers, or the newsroom, may see."""
    return f"{'public' if public else 'newsroom'}_parts_{generation}"


def _columns(row: Row) -> tuple[object, ...]:
    place = (row.section, row.place, row.key, row.audience, row.rank)
    return (*place, row.content, row.names, row.until)


def _summary(heading: Mapping[str, object], *, public: bool) -> Summary:
    names = (
        ("public_title", "public_version", "public_position", "public_recorded_at")
        if public
        else ("title", "version", "position", "recorded_at")
    )
    title, version, position, at = (heading[name] for name in names)
    return Summary(
        str(heading["story"]),
        str(title),
        str(heading["status"]),
        int(str(version)),
        int(str(position)),
        str(at),
    )
