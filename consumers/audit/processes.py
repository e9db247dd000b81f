"""Several processes that read a long log together, a stretch each: an auditor waits half as long.

Run as a program, it is one of them: it takes what reads the log from the socket that it is given,
then one stretch after the other, and gives each back when it has read it.
"""

import socket
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from itertools import cycle

from consumers.audit.stretch import Stretch, stretch_end
from events.companion import Companion, Unanswered, messages, packed, processors
from events.log import Log

__all__ = ["read_at_once"]

LONG = 50_000  # events from which on the 0.3 s that a process takes to begin are won back
MOST_PROCESSES = 8  # the one who puts stretches together keeps up with so many
STRETCH = 8_192  # events that one of them reads at a time; a power of two, for the tree
AHEAD = 2  # stretches given to each, so that none waits for the next
PATIENCE = 60.0  # seconds for a stretch, which takes 0.1: a process that was stopped never answers

Kept = Callable[[int, int], list[int]]
"""Gives the sizes past a position, up to and with another, at which the tree is wanted."""


async def read_at_once(
    log: Log, after: int, upto: int, kept: Kept
) -> AsyncGenerator[Stretch, None]:
    """Read a log's events past a position, as far as it is worth it and goes well.

    Whoever asks reads on behind the last stretch that is given: there is none of a short log, and
    none where events are missing or a process could not read on; what is wrong is seen again then.

    Args:
        log: the log.
        after: the position before the first event.
        upto: the position of the last.
        kept: tells at which sizes the tree is wanted.
    """
    read = log.reading_elsewhere()
    count = min(processors(), MOST_PROCESSES)
    if read is None or count == 1 or upto - after < LONG:
        return
    readers: list[Companion] = []
    try:
        with suppress(OSError, Unanswered):
            while len(readers) < count:
                readers.append(await Companion.begin(__spec__.name))
                readers[-1].send(read)
            async with aclosing(_in_turns(readers, after, upto, kept)) as stretches:
                async for stretch in stretches:
                    yield stretch
    finally:
        for reader in readers:
            await reader.end()


async def _in_turns(
    readers: list[Companion], after: int, upto: int, kept: Kept
) -> AsyncGenerator[Stretch, None]:
    """Give stretches to each in turn, and take them back in the same order."""
    turns = cycle(readers)
    asked: deque[tuple[Companion, Stretch]] = deque()
    while after < upto or asked:
        while after < upto and len(asked) < AHEAD * len(readers):
            end = stretch_end(after, STRETCH, upto)
            reader, stretch = next(turns), Stretch(after, end, kept(after, end))
            reader.send(stretch)
            asked.append((reader, stretch))
            after = end
        reader, stretch = asked.popleft()
        yield await _read(reader, stretch)


async def _read(reader: Companion, asked: Stretch) -> Stretch:
    """Wait until a stretch was read.

    Raises:
        Unanswered: there is no answer, or events are missing in it.
    """
    found = await reader.answer(PATIENCE)
    if not isinstance(found, Stretch) or (found.after, found.size) != (asked.after, asked.upto):
        raise Unanswered
    return found


def _serve(descriptor: int) -> None:
    with socket.socket(fileno=descriptor) as end, end.makefile("rb") as source:
        heard = messages(source)
        read = next(heard, None)
        for stretch in heard:
            if not (callable(read) and isinstance(stretch, Stretch)):
                raise TypeError("expected what reads the log, then stretches of it")
            for event in read(stretch.after, stretch.upto):
                stretch.take(event)
            end.sendall(packed(stretch.end()))


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
