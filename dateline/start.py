"""Where the program starts: makes sure that the packages are ours, then hands over to the CLI."""

import importlib.util
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

from dateline import streams

__all__ = ["TURN", "collision", "main"]

INTERRUPTED = 130  # as in dateline.outcomes, which is not there yet
# Seconds that a thread keeps the interpreter from another: whoever writes the log is back from the
# disk sooner than Python would let it go on, and who files prepares the next events meanwhile.
TURN = 0.000_5

# A file that only our package of that name has.
_MARKS: Final = {"events": "vocabulary.py", "producers": "desk.py", "consumers": "views.py"}


def collision() -> str | None:
    """Give one sentence when another distribution took the name of one of our packages."""
    for name, mark in _MARKS.items():
        spec = importlib.util.find_spec(name)
        where = Path(spec.origin).parent if spec is not None and spec.origin else None
        if where is None or not (where / mark).is_file():
            return (
                f"dateline: expected package {name!r} to be its own; found {where or 'none'}: "
                "install Dateline into an environment of its own"
            )
    return None


def _ended_quietly(_signal: int, _frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)


def _at_ctrl_c(what: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    """Say what Ctrl-C does from now on, unless whoever started us wants it ignored."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, what)


def main() -> None:
    """Run the command line; see `dateline --help`."""
    # While modules are made, an interrupt could be lost or print a traceback: nothing is begun yet.
    _at_ctrl_c(_ended_quietly)
    streams.mend()
    sys.setswitchinterval(TURN)
    sentence = collision()
    if sentence is not None:
        sys.stderr.write(f"{sentence}\n")
        raise SystemExit(1)
    from dateline.cli.run import run  # noqa: PLC0415 - only once the packages are known to be ours

    _at_ctrl_c(signal.default_int_handler)
    outcome = run(sys.argv[1:])
    _at_ctrl_c(signal.SIG_IGN)  # all is done and said: the outcome stands
    raise SystemExit(outcome)
