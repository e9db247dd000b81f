"""Whose turn it is: locks between processes, which are let go when their holder dies."""

import contextlib
import fcntl
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import apsw

__all__ = ["BUSY_SECONDS", "in_turn", "only_one", "patience"]

BUSY_SECONDS = 30.0  # to wait for another process's turn; a commit on a tired disk is slow


@contextlib.contextmanager
def in_turn(path: str) -> Iterator[None]:
    """Hold the lock on a file, once whoever has it is done or dead.

    Raises:
        apsw.BusyError: another process keeps it for longer than anything takes.
        apsw.CantOpenError: nothing can be written there.
    """
    held = _open(path)
    try:
        deadline = time.monotonic() + BUSY_SECONDS
        while not _locked(held):
            if time.monotonic() > deadline:
                raise apsw.BusyError(f"another process keeps its turn: {path}")
            patience(0)
        yield
    finally:
        os.close(held)


@contextlib.contextmanager
def only_one(path: str) -> Iterator[bool]:
    """Hold the lock on a file if nobody else has it, and say whether; it leaves no file behind."""
    held = _open(path)
    try:
        # Removed while held; who opened it before that finds that it is no longer the one.
        mine = _locked(held) and _is_still(path, held)
        try:
            yield mine
        finally:
            if mine:
                Path(path).unlink(missing_ok=True)
    finally:
        os.close(held)


def patience(times: int) -> bool:
    """Wait a moment before the next try; as SQLite's busy handler, say whether there is one."""
    time.sleep(random.uniform(0.000_2, 0.002))  # noqa: S311 - spreads retries, hides nothing
    return times < BUSY_SECONDS * 1000


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise apsw.CantOpenError(f"{path}: {error.strerror}") from error


def _locked(held: int) -> bool:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_still(path: str, held: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(held))  # noqa: PTH116 - as fstat
    except FileNotFoundError:
        return False
