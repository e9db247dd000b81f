"""Ids made of names: whoever makes the id of the same thing, anywhere, makes the same one."""

import hashlib
import uuid

__all__ = ["id_of"]


def id_of(filed_ms: int, *names: str) -> str:
    """Make an event id of names, the same for the same names: a UUIDv7 (RFC 9562).

    Args:
        filed_ms: the time that it carries, milliseconds since 1970 UTC.
        names: what tells this event from all others.
    """
    digest = hashlib.sha256("\x00".join(names).encode()).digest()
    # A UUIDv7 counts from 1970; what is older stands at its beginning.
    number = int.from_bytes(max(0, filed_ms).to_bytes(6, "big") + digest[:10], "big")
    number = number & ~(0xF << 76) | (0x7 << 76)
    number = number & ~(0x3 << 62) | (0x2 << 62)
    return str(uuid.UUID(int=number))
