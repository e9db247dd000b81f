"""Keys that services file and read with: shown once, kept as a hash, each with its scopes."""

import hashlib
import hmac
import re
import secrets
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from events.errors import KeysUnavailable, NotFound, Refused
from events.log import Clock
from events.sqlite.file import identity
from producers.case import EVERY_SCOPE, Actor

__all__ = ["GRANTABLE", "Key", "Keys"]

BUSY_MS = 30_000  # to wait for another process's commit; fsync on a tired disk is slow
REMEMBERED_MS = 1_000  # that a key which was let in is let in again without a look into the file

GRANTABLE: Final = frozenset({*EVERY_SCOPE, "read:internal", "audit"})
_KEY: Final = re.compile(r"dl_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS keys (
    id         TEXT    PRIMARY KEY,
    name       TEXT    NOT NULL,
    hash       BLOB    NOT NULL, -- SHA-256; the secret has 256 bits, so nobody guesses it
    scopes     TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    revoked_ms INTEGER
) STRICT;
"""


class Key(NamedTuple):
    """A key as it is listed; its secret is not kept."""

    id: str
    name: str
    scopes: frozenset[str]
    created_ms: int
    revoked_ms: int | None

    @property
    def actor(self) -> Actor:
        """Who files with it."""
        return Actor(f"key:{self.name}", self.scopes)


class Keys:
    """The keys of a newsroom.

    Args:
        path: their file, readable by its owner alone; or `:memory:`.
        clock: milliseconds since 1970 UTC.
    """

    def __init__(self, path: str, clock: Clock) -> None:
        self._clock = clock
        self._path = path
        if path != ":memory:":
            Path(path).touch(mode=0o600, exist_ok=True)
        self._connection = _opened(path)
        self._connection.execute(_TABLE)
        self._file = identity(path)
        self._known: dict[bytes, Key] = {}
        self._looked_ms = 0

    def create(self, name: str, scopes: frozenset[str]) -> str:
        """Make a key; returns its text, which is not kept.

        Raises:
            Refused: the name or a scope is not of its form.
        """
        if not _NAME.fullmatch(name):
            raise Refused("key-name", "name", "1 to 40 of a-z, 0-9 and -", repr(name))
        unknown = sorted(scopes - GRANTABLE)
        if unknown or not scopes:
            known = ", ".join(sorted(GRANTABLE))
            raise Refused("key-scope", "scope", f"some of {known}", ", ".join(unknown) or "none")
        key_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        self._connection.execute(
            "INSERT INTO keys VALUES (?, ?, ?, ?, ?, NULL)",
            (key_id, name, _hash(secret), " ".join(sorted(scopes)), self._clock()),
        )
        return f"dl_{key_id}_{secret}"

    def find(self, text: str) -> Key | None:
        """Give the key of this text, None when there is none or it was revoked.

        A key that another program revokes is let in for `REMEMBERED_MS` at most.

        Raises:
            KeysUnavailable: their file cannot be read.
        """
        try:
            return self._find(text)
        except apsw.Error as error:
            raise KeysUnavailable(self._path, str(error)) from error

    def _find(self, text: str) -> Key | None:
        now = self._clock()
        if not 0 <= now - self._looked_ms < REMEMBERED_MS:
            self._known.clear()
            self._follow()
            self._looked_ms = now
        hashed = _hash(text)
        key = self._known.get(hashed)
        if key is None:
            key = self._look(text)
            if key is not None:
                self._known[hashed] = key
        return key

    def _follow(self) -> None:
        """Open the file that is there now: of one that was taken away no key would ever end."""
        found = identity(self._path)
        if found != self._file:
            connection = _opened(self._path, apsw.SQLITE_OPEN_READWRITE)
            self._connection.close()
            self._connection, self._file = connection, found

    def _look(self, text: str) -> Key | None:
        parts = _KEY.fullmatch(text)
        key_id, secret = parts.groups() if parts else ("", "")
        row = self._connection.execute("SELECT * FROM keys WHERE id = ?", (key_id,)).get
        # Compared in any case, so that time does not tell which ids there are.
        same = hmac.compare_digest(_hash(secret), row[2] if row else b"\x00" * 32)
        return _key(row) if row and same and row[5] is None else None

    def list(self) -> list[Key]:
        """Give all keys, those that were revoked included, oldest first."""
        return [_key(row) for row in self._connection.execute("SELECT * FROM keys ORDER BY rowid")]

    def revoke(self, key_id: str) -> None:
        """End a key for good.

        Raises:
            NotFound: there is none of this id.
        """
        self._known.clear()
        self._connection.execute(
            "UPDATE keys SET revoked_ms = coalesce(revoked_ms, ?) WHERE id = ?",
            (self._clock(), key_id),
        )
        if not self._connection.changes():
            raise NotFound("key", key_id)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def _opened(
    path: str, flags: int = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
) -> apsw.Connection:
    connection = apsw.Connection(path, flags)
    connection.set_busy_timeout(BUSY_MS)
    return connection


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _key(row: tuple[str, str, bytes, str, int, int | None]) -> Key:
    key_id, name, _, scopes, created_ms, revoked_ms = row
    return Key(key_id, name, frozenset(scopes.split()), created_ms, revoked_ms)
