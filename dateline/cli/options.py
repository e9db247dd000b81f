"""The options that commands share, and the newsroom opened for one command's work."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from dateline import printing, telemetry
from dateline.outcomes import DONE
from dateline.settings import Settings
from dateline.wiring import Newsroom, expect_log, newsroom

__all__ = ["By", "Json", "LogUrl", "Slug", "Yes", "agreed", "alone", "can_ask", "in_newsroom"]


def _given(value: str | None) -> str | None:
    """Refuse an option that was given without anything in it, as an unset variable leaves it."""
    if value is not None and not value.strip():
        raise typer.BadParameter("expected a value; found nothing")
    return value


LogUrl = Annotated[
    str | None,
    typer.Option(
        "--log",
        metavar="URL",
        help="the log; DATELINE_LOG, or sqlite:///dateline.db",
        callback=_given,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Slug = Annotated[str, typer.Argument(metavar="STORY", help="the story's slug")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask; where nobody can be asked")]
By = Annotated[
    str | None,
    typer.Option("--by", help="who files; DATELINE_BY, or desk:LOGIN", callback=_given),
]


def can_ask(*, json: bool) -> bool:
    """Whether somebody is at a terminal, and no program that reads what is printed."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not json


def agreed(question: str, *, yes: bool, json: bool) -> bool:
    """Ask whoever is at the terminal about what cannot be undone, unless they said `--yes`.

    Raises:
        BadParameter: nobody can be asked: there is no terminal, or a program reads the answer.
    """
    if yes:
        return True
    if not can_ask(json=json):
        raise typer.BadParameter(
            "expected --yes, or a terminal to ask on, for this cannot be undone; found neither; "
            "nothing was done"
        )
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() in {"y", "yes"}:
        return True
    printing.complain("dateline: nothing was done")
    return False


def in_newsroom(
    log: str | None,
    work: Callable[[Newsroom], Awaitable[int | None]],
    *,
    make: bool = False,
    loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> int:
    """Open the newsroom, do one command's work in it and close it.

    `make` lets a log be made that is not there yet. `loop` makes the event loop of a server, whose
    metrics say how it catches up, and whose standard error is its own log.
    """
    settings = Settings()
    telemetry.configure(settings.log_level)

    if not make:
        expect_log(log or settings.log)

    async def whole() -> int:
        with printing.catching_up() as told:
            seen = told if loop is None else None
            async with newsroom(log or settings.log, told=seen) as room:
                return await work(room) or DONE

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(whole())


def alone(log: str | None, work: Callable[[str], Awaitable[int]]) -> int:
    """Do the work of a command that opens what it needs by itself."""
    settings = Settings()
    telemetry.configure(settings.log_level)

    async def whole() -> int:
        return await work(log or settings.log)

    return asyncio.run(whole())
