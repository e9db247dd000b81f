"""The peer: the library `eventsourcing` from PyPI on its SQLite recorder, as documented.

Its file databases are in WAL mode and leave `PRAGMA synchronous` alone, and SQLite's own default
is FULL: so every `save` of the peer is as durable as an append of ours (`is_durable` asks its
connections, for a Python may be built with another default). It keeps a version per aggregate
and a position per event; it has no idempotency key and no audit tree.

Two documented ways to write events are run: the library's own `JSONTranscoder` on data classes,
whose parts come back as plain dictionaries and dates as text, and pydantic models through orjson,
the library's example "Aggregate 7", whose parts come back as what they were. Appends are held
against whichever is faster, the typed replay against the one that is typed.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from uuid import UUID, uuid5

import orjson
from eventsourcing.application import Application
from eventsourcing.domain import DomainEvent
from eventsourcing.persistence import Mapper, StoredEvent, Transcoder
from eventsourcing.utils import get_topic, resolve_topic
from pydantic import BaseModel, ConfigDict

from benchmarks.sample import Row
from events.developments import StatementIssued

__all__ = ["MANNERS", "Peer"]

SECTION = 1_000  # events read at a time in a replay; more did not make the peer faster
STORY_IDS = UUID("7a0c3a52-3c52-4f7c-8d56-0d0b7f1f2f10")  # the peer wants UUIDs where we have slugs


class Told(DomainEvent):  # type: ignore[misc]  # - the peer's types are not read, see pyproject
    """The event as the peer's own data class, in plain JSON values."""

    kind: str
    ref: str
    headline: str
    body: str
    attribution: dict[str, str]
    occurred: dict[str, str]
    urgency: int
    claims: list[dict[str, str]]
    people: list[str]
    places: list[str]
    orgs: list[str]
    filed_at: str
    figures: list[str]
    links: list[str]
    media: list[str]


class Modelled(BaseModel):
    """The event as a pydantic model that holds the same development as ours does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    originator_id: UUID
    originator_version: int
    timestamp: datetime
    development: StatementIssued


class PydanticMapper(Mapper):  # type: ignore[misc]  # - as above
    """Stores what pydantic makes of a model."""

    def to_stored_event(self, domain_event: Any) -> StoredEvent:  # noqa: ANN401 - the peer's signature
        """Encode an event."""
        return StoredEvent(
            originator_id=domain_event.originator_id,
            originator_version=domain_event.originator_version,
            topic=get_topic(domain_event.__class__),
            state=self.transcoder.encode(domain_event.model_dump(mode="json", exclude_none=True)),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Any:  # noqa: ANN401 - as above
        """Decode and validate an event."""
        return resolve_topic(stored_event.topic)(**self.transcoder.decode(stored_event.state))


class OrjsonTranscoder(Transcoder):  # type: ignore[misc]  # - as above
    """JSON by orjson."""

    def encode(self, obj: Any) -> bytes:  # noqa: ANN401 - as above
        """Write JSON."""
        return orjson.dumps(obj)

    def decode(self, data: bytes) -> Any:  # noqa: ANN401 - as above
        """Read JSON."""
        return orjson.loads(data)


class Manner(NamedTuple):
    """A way to write events with the peer; `typed` when their parts come back as they were."""

    name: str
    settings: dict[str, str]
    typed: bool


MANNERS = (
    Manner("peer, its data classes", {}, typed=False),
    Manner(
        "peer, pydantic and orjson",
        {
            "MAPPER_TOPIC": get_topic(PydanticMapper),
            "TRANSCODER_TOPIC": get_topic(OrjsonTranscoder),
        },
        typed=True,
    ),
)


class Happened(Protocol):
    """What the peer saves: anything of a story and its version."""

    @property
    def originator_id(self) -> UUID:
        """The story."""

    @property
    def originator_version(self) -> int:
        """The version."""


class Pending:
    """New events of one aggregate, ready to be collected: all that `save` asks of one."""

    __slots__ = ("_events", "id")

    def __init__(self, events: Sequence[Happened]) -> None:
        self._events = events
        self.id = events[0].originator_id

    def collect_events(self) -> Sequence[Happened]:
        """Give the events, as the peer's own aggregates do."""
        return self._events


class Peer:
    """The peer's application on a file.

    Args:
        path: the database file.
        manner: how events are written.
    """

    def __init__(self, path: Path, manner: Manner) -> None:
        self._manner = manner
        self._application: Any = Application(
            env={
                "PERSISTENCE_MODULE": "eventsourcing.sqlite",
                "SQLITE_DBNAME": str(path),
                **manner.settings,
            }
        )
        assert self.is_durable(), "the peer must be as durable as ours to be comparable"

    def is_durable(self) -> bool:
        """Whether its connections sync every commit to the disk: `synchronous` is FULL or more."""
        with self._application.factory.datastore.transaction(commit=False) as cursor:
            cursor.execute("PRAGMA synchronous")
            return bool(cursor.fetchone()[0] >= 2)

    def events(self, rows: Iterable[Row]) -> Iterator[Happened]:
        """Make the peer's events of stories, versions and developments; outside what is timed."""
        make = partial(_modelled if self._manner.settings else _told, datetime.now(UTC))
        for story, version, development in rows:
            yield make(uuid5(STORY_IDS, story), version, development)

    def save(self, events: Sequence[Happened]) -> None:
        """Save new events of one story in one transaction."""
        self._application.save(Pending(events))

    def replay(self) -> int:
        """Read the whole log, section by section, as typed events; counts them."""
        recorder, mapper = self._application.recorder, self._application.mapper
        count, after = 0, 0
        while notifications := recorder.select_notifications(
            after, SECTION, inclusive_of_start=False
        ):
            for notification in notifications:
                mapper.to_domain_event(notification)
                count += 1
            after = notifications[-1].id
        return count

    def close(self) -> None:
        """Let go of the file."""
        self._application.close()


def _told(now: datetime, story: UUID, version: int, development: StatementIssued) -> Happened:
    values = development.model_dump(mode="json", exclude_none=True)
    told: Happened = Told(originator_id=story, originator_version=version, timestamp=now, **values)
    return told


def _modelled(now: datetime, story: UUID, version: int, development: StatementIssued) -> Happened:
    return Modelled(
        originator_id=story, originator_version=version, timestamp=now, development=development
    )
