"""History from elsewhere: a file of filings, judged whole before the first of them is appended.

Every story is taken or left as a whole. Lines are put in the order in which they were first
published (`filed_at`, then line number), ids are derived where left out, and what the log holds
already is passed over; so an import that was cut short is simply run again and ends as if it had
never been cut. A line that does not say whose it is might belong to any story: then none goes in.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import groupby
from typing import Final, NamedTuple

import apsw

from events.codec import decode, encode, encode_private
from events.developments import Development
from events.editorial import Redacted
from events.envelope import Filed, Sealed
from events.errors import IdReused, PartlyRepeated, Refused, WrongVersion
from events.filing import Private
from events.identity import id_of
from events.log import Clock, Log
from events.vocabulary import SCHEMAS, Erased, Unknown
from producers.case import Actor
from producers.decide import decide
from producers.desk import evolve
from producers.intake import Filing, parse, take
from producers.publisher import Publisher, foreseen, is_recorded_as

__all__ = ["BadLine", "Import", "Imported"]

BATCH = 100  # events of one story in one append
IN_FLIGHT = 16  # appends under way at once; some are prepared while others are committed
LOOK_UP = 500  # ids looked up at a time
TRIES = 10  # times to judge what is left anew when somebody filed into a story meanwhile

_STAGE: Final = """
CREATE TABLE lines (
    line     INTEGER PRIMARY KEY,
    story    TEXT NOT NULL,
    id       TEXT NOT NULL UNIQUE,
    filed_ms INTEGER,
    kind     TEXT NOT NULL,
    body     BLOB NOT NULL,
    private  BLOB NOT NULL,
    version  INTEGER,            -- where it will stand; NULL while it is not to be appended
    decided  BLOB                -- its body as the desk completed it
);
CREATE INDEX by_story ON lines (story);
"""
_ORDER: Final = "ORDER BY filed_ms IS NULL, filed_ms, line"


class BadLine(NamedTuple):
    """A line that cannot be taken, and why; `line` counts from 1."""

    line: int
    story: str | None
    why: str


class Imported(NamedTuple):
    """What came of an import, in events; `left` are the good lines of stories with a bad one."""

    appended: int
    known: int
    left: int
    bad: list[BadLine]


Progress = Callable[[str, int, int], None]
"""Called with the step (`read`, `judge`, `append`), how much is done and how much there is."""


class Import:
    """One run of an import.

    Args:
        to: the log.
        publisher: knows the stories as they stand.
        by: who imports.
        clock: the time by which rules judge, milliseconds since 1970 UTC.
        progress: told how far the import is.
    """

    def __init__(
        self, to: Log, publisher: Publisher, by: Actor, clock: Clock, progress: Progress
    ) -> None:
        self._log = to
        self._publisher = publisher
        self._by = by
        self._clock = clock
        self._progress = progress
        # An unnamed database lives in a temporary file: memory stays flat for any length of file.
        self._stage = apsw.Connection("")
        self._stage.execute(_STAGE)
        self._bad: list[BadLine] = []
        self._appended = 0  # events; those that another import was faster with are not among them

    async def run(self, lines: Iterable[bytes]) -> Imported:
        """Import lines of JSON, one filing each; blank lines are passed over.

        Returns:
            What was appended, what the log held already, and what could not be taken.

        Raises:
            LogUnavailable: run the import again; it goes on where it stopped.
            WrongVersion, PartlyRepeated: others filed into one of the stories faster than what is
                left was judged; run it again.
        """
        self._read(lines)
        unreadable = list(self._bad)
        there = await self._judge()
        for tries in range(1, TRIES + 1):
            try:
                there += await self._append()
                break
            except (WrongVersion, PartlyRepeated):
                if tries == TRIES:
                    raise
                # What was appended before is known by now; the rest is judged by what is new.
                self._bad = list(unreadable)
                self._stage.execute("UPDATE lines SET version = NULL, decided = NULL")
                there = await self._judge()
        left = self._count("SELECT count(*) FROM lines") - there
        return Imported(self._appended, there - self._appended, left, sorted(self._bad))

    def _read(self, lines: Iterable[bytes]) -> None:
        with self._stage:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    self._take(number, line)
                if number % LOOK_UP == 0:
                    self._progress("read", number, 0)

    def _take(self, number: int, line: bytes) -> None:
        story = None
        try:
            content = parse(line)
            story = content.get("story") if isinstance(content, dict) else None
            filing = take(content)
            self._put(number, filing)
        except Refused as error:
            if isinstance(story, str):
                self._bad.append(BadLine(number, story, str(error)))
            else:
                why = f"{error}; as it names no story, it may belong to any, and none is imported"
                self._bad.append(BadLine(number, None, why))

    def _put(self, number: int, filing: Filing) -> None:
        """Stage a line; the same filing a second time is passed over."""
        body, private = encode(filing.development), encode_private(filing.private)
        filed_at = filing.development.filed_at
        filed_ms = None if filed_at is None else int(filed_at.timestamp() * 1000)
        event_id = filing.id if filing.given_id else derived_id(filing, filed_ms or 0)
        earlier = self._stage.execute(
            "SELECT line, story, body, private FROM lines WHERE id = ?", (event_id,)
        ).get
        if earlier is None:
            self._stage.execute(
                "INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
                (number, filing.story, event_id, filed_ms, filing.development.kind, body, private),
            )
        elif earlier[1:] != (filing.story, body, private):
            name = filing.development.ref or event_id
            raise Refused(
                "ref-free", "ref", f"{name} once in a story", f"it in line {earlier[0]} as well"
            )

    async def _judge(self) -> int:
        """Decide every story as a whole; returns how many events the log holds already."""
        spoilt = {bad.story for bad in self._bad}
        any_story = None in spoilt
        stories = [row[0] for row in self._stage.execute("SELECT DISTINCT story FROM lines")]
        known = 0
        for done, story in enumerate(stories, 1):
            known += await self._judge_story(story, spoilt=any_story or story in spoilt)
            self._progress("judge", done, len(stories))
        return known

    async def _judge_story(self, story: str, *, spoilt: bool) -> int:
        desk = await self._publisher.desk(story)
        ahead = desk.ahead()
        now = self._clock()
        places: list[tuple[int, bytes, int]] = []
        rows: list[tuple[str, int]] = self._stage.execute(
            f"SELECT id, line FROM lines WHERE story = ? {_ORDER}", (story,)
        ).fetchall()  # type: ignore[assignment]  # - the types of our own columns
        stored = await self._stored([event_id for event_id, _ in rows])
        for event_id, line in rows:
            event = self._event(line)
            try:
                if event_id in stored:
                    self._compare(story, event, stored[event_id])
                    continue
                _check_imported(event.development)
                development = decide(story, event.development, ahead, self._by, now)
            except (Refused, IdReused) as error:
                self._bad.append(BadLine(line, story, str(error)))
                return len(stored)
            event = event._replace(development=development)
            version = ahead.version + 1
            ahead.update(evolve(ahead, foreseen(event, story, version, now)))
            places.append((version, encode(development), line))
        if not spoilt:
            with self._stage:
                self._stage.executemany(
                    "UPDATE lines SET version = ?, decided = ? WHERE line = ?", places
                )
        return len(stored)

    def _compare(self, story: str, event: Filed, stored: Sealed) -> None:
        if not is_recorded_as(story, event.development, event.private, stored):
            found = f"it at position {stored.position} with other content"
            raise IdReused(event.id, found)

    async def _stored(self, ids: list[str]) -> dict[str, Sealed]:
        """Give what the log holds of these ids."""
        found: dict[str, Sealed] = {}
        for start in range(0, len(ids), LOOK_UP):
            found |= await self._log.find(ids[start : start + LOOK_UP])
        return found

    def _event(self, line: int) -> Filed:
        event_id, kind, body, private = self._stage.execute(
            "SELECT id, kind, coalesce(decided, body), private FROM lines WHERE line = ?", (line,)
        ).get
        development = decode(kind, SCHEMAS[kind], body)
        if isinstance(
            development, Unknown | Erased
        ):  # pragma: no cover - only known kinds are staged
            raise TypeError(kind)
        hidden = Private.model_validate_json(private) if private else None
        return Filed(event_id, self._by.name, development, hidden)

    async def _append(self) -> int:
        """Append what was decided, many at a time and in order; returns how much there was."""
        total = self._count("SELECT count(*) FROM lines WHERE version IS NOT NULL")
        under_way: deque[asyncio.Task[int]] = deque()
        done = 0
        try:
            async for story, version, events in self._batches():
                under_way.append(asyncio.create_task(self._send(story, version, events)))
                # Give the append its turn, so that batches reach the log in the order they came.
                await asyncio.sleep(0)
                if len(under_way) >= IN_FLIGHT:
                    done += await under_way.popleft()
                    self._progress("append", done, total)
            while under_way:
                done += await under_way.popleft()
                self._progress("append", done, total)
        finally:
            await asyncio.gather(*under_way, return_exceptions=True)
        return done

    async def _send(self, story: str, version: int, events: list[Filed]) -> int:
        appended = await self._log.append(story, events, version)
        if not appended.duplicate:
            self._appended += len(events)
        return len(events)

    async def _batches(self) -> AsyncIterator[tuple[str, int, list[Filed]]]:
        """Give runs of lines of one story with the version that they expect."""
        rows = self._stage.execute(
            f"SELECT story, version, line FROM lines WHERE version IS NOT NULL {_ORDER}"
        )
        for story, run in groupby(rows, key=lambda row: str(row[0])):
            for batch in _chunks(run):
                yield story, batch[0][1] - 1, [self._event(line) for _, _, line in batch]

    def _count(self, query: str) -> int:
        return int(self._stage.execute(query).get)


def derived_id(filing: Filing, filed_ms: int) -> str:
    """Make the id of a line that has none: a UUIDv7 of when it was filed, its story and its ref.

    The same line always gets the same id, which is what makes an import repeatable.
    """
    return id_of(
        filed_ms, filing.story, filing.development.ref or encode(filing.development).decode()
    )


def _check_imported(development: Development) -> None:
    """Refuse what is no history: a redaction erases here and now, by itself."""
    if isinstance(development, Redacted):
        raise Refused("redact-alone", "kind", "a redaction by itself", "one in an import")


def _chunks(
    run: Iterable[tuple[str, int, int]],
) -> Iterator[list[tuple[str, int, int]]]:
    batch: list[tuple[str, int, int]] = []
    for row in run:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
