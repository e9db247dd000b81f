"""A process of our own beside this one, for work that one interpreter's lock would keep waiting.

It runs a module of ours as a program, with a socket that both ends speak through. It ends when the
other end of the socket does, and so with whoever began it, however that one ended.
"""

import asyncio
import os
import pickle
import socket
import struct
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, Final, NamedTuple, Self

__all__ = ["Companion", "Unanswered", "messages", "packed", "processors"]

HELD_BYTES = 4 * 1024 * 1024  # of messages that arrived and nobody has asked for

_LENGTH: Final = struct.Struct("!Q")  # before each message: its bytes


class Unanswered(Exception):
    """A process gave no answer, or another one than was asked for."""


class Companion(NamedTuple):
    """A process beside this one, and what it hears and says."""

    process: Process
    incoming: asyncio.StreamReader
    outgoing: asyncio.StreamWriter

    @classmethod
    async def begin(cls, module: str, work: object) -> Self:
        """Begin a process that is not interrupted with us: we end it, in order.

        It gets a socket of its own, for whatever a machine has Python say at every start goes to
        the standard output.

        Args:
            module: what it runs, with the descriptor of its end of the socket.
            work: the first message that it gets.
        """
        ours, theirs = socket.socketpair()
        incoming, outgoing = await asyncio.open_connection(sock=ours, limit=HELD_BYTES)
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, *_like_this(), "-m", module, str(theirs.fileno())),
                    stdin=DEVNULL,
                    stdout=DEVNULL,
                    stderr=DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
        except BaseException:
            outgoing.close()
            raise
        begun = cls(process, incoming, outgoing)
        begun.send(work)
        return begun

    def send(self, message: object) -> None:
        """Send what can be pickled."""
        self.outgoing.write(packed(message))

    async def answer(self, patience: float) -> object:
        """Wait for the next message.

        Args:
            patience: seconds; a process that was stopped never answers.

        Raises:
            Unanswered: there is none.
        """
        try:
            async with asyncio.timeout(patience):
                (length,) = _LENGTH.unpack(await self.incoming.readexactly(_LENGTH.size))
                return pickle.loads(await self.incoming.readexactly(length))  # noqa: S301 - ours
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError) as error:
            raise Unanswered from error

    async def end(self) -> None:
        """End the process, whatever it does."""
        self.outgoing.close()
        with suppress(ProcessLookupError):  # it has ended
            self.process.kill()
        gone = asyncio.ensure_future(self.process.wait())
        try:
            await asyncio.shield(gone)
        except asyncio.CancelledError:  # it is gone in no time, and its end must be heard
            await gone
            raise


def processors() -> int:
    """Say how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def packed(message: object) -> bytes:
    """Give a message as it goes through the socket."""
    data = pickle.dumps(message)
    return _LENGTH.pack(len(data)) + data


def messages(source: BinaryIO) -> Iterator[object]:
    """Give the messages of whoever began this process, until there are no more."""
    while length := source.read(_LENGTH.size):
        yield pickle.loads(source.read(*_LENGTH.unpack(length)))  # noqa: S301 - who began us sent it


def _like_this() -> list[str]:
    """Give the options by which a process finds the same modules as this one, and no others."""
    flags = sys.flags
    if flags.isolated:
        return ["-I"]
    given = {"-P": True, "-E": flags.ignore_environment, "-s": flags.no_user_site}
    return [option for option, is_set in given.items() if is_set]
