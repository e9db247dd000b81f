"""The command line of subscribing: `dateline webhooks …`, and the drill of `dateline alerts`."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from dateline.cli.options import Json, LogUrl, in_newsroom
from dateline.settings import Settings
from dateline.wiring import Newsroom

if TYPE_CHECKING:
    from dateline.outbox import Outbox

__all__ = ["drill", "webhooks"]

webhooks = typer.Typer(help="Whom alerts go to, and what became of them.", no_args_is_help=True)

Target = Annotated[str, typer.Argument(metavar="TARGET", help="the target's id, as listed")]


def _in_outbox(
    log: str | None, work: Callable[["Outbox"], Awaitable[int]], *, make: bool = False
) -> int:
    """Open the newsroom with all that sends, and do one command's work in it."""
    # Only for these commands: what sends takes its time to be read in.
    from dateline.commands.webhooks import suggesting  # noqa: PLC0415 - as just said
    from dateline.outbox import outbox, sending_of  # noqa: PLC0415 - as just said

    settings = Settings()

    async def whole(room: Newsroom) -> int:
        sending = sending_of(settings)
        async with outbox(room, log or settings.log, sending) as out, suggesting(out):
            return await work(out)

    return in_newsroom(log, whole, make=make)


@webhooks.command("add")
def add(
    address: Annotated[
        str, typer.Argument(metavar="URL", help="https:, mailto:, console:, ntfys:, slack:, …")
    ],
    wishes: Annotated[
        str, typer.Option(metavar="JSON", help="which alerts; everything by default")
    ] = "{}",
    handshake: Annotated[
        str, typer.Option(help="how a webhook is asked: options or challenge")
    ] = "options",
    owner: Annotated[
        str | None, typer.Option(metavar="TARGET", help="who is told before it is disabled")
    ] = None,
    name: Annotated[str | None, typer.Option(help="letters and digits; made by default")] = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Have alerts sent somewhere. A webhook is asked first; its secret is shown this once."""
    from dateline.commands import webhooks as work  # noqa: PLC0415 - as in _in_outbox

    return _in_outbox(
        log,
        lambda out: work.add(out, address, wishes, handshake, owner, name, json=json),
        make=True,
    )


@webhooks.command("list")
def list_(log: LogUrl = None, json: Json = False) -> int:
    """List whom alerts go to."""
    from dateline.commands import webhooks as work  # noqa: PLC0415 - as in _in_outbox

    return _in_outbox(log, lambda out: work.listed(out, json=json))


@webhooks.command("attempts")
def attempts(
    of: Annotated[
        str | None, typer.Argument(metavar="TARGET|DELIVERY", help="all by default")
    ] = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """List deliveries with each try, newest first."""
    from dateline.commands import webhooks as work  # noqa: PLC0415 - as in _in_outbox

    return _in_outbox(log, lambda out: work.attempts(out, of, json=json))


@webhooks.command("resend")
def resend(
    delivery: Annotated[str, typer.Argument(metavar="DELIVERY", help="its id: msg_…")],
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Have one delivery sent once more, under its id, by the server."""
    from dateline.commands import webhooks as work  # noqa: PLC0415 - as in _in_outbox

    return _in_outbox(log, lambda out: work.resend(out, delivery, json=json))


@webhooks.command("recover")
def recover(
    target: Target,
    since: Annotated[str, typer.Option(metavar="TIME", help="what it missed from then on")],
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Enable a target, and have all sent that it missed."""
    from dateline.commands import webhooks as work  # noqa: PLC0415 - as in _in_outbox

    return _in_outbox(log, lambda out: work.recover(out, target, since, json=json))


@webhooks.command("disable")
def disable(
    target: Target,
    reason: Annotated[str, typer.Option(help="why")] = "disabled by hand",
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Send a target nothing more; `recover` has sent what it misses."""
    from dateline.commands import webhooks as work  # noqa: PLC0415 - as in _in_outbox

    return _in_outbox(log, lambda out: work.disable(out, target, reason, json=json))


@webhooks.command("change")
def change(
    target: Target,
    wishes: Annotated[
        str, typer.Option(metavar="JSON", help="which alerts from now on, in place of all before")
    ],
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Change which alerts a target gets."""
    from dateline.commands import webhooks as work  # noqa: PLC0415 - as in _in_outbox

    return _in_outbox(log, lambda out: work.change(out, target, wishes, json=json))


@webhooks.command("remove")
def remove(target: Target, log: LogUrl = None, json: Json = False) -> int:
    """Forget a target and its secret; it gets no corrections of earlier alerts either."""
    from dateline.commands import webhooks as work  # noqa: PLC0415 - as in _in_outbox

    return _in_outbox(log, lambda out: work.remove(out, target, json=json))


@webhooks.command("rotate")
def rotate(target: Target, log: LogUrl = None, json: Json = False) -> int:
    """Give a webhook a new secret, shown this once; the old one signs beside it for a day."""
    from dateline.commands import webhooks as work  # noqa: PLC0415 - as in _in_outbox

    return _in_outbox(log, lambda out: work.rotate(out, target, json=json))


def drill(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="TARGET…", help="all by default")
    ] = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Send a drill, marked as one, and say whom it reached; exit 1 when it missed somebody."""
    from dateline.commands import webhooks as work  # noqa: PLC0415 - as in _in_outbox

    return _in_outbox(log, lambda out: work.drill(out, targets or [], json=json))
