"""The watch on disk: what alerts know of every story, kept current event by event.

It lives beside the views and is made of the log; but what stood in the log before alerts began is
history, and of history nothing is decided: a replay alerts nobody.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

import apsw
import orjson

from consumers.alerts.match import Routing, Rules
from consumers.alerts.parts import STORY, Known, Part, Parts, part_of, text_of
from consumers.alerts.policy import Policy
from consumers.alerts.watch import evolve, fold
from consumers.remembered import Remembered, Story
from consumers.views import Views
from events.envelope import Recorded

__all__ = ["Watching"]

REMEMBERED = 40_000  # parts kept in memory between events, some 20 MB
DUE = 1_000  # parts that are due, looked at together

# `begin` is the one row of history's end; the second order finds what is due next.
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS alert_parts_{generation} (
    story   TEXT NOT NULL,
    key     TEXT NOT NULL,
    kind    TEXT NOT NULL,
    due_ms  INTEGER,
    content TEXT NOT NULL,
    PRIMARY KEY (story, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS alert_parts_{generation}_due
    ON alert_parts_{generation} (due_ms) WHERE due_ms IS NOT NULL;
CREATE TABLE IF NOT EXISTS alert_begin_{generation} (position INTEGER NOT NULL) STRICT;
"""


class Watching:
    """The projection that finds what is to be decided.

    Args:
        views: the database it lives in.
        policy: what it goes by.
    """

    name = "alerts"
    later: Literal["wait", "pass"] = "pass"

    def __init__(self, views: Views, policy: Policy) -> None:
        self._views = views
        self.rules = Rules(policy, Routing(policy))
        self._remembered: Remembered[Part] = Remembered(self, REMEMBERED)
        self._good_for = (0, -1, -1)
        self._made = 0  # the generation whose tables are known to be there

    def project(self, generation: int, events: Sequence[Recorded]) -> None:
        """See `consumers.subscription.Projection.project`."""
        connection = self._views.connection
        self._make(generation)
        now = (generation, events[0].position - 1, _others(connection))
        if self._good_for != now:  # another process may have written what is not remembered here
            self._remembered.forget()
        self._good_for = (0, -1, -1)  # until all is written: what is in memory may be ahead of it
        rules = self.rules._replace(begin=self._begin(generation))
        changed: dict[str, Parts] = {}
        stories: dict[str, Story[Part]] = {}
        for event in events:
            story = stories[event.story] = self._remembered.story(generation, event.story)
            found = evolve(story, event, rules)
            story.parts |= found
            changed.setdefault(event.story, {}).update(found)
        self._write(generation, changed)
        self._remembered.count(stories.values())
        self._good_for = (generation, events[-1].position, _others(connection))

    def _write(self, generation: int, changed: Mapping[str, Parts]) -> None:
        rows = [(story, *one) for story, parts in changed.items() for one in parts.items()]
        self._views.connection.executemany(
            f"INSERT OR REPLACE INTO alert_parts_{generation} VALUES (?, ?, ?, ?, ?)",
            (
                (story, key, type(part).__name__, part.due_ms, text_of(part))
                for story, key, part in rows
                if part is not None
            ),
        )
        gone = [(story, key) for story, key, part in rows if part is None]
        self._views.connection.executemany(
            f"DELETE FROM alert_parts_{generation} WHERE story = ? AND key = ?", gone
        )

    def drop(self, generation: int) -> None:
        """Remove a generation of the watch, inside a transaction."""
        self._made = 0
        for table in ("alert_parts", "alert_begin"):
            self._views.connection.execute(f"DROP TABLE IF EXISTS {table}_{generation}")
        self._remembered.forget()

    def begin(self, position: int, later: Iterable[str] = ()) -> None:
        """Let history end at a position, where it has not ended yet.

        Args:
            position: the last of history.
            later: the stories of which something came after it; they are due to be made anew.
        """
        with self._views.transaction() as connection:
            generation = self._generation()
            self._make(generation)
            if self._begin(generation) is not None:
                return
            connection.execute(f"INSERT INTO alert_begin_{generation} VALUES (?)", (position,))
            found = {story: self.stored(generation, story, STORY) for story in later}
            known = {story: part for story, part in found.items() if isinstance(part, Known)}
            due: dict[str, Parts] = {s: {STORY: p._replace(due_ms=0)} for s, p in known.items()}
            self._write(generation, due)
            self._remembered.forget()

    def begun(self) -> int | None:
        """Give the position at which history ended, None while all is history."""
        with self._views.lock:
            return self._begin(self._ready())

    def due(self, now_ms: int, beside: Iterable[str] = ()) -> dict[str, list[str]]:
        """Give the keys of what is due by a moment, by story, the longest due first.

        Args:
            now_ms: the moment, milliseconds since 1970 UTC.
            beside: stories that are left out.
        """
        with self._views.lock:
            generation = self._ready()
            rows = self._views.connection.execute(
                f"SELECT story, key FROM alert_parts_{generation} "
                "WHERE due_ms <= ? AND key <> '' AND story NOT IN (SELECT value FROM json_each(?)) "
                "ORDER BY due_ms LIMIT ?",
                (now_ms, orjson.dumps(list(beside)).decode(), DUE),
            ).fetchall()
        found: dict[str, list[str]] = {}
        for story, key in rows:
            found.setdefault(str(story), []).append(str(key))
        return found

    def next_due_ms(self) -> int | None:
        """Give the moment at which something is due next."""
        with self._views.lock:
            generation = self._ready()
            found = self._views.connection.execute(
                f"SELECT min(due_ms) FROM alert_parts_{generation} WHERE due_ms IS NOT NULL"
            ).get
        return None if found is None else int(found)

    def unlearned(self) -> list[str]:
        """Give the stories that are due to be made anew; see `parts.Known`."""
        with self._views.lock:
            generation = self._ready()
            rows = self._views.connection.execute(
                f"SELECT story FROM alert_parts_{generation} WHERE due_ms = 0 AND key = ''"
            ).fetchall()
        return [str(row[0]) for row in rows]

    @contextlib.contextmanager
    def story(self, story: str) -> Iterator[Story[Part]]:
        """Give a story's parts as they are now: while they are looked at nothing changes them."""
        with self._views.lock:
            connection = self._views.connection
            connection.execute("BEGIN")
            try:
                generation = self._ready()
                if self._good_for[2] != _others(connection):  # another process projected
                    self._remembered.forget()
                    self._good_for = (0, -1, -1)
                found = self._remembered.story(generation, story)
                yield found
                self._remembered.count([found])
            finally:
                connection.execute("COMMIT")

    def refold(self, story: str, events: Sequence[Recorded]) -> None:
        """Make one story anew from all of its events, inside a transaction."""
        generation = self._generation()
        self._make(generation)
        self._remembered.forget()
        table = f"alert_parts_{generation}"
        self._views.connection.execute(f"DELETE FROM {table} WHERE story = ?", (story,))
        rules = self.rules._replace(begin=self._begin(generation))
        self._write(generation, {story: dict(fold(events, rules))})

    def stored(self, generation: int, story: str, key: str) -> Part | None:
        """Give one part as it is stored."""
        row = self._views.connection.execute(
            f"SELECT kind, content FROM alert_parts_{generation} WHERE story = ? AND key = ?",
            (story, key),
        ).get
        return None if row is None else part_of(*row)

    def all_of(self, generation: int, story: str) -> Iterator[tuple[str, Part]]:
        """Give every stored part of a story."""
        rows = self._views.connection.execute(
            f"SELECT key, kind, content FROM alert_parts_{generation} WHERE story = ?", (story,)
        ).fetchall()
        return ((str(key), part_of(str(kind), str(content))) for key, kind, content in rows)

    def _generation(self) -> int:
        return self._views.position(self.name).generation

    def _begin(self, generation: int) -> int | None:
        found = self._views.connection.execute(f"SELECT position FROM alert_begin_{generation}").get
        return None if found is None else int(found)

    def _ready(self) -> int:
        """Give the generation to read, its tables made."""
        generation = self._generation()
        if generation != self._made:
            self._make(generation)
            if not self._views.connection.in_transaction:
                self._made = generation
        return generation

    def _make(self, generation: int) -> None:
        # Each time: a table made in a transaction that was rolled back is not there.
        self._views.connection.execute(_TABLES.format(generation=generation))


def _others(connection: apsw.Connection) -> int:
    """Give a number that changes whenever another connection has written, and only then."""
    # The pragma: SQLITE_FCNTL_DATA_VERSION changes with the connection's own commits as well.
    return int(connection.pragma("data_version"))
