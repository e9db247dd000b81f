"""The command line of custody: erasing by law, holding against erasure, and who read what."""

from typing import Annotated

import typer

from dateline.cli.options import By, Json, LogUrl, Slug, Yes, agreed, can_ask, in_newsroom
from dateline.commands import alerting, custody
from dateline.outcomes import REFUSED
from dateline.settings import Settings

__all__ = ["hold", "redact"]

hold = typer.Typer(help="Keep what the law wants kept.", no_args_is_help=True)

Target = Annotated[str, typer.Argument(metavar="TARGET", help="the development's ref")]
Held = Annotated[
    str | None, typer.Argument(metavar="TARGET", help="one development; the story by default")
]
Reason = Annotated[str, typer.Option(help="why")]


def redact(
    story: Slug,
    target: Target,
    field: Annotated[
        list[str],
        typer.Option(
            help="what is erased; once for each: body, claims.C1.text, people.0, private, contents"
        ),
    ],
    reason_code: Annotated[str, typer.Option(help="in a word, such as court-order")],
    legal_basis: Annotated[str, typer.Option(help="the law or the order")],
    ordered_by: Annotated[str, typer.Option(help="who ordered it")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what would be erased, and erase nothing")
    ] = False,
    yes: Yes = False,
    by: By = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Erase words from the log and every file beside it; that they were there stays proved.

    It cannot be undone: what would be erased is shown first, and somebody asked.
    """
    law = {"reason_code": reason_code, "legal_basis": legal_basis, "ordered_by": ordered_by}
    act = {"story": story, "kind": "redacted", "target": target, "fields": field, **law}
    settings = Settings()
    policy, name = alerting.policy_of(settings.alerts), by or settings.by
    if dry_run:
        return in_newsroom(log, lambda room: custody.foresee(room, act, name, json=json))
    if not yes and can_ask(json=json):
        in_newsroom(log, lambda room: custody.foresee(room, act, name, json=False))
    if not agreed("Erase this for ever?", yes=yes, json=json):
        return REFUSED
    return in_newsroom(log, lambda room: custody.redact(room, act, name, policy, json=json))


@hold.command("place")
def hold_place(
    story: Slug,
    reason: Reason,
    target: Held = None,
    by: By = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Let nothing of a development, or of a story, be erased."""
    act = {"story": story, "kind": "legal-hold-placed", "target": target, "reason": reason}
    return in_newsroom(log, lambda room: custody.file(room, act, by or Settings().by, json=json))


@hold.command("lift")
def hold_lift(
    story: Slug,
    reason: Reason,
    target: Held = None,
    by: By = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Let it be erased again."""
    act = {"story": story, "kind": "legal-hold-lifted", "target": target, "reason": reason}
    return in_newsroom(log, lambda room: custody.file(room, act, by or Settings().by, json=json))
