"""The mirror: a Kafka topic folded, in the order of its offsets, into a SQLite log of this node.

Every node folds by the one rule of `kafka_arbitration`, so all have the same events at the same
positions, byte for byte, and the same root. What a commit folds and how far it came are in one
transaction, so that a record is folded once, also where several processes share a mirror. The
mirror can always be made again from the topic; it is not synced at every commit.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from events.codec import decode as decode_body
from events.editorial import Redacted
from events.envelope import Sealed
from events.errors import LogDamaged
from events.kafka.additions import Additions
from events.kafka.arbitration import Places, Standing, Void, Why, arbitrate
from events.kafka.irregular import Irregular
from events.kafka.keystore import KeyStore
from events.kafka.moving import Moving
from events.kafka.records import Claim, Contents, Garbage, Offer, decode, opened
from events.kafka.taken import Last, Taken
from events.sqlite.erasure import erase
from events.sqlite.file import connect, patiently, writing
from events.sqlite.transaction import read_tree
from events.tree import Frontier

__all__ = ["Checkpoint", "Folded", "KeysBehind", "Mirror"]

CACHE_KIB = 16 * 1024  # of pages; those that one commit writes, so that none is written twice in it
STORIES_REMEMBERED = 50_000  # versions kept in memory, so that a known story costs no look-up
ROOT_EVERY = 64  # events between two sizes at which nodes compare their roots

UNSTAMPED: Final = "expected a record stamped by the broker; found the time of its producer"
_OF_FORMAT_1: Final = "one of an earlier Dateline; move it away and it is made anew"
_TABLES: Final = (Path(__file__).parents[1] / "sql" / "mirror.sql").read_text()


class Folded(NamedTuple):
    """What became of a record; `attempt` is empty where it names none."""

    attempt: bytes
    outcome: Places | Void


class Checkpoint(NamedTuple):
    """How far a mirror is: the next offset of either topic, and the size of the log."""

    next_offset: int
    next_key: int
    events: int


class KeysBehind(Exception):
    """A record's keys are not known yet."""


class Mirror:
    """Folds records into the file; all calls come from one thread.

    `claim` is the newest root that nodes compare. While it is `soiled`, what was erased may still
    stand in the write-ahead log.

    Args:
        path: the file; made when it is not there.
        url: the log's URL, for messages.
        topic: name of the topic that it mirrors.

    Raises:
        apsw.Error: the file cannot be opened.
        LogDamaged: it is something else, or the mirror of another topic.
    """

    def __init__(self, path: str, url: str, topic: str) -> None:
        self._url = url
        self._path = path
        self._seen = -1  # SQLite's data version after our last commit; -1 before a look
        self._tree = Frontier()
        self._recorded_ms = 0
        self._newest = b""
        self._at = Checkpoint(0, 0, 0)
        self._versions: dict[str, int] = {}
        self._fresh: set[bytes] = set()  # ids that the commit under way adds
        self._wal_pages = 0
        self.claim: Claim | None = None
        self.soiled = True  # until a look says otherwise, something erased may be left beside it
        self._moving = Moving(path)
        self._connection = connect(path)
        try:
            self._prepare(topic)
            self.keys = KeyStore(self._connection)
            self.irregular = Irregular(self._connection)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, topic: str) -> None:
        connection = self._connection
        patiently(partial(connection.pragma, "journal_mode", "wal"))
        connection.pragma("synchronous", "NORMAL")
        connection.pragma("secure_delete", value=True)
        connection.pragma("cache_size", -CACHE_KIB)
        connection.wal_autocheckpoint(0)
        connection.set_wal_hook(self._wal_grew)
        if connection.execute(
            "SELECT 1 FROM pragma_table_info('accepted') WHERE name='offset'"
        ).get:
            raise LogDamaged(self._url, 0, f"a mirror of today in {self._path}", _OF_FORMAT_1)
        with writing(connection):
            connection.execute(_TABLES)
            connection.execute(
                "INSERT OR IGNORE INTO mirror "
                "SELECT 1, ?, 0, x'', 0, 0 WHERE NOT EXISTS (SELECT 1 FROM events)",
                (topic,),
            )
        found = connection.execute("SELECT topic FROM mirror").get
        if found != topic:
            raise LogDamaged(
                self._url,
                0,
                f"the mirror of topic {topic} in {self._path}",
                f"that of {found}" if found else "a log of its own",
            )

    def checkpoint(self) -> Checkpoint:
        """Say how far the mirror is."""
        row = self._connection.execute("SELECT next_offset, next_key, events FROM mirror").get
        return Checkpoint._make(row)

    def last(self) -> Last:
        """Give the record that was folded last; another process may fold the next at any time."""
        row = self._connection.execute("SELECT next_offset - 1, last_record FROM mirror").get
        return Last._make(row)

    def fold_keys(self, blocks: Sequence[tuple[bytes, bytes | None]], next_key: int) -> None:
        """Take what the topic of keys brings; what an erased key opened is erased with it."""
        with self._writing():
            self.soiled |= self.keys.fold(blocks, next_key)

    def add_keys(self, blocks: Sequence[tuple[bytes, bytes]]) -> None:
        """Remember keys of this node, before their topic brings them back."""
        with self._writing():
            self.keys.add(blocks)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Write in one transaction, and see whether anybody else wrote since the last."""
        connection = self._connection
        try:
            with writing(connection):
                if connection.data_version() != self._seen:
                    self._catch_up()
                yield
        except BaseException:
            self._seen = -1
            raise
        self._seen = connection.data_version()

    def fold(
        self, records: Sequence[Taken], *, all_keys: bool = False, unread: bool = False
    ) -> list[Folded | None]:
        """Fold records in one commit; None stands where another process was faster.

        Args:
            records: in the order of their offsets.
            all_keys: every key there is has been read; what is missing was erased.
            unread: they were not read from the topic; where others stand before them, nothing is
                folded and nothing given.

        Raises:
            KeysBehind: keys are missing that may still come; nothing was folded.
        """
        try:
            with self._writing():
                if unread and records[0].offset != self._at.next_offset:
                    return []
                folded = self._fold(records, all_keys=all_keys)
        finally:
            self._fresh.clear()
        if self._moving.has_moved_most(self._wal_pages):
            self._tidy(apsw.SQLITE_CHECKPOINT_PASSIVE)
        return folded

    @property
    def size(self) -> int:
        """The size of the log after the last fold."""
        return self._tree.size

    def _fold(self, records: Sequence[Taken], *, all_keys: bool) -> list[Folded | None]:
        added = Additions(self._tree.size)
        folded: list[Folded | None] = []
        claims: list[tuple[int, int, bytes]] = []
        lost: list[Offer] = []
        last = None
        for record in records:
            if record.offset < self._at.next_offset:
                folded.append(None)
                continue
            last = record
            attempt, offer, outcome = self._judge(record, added.size)
            folded.append(Folded(attempt, outcome))
            if offer is not None and offer.claim is not None:
                claims.append((record.offset, *offer.claim))
            if isinstance(outcome, Void):
                story = offer.story if offer else None
                self.irregular.note(record.offset, record.appended_ms, story, outcome)
                lost += [offer] if offer else []
                continue
            assert offer is not None, "what has places was read"  # noqa: S101 - for the types
            added.add(offer, self._contents(offer, all_keys=all_keys), outcome)
            for parcel, version in zip(offer.parcels, outcome.versions, strict=True):
                self._versions[parcel.story] = version
                self._remember(parcel.prepared.id)
            self._recorded_ms = outcome.recorded_ms[-1]
        if last is not None:
            added.store(self._connection)
            for event in added.redactions():
                self._redact(event)
            for offer in lost:
                self._lock(offer, all_keys=all_keys)
            self._grow(added.envelopes)
            self.irregular.compare(claims, self.claim)
            self._move(last)
        return folded

    def _judge(self, record: Taken, size: int) -> tuple[bytes, Offer | None, Places | Void]:
        offer = record.offer
        if offer is None:
            try:
                offer = decode(record.headers, record.value)
            except Garbage as error:
                return b"", None, Void(Why.GARBAGE, str(error))
        if not record.stamped:
            return offer.attempt, offer, Void(Why.GARBAGE, UNSTAMPED)
        standing = Standing(size, self._recorded_ms, self._version, self._knows)
        return offer.attempt, offer, arbitrate(offer, standing, record.appended_ms)

    def _contents(self, offer: Offer, *, all_keys: bool) -> Iterable[Contents]:
        secrets = self.keys.find(offer.first_key, len(offer.parcels), all_keys=all_keys)
        if secrets is None:
            raise KeysBehind
        return opened(offer, secrets)

    def _lock(self, offer: Offer, *, all_keys: bool) -> None:
        """Erase the keys of a record that got no place: its words may have one elsewhere."""
        if self.keys.find(offer.first_key, len(offer.parcels), all_keys=all_keys) is None:
            raise KeysBehind
        self.keys.condemn_all(offer.first_key, len(offer.parcels))

    def _remember(self, event_id: bytes) -> None:
        self._fresh.add(event_id)
        self._newest = max(self._newest, event_id)

    def _redact(self, event: Sealed) -> None:
        """Erase what a redaction says, and its keys; one that cannot be read erases nothing."""
        redaction = decode_body(event.kind, event.schema, event.body)
        if not isinstance(redaction, Redacted) or event.body is None:
            return
        erase(self._connection, event.story, event.version, event.body)
        for erasure in redaction.erases or ():
            if erasure.version >= event.version:  # nodes have more or less of what comes later
                continue
            position = self._connection.execute(
                "SELECT position FROM events WHERE story = ? AND version = ?",
                (event.story, erasure.version),
            ).get
            if position is not None:
                body, private = erasure.remains is not None, bool(erasure.private)
                self.keys.condemn(position, body=body, private=private)
        self.soiled = True

    def scrub(self) -> None:
        """Empty the write-ahead log after an erasure; stays `soiled` while somebody reads it."""
        self.soiled = not self._tidy(apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def _grow(self, envelopes: list[bytes]) -> None:
        """Add leaves to the tree, and note its root at the sizes that nodes compare."""
        done = 0
        while done < len(envelopes):
            step = ROOT_EVERY - self._tree.size % ROOT_EVERY
            self._tree.extend(envelopes[done : done + step])
            done += step
            if self._tree.size % ROOT_EVERY == 0:
                self.claim = Claim(self._tree.size, self._tree.root)
                self._connection.execute("INSERT INTO roots VALUES (?, ?)", self.claim)

    def _move(self, last: Taken) -> None:
        self._at = Checkpoint(last.offset + 1, self._at.next_key, self._tree.size)
        self._connection.execute(
            "UPDATE tree SET size = ?, hashes = ?, recorded_ms = ?",
            (self._tree.size, self._tree.hashes, self._recorded_ms),
        )
        self._connection.execute(
            "UPDATE mirror SET next_offset = ?, last_record = ?, events = ?",
            (last.offset + 1, last.hash, self._tree.size),
        )

    def _version(self, story: str) -> int:
        version = self._versions.get(story)
        if version is None:
            if len(self._versions) >= STORIES_REMEMBERED and not self._fresh:
                self._versions.clear()
            query = "SELECT max(version) FROM events WHERE story = ?"
            version = self._versions[story] = self._connection.execute(query, (story,)).get or 0
        return version

    def _knows(self, event_id: bytes) -> bool:
        if event_id > self._newest:  # ids are in time order: past the newest of all they are new
            return False
        if event_id in self._fresh:
            return True
        row = self._connection.execute("SELECT 1 FROM events WHERE id = ?", (event_id,)).get
        return row is not None

    def outcome(self, offset: int, ids: Sequence[bytes]) -> Places | Void:
        """Say what became of a record that another process folded into the same mirror.

        Args:
            offset: of the record.
            ids: of its events.
        """
        connection = self._connection
        row = connection.execute("SELECT why, reason, found FROM void WHERE offset = ?", (offset,))
        void = row.get
        if void is not None:
            return Void(Why(void[0]), void[1], void[2])
        query = "SELECT position, version, recorded_ms FROM events WHERE id = ?"
        return Places(*zip(*(connection.execute(query, (each,)).get for each in ids), strict=True))

    def _catch_up(self) -> None:
        """Another connection wrote since our last commit, or the file was just opened."""
        self._versions.clear()
        self.keys.forget()
        connection = self._connection
        self._tree, self._recorded_ms = read_tree(self._url, connection)
        self._newest = connection.execute("SELECT max(id) FROM events").get or b""
        row = connection.execute("SELECT * FROM roots ORDER BY size DESC LIMIT 1").get
        self.claim = row and Claim._make(row)
        self._at = self.checkpoint()
        if self._at.events != self._tree.size:
            raise LogDamaged(
                self._url,
                self._at.events + 1,
                f"a mirror of {self._at.events} events in {self._path}",
                f"{self._tree.size}, not all of them from the topic",
            )

    def _wal_grew(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _tidy(self, mode: int) -> bool:
        self._wal_pages = 0
        try:
            left, _ = self._connection.wal_checkpoint(mode=mode)
        except apsw.BusyError:  # somebody reads; it is tried again
            return False
        return left == 0

    def close(self) -> None:
        """Let go of the file."""
        self._moving.close()
        self._connection.close()
