"""What the program tells about its work: structured lines on standard error."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

__all__ = ["configure"]

# Whatever is logged under these names never reaches a log line.
_SECRET: Final = {"authorization", "key", "password", "private", "secret", "token"}


def configure(level: str) -> None:
    """Tell from `level` on: colours on a terminal, one JSON object a line elsewhere.

    JSON escapes control characters, so that no headline can drive whoever reads the log. A line
    that cannot be written ends no work: standard error is mended before (`dateline.streams`).
    """
    terminal = sys.stderr.isatty()
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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _without_secrets(
    _logger: object, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {name: value for name, value in line.items() if name.lower() not in _SECRET}
