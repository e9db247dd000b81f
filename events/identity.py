"""Ids made of names: whoever makes the id of the same thing, anywhere, makes the same one."""

import hashlib

__all__ = ["id_of"]


def id_of(filed_ms: int, *names: str) -> str:
    """Make an event id of names, the same for the same names: a UUIDv7 (RFC 9562).

    Args:
        filed_ms: the time that it carries, milliseconds since 1970 UTC.
        names: what tells this event from all others.
    """
    digest = hashlib.sha256("\x00".join(names).encode()).hexdigest()
    # A UUIDv7 counts from 1970; what is older stands at its beginning.
    time = f"{max(0, filed_ms):012x}"
    variant = "89ab"[int(digest[4], 16) & 3]
    return f"{time[:8]}-{time[8:]}-7{digest[1:4]}-{variant}{digest[5:8]}-{digest[8:20]}"
