"""One command line from its first word to its exit code: every failure becomes one sentence."""

import asyncio
import contextlib
import errno
import os
import sys
from collections.abc import Sequence

import structlog
import typer
from pydantic import ValidationError

from dateline import printing, telemetry
from dateline.cli.main import app
from dateline.outcomes import DONE, INTERRUPTED, REFUSED, UNAVAILABLE, USAGE, exit_code
from dateline.wiring import BadUrl
from events.errors import DatelineError
from events.misshapen import misshapen

__all__ = ["run"]


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code and never lets a traceback out."""
    telemetry.configure("warning")  # until the settings say more
    try:
        found = app(args=list(arguments), prog_name="dateline", standalone_mode=False)
        sys.stdout.flush()
    except DatelineError as error:
        printing.complain(f"dateline: {error}")
        return exit_code(error)
    except typer.TyperException as error:
        return _wrong_usage(error)
    except (BadUrl, ValidationError) as error:
        printing.complain(f"dateline: {_setting(error)}")
        return USAGE
    except (KeyboardInterrupt, typer.Abort, asyncio.CancelledError):
        return _interrupted()
    except (BrokenPipeError, SystemExit) as error:
        # Whoever read it has had enough; typer would call that a failure.
        if not isinstance(
            error.__context__ if isinstance(error, SystemExit) else error, BrokenPipeError
        ):
            raise
        _let_go_of_stdout()
        return DONE
    except OSError as error:
        _let_go_of_stdout()
        what = f"{error.filename}: " if error.filename else ""
        printing.complain(f"dateline: {what}{error.strerror or error}")
        return UNAVAILABLE if error.errno in (errno.ENOSPC, errno.EIO) else REFUSED
    except Exception as error:  # noqa: BLE001 - the last resort: no traceback reaches a user
        structlog.get_logger().debug("fault", exc_info=True)
        what = f"{type(error).__name__}: {error}"
        printing.complain(
            f"dateline: a fault of its own ({what}); DATELINE_LOG_LEVEL=debug tells more"
        )
        return REFUSED
    if found == INTERRUPTED:
        return _interrupted()
    return found if isinstance(found, int) else DONE


def _let_go_of_stdout() -> None:
    """Keep Python from complaining when it flushes what cannot be written any more."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupted() -> int:
    printing.complain("dateline: interrupted; what was acknowledged is kept")
    return INTERRUPTED


def _wrong_usage(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError" and context is not None:
        sys.stderr.write(f"{context.get_help()}\n")
        return USAGE
    where = f" (see {context.command_path} --help)" if context is not None else ""
    said = getattr(error, "format_message", error.__str__)()
    printing.complain(f"dateline: {said}{where}")
    return USAGE


def _setting(error: BadUrl | ValidationError) -> str:
    if isinstance(error, BadUrl):
        return str(error)
    first = misshapen(error, ascii)[0]
    name = "_".join(first.path).upper()
    if name == "SMTP":  # with a password in it
        return f"setting DATELINE_{name}: expected {first.expected}; found another"
    return f"setting DATELINE_{name}: expected {first.expected}; found {first.found}"
