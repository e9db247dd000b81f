"""Where the program starts: makes sure that the packages are ours, then hands over to the CLI."""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Final

__all__ = ["collision", "main"]

# A file that only our package of that name has.
_MARKS: Final = {"events": "vocabulary.py", "producers": "desk.py", "consumers": "story.py"}


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


def _mend_streams() -> None:
    """Have streams to write to, and none that fails over a character it cannot show."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started us
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - to the end
            setattr(sys, name, nowhere)
        else:
            stream.reconfigure(errors="backslashreplace")


def main() -> None:
    """Run the command line; see `dateline --help`."""
    _mend_streams()
    sentence = collision()
    if sentence is not None:
        sys.stderr.write(f"{sentence}\n")
        raise SystemExit(1)
    try:
        from dateline.run import run  # noqa: PLC0415 - only once the packages are known to be ours
    except KeyboardInterrupt:  # before there is anything to interrupt
        raise SystemExit(130) from None
    raise SystemExit(run(sys.argv[1:]))
