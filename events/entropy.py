"""Unguessable bytes from the system, drawn for many events at a time.

Each time that Python draws some it gives up the interpreter's lock and waits to get it back. In a
program whose other threads are busy, as the one that writes the log, that was a sixth of a filing.
"""

import os
from typing import Final

__all__ = ["PIECE", "drawn"]

PIECE: Final = 64  # bytes; the two nonces of one event
_PIECES: Final = 256  # drawn at a time

_left: Final = list[bytes]()


def drawn(count: int) -> bytes:
    """Give bytes that nobody can guess and nobody was given before.

    Args:
        count: how many; those of one event are there already, others are drawn for the occasion.
    """
    while count == PIECE:
        try:
            return _left.pop()  # in one step, whatever other threads do
        except IndexError:
            bytes_ = os.urandom(PIECE * _PIECES)
            _left.extend(bytes_[at : at + PIECE] for at in range(0, len(bytes_), PIECE))
    return os.urandom(count)


# Parent and child would give the same bytes to different events.
os.register_at_fork(after_in_child=_left.clear)
