"""The command line of alerts: `dateline alerts …`."""

from typing import Annotated

import typer

from dateline.cli.options import By, Json, LogUrl, Slug, in_newsroom
from dateline.commands import alerting
from dateline.settings import Settings
from events.alerts import STATES

__all__ = ["alerts"]

alerts = typer.Typer(help="Who is told of what, and why.", no_args_is_help=True)
policy = typer.Typer(help="The policy by which news alerts.", no_args_is_help=True)
silence = typer.Typer(help="Stories that do not alert for a while.", no_args_is_help=True)
alerts.add_typer(policy, name="policy")
alerts.add_typer(silence, name="silence")

Reason = Annotated[str, typer.Option(help="why, for the record")]


@policy.command("check")
def policy_check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="the policy, a TOML file")],
    json: Json = False,
) -> int:
    """Name every mistake in a policy; exit 1 when there is one."""
    return alerting.check_policy(file, Settings(), json=json)


@policy.command("rehearse")
def policy_rehearse(
    file: Annotated[str, typer.Argument(metavar="FILE", help="the policy, a TOML file")],
    story: Annotated[str | None, typer.Option(help="only this story")] = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Say what a policy would have decided of what the log holds; nothing is written."""
    return in_newsroom(log, lambda room: alerting.rehearse_policy(room, file, story, json=json))


@alerts.command("list")
def list_(
    story: Annotated[str | None, typer.Option(help="only this story")] = None,
    state: Annotated[
        str | None, typer.Option(help=f"only what became of this: {', '.join(STATES)}")
    ] = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """List the newest alerts and what became of them."""
    if state is not None and state not in STATES:
        raise typer.BadParameter(f"expected one of {', '.join(STATES)}; found {state}")
    return in_newsroom(log, lambda room: alerting.list_alerts(room, story, state, json=json))


@alerts.command("explain")
def explain(
    alert: Annotated[
        str, typer.Argument(metavar="ALERT", help="STORY/REF of an alert or of a development")
    ],
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Say why a development did or did not alert, step by step."""
    known = alerting.policy_of(Settings().alerts)
    return in_newsroom(log, lambda room: alerting.explain_alert(room, alert, known, json=json))


@silence.command("add")
def silence_add(
    story: Slug,
    until: Annotated[
        str, typer.Option(metavar="TIME", help="when it ends, such as 2026-11-25T18:00:00Z")
    ],
    reason: Reason,
    level: Annotated[
        list[str] | None, typer.Option(help="only this level; may be repeated")
    ] = None,
    kind: Annotated[list[str] | None, typer.Option(help="only this kind; may be repeated")] = None,
    by: By = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Ask that a story does not alert for a while; the act is recorded."""
    who = by or Settings().by
    return in_newsroom(
        log,
        lambda room: alerting.silence_add(
            room, story, until, reason, level or [], kind or [], who, json=json
        ),
    )


@silence.command("list")
def silence_list(log: LogUrl = None, json: Json = False) -> int:
    """List silences with author, reason and end."""
    return in_newsroom(log, lambda room: alerting.silence_list(room, json=json))


@silence.command("remove")
def silence_remove(
    name: Annotated[str, typer.Argument(metavar="SILENCE", help="STORY/REF, as listed")],
    reason: Reason,
    by: By = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """End a silence before its time; the act is recorded."""
    who = by or Settings().by
    return in_newsroom(
        log, lambda room: alerting.silence_remove(room, name, reason, who, json=json)
    )
