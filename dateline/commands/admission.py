"""Who is let in: keys made, listed and revoked, and the first one of a newsroom."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw

from dateline import printing
from dateline.outcomes import DONE
from dateline.urls import keys_path
from events.envelope import instant
from events.errors import KeysUnavailable
from events.memory_log import wall_clock
from producers.keys import GRANTABLE, Key, Keys

__all__ = ["create", "first_key", "keys_of", "revoke", "show"]

FIRST = "desk"  # the name of the key that a new newsroom is given


@contextmanager
def keys_of(url: str) -> Iterator[Keys]:
    """Open the keys of a newsroom by its log's URL.

    Raises:
        KeysUnavailable: their file cannot be used.
    """
    path = keys_path(url)
    try:
        keys = Keys(path, wall_clock)
        try:
            yield keys
        finally:
            keys.close()
    except apsw.Error as error:
        raise KeysUnavailable(path, str(error)) from error


def first_key(keys: Keys) -> str | None:
    """Make a key with every scope where there has never been one; returns its text."""
    return None if keys.list() else keys.create(FIRST, GRANTABLE)


def create(url: str, name: str, scopes: Sequence[str], *, json: bool) -> int:
    """Make a key and show it, this once."""
    with keys_of(url) as keys:
        text = keys.create(name, frozenset(scopes))
    if json:
        printing.show_json({"key": text, "name": name, "scopes": sorted(scopes)})
    else:
        printing.line(text)
        printing.complain(f"dateline: key {name} is shown this once; only its hash is kept")
    return DONE


def show(url: str, *, json: bool) -> int:
    """List the keys."""
    found: list[Key] = []
    if Path(keys_path(url)).exists():  # to look makes nothing
        with keys_of(url) as keys:
            found = keys.list()
    if json:
        printing.show_json(
            [
                {
                    "id": key.id,
                    "name": key.name,
                    "scopes": sorted(key.scopes),
                    "created_at": instant(key.created_ms),
                    "revoked_at": instant(key.revoked_ms) if key.revoked_ms else None,
                }
                for key in found
            ]
        )
        return DONE
    for key in found:
        ended = f"revoked {instant(key.revoked_ms)}" if key.revoked_ms else "in use"
        printing.line(f"{key.id}  {key.name:<20} {ended:<32} {' '.join(sorted(key.scopes))}")
    if not found:
        printing.line("no keys yet; `dateline keys create NAME --scope file` makes one")
    return DONE


def revoke(url: str, key_id: str, *, json: bool) -> int:
    """End a key for good."""
    with keys_of(url) as keys:
        keys.revoke(key_id)
    if json:
        printing.show_json({"id": key_id, "revoked": True})
    else:
        printing.line(f"key {key_id} is revoked")
    return DONE
