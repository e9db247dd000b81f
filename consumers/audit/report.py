"""The life of one development: filed, approved, released, alerted, corrected, chased, proved."""

import asyncio
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final, NamedTuple

from consumers.audit.auditor import Auditor
from consumers.audit.proofs import Inclusion
from consumers.audit.replay import FOR_EVER, Act, acts_of
from consumers.delivery.reach import Reach, Sent
from events.alerts import AlertCorrected, AlertDecision, AlertRetracted
from events.corrections import locate
from events.custody import PrivateRead, SigningKeyChanged
from events.developments import Development
from events.editorial import Corrected
from events.envelope import Recorded, instant
from events.errors import NotFound
from events.vocabulary import Erased, Unknown

__all__ = ["Report", "Step", "html", "report"]

# What an act about a development is in its life, by kind; what is not here is named by its kind.
_WORDS: Final = {
    "published": "approved",
    "hold-released": "released",
    "embargo-lifted": "released",
    "embargo-broken": "released before its time",
    "held": "held",
    "withdrawn": "withdrawn",
    "corrected": "corrected",
    "refiled": "refiled",
    "redacted": "erased in part",
    "verification-asserted": "said to be verified",
    "verification-changed": "trusted otherwise",
    "response-received": "answered",
    "response-declined": "answer refused",
    "figure-revised": "revised by its source",
    "conflict-noted": "found in conflict",
    "legal-hold-placed": "put under legal hold",
    "legal-hold-lifted": "legal hold lifted",
}


class Step(NamedTuple):
    """One step: what happened, the act, what it says, and the proof that it is in the log."""

    what: str
    act: Act
    says: str
    leaf: str


class Report(NamedTuple):
    """The life of a development, with the checkpoint that its steps are proved by."""

    story: str
    ref: str
    headline: str | None
    steps: list[Step]
    sent: list[Sent]
    size: int
    root: str
    checkpoint: str

    def shown(self) -> dict[str, Any]:
        """The report as a JSON object."""
        steps = [{**step._asdict(), "act": step.act._asdict()} for step in self.steps]
        return {**self._asdict(), "steps": steps, "sent": [each._asdict() for each in self.sent]}


async def report(auditor: Auditor, story: str, ref: str, reach: Reach | None = None) -> Report:
    """Tell the life of a development; `reach` knows to whom its alerts went.

    Raises:
        NotFound: there is no such development.
    """
    events = [event async for event in auditor.log.read_versions(story)]
    own = next((event for event in events if _ref(event) == ref), None)
    if own is None:
        raise NotFound("development", f"{ref} of {story}{_owned(ref, events)}")
    signed = await auditor.checkpoint()
    steps = []
    for what, event in _life(own, ref, events):
        proof: Inclusion = await auditor.included(event.position, signed)
        steps.append(Step(what, acts_of([event])[0], _says(event), proof.leaf.hex()))
    headline = getattr(own.development, "headline", None)
    positions = {step.act.position for step in steps}
    known = await asyncio.to_thread(reach.sent, story, FOR_EVER) if reach is not None else []
    sent = [each for each in known if each.position in positions]
    return Report(story, ref, headline, steps, sent, signed.size, signed.root.hex(), signed.note)


def _owned(ref: str, events: Sequence[Recorded]) -> str:
    """Say of a claim, a figure or the like what brought it, for who asked for it by mistake."""
    owner = next((event for event in events if ref in _brought(event)), None)
    if owner is None:
        return ""
    return f": it is a {_brought(owner)[ref]} of {_ref(owner)}, whose report tells of it"


def _ref(event: Recorded) -> str:
    return getattr(event.development, "ref", None) or f"d{event.version}"


def _life(own: Recorded, ref: str, events: Sequence[Recorded]) -> Iterator[tuple[str, Recorded]]:
    """Give the steps of a development's life in order."""
    names = {ref, *_brought(own)}
    alerts: set[str] = set()
    for event in events:
        development = event.development
        if event is own:
            waits = getattr(development, "needs_approval", None)
            yield "filed, to be approved" if waits else "filed", event
        elif isinstance(development, AlertDecision):
            alert = development.alert
            if names & {*alert.derived_from} or alerts & {*alert.references}:
                alerts.add(alert.ref)
                chases = isinstance(development, AlertCorrected | AlertRetracted)
                yield "alert chased" if chases else development.kind.replace("-", " "), event
        elif names & {*_about(development)}:
            yield _WORDS.get(development.kind, development.kind), event


def _brought(event: Recorded) -> dict[str, str]:
    """Give the refs of all that a development brought with it, and what each names."""
    development = event.development
    if not isinstance(development, Development):
        return {}
    found = {claim.ref: "claim" for claim in development.claims}
    found |= {figure.ref: "figure" for figure in development.figures}
    for name in ("response", "remarks", "letter", "post"):
        part = getattr(development, name, None)
        if part is not None:
            found[str(part.ref)] = name
    return found


def _about(development: object) -> Iterator[str]:
    """Give the refs that an event is about."""
    if isinstance(development, Unknown | Erased):
        return
    if isinstance(development, Corrected):
        yield locate(development.target, development.field)[0]
    for name in ("target", "of", "resolves"):
        ref = getattr(development, name, None)
        if isinstance(ref, str):
            yield ref
    yield from getattr(getattr(development, "conflict", None), "between", ())
    yield from getattr(getattr(development, "verification", None), "of", ())


def _says(event: Recorded) -> str:
    """Give an act's own words: a headline, a reason, what was changed into what."""
    development = event.development
    if isinstance(development, PrivateRead):
        many = "1 event" if development.events == 1 else f"{development.events} events"
        return f"{development.reader} was given {development.what}, {many}"
    if isinstance(development, SigningKeyChanged):
        return f"{development.old} → {development.new}"
    if isinstance(development, Corrected):
        sides = (development.old, development.new)
        was, now = ("nothing" if side is None else side for side in sides)
        change = "erased" if sides == (None, None) else f"{was} → {now}"
        return f"{development.target}.{development.field}: {change} ({development.note})"
    names = ("headline", "reason", "note", "basis", "legal_basis")
    found = (getattr(development, name, None) for name in names)
    alert = getattr(development, "alert", None)
    words = getattr(alert, "reason", None) or next((text for text in found if text), "")
    return str(words)


_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ccc;padding:.4rem;"
    "text-align:left;vertical-align:top}code,pre{font-size:.8rem;overflow-wrap:anywhere;"
    "white-space:pre-wrap}"
)


def html(found: Report) -> str:
    """Give a report as one page that needs nothing else and runs nothing."""
    rows = "".join(
        f"<tr><td>{step.act.position}<td>{escape(step.act.recorded_at)}<td>{escape(step.what)}"
        f"<td>{escape(step.act.ref)} {escape(step.says)}<td>{escape(step.act.filed_by)}"
        f"<br><code>{escape(step.act.correlation or '')}</code><td><code>{step.leaf}</code></tr>"
        for step in found.steps
    )
    sent = "".join(
        f"<tr><td>{each.position}<td>{escape(each.alert)} {escape(each.level)}"
        f"<td>{escape(each.target)} ({escape(each.channel)} {escape(each.address)})"
        f"<td>{escape(each.state)}<td>{instant(each.made_ms)}</tr>"
        for each in found.sent
    )
    title = f"{escape(found.ref)} of {escape(found.story)}"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<style>{_STYLE}</style><h1>{title}</h1><p>{escape(found.headline or '')}</p>"
        "<table><tr><th>Position<th>Recorded<th>What<th>Says<th>By whom, in which request"
        f"<th>Leaf</tr>{rows}</table><h2>Alerts sent</h2><table><tr><th>Position<th>Alert<th>To"
        f"<th>What came of it<th>Since</tr>{sent}</table><h2>Proved by</h2>"
        "<p>Each leaf is in the tree of this signed "
        f"checkpoint; <code>dateline audit prove POSITION</code> shows how.</p>"
        f"<pre>{escape(found.checkpoint)}</pre></html>\n"
    )
