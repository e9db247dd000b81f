"""The command line of the auditor: `dateline audit …`."""

from typing import Annotated

import typer

from consumers.audit import export as exporting
from dateline.cli.options import By, Json, LogUrl, Slug, Yes, agreed, in_newsroom
from dateline.commands import alerting, auditing, custody
from dateline.outcomes import REFUSED
from dateline.settings import Settings

__all__ = ["audit"]

audit = typer.Typer(help="Prove that the record is what was written.", no_args_is_help=True)

Position = Annotated[int, typer.Argument(metavar="POSITION", help="the event's position", min=1)]


@audit.command("verify")
def verify(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE", help="an export to verify, without any log; the log by default"
        ),
    ] = None,
    kept: Annotated[
        str | None,
        typer.Option(metavar="CHECKPOINT", help="a file with a signed checkpoint from before"),
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="the public key to trust, name+id+base64")
    ] = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Hold every byte against the audit tree; exit 1 names the first bad position."""
    if file is not None and log is not None:
        raise typer.BadParameter("expected a file or --log; found both: an export needs no log")
    if file is not None:
        return auditing.verify_export(file, key, kept, json=json)
    if key is not None and kept is None:
        raise typer.BadParameter("expected --kept with --key: a log is held against a checkpoint")
    return in_newsroom(log, lambda room: auditing.verify(room, key, kept, json=json))


@audit.command("checkpoint")
def checkpoint(
    *,
    key: Annotated[bool, typer.Option("--key", help="print the public key instead")] = False,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Print a signed checkpoint of the log as it is now; keep it somewhere else."""
    return in_newsroom(log, lambda room: auditing.checkpoint(room, key=key, json=json))


@audit.command("voids")
def voids(log: LogUrl = None, json: Json = False) -> int:
    """List records of a Kafka topic that got no place in the log, and why."""
    return in_newsroom(log, lambda room: auditing.voids(room, json=json))


@audit.command("cosigned")
def cosigned(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="a checkpoint of this log that a witness cosigned")
    ],
    witness: Annotated[str, typer.Option(metavar="KEY", help="the witness's public key")],
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Take a checkpoint back from a witness; it is published with the cosignature from then on."""
    return in_newsroom(log, lambda room: auditing.cosigned(room, file, witness, json=json))


@audit.command("prove")
def prove(position: Position, log: LogUrl = None, json: Json = False) -> int:
    """Print the proof that an event is in the log, as a .tlog-proof file."""
    return in_newsroom(log, lambda room: auditing.prove(room, position, json=json))


@audit.command("consistency")
def consistency(
    before: Annotated[int, typer.Argument(metavar="FROM", help="the smaller size", min=1)],
    after: Annotated[
        int | None, typer.Argument(metavar="TO", help="the larger size; the log by default", min=1)
    ] = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Print the proof that the log of one size begins with that of a smaller one."""
    return in_newsroom(log, lambda room: auditing.consistency(room, before, after, json=json))


@audit.command("export")
def export(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="the file to make, such as log.jsonl.gz")
    ],
    story: Annotated[str | None, typer.Option(help="only this story, each event proved")] = None,
    parts: Annotated[
        str,
        typer.Option(
            help="public (what readers may see), internal (all but what is private) or private"
        ),
    ] = "internal",
    by: By = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Write the log or a story to one file, with the program that verifies it beside it.

    Who exports private parts is recorded. Every export, a public one too, names who filed each
    event that it shows: that stands in what is hashed.
    """
    if parts not in exporting.PARTS:
        raise typer.BadParameter(f"expected public, internal or private; found {parts}")
    name = by or Settings().by
    return in_newsroom(log, lambda room: auditing.export(room, file, story, parts, name, json=json))


@audit.command("retention")
def retention(log: LogUrl = None, json: Json = False) -> int:
    """Say which backups and exports were made before something was erased.

    What is still to be cleaned after an erasure is cleaned first.
    """
    policy = alerting.policy_of(Settings().alerts)
    return in_newsroom(log, lambda room: custody.retention(room, policy, json=json))


@audit.command("reads")
def reads(
    reader: Annotated[str | None, typer.Option(help="only this reader, such as key:wire")] = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """List who was given private parts of what."""
    return in_newsroom(log, lambda room: custody.reads(room, reader, json=json))


@audit.command("rotate-key")
def rotate_key(yes: Yes = False, log: LogUrl = None, json: Json = False) -> int:
    """Change the key that signs checkpoints; the change is recorded, signed by both keys."""
    if not agreed("Change the key? The one before is gone then.", yes=yes, json=json):
        return REFUSED
    return in_newsroom(log, lambda room: custody.rotate_key(room, json=json))


@audit.command("replay")
def replay(
    until: Annotated[str, typer.Option(metavar="POSITION|TIME", help="the moment")],
    since: Annotated[
        str | None, typer.Option(metavar="POSITION|TIME", help="and what changed since this one")
    ] = None,
    story: Annotated[str | None, typer.Option(help="only this story")] = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Show what readers saw and were told, what the desk knew, alerts, and who did what."""
    return in_newsroom(log, lambda room: auditing.replay(room, until, since, story, json=json))


@audit.command("report")
def report(
    story: Slug,
    ref: Annotated[str, typer.Argument(metavar="REF", help="the development's ref")],
    html: Annotated[
        str | None, typer.Option(metavar="FILE", help="write a page instead of printing")
    ] = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Tell the life of one development: filed, approved, released, alerted, corrected, chased."""
    return in_newsroom(log, lambda room: auditing.report(room, story, ref, html, json=json))
