"""One command line from its first word to its exit code: every failure becomes one sentence."""

import asyncio
import contextlib
import errno
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import structlog
import typer
from pydantic import ValidationError

from dateline import printing, streams, telemetry
from dateline.cli.main import app
from dateline.outcomes import DONE, INTERRUPTED, REFUSED, UNAVAILABLE, USAGE, exit_code, facts_of
from dateline.urls import BadUrl
from events.errors import DatelineError
from events.misshapen import misshapen

__all__ = ["run"]


# What is so after Ctrl-C, whenever it came, and how to go on, by command.
_GO_ON: Final = {
    "import": "what was recorded is kept; the same import again goes on from there",
    "relay": "what was copied is kept; the same relay again goes on from there",
    "rebuild": "a view is changed whole or not at all; the same command again begins anew",
    "backup": "a copy is made whole or not at all; where there is none, begin again",
    "restore": "a log is made whole or not at all; where there is none, begin again",
    "follow": "`--after` and the last position that was shown go on from there",
    "audit verify": "nothing was changed; the same command again begins anew",
    "audit export": "an export is made whole or not at all; where there is none, begin again",
    "alerts test": "what was sent is sent; `dateline webhooks attempts` shows what became of it",
}


def _end(as_json: bool, code: int, sentence: str, facts: Mapping[str, Any] | None = None) -> int:  # noqa: FBT001 - bound first
    """End without a result: say why in one sentence, or to a program as one JSON object."""
    if as_json:
        told = {"type": "about:blank", "title": "Refused", **(facts or {})}
        # Not by orjson: an argument need not be UTF-8, and stderr writes `\udce9` for such a byte.
        said = json.dumps({**told, "detail": sentence, "exit_code": code}, ensure_ascii=False)
        sys.stderr.write(f"{said}\n")
    else:
        printing.complain(f"dateline: {sentence}")
    return code


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code and never lets a traceback out."""
    telemetry.configure("warning")  # until the settings say more
    end = partial(_end, "--json" in arguments)
    try:
        found = app(args=list(arguments), prog_name="dateline", standalone_mode=False)
        sys.stdout.flush()
    except DatelineError as error:
        return end(exit_code(error), str(error), facts_of(error))
    except typer.TyperException as error:
        return _wrong_usage(error, end)
    except (BadUrl, ValidationError) as error:
        return end(USAGE, _setting(error), {"title": "WrongUsage"})
    except (KeyboardInterrupt, typer.Abort, asyncio.CancelledError):
        return _interrupted(arguments)
    except (BrokenPipeError, SystemExit) as error:
        # Whoever read it has had enough; typer would call that a failure.
        if not isinstance(
            error.__context__ if isinstance(error, SystemExit) else error, BrokenPipeError
        ):
            raise
        _let_go_of_stdout()
        return DONE
    except streams.Untold as error:
        _let_go_of_stdout()
        # Never UNAVAILABLE: whoever files the same again has it there twice.
        return end(REFUSED, f"{error.filename}: {error.strerror}; what was recorded is kept")
    except UnicodeEncodeError as error:  # only an argument is text that cannot be encoded
        found = ascii(error.object[: printing.SHORT])
        return end(REFUSED, f"expected text that is UTF-8; found {found}")
    except OSError as error:
        _let_go_of_stdout()
        what = f"{error.filename}: " if error.filename else ""
        code = UNAVAILABLE if error.errno in (errno.ENOSPC, errno.EIO) else REFUSED
        return end(code, f"{what}{error.strerror or error}")
    except Exception as error:  # noqa: BLE001 - the last resort: no traceback reaches a user
        structlog.get_logger().debug("fault", exc_info=True)
        what = f"{type(error).__name__}: {error}"
        sentence = f"a fault of its own ({what}); DATELINE_LOG_LEVEL=debug tells more"
        return end(REFUSED, sentence, {"title": "Fault"})
    if found == INTERRUPTED:
        return _interrupted(arguments)
    return found if isinstance(found, int) else DONE


def _let_go_of_stdout() -> None:
    """Keep Python from complaining when it flushes what cannot be written any more."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupted(arguments: Sequence[str]) -> int:
    words = (" ".join(arguments[:2]), *arguments[:1])
    told = next((_GO_ON[word] for word in words if word in _GO_ON), "what was acknowledged is kept")
    printing.complain(f"dateline: interrupted; {told}")
    return INTERRUPTED


def _wrong_usage(error: typer.TyperException, end: Callable[..., int]) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError" and context is not None:
        sys.stderr.write(f"{context.get_help()}\n")
        return USAGE
    where = f" (see {context.command_path} --help)" if context is not None else ""
    said = getattr(error, "format_message", error.__str__)()
    if isinstance(error.__cause__, ValidationError):  # a library's words, for programmers
        first = misshapen(error.__cause__, _cut)[0]
        plain = f"expected {first.expected}; found {first.found}"
        said = said.replace(getattr(error, "message", ""), plain)
    return end(USAGE, f"{said}{where}", {"title": "WrongUsage"})


def _cut(value: object) -> str:
    return ascii(value)[: printing.SHORT]


def _setting(error: BadUrl | ValidationError) -> str:
    if isinstance(error, BadUrl):
        return str(error)
    first = misshapen(error, _cut)[0]
    name = "_".join(first.path).upper()
    if name == "SMTP":  # with a password in it
        return f"setting DATELINE_{name}: expected {first.expected}; found another"
    return f"setting DATELINE_{name}: expected {first.expected}; found {first.found}"
