"""What each command of alerts does: check and rehearse a policy, list, explain, silence."""

from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import uuid_utils

from consumers.alerts.explain import explain
from consumers.alerts.policy import Finding, Policy, check, load
from consumers.alerts.rehearsal import rehearse
from dateline import printing
from dateline.commands.stories import summaries
from dateline.outcomes import DONE, REFUSED
from dateline.settings import Settings
from dateline.wiring import Newsroom
from events.alerts import AlertDecision
from events.envelope import Recorded, instant
from events.errors import NotFound, Refused
from producers.case import Actor
from producers.intake import take

__all__ = [
    "check_policy",
    "explain_alert",
    "list_alerts",
    "policy_of",
    "rehearse_policy",
    "silence_add",
    "silence_list",
    "silence_remove",
]

SHOWN = 100  # alerts in a list, the newest


def policy_of(file: str | None) -> Policy | None:
    """Read the policy of a newsroom, None where it has none.

    Raises:
        Refused: there is a mistake in it.
    """
    return None if file is None else load(_text(file))


def _text(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Refused("policy", "file", "TOML in UTF-8", str(error)) from None


def check_policy(file: str, settings: Settings, *, json: bool) -> int:
    """Name every mistake in a policy; exit 1 when there is one.

    Where the settings name no relay that takes mail, targets that mail goes to are named as well.
    """
    policy, findings = check(_text(file))
    if policy is not None:
        findings += _of_addresses(policy, allow_loopback=settings.allow_loopback_targets)
    unsent = [] if policy is None or settings.smtp else _by_mail(policy)
    if json:
        found = [finding._asdict() for finding in findings]
        printing.show_json({"file": file, "findings": found, "unsent": unsent})
    elif findings:
        for finding in findings:
            printing.line(f"{file}: {finding}")
    elif policy is not None:
        routes = printing.counted(len(policy.route), "route")
        targets = printing.counted(len(policy.target), "target")
        printing.line(f"{file}: {routes} and {targets}, no mistake found")
        for target in unsent:
            printing.line(
                f"{file}: nothing will reach {target} where DATELINE_SMTP is not set, as here: "
                "it names the relay that takes mail",
                "yellow",
            )
    return REFUSED if findings else DONE


def _of_addresses(policy: Policy, *, allow_loopback: bool) -> Iterator[Finding]:
    """Find the targets of a policy that a server would refuse to begin with."""
    # What calls out takes a quarter of a second to load, and no other command looks at addresses.
    from consumers.delivery.endpoints import Named  # noqa: PLC0415 - loaded when asked for
    from consumers.delivery.guard import Guard  # noqa: PLC0415 - loaded when asked for
    from consumers.delivery.registrar import address_of  # noqa: PLC0415 - loaded when asked for

    guard = Guard(allow_loopback=allow_loopback)
    for n, target in enumerate(policy.target):
        try:
            address_of(Named(target.target, target.address), guard)
        except Refused as error:
            yield Finding(f"target.{n}.address", error.expected, error.found)


def _by_mail(policy: Policy) -> list[str]:
    return [target.id for target in policy.target if target.channel == "mail"]


async def rehearse_policy(room: Newsroom, file: str, story: str | None, *, json: bool) -> int:
    """Say what a policy would have decided.

    Raises:
        NotFound: there is no such story.
        Refused: there is a mistake in the policy.
    """
    policy = load(_text(file))
    await room.subscription.catch_up()
    stories = [each.story for each in summaries(room)] if story is None else [story]
    rows = []
    for slug in stories:
        events = [event async for event in room.log.read_versions(slug)]
        if not events:
            raise NotFound("story", slug)
        rows += [_decided(each) for each in rehearse(events, policy, room.clock())]
    rows.sort(key=itemgetter("at"))
    if json:
        printing.show_json(rows)
    elif rows:
        cells = [[row[name] for name in _REHEARSED] for row in rows]
        printing.table([name.upper() for name in _REHEARSED], cells)
    else:
        printing.line("it would have decided nothing")
    return DONE


_REHEARSED: Final = ("at", "story", "alert", "level", "decision", "from", "why")


def _decided(event: Recorded) -> dict[str, str]:
    made = event.development
    assert isinstance(made, AlertDecision)  # noqa: S101 - nothing else is decided
    alert = made.alert
    come, what = ", ".join(alert.derived_from), made.kind.removeprefix("alert-")
    facts = (event.recorded_at, event.story, alert.ref, alert.level, what, come, alert.reason)
    return dict(zip(_REHEARSED, facts, strict=True))


async def list_alerts(room: Newsroom, story: str | None, state: str | None, *, json: bool) -> int:
    """List the newest alerts, of all stories or one."""
    found = await room.alerts(SHOWN, story=story, state=state)
    if json:
        printing.show_json(found)
        return DONE
    rows = [
        (
            f"{alert['story']}/{alert['ref']}",
            alert["level"],
            alert["state"],
            f"{alert['reached']} of {alert['owed']}",
            ", ".join(alert["derived_from"]),
            alert["reason"],
        )
        for alert in found
    ]
    if rows:
        printing.table(("ALERT", "LEVEL", "STATE", "REACHED", "FROM", "WHY"), rows)
    else:
        printing.line("no such alerts" if story or state else "no alerts yet")
    return DONE


async def explain_alert(room: Newsroom, name: str, policy: Policy | None, *, json: bool) -> int:
    """Say why a development did or did not alert.

    Raises:
        NotFound: the story has nothing of that name that could alert.
        Refused: it is no name of an alert or a development.
    """
    story, _, ref = name.partition("/")
    if not ref:
        raise Refused("alert", "alert", "STORY/REF, such as harbour-fire/alert-3", repr(name))
    events = [event async for event in room.log.read_versions(story)]
    found = explain(events, ref, policy) if events else None
    if found is None:
        raise NotFound("alert or development", name)
    alerts = dict.fromkeys(step.alert for step in found.steps)
    whom = {alert: room.reach.whom(story, alert) if room.reach else [] for alert in alerts}
    if json:
        steps = [step._asdict() for step in found.steps]
        told = {alert: [one._asdict() for one in some] for alert, some in whom.items()}
        printing.show_json(found._asdict() | {"steps": steps, "whom": told})
        return DONE
    printing.line(f"{name}: {found.outcome}: {found.why}")
    for step in found.steps:
        until = f", until {step.until}" if step.until else ""
        printing.line(
            f"{step.position:>7}  {step.recorded_at}  {step.decision:<10} {step.alert} "
            f"({step.level}) from {', '.join(step.derived_from)}{until}: {step.reason}"
        )
    for alert, some in whom.items():
        for one in some:
            printing.line(f"         {alert} to {one.target}: {one.state}: {one.reason}")
    return DONE


async def silence_add(  # noqa: PLR0917 - the facts of a silence
    room: Newsroom,
    story: str,
    until: str,
    reason: str,
    levels: list[str],
    kinds: list[str],
    by: str,
    *,
    json: bool,
) -> int:
    """Ask that a story does not alert for a while."""
    ref = f"silence-{str(uuid_utils.uuid7())[-12:]}"
    silence: dict[str, Any] = {"ref": ref, "until": until, "levels": levels, "kinds": kinds}
    act = {"story": story, "kind": "silence-added", "silence": silence, "reason": reason}
    receipt = await room.publisher.file(take(act), Actor(by))
    if json:
        printing.show_json({**receipt._asdict(), "silence": ref})
    else:
        printing.line(f"{story}: silenced until {until} as {ref}")
    return DONE


async def silence_list(room: Newsroom, *, json: bool) -> int:
    """List the silences of all stories, with what became of each."""
    await room.subscription.catch_up()
    now = instant(room.clock())
    found = [
        {**silence, "state": _state(silence, now)}
        for silence in room.stories.of_alerts("silences", SHOWN)
    ]
    if json:
        printing.show_json(found)
        return DONE
    for silence in found:
        printing.line(
            f"{silence['story']}/{silence['ref']}  {silence['state']:<8} until {silence['until']}, "
            f"{_kept_back(silence)}: {silence['reason']} ({silence['by']})"
        )
    if not found:
        printing.line("no silences")
    return DONE


def _kept_back(silence: dict[str, Any]) -> str:
    """Say which alerts a silence keeps back."""
    levels, kinds = (" or ".join(silence[name]) for name in ("levels", "kinds"))
    return f"{levels or 'every'} alert{f' of {kinds}' if kinds else ''}"


def _state(silence: dict[str, Any], now: str) -> str:
    if silence.get("removed"):
        return "removed"
    return "in force" if now < silence["until"] else "over"


async def silence_remove(room: Newsroom, name: str, reason: str, by: str, *, json: bool) -> int:
    """End a silence before its time."""
    story, _, ref = name.partition("/")
    act = {"story": story, "kind": "silence-removed", "silence": ref, "reason": reason}
    receipt = await room.publisher.file(take(act), Actor(by))
    if json:
        printing.show_json(receipt._asdict())
    else:
        printing.line(f"{name} is removed")
    return DONE
