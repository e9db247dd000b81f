"""Standard streams, whatever was made of them: closed, full, or unable to show a character."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["Untold", "mend", "telling"]


class Untold(OSError):
    """What was printed cannot be written, although what it tells of was done."""


@contextlib.contextmanager
def telling() -> Iterator[None]:
    """Tell a failure of standard output from one of the work.

    Raises:
        Untold: it takes nothing more.
        BrokenPipeError: whoever read has had enough.
    """
    try:
        yield
    except (BrokenPipeError, Untold):
        raise
    except OSError as error:
        raise Untold(error.errno, error.strerror, "standard output") from error


class _Results(io.TextIOWrapper):
    """Standard output; whoever writes to it need not know how it fails."""

    def write(self, text: str, /) -> int:
        with telling():
            return super().write(text)

    def flush(self) -> None:
        with telling():
            super().flush()


class _Complaints(io.TextIOWrapper):
    """Standard error, which stops no work: what it does not take is said to nobody."""

    def write(self, text: str, /) -> int:
        with contextlib.suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            super().flush()


def mend() -> None:
    """Have streams to read and write that fail in a way of their own, and over no character."""
    if sys.stdin is None:  # closed by whoever started us
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - to the end
    sys.stdout = _Results(**_beneath(sys.stdout))
    sys.stderr = _Complaints(**_beneath(sys.stderr))


def _beneath(stream: Any) -> dict[str, Any]:  # noqa: ANN401 - None, where it was closed
    """Give what takes the bytes of a stream, and how it takes them."""
    if stream is None:
        nowhere = Path(os.devnull).open("wb")  # noqa: SIM115 - to the end
        return {"buffer": nowhere, "encoding": "utf-8"}
    names = ("buffer", "encoding", "line_buffering", "write_through")
    return {name: getattr(stream, name) for name in names} | {"errors": "backslashreplace"}
