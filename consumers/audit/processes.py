"""Several processes that read a long log together, a stretch each: an auditor waits half as long.

Run as a program, it is one of them: it takes what reads the log from the socket that it is given,
then one stretch after the other, and gives each back when it has read it. It ends when the other
end of the socket does, and so with whoever began it, however that one ended.
"""

import asyncio
import os
import pickle
import socket
import struct
import sys
from asyncio.subprocess import DEVNULL, Process
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, suppress
from itertools import cycle
from typing import BinaryIO, Final, NamedTuple, Self

from consumers.audit.stretch import Stretch, stretch_end
from events.log import Elsewhere, Log

__all__ = ["read_at_once"]

LONG = 50_000  # events from which on the 0.3 s that a process takes to begin are won back
MOST_PROCESSES = 8  # the one who puts stretches together keeps up with so many
STRETCH = 8_192  # events that one of them reads at a time; a power of two, for the tree
AHEAD = 2  # stretches given to each, so that none waits for the next
PATIENCE = 60.0  # seconds for a stretch, which takes 0.1: a process that was stopped never answers

_LENGTH: Final = struct.Struct("!Q")  # before each message: its bytes

Kept = Callable[[int, int], list[int]]
"""Gives the sizes past a position, up to and with another, at which the tree is wanted."""


class _Unanswered(Exception):
    """A process gave no stretch, or not the one that was asked for."""


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
    count = min(_processors(), MOST_PROCESSES)
    if read is None or count == 1 or upto - after < LONG:
        return
    readers: list[_Reader] = []
    try:
        with suppress(OSError, _Unanswered):
            while len(readers) < count:
                readers.append(await _Reader.begin(read))
            async with aclosing(_in_turns(readers, after, upto, kept)) as stretches:
                async for stretch in stretches:
                    yield stretch
    finally:
        for reader in readers:
            await reader.end()


async def _in_turns(
    readers: "list[_Reader]", after: int, upto: int, kept: Kept
) -> AsyncGenerator[Stretch, None]:
    """Give stretches to each in turn, and take them back in the same order."""
    turns = cycle(readers)
    asked: deque[tuple[_Reader, Stretch]] = deque()
    while after < upto or asked:
        while after < upto and len(asked) < AHEAD * len(readers):
            end = stretch_end(after, STRETCH, upto)
            reader, stretch = next(turns), Stretch(after, end, kept(after, end))
            reader.send(stretch)
            asked.append((reader, stretch))
            after = end
        reader, stretch = asked.popleft()
        yield await reader.answer(stretch)


def _processors() -> int:
    """Say how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Reader(NamedTuple):
    """A process that reads, and what it hears and says."""

    process: Process
    incoming: asyncio.StreamReader
    outgoing: asyncio.StreamWriter

    @classmethod
    async def begin(cls, read: Elsewhere) -> Self:
        """Begin a process that is not interrupted with us: we end it, in order.

        It gets a socket of its own, for whatever a machine has Python say at every start goes to
        the standard output.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *_like_this(), "-m", __spec__.name, str(theirs.fileno())),
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        begun = cls(process, *await asyncio.open_connection(sock=ours))
        begun.send(read)
        return begun

    def send(self, message: object) -> None:
        """Send what reads the log, or a stretch that is to be read."""
        self.outgoing.write(_packed(message))

    async def answer(self, asked: Stretch) -> Stretch:
        """Wait until a stretch was read.

        Raises:
            _Unanswered: there is no answer, or events are missing in it.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                (length,) = _LENGTH.unpack(await self.incoming.readexactly(_LENGTH.size))
                found = pickle.loads(await self.incoming.readexactly(length))  # noqa: S301 - ours
        except (asyncio.IncompleteReadError, TimeoutError) as error:
            raise _Unanswered from error
        if not isinstance(found, Stretch) or (found.after, found.size) != (asked.after, asked.upto):
            raise _Unanswered
        return found

    async def end(self) -> None:
        """End the process, whatever it does."""
        self.outgoing.close()
        with suppress(ProcessLookupError):  # it has ended
            self.process.kill()
        await self.process.wait()


def _like_this() -> list[str]:
    """Give the options by which a process finds the same modules as this one, and no others."""
    flags = sys.flags
    if flags.isolated:
        return ["-I"]
    given = {"-P": True, "-E": flags.ignore_environment, "-s": flags.no_user_site}
    return [option for option, is_set in given.items() if is_set]


def _packed(message: object) -> bytes:
    data = pickle.dumps(message)
    return _LENGTH.pack(len(data)) + data


def _messages(source: BinaryIO) -> Iterator[object]:
    while length := source.read(_LENGTH.size):
        yield pickle.loads(source.read(*_LENGTH.unpack(length)))  # noqa: S301 - who began us sent it


def _serve(descriptor: int) -> None:
    with socket.socket(fileno=descriptor) as end, end.makefile("rb") as source:
        messages = _messages(source)
        read = next(messages, None)
        for stretch in messages:
            if not (callable(read) and isinstance(stretch, Stretch)):
                raise TypeError("expected what reads the log, then stretches of it")
            for event in read(stretch.after, stretch.upto):
                stretch.take(event)
            end.sendall(_packed(stretch.end()))


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
