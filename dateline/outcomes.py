"""How a piece of work ended, as exit codes and HTTP statuses: the one table of both."""

from typing import Any, Final

from events.errors import (
    BookDamaged,
    Conflict,
    DatelineError,
    DeliveriesUnavailable,
    KeysUnavailable,
    LogDamaged,
    LogFull,
    LogUnavailable,
    NotFound,
    Refused,
    Unauthorised,
    ViewsUnavailable,
)

__all__ = [
    "DONE",
    "INTERRUPTED",
    "OUTCOMES",
    "REFUSED",
    "UNAVAILABLE",
    "USAGE",
    "exit_code",
    "facts_of",
    "http_status",
]

DONE = 0
REFUSED = 1
USAGE = 2
UNAVAILABLE = 3
INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl-C

# The nearest class of an error's ancestry decides: (exit code, HTTP status).
OUTCOMES: Final[dict[type[DatelineError], tuple[int, int]]] = {
    Refused: (REFUSED, 422),
    NotFound: (REFUSED, 404),
    Unauthorised: (REFUSED, 401),
    KeysUnavailable: (UNAVAILABLE, 503),
    BookDamaged: (UNAVAILABLE, 503),
    DeliveriesUnavailable: (UNAVAILABLE, 503),
    Conflict: (REFUSED, 409),
    LogFull: (UNAVAILABLE, 507),
    LogUnavailable: (UNAVAILABLE, 503),
    LogDamaged: (REFUSED, 500),
    ViewsUnavailable: (UNAVAILABLE, 503),
    DatelineError: (REFUSED, 500),
}


# Where the rule that was broken says more than the error's class.
RULES: Final = {
    "scope": 403,
    "size": 413,
    "json": 400,
    "cursor": 400,
    "filter": 400,
    "number": 400,
    "moment": 400,
    "if-match": 400,
    "header": 400,
}


def facts_of(error: Exception) -> dict[str, Any]:
    """Give what names an error to a program: its type and title, and the facts it is made of."""
    kind = type(error).__name__
    names = ("rule", "field", "expected", "found", "story", "position")
    facts = {name: getattr(error, name) for name in names if hasattr(error, name)}
    return {"type": f"urn:dateline:{kind.lower()}", "title": kind, **facts}


def http_status(error: DatelineError) -> int:
    """Give the status of an HTTP answer that ends with this error."""
    if isinstance(error, Refused) and error.rule in RULES:
        return RULES[error.rule]
    return next(OUTCOMES[kind][1] for kind in type(error).__mro__ if kind in OUTCOMES)


def exit_code(error: DatelineError) -> int:
    """Give the exit code of a program that ends with this error."""
    return next(OUTCOMES[kind][0] for kind in type(error).__mro__ if kind in OUTCOMES)
