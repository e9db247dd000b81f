"""What the program tells about its work: structured lines on standard error."""

import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, Final, TextIO

import structlog

__all__ = ["configure"]

# Whatever is logged under these names never reaches a log line.
_SECRET: Final = {"authorization", "key", "password", "private", "secret", "token"}


def configure(level: str) -> None:
    """Tell from `level` on: colours on a terminal, one JSON object a line elsewhere.

    JSON escapes control characters, so that no headline can drive whoever reads the log.
    """
    told = sys.stderr  # as it is now: whoever takes its place later does not get what is told
    terminal = told.isatty()
    renderers: tuple[structlog.typing.Processor, ...] = (
        (structlog.dev.ConsoleRenderer(),)
        if terminal
        else (structlog.processors.format_exc_info, structlog.processors.JSONRenderer())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_secrets,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=lambda *_: _Lines(told),
        cache_logger_on_first_use=False,
    )


class _Lines(structlog.PrintLogger):
    """Writes lines; one that cannot be written is lost, and whoever tells goes on with its work.

    A disk is full, or nobody reads the pipe any more: no reason to end what a server does.
    """

    def __init__(self, file: TextIO) -> None:
        super().__init__(file)

    def msg(self, message: str) -> None:
        with suppress(OSError, ValueError):  # a ValueError of a file that is closed
            super().msg(message)

    log = debug = info = warn = warning = error = critical = failure = exception = fatal = msg


def _without_secrets(
    _logger: object, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {name: value for name, value in line.items() if name.lower() not in _SECRET}
