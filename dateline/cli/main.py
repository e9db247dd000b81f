"""The command line: what people type, turned into calls."""

from importlib import metadata
from typing import Annotated

import typer

from dateline import printing, telemetry
from dateline.cli import alerts, audit, custody, webhooks
from dateline.cli.options import By, Json, LogUrl, Slug, alone, in_newsroom
from dateline.commands import admission, alerting, given, upkeep
from dateline.commands import stories as commands
from dateline.outcomes import DONE
from dateline.roles import ALL, roles_of
from dateline.settings import Settings
from dateline.wiring import Newsroom

__all__ = ["app"]

app = typer.Typer(
    name="dateline",
    help="What happened in a story, who says so, and what was known when.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
parked = typer.Typer(help="Events that a consumer could not handle.", no_args_is_help=True)
keys = typer.Typer(help="Who may file and look inside over HTTP.", no_args_is_help=True)
app.add_typer(keys, name="keys")
app.add_typer(parked, name="parked")
app.add_typer(audit.audit, name="audit")
app.add_typer(alerts.alerts, name="alerts")
app.add_typer(webhooks.webhooks, name="webhooks")
alerts.alerts.command("test")(webhooks.drill)
app.add_typer(custody.hold, name="hold")


def _say_version(asked: bool) -> None:  # noqa: FBT001 - as typer hands it over
    if asked:
        printing.line(f"dateline {metadata.version('dateline')}")
        raise typer.Exit


@app.callback()
def _about(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="say which version this is", is_eager=True, callback=_say_version
        ),
    ] = False,
) -> None:
    del version  # said before any command is looked for


@app.command()
def demo() -> int:
    """File a real story, watch it, look back at it, correct a figure and verify the log."""
    from dateline import demo as show  # noqa: PLC0415 - the one command that ships with a story

    telemetry.configure(Settings().log_level)
    return show.play()


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="the address to listen at")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="the port to listen at, 0 for any that is free", min=0, max=65535)
    ] = 8080,
    roles: Annotated[
        str | None, typer.Option(help="desk, feed, alerts, clock, hub, with commas; all by default")
    ] = None,
    log: LogUrl = None,
) -> int:
    """Take filings and serve stories and the live feed over HTTP, until Ctrl-C."""
    import uvloop  # noqa: PLC0415 - the one command that needs HTTP

    from consumers.feed.live import Limits  # noqa: PLC0415 - likewise
    from dateline import outbox, server  # noqa: PLC0415 - likewise
    from dateline.door import listening, url_of  # noqa: PLC0415 - likewise

    try:
        played = roles_of(roles) if roles is not None else ALL
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    settings = Settings()
    limits = Limits(clients=settings.clients, from_one=settings.clients_from_one)
    policy = alerting.policy_of(settings.alerts)

    async def work(room: Newsroom) -> int:
        with (
            listening(host, port) as door,
            admission.keys_of(log or Settings().log) as known,
        ):
            room.policy = policy
            first = admission.first_key(known)
            if first:
                printing.complain(f"dateline: the desk's key, shown this once: {first}")

            def ready() -> None:
                server.settle()
                printing.line(f"dateline: serving {url_of(door)}")

            async with outbox.outbox(room, log or settings.log, outbox.sending_of(settings)) as out:
                outside = server.Outside(
                    settings.public_url, settings.hub, roles=played, guard=out.guard
                )
                made = server.Server(room, known, ready, limits, outside, out)
                await made.serve([door])
        return DONE

    return in_newsroom(log, work, make=True, loop=uvloop.new_event_loop)


Scopes = Annotated[
    list[str], typer.Option("--scope", help="what it may do; once for each: file, correct, …")
]


@keys.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="who holds it")],
    scope: Scopes,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Make a key; its text is shown this once."""
    return admission.create(log or Settings().log, name, scope, json=json)


@keys.command("list")
def keys_list(log: LogUrl = None, json: Json = False) -> int:
    """List keys with what they may do."""
    return admission.show(log or Settings().log, json=json)


@keys.command("revoke")
def keys_revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="the key's id, as listed")],
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """End a key for good; what was filed with it stays."""
    return admission.revoke(log or Settings().log, key, json=json)


@app.command("file")
def file_(
    story: Slug,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND", help="such as remarks-delivered; docs/reference/kinds.md has them all"
        ),
    ],
    headline: Annotated[
        str | None, typer.Option(help="what happened, in the present tense")
    ] = None,
    expected_version: Annotated[
        int | None, typer.Option(help="refuse unless the story is at this version")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="JSON|@FILE|-", help="all other fields, as in docs/reference/kinds.md"
        ),
    ] = None,
    by: By = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """File one development."""
    content = given.content(story, kind, headline, data)
    return in_newsroom(
        log,
        lambda room: commands.file(room, content, by or Settings().by, expected_version, json=json),
        make=True,
    )


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="JSONL, .jsonl.gz, or - for stdin")],
    by: By = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Import filings. A story with a bad line is left out whole; cut short, run it again."""
    return in_newsroom(
        log,
        lambda room: commands.import_file(room, file, by or Settings().by, json=json),
        make=True,
    )


@app.command()
def story(
    story: Slug,
    as_of: Annotated[
        str | None, typer.Option(metavar="POSITION|TIME", help="as it was known at that moment")
    ] = None,
    occurred_by: Annotated[
        str | None, typer.Option(metavar="TIME", help="only what had happened in the world by then")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="only what is released")] = False,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Show the state of a story."""
    return in_newsroom(
        log,
        lambda room: commands.story(room, story, as_of, occurred_by, public=public, json=json),
    )


@app.command()
def stories(log: LogUrl = None, json: Json = False) -> int:
    """List all stories, the one that moved last first."""
    return in_newsroom(log, lambda room: commands.stories(room, json=json))


@app.command()
def history(story: Slug, log: LogUrl = None, json: Json = False) -> int:
    """Show every event of a story."""
    return in_newsroom(log, lambda room: commands.history(room, story, json=json))


@app.command()
def diff(
    story: Slug,
    before: Annotated[str, typer.Argument(metavar="FROM", help="position or time")],
    after: Annotated[str, typer.Argument(metavar="TO", help="position or time")],
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Show what changed in a story between two positions or times."""
    return in_newsroom(log, lambda room: commands.diff(room, story, before, after, json=json))


@app.command()
def follow(
    after: Annotated[
        int | None,
        typer.Option(
            metavar="CURSOR", help="start past this position, 0 is all; now by default", min=0
        ),
    ] = None,
    story: Annotated[str | None, typer.Option(help="only this story")] = None,
    kind: Annotated[str | None, typer.Option(help="only this kind")] = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Show events as they are recorded, for the newsroom: released or not, until Ctrl-C."""
    return in_newsroom(
        log, lambda room: commands.follow(room, after, story, kind, json=json), make=True
    )


@app.command()
def rebuild(
    projection: Annotated[
        str, typer.Argument(metavar="PROJECTION", help="which view; there is one")
    ] = "stories",
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Make a view anew beside the live one, then swap."""
    if projection != "stories":
        raise typer.BadParameter(f"expected stories; found {projection}")
    return in_newsroom(log, lambda room: commands.rebuild_view(room, json=json))


@parked.command("list")
def parked_list(log: LogUrl = None, json: Json = False) -> int:
    """List parked events with the reason."""
    return in_newsroom(log, lambda room: commands.parked_list(room, json=json))


Parked = Annotated[int, typer.Argument(metavar="POSITION", help="position of the parked event")]
Consumer = Annotated[str, typer.Option(help="the consumer that parked it")]


@parked.command("retry")
def parked_retry(
    position: Parked,
    consumer: Consumer = "stories",
    by: By = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Let the consumer try a parked event again; the act is recorded."""
    settings = Settings()
    policy = alerting.policy_of(settings.alerts)

    async def work(room: Newsroom) -> int:
        room.policy = policy
        who = by or settings.by
        return await commands.parked_retry(room, consumer, position, who, json=json)

    return in_newsroom(log, work)


@parked.command("skip")
def parked_skip(
    position: Parked,
    reason: Annotated[str, typer.Option(help="why the consumer may go on without it")],
    consumer: Consumer = "stories",
    by: By = None,
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Take a parked event off the list; the act is recorded."""
    return in_newsroom(
        log,
        lambda room: commands.parked_skip(
            room, consumer, position, reason, by or Settings().by, json=json
        ),
    )


@app.command()
def backup(
    file: Annotated[str, typer.Argument(metavar="FILE", help="the copy to make")],
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Copy the log while it is in use, and verify the copy."""
    return alone(log, lambda url: upkeep.backup(url, file, json=json))


@app.command()
def restore(
    file: Annotated[str, typer.Argument(metavar="FILE", help="a copy made by backup")],
    log: LogUrl = None,
    json: Json = False,
) -> int:
    """Verify a copy and put it where the log is to be; never over a log."""
    return alone(log, lambda url: upkeep.restore(url, file, json=json))


@app.command()
def relay(
    source: Annotated[str, typer.Option("--from", metavar="URL", help="the log to copy")],
    target: Annotated[str, typer.Option("--to", metavar="URL", help="kafka://HOST:PORT/TOPIC")],
    follow: Annotated[
        bool, typer.Option("--follow", help="go on with what is appended, until Ctrl-C")
    ] = False,
    json: Json = False,
) -> int:
    """Copy a log to a Kafka log, place by place; cut short, run it again."""
    return alone(source, lambda url: upkeep.relay(url, target, follow=follow, json=json))


@app.command()
def doctor(log: LogUrl = None, json: Json = False) -> int:
    """Say what is configured, reachable, lagging and at risk."""
    return alone(log, lambda url: upkeep.doctor(url, json=json))


app.command("redact")(custody.redact)  # last: nobody should come upon it first
