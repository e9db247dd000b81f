"""What readers were told, kept in order, for those who come later or come back.

What is taken back (held, withdrawn, redacted) is taken out of all that was told before as well:
nobody who comes back is told it again.
"""

from collections.abc import Container, Iterable
from typing import Any, Final, NamedTuple

import orjson

from consumers.feed.updates import Update, without_parts
from consumers.views import Views

__all__ = ["Bulletin", "Wanted"]

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS story_updates_{generation} (
    position INTEGER PRIMARY KEY,
    story    TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    urgency  INTEGER NOT NULL,
    event    BLOB    NOT NULL,
    farewell INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS story_updates_{generation}_by_story
    ON story_updates_{generation} (story, position);
CREATE VIEW IF NOT EXISTS public_updates_{generation} AS
    SELECT told.* FROM story_updates_{generation} AS told
    WHERE farewell OR EXISTS (
        SELECT 1 FROM story_parts_{generation} AS heading
        WHERE heading.story = told.story AND heading.section = 'heading' AND heading.audience <> 0
    );
"""

# A story that is out of sight is not told; that it went out of sight is.
_TOLD: Final = """
SELECT * FROM public_updates_{generation}
WHERE position > ?1 AND position <= ?2 AND {of_story}
    AND (?4 IS NULL OR kind = ?4) AND (?5 IS NULL OR urgency <= ?5)
ORDER BY position LIMIT ?6
"""
# Two queries: asked in one, SQLite would go through the updates of all stories to find one's.
_OF_ALL, _OF_ONE = "?3 IS NULL", "story = ?3"


_LAST: Final = (
    "SELECT position, event FROM public_updates_{generation} ORDER BY position DESC LIMIT 1"
)


class Wanted(NamedTuple):
    """What somebody wants to be told; None is everything."""

    story: str | None = None
    kind: str | None = None
    max_urgency: int | None = None

    def includes(self, update: Update) -> bool:
        """Whether an update is wanted."""
        return (
            (self.story is None or update.story == self.story)
            and (self.kind is None or update.kind == self.kind)
            and (self.max_urgency is None or update.urgency <= self.max_urgency)
        )


class Bulletin:
    """The updates of all stories, one table for each generation of the view.

    Args:
        views: the database that they live in.
    """

    def __init__(self, views: Views) -> None:
        self._views = views

    def make(self, generation: int) -> None:
        """Make the table where it is not there."""
        self._views.connection.execute(_TABLE.format(generation=generation))

    def drop(self, generation: int) -> None:
        """Remove the table of a generation."""
        self._views.connection.execute(f"DROP VIEW IF EXISTS public_updates_{generation}")
        self._views.connection.execute(f"DROP TABLE IF EXISTS story_updates_{generation}")

    def add(self, generation: int, updates: Iterable[Update]) -> None:
        """Keep updates; one of the same position is replaced."""
        self._views.connection.executemany(
            f"INSERT OR REPLACE INTO story_updates_{generation} VALUES (?, ?, ?, ?, ?, ?)", updates
        )

    def forget(self, generation: int, story: str) -> None:
        """Forget all that was told of a story, to be told anew."""
        self._views.connection.execute(
            f"DELETE FROM story_updates_{generation} WHERE story = ?", (story,)
        )

    def take_back(self, generation: int, story: str, keys: Container[str]) -> None:
        """Take parts out of all that was told of a story before."""
        table = f"story_updates_{generation}"
        connection = self._views.connection
        told = connection.execute(f"SELECT * FROM {table} WHERE story = ?", (story,)).fetchall()
        for row in told:
            before = _update(row)
            after = without_parts(before, keys)
            if after is None:
                connection.execute(f"DELETE FROM {table} WHERE position = ?", (before.position,))
            elif after is not before:
                self.add(generation, [after])

    def read(
        self, generation: int, after: int, upto: int, limit: int, wanted: Wanted
    ) -> list[Update]:
        """Give what readers were told past a position and up to another, in order."""
        of_story = _OF_ALL if wanted.story is None else _OF_ONE
        query = _TOLD.format(generation=generation, of_story=of_story)
        rows = self._views.public.execute(query, (after, upto, *wanted, limit)).fetchall()
        return [_update(row) for row in rows]

    def last(self, generation: int) -> tuple[int, str] | None:
        """Give position and time of what readers were told last, None before there is anything."""
        row = self._views.public.execute(_LAST.format(generation=generation)).get
        return None if row is None else (row[0], orjson.loads(row[1])["data"]["recorded_at"])


def _update(row: Any) -> Update:  # noqa: ANN401 - a row of the table, as SQLite gives it
    position, story, kind, urgency, event, farewell = row
    return Update(position, story, kind, urgency, event, bool(farewell))
