"""What each command of subscribing does, once the outbox is open: call, then show."""

import asyncio
import contextlib
import difflib
from collections.abc import AsyncIterator, Sequence
from typing import Final

import uuid_utils

from consumers.delivery.message import DRILL
from consumers.delivery.registrar import described, handshake_of
from consumers.delivery.routes import attempt_shown
from consumers.delivery.rows import Attempt, Planned
from consumers.delivery.wishes import wishes_of
from consumers.stories.moments import moment
from dateline import printing
from dateline.outbox import Outbox
from dateline.outcomes import DONE, REFUSED
from events.envelope import instant
from events.errors import NotFound, Refused

__all__ = [
    "add",
    "attempts",
    "change",
    "disable",
    "drill",
    "listed",
    "recover",
    "remove",
    "resend",
    "rotate",
    "suggesting",
]

DRILL_SECONDS = 40.0  # that a drill is waited for: the slowest channel has thirty
OPEN = frozenset({"pending", "in flight"})
_TARGETS: Final = frozenset({"target", "active target"})  # what an error says there is none of
LOOK = 0.05  # seconds between looks at what became of it


async def add(  # noqa: PLR0917 - the options of the command
    outbox: Outbox,
    address: str,
    wishes: str,
    handshake: str,
    owner: str | None,
    name: str | None,
    *,
    json: bool,
) -> int:
    """Take in a target and show its secret, this once."""
    made = await outbox.registrar.add(
        address, wishes_of(wishes), handshake_of(handshake), owner=owner, name=name
    )
    if json:
        printing.show_json(made._asdict())
    else:
        printing.line(made.target)
        if made.secret:
            printing.line(made.secret)
            printing.complain(
                "dateline: the secret is shown this once; deliveries are signed by it"
            )
    return DONE


async def listed(outbox: Outbox, *, json: bool) -> int:
    """List targets."""
    found = [described(each) for each in await outbox.endpoints.all()]
    if json:
        printing.show_json(found)
        return DONE
    for each in found:
        why = f" ({each['reason']})" if each["reason"] else ""
        failing = f", failing since {each['failing_since']}" if each["failing_since"] else ""
        printing.line(f"{each['target']:<24} {each['address']:<40} {each['state']}{why}{failing}")
    if not found:
        printing.line("no targets yet; `dateline webhooks add URL` takes one in")
    return DONE


@contextlib.asynccontextmanager
async def suggesting(outbox: Outbox) -> AsyncIterator[None]:
    """Have whoever names a target that is not there told of one that they may have meant.

    Raises:
        NotFound: the target is not there, with the id of one that is like it.
    """
    try:
        yield
    except NotFound as error:
        if error.what not in _TARGETS:
            raise
        ids = [each.id for each in await outbox.endpoints.all()]
        near = [each for each in ids if each.partition(":")[2] == error.name]
        near = near or difflib.get_close_matches(error.name, ids, n=1)
        if not near:
            raise
        raise NotFound(error.what, f"{error.name}, perhaps {' or '.join(near)}") from None


async def attempts(outbox: Outbox, of: str | None, *, json: bool) -> int:
    """List deliveries with their tries.

    Raises:
        NotFound: there is no such target or delivery.
    """
    delivery = of if of is not None and of.startswith("msg_") else None
    found = await outbox.deliveries.attempts(None if delivery else of, delivery)
    if not found and delivery:
        raise NotFound("delivery", delivery)
    if not found and of is not None:
        await outbox.endpoints.get(of)  # which refuses what is no target
    if json:
        printing.show_json([attempt_shown(each) for each in found])
        return DONE
    for each in found:
        printing.line(_line(each))
    if not found:
        printing.line("no deliveries yet")
    return DONE


def _line(attempt: Attempt) -> str:
    what = (
        f"{attempt.webhook_id}  {attempt.story or '—'} {attempt.alert}  "
        f"{attempt.target}  {attempt.state}"
    )
    if attempt.began_ms is None:
        return f"{what}  {attempt.reason}"
    came = attempt.error or (f"http-{attempt.status}" if attempt.status else "done")
    took = "under way" if attempt.milliseconds is None else f"{came}, {attempt.milliseconds} ms"
    where = f", {attempt.address}" if attempt.address else ""
    return f"{what}  try {attempt.number} {instant(attempt.began_ms)} {took}{where}"


async def resend(outbox: Outbox, delivery: str, *, json: bool) -> int:
    """Queue a delivery once more.

    Raises:
        NotFound: there is no such delivery, or it is on its way.
    """
    if not await outbox.deliveries.resend(delivery, outbox.clock()):
        raise NotFound("delivery at rest", delivery)
    if json:
        printing.show_json({"delivery": delivery, "state": "pending"})
    else:
        printing.line(f"{delivery} will be sent again by the server")
    return DONE


async def recover(outbox: Outbox, target: str, since: str, *, json: bool) -> int:
    """Enable a target and queue what it missed.

    Raises:
        NotFound: there is no such target.
        Refused: that is no time.
    """
    from_when = moment(since, outbox.now(), "since")
    if isinstance(from_when, int):
        raise Refused("moment", "since", "a time", since)
    await outbox.endpoints.enable(target)
    since_ms = int(from_when.timestamp() * 1000)
    found = await outbox.deliveries.recover(target, since_ms, outbox.clock())
    if json:
        printing.show_json({"target": target, "recovered": found})
    else:
        many = printing.counted(found, "delivery", "deliveries")
        printing.line(f"{target}: {many} will be sent by the server")
    return DONE


async def disable(outbox: Outbox, target: str, reason: str, *, json: bool) -> int:
    """Disable a target."""
    await outbox.endpoints.disable(target, reason)
    if json:
        printing.show_json({"target": target, "state": "disabled"})
    else:
        printing.line(f"{target} is disabled")
    return DONE


async def change(outbox: Outbox, target: str, wishes: str, *, json: bool) -> int:
    """Have a target get what it wishes now."""
    await outbox.endpoints.change(target, wishes_of(wishes))
    found = described(await outbox.endpoints.get(target))
    if json:
        printing.show_json(found)
    else:
        gets = ", ".join(f"{name} {value}" for name, value in found["wishes"].items())
        printing.line(f"{target} gets {gets or 'everything'} from now on")
    return DONE


async def remove(outbox: Outbox, target: str, *, json: bool) -> int:
    """Forget a target."""
    await outbox.endpoints.remove(target)
    if json:
        printing.show_json({"target": target, "state": "removed"})
    else:
        printing.line(f"{target} is removed; what was sent to it stays on record")
    return DONE


async def rotate(outbox: Outbox, target: str, *, json: bool) -> int:
    """Give a webhook a new secret."""
    secret = await outbox.endpoints.rotate(target)
    if json:
        printing.show_json({"target": target, "secret": secret})
    else:
        printing.line(secret)
        printing.complain("dateline: the secret before signs beside this one for 24 hours")
    return DONE


async def drill(outbox: Outbox, targets: Sequence[str], *, json: bool) -> int:
    """Send a drill and wait for what becomes of it, sent by the server if there is one.

    Raises:
        NotFound: there is no such target that is sent to.
    """
    known = {each.id: each for each in await outbox.endpoints.all() if each.state == "active"}
    for target in targets:
        if target not in known:
            raise NotFound("active target", target)
    now, event = outbox.clock(), f"drill-{uuid_utils.uuid7()}"
    chosen = list(targets or known)
    planned = Planned(
        event,
        "",
        position=0,
        story="",
        alert=DRILL,
        kind=DRILL,
        level=DRILL,
        fast=True,
        state="pending",
        reason="a drill",
        due_ms=now,
    )
    await outbox.deliveries.add([planned._replace(target=each) for each in chosen], now)
    sending = asyncio.ensure_future(outbox.sender.run(chosen))
    try:
        states = await _ended(outbox, event)
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending
    if json:
        printing.show_json({"drill": event, "targets": states})
    else:
        for target, state in states.items():
            tried = await outbox.deliveries.attempts(target, None)
            why = f": {tried[0].error}" if state != "delivered" and tried[0].error else ""
            printing.line(f"{target:<24} {state}{why}")
        if not states:
            printing.line("no targets yet; `dateline webhooks add URL` takes one in")
    return DONE if set(states.values()) <= {"delivered"} else REFUSED


async def _ended(outbox: Outbox, event: str) -> dict[str, str]:
    """Wait until nothing of a drill is on its way, or its time is up; what failed once counts."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRILL_SECONDS):
            # Another process may be the one that sends, of which no event here tells.
            while OPEN & set((await outbox.deliveries.of_event(event)).values()):  # noqa: ASYNC110 - see above
                await asyncio.sleep(LOOK)
    return await outbox.deliveries.of_event(event)
