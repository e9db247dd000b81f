"""Several processes that read a long log together, a stretch each: an auditor waits half as long.

Run as a program, it is one of them: it takes what reads the log on its standard input, then one
stretch after the other, and gives each back when it has read it. It ends when its input does, so
that none is left behind by whoever began it, however that one ended.
"""

import asyncio
import os
import pickle
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, suppress
from typing import BinaryIO, Final

from consumers.audit.stretch import Stretch, stretch_end
from events.log import Elsewhere, Log

__all__ = ["read_at_once"]

LONG = 50_000  # events from which on the 0.3 s that a process takes to begin are won back
MOST_PROCESSES = 8  # the one who puts stretches together keeps up with so many
STRETCH = 8_192  # events that one of them reads at a time; a power of two, for the tree
AHEAD = 2  # stretches given to each, so that none waits for the next

_LENGTH: Final = struct.Struct("!I")  # before each message: its bytes

Kept = Callable[[int, int], list[int]]
"""Gives the sizes past a position, up to and with another, at which the tree is wanted."""


async def read_at_once(
    log: Log, after: int, upto: int, kept: Kept
) -> AsyncGenerator[Stretch, None]:
    """Read a log's events past a position, as far as it is worth it and goes well.

    Whoever asks reads on behind the last stretch that is given: there is none of a short log, and
    none where a process could not read on; whatever is wrong there will be seen again.

    Args:
        log: the log.
        after: the position before the first event.
        upto: the position of the last.
        kept: tells at which sizes the tree is wanted.
    """
    read = log.reading_elsewhere()
    count = min(_processors(), MOST_PROCESSES)
    if read is None or count == 1 or upto - after < LONG:
        return
    readers: list[Process] = []
    try:
        with suppress(OSError, asyncio.IncompleteReadError):
            while len(readers) < count:
                readers.append(await _begin(read))
            async with aclosing(_in_turns(readers, after, upto, kept)) as stretches:
                async for stretch in stretches:
                    yield stretch
    finally:
        for reader in readers:
            with suppress(ProcessLookupError):  # it has ended
                reader.kill()
            await reader.communicate()  # to the end of its pipes, so that they are closed


async def _in_turns(
    readers: list[Process], after: int, upto: int, kept: Kept
) -> AsyncGenerator[Stretch, None]:
    """Give stretches to each in turn, and take them back in the same order."""
    asked = taken = 0
    while after < upto or taken < asked:
        while after < upto and asked - taken < AHEAD * len(readers):
            end = stretch_end(after, STRETCH, upto)
            _send(readers[asked % len(readers)], Stretch(after, end, kept(after, end)))
            after, asked = end, asked + 1
        yield await _receive(readers[taken % len(readers)])
        taken += 1


def _processors() -> int:
    """Say how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


async def _begin(read: Elsewhere) -> Process:
    """Begin a process that is not interrupted with us: we end it, in order."""
    reader = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", __spec__.name),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        start_new_session=True,
    )
    _send(reader, read)
    return reader


def _send(reader: Process, message: object) -> None:
    assert reader.stdin is not None  # noqa: S101 - it was begun with one
    reader.stdin.write(_packed(message))


async def _receive(reader: Process) -> Stretch:
    assert reader.stdout is not None  # noqa: S101 - it was begun with one
    (length,) = _LENGTH.unpack(await reader.stdout.readexactly(_LENGTH.size))
    stretch = pickle.loads(await reader.stdout.readexactly(length))  # noqa: S301 - we began it
    if not isinstance(stretch, Stretch):
        raise TypeError(f"expected a stretch; found {type(stretch).__name__}")
    return stretch


def _packed(message: object) -> bytes:
    data = pickle.dumps(message)
    return _LENGTH.pack(len(data)) + data


def _messages(source: BinaryIO) -> Iterator[object]:
    while length := source.read(_LENGTH.size):
        yield pickle.loads(source.read(*_LENGTH.unpack(length)))  # noqa: S301 - who began us sent it


def _serve() -> None:
    messages = _messages(sys.stdin.buffer)
    read = next(messages, None)
    for stretch in messages:
        if not (callable(read) and isinstance(stretch, Stretch)):
            raise TypeError("expected what reads the log, then stretches of it")
        for event in read(stretch.after, stretch.upto):
            stretch.take(event)
        sys.stdout.buffer.write(_packed(stretch.end()))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve()
