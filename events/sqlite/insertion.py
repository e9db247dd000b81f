"""One statement that puts events into a log: it begins, checks, inserts, renews the tree, commits.

After each statement SQLite waits for the interpreter's lock, which in a busy program may be long.
So a commit is one statement, and while it is on its way to the disk the program goes on. A view of
the writing connection's own takes the rows: the first says at which size of the log they were given
their places and what the tree is behind them, the others are events. Had another process written
since, the statement changes nothing.
"""

from typing import Final, NamedTuple

import apsw

from events.envelope import Sealed

__all__ = [
    "COLUMNS",
    "MOST_ROWS",
    "WIDTH",
    "Edge",
    "Value",
    "insert",
    "prepare_for_insertion",
    "settlement",
]

COLUMNS: Final = ", ".join(Sealed._fields)
WIDTH: Final = len(Sealed._fields)
MOST_ROWS = 512  # events in one statement; a longer one is not kept prepared, and costs twice
_NONE: Final = (None,) * WIDTH

Value = int | str | bytes | None
"""What a column holds when it is written."""

_VIEW: Final = f"""
CREATE TEMP VIEW arriving ({COLUMNS}) AS SELECT {", ".join(["NULL"] * WIDTH)};
CREATE TEMP TRIGGER settle INSTEAD OF INSERT ON arriving
WHEN NEW.story IS NULL AND NEW.position IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'the log went on') WHERE NOT EXISTS (
        SELECT 1 FROM tree WHERE size = NEW.position AND hashes = NEW.envelope
        AND recorded_ms = NEW.recorded_ms
    );
    UPDATE tree SET size = NEW.version, hashes = NEW.body, recorded_ms = NEW.body_nonce;
END;
CREATE TEMP TRIGGER arrive INSTEAD OF INSERT ON arriving WHEN NEW.story IS NOT NULL BEGIN
    INSERT INTO events ({COLUMNS}) VALUES ({", ".join(f"NEW.{name}" for name in Sealed._fields)});
END;
"""


def _statements() -> dict[int, str]:
    """Give statements of few sizes, so that all are kept prepared; empty rows fill them up."""
    sizes = {size for power in range(10) for size in (1 << power, 3 << power) if size < MOST_ROWS}
    row = f"({', '.join('?' * WIDTH)})"
    return {
        size: f"INSERT INTO arriving VALUES {', '.join([row] * size)}"
        for size in sorted({*sizes, MOST_ROWS})
    }


_STATEMENTS: Final = _statements()


def prepare_for_insertion(connection: apsw.Connection) -> None:
    """Make the view on the connection that writes; nobody else sees it."""
    connection.execute(_VIEW)


class Edge(NamedTuple):
    """The row of the tree: how many events it has, the hashes of its edge, the last time."""

    size: int
    hashes: bytes
    recorded_ms: int


def settlement(before: Edge, after: Edge) -> list[Value]:
    """Give the row that begins an insertion.

    Args:
        before: the tree behind which the events have their places.
        after: the tree with them.
    """
    return [
        *(before.size, None, after.size, None, None, None),
        *(before.recorded_ms, before.hashes, after.hashes, after.recorded_ms, None, None),
    ]


def insert(connection: apsw.Connection, values: list[Value]) -> None:
    """Insert a settlement and events, `WIDTH` values each and at most `MOST_ROWS` rows together.

    Raises:
        apsw.ConstraintError: the log went on since, or an id or a version is there already.
    """
    rows = len(values) // WIDTH
    statement = _STATEMENTS.get(rows)
    if statement is None:
        size = next(size for size in _STATEMENTS if size > rows)
        statement = _STATEMENTS[size]
        values = [*values, *_NONE * (size - rows)]
    connection.execute(statement, values)
