"""How a piece of work ended, as exit codes and HTTP statuses: the one table of both."""

from typing import Final

from events.errors import (
    Conflict,
    DatelineError,
    LogDamaged,
    LogFull,
    LogUnavailable,
    NotFound,
    Refused,
    ViewsUnavailable,
)

__all__ = ["DONE", "INTERRUPTED", "OUTCOMES", "REFUSED", "UNAVAILABLE", "USAGE", "exit_code"]

DONE = 0
REFUSED = 1
USAGE = 2
UNAVAILABLE = 3
INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl-C

# The nearest class of an error's ancestry decides: (exit code, HTTP status).
OUTCOMES: Final[dict[type[DatelineError], tuple[int, int]]] = {
    Refused: (REFUSED, 422),
    NotFound: (REFUSED, 404),
    Conflict: (REFUSED, 409),
    LogFull: (UNAVAILABLE, 507),
    LogUnavailable: (UNAVAILABLE, 503),
    LogDamaged: (REFUSED, 500),
    ViewsUnavailable: (UNAVAILABLE, 503),
    DatelineError: (REFUSED, 500),
}


def exit_code(error: DatelineError) -> int:
    """Give the exit code of a program that ends with this error."""
    return next(OUTCOMES[kind][0] for kind in type(error).__mro__ if kind in OUTCOMES)
