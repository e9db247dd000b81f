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
import threading
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, Final, Self

__all__ = ["Companion", "Unanswered", "messages", "packed", "processors"]

HELD = 2  # messages that arrived and nobody has asked for

_LENGTH: Final = struct.Struct("!Q")  # before each message: its bytes


class Unanswered(Exception):
    """A process gave no answer, or another one than was asked for."""


class Companion:
    """A process beside this one, and what it hears and says.

    A thread takes what it says, which comes while we are at work: that needs no interpreter.

    Args:
        process: it.
        end: our end of its socket.
    """

    def __init__(self, process: Process, end: socket.socket) -> None:
        self.process = process
        self._end = end
        self._heard: asyncio.Queue[bytearray | None] = asyncio.Queue()
        self._room = threading.Semaphore(HELD)
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._hear, args=(loop,), daemon=True)
        self._thread.start()

    @classmethod
    async def begin(cls, module: str) -> Self:
        """Begin a process that is not interrupted with us: we end it, in order.

        It gets a socket of its own, for whatever a machine has Python say at every start goes to
        the standard output.

        Args:
            module: what it runs, with the descriptor of its end of the socket.

        Raises:
            OSError: none can be begun.
        """
        ours, theirs = socket.socketpair()
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
            ours.close()
            raise
        return cls(process, ours)

    def send(self, message: object) -> None:
        """Send what can be pickled; few and short ones, which the socket holds until it reads them.

        Raises:
            OSError: it has ended.
        """
        self._end.sendall(packed(message))

    async def answer(self, patience: float) -> object:
        """Wait for the next message.

        Args:
            patience: seconds; a process that was stopped never answers.

        Raises:
            Unanswered: there is none.
        """
        try:
            async with asyncio.timeout(patience):
                message = await self._heard.get()
        except TimeoutError as error:
            raise Unanswered from error
        self._room.release()
        if message is None:
            raise Unanswered
        return pickle.loads(message)  # noqa: S301 - ours

    def _hear(self, loop: asyncio.AbstractEventLoop) -> None:
        message: bytearray | None = bytearray()
        with suppress(RuntimeError):  # the loop was closed, and nobody waits any more
            while message is not None:
                self._room.acquire()
                length = self._read(_LENGTH.size)
                message = length and self._read(*_LENGTH.unpack(length))
                loop.call_soon_threadsafe(self._heard.put_nowait, message)

    def _read(self, length: int) -> bytearray | None:
        """Read so many bytes; None where there are fewer."""
        found = bytearray(length)
        missing = memoryview(found)
        with suppress(ConnectionError):
            while missing and (read := self._end.recv_into(missing)):
                missing = missing[read:]
        return None if missing else found

    async def end(self) -> None:
        """End the process, whatever it does."""
        with suppress(ProcessLookupError):  # it has ended
            self.process.kill()
        gone = asyncio.ensure_future(self.process.wait())
        try:
            await asyncio.shield(gone)
        except asyncio.CancelledError:  # it is gone in no time, and its end must be heard
            await gone
            raise
        finally:
            self._room.release(HELD)  # all that is left to be heard is the end of the socket
            self._thread.join()
            self._end.close()


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
