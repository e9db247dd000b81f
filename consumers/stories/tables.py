"""The tables that the parts of stories are kept in, and the queries that read a state from them.

Each function is given the connection to ask with: the newsroom's, or that of readers, which
reaches no more than the `public_` views.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import apsw
import orjson

from consumers.stories.parts import Heading, Part
from consumers.stories.state import KEYED, Row, for_readers, part_of

__all__ = [
    "Naming",
    "clear",
    "drop",
    "heading",
    "headings",
    "lead",
    "make",
    "naming_hidden",
    "part",
    "put",
    "rows",
    "sections",
]

_MAKE: Final = (Path(__file__).parents[1] / "sql" / "stories.sql").read_text()
_VIEWS: Final = ("newsroom_parts", "public_parts", "public_naming", "public_hidden")

_PUT: Final = "INSERT OR REPLACE INTO story_parts_{0} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
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


class Naming(NamedTuple):
    """A part that readers see and that names others of which they may not know."""

    story: str
    section: str
    key: str
    content: str
    hidden: frozenset[str]


def make(connection: apsw.Connection, generation: int) -> None:
    """Make the tables of a generation where they are not there."""
    connection.execute(_MAKE.format(generation=generation))


def drop(connection: apsw.Connection, generation: int) -> None:
    """Remove the tables of a generation."""
    for view in _VIEWS:
        connection.execute(f"DROP VIEW IF EXISTS {view}_{generation}")
    connection.execute(f"DROP TABLE IF EXISTS story_parts_{generation}")


def put(connection: apsw.Connection, generation: int, rows_: Iterable[tuple[str, Row]]) -> None:
    """Write parts, each with the story that it is of."""
    connection.executemany(
        _PUT.format(generation), ((story, *_columns(row)) for story, row in rows_)
    )


def clear(connection: apsw.Connection, generation: int, story: str) -> None:
    """Remove all parts of a story."""
    connection.execute(f"DELETE FROM story_parts_{generation} WHERE story = ?", (story,))


def _columns(row: Row) -> tuple[object, ...]:
    place = (row.section, row.place, row.key, row.audience, row.rank)
    return (*place, row.content, row.names, row.until)


def rows(
    connection: apsw.Connection, generation: int, story: str, *, naming: bool = False
) -> dict[str, Row]:
    """Give the parts of a story as they are stored, by key: all, or those that name others."""
    found = connection.execute(
        "SELECT key, section, place, audience, rank, content, names, until "
        f"FROM story_parts_{generation} WHERE story = ?{' AND names IS NOT NULL' * naming}",
        (story,),
    )
    return {row[0]: Row(*row) for row in found}


def part(connection: apsw.Connection, generation: int, story: str, key: str) -> Part | None:
    """Give one part of a story, None where it is not there."""
    row = connection.execute(
        f"SELECT section, content FROM story_parts_{generation} WHERE story = ? AND key = ?",
        (story, key),
    ).get
    return None if row is None else part_of(*row)


def sections(
    connection: apsw.Connection, generation: int, story: str, *, public: bool
) -> dict[str, bytes]:
    """Join the parts of a story section by section, as `state.document` takes them."""
    seen = _seen_by(generation, public=public)
    found: dict[str, bytes] = dict(
        connection.execute(_SECTIONS.format(seen=seen), (story,)).fetchall()  # type: ignore[arg-type]  # - two columns
    )
    if public:
        scrubbed: dict[str, dict[str, str]] = {}
        for naming in naming_hidden(connection, generation, story):
            content = for_readers(naming.section, naming.content, naming.hidden)
            scrubbed.setdefault(naming.section, {})[naming.key] = content
        for section, instead in scrubbed.items():
            found[section] = _joined(connection, seen, story, section, instead)
    return found


def _joined(
    connection: apsw.Connection, seen: str, story: str, section: str, instead: Mapping[str, str]
) -> bytes:
    """Join a section in which some parts are told otherwise than they are stored."""
    found = connection.execute(
        f"SELECT key, content FROM {seen} WHERE story = ? AND section = ? ORDER BY place, key",
        (story, section),
    )
    contents = ((str(key), instead.get(str(key), str(content))) for key, content in found)
    if section in KEYED:
        return ",".join(f'"{key}":{content}' for key, content in contents).encode()
    return ",".join(content for _, content in contents).encode()


def lead(connection: apsw.Connection, generation: int, story: str, *, public: bool) -> str | None:
    """Give the part that leads a story."""
    found = connection.execute(_LEAD.format(seen=_seen_by(generation, public=public)), (story,)).get
    return None if found is None else str(found)


def heading(
    connection: apsw.Connection, generation: int, story: str, *, public: bool
) -> Heading | None:
    """Give the heading of a story, None where there is none."""
    seen = _seen_by(generation, public=public)
    query = f"SELECT content FROM {seen} WHERE section = 'heading' AND story = ?"
    found = connection.execute(query, (story,)).get
    return None if found is None else Heading(**orjson.loads(found))


def headings(
    connection: apsw.Connection, generation: int, *, public: bool, before: int, limit: int
) -> list[Heading]:
    """Give the headings of stories, the one that moved last first.

    Args:
        connection: who asks.
        generation: of the view.
        public: by what readers saw move.
        before: of those that last moved before a position.
        limit: how many at most.
    """
    moved = f"json_extract(content, '$.{'public_' if public else ''}position')"
    found = connection.execute(
        f"SELECT content FROM {_seen_by(generation, public=public)} "
        f"WHERE section = 'heading' AND {moved} < ? ORDER BY {moved} DESC LIMIT ?",
        (before, limit),
    )
    return [Heading(**orjson.loads(row[0])) for row in found]


def naming_hidden(
    connection: apsw.Connection, generation: int, story: str | None = None
) -> Iterator[Naming]:
    """Give what readers see and what names others of which they may not know."""
    one, bound = _of(story)
    hidden: dict[str, set[str]] = {}
    query = f"SELECT story, key FROM public_hidden_{generation} WHERE true{one}"
    for of, key in connection.execute(query, bound):
        hidden.setdefault(str(of), set()).add(str(key))
    for of, keys in hidden.items():
        found = connection.execute(
            f"SELECT section, key, content, names FROM public_naming_{generation} WHERE story = ?",
            (of,),
        )
        for section, key, content, names in found:
            named = keys.intersection(orjson.loads(str(names)))
            if named:
                yield Naming(of, str(section), str(key), str(content), frozenset(named))


def _of(story: str | None) -> tuple[str, tuple[str, ...]]:
    """Give what narrows a query down to one story; written out, so that an index serves it."""
    return ("", ()) if story is None else (" AND story = ?", (story,))


def _seen_by(generation: int, *, public: bool) -> str:
    """Name the view of what readers, or the newsroom, may see."""
    return f"{'public' if public else 'newsroom'}_parts_{generation}"
