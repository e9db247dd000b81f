"""How corrections, refilings and redactions show in a story, and what they leave behind."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from consumers.parts import (
    Claim,
    Correction,
    Figure,
    Heading,
    Item,
    Occasion,
    Part,
    Parts,
    Response,
)
from events.corrections import locate
from events.editorial import Corrected, Redacted, Refiled
from events.envelope import Recorded

__all__ = ["correct", "redact", "refile"]

Correctable = Item | Claim | Figure | Response | Occasion


def correct(parts: Mapping[str, Part], event: Recorded, correction: Corrected) -> Parts:
    """Put the field right, and label the development that the error stood in."""
    ref, path = locate(correction.target, correction.field)
    part = parts.get(ref)
    owner = parts.get(getattr(part, "development", ref))
    said = correction.model_dump(mode="json", include={"old", "new"})
    shown: dict[str, Any] = {
        "ref": correction.ref or f"d{event.version}",
        "target": correction.target,
        "field": correction.field,
        "old": said.get("old"),
        "new": said.get("new"),
        "note": correction.note,
    }
    changed: Parts = {}
    public = False
    if isinstance(part, Correctable):
        changed[ref] = _with(part, path, said.get("new"))
    heading = parts.get("")
    if isinstance(heading, Heading) and (ref, path) == (heading.opening, "title"):
        changed[""] = replace(heading, title=str(said.get("new")))
    if isinstance(owner, Item):
        public = owner.public
        item = changed.get(owner.ref, owner)
        if isinstance(item, Item):
            changed[owner.ref] = replace(
                item, corrected=True, corrections=[*item.corrections, shown]
            )
    made = Correction(
        **shown,
        recorded_at=event.recorded_at,
        development=owner.ref if isinstance(owner, Item) else ref,
        position=event.position,
        public=public,
    )
    return changed | {made.ref: made}


def refile(parts: Mapping[str, Part], refiled: Refiled) -> Parts:
    """Exchange the words; nothing is labelled."""
    item = parts.get(refiled.target)
    if not isinstance(item, Item):
        return {}
    return {
        item.ref: replace(
            item, headline=refiled.headline or item.headline, body=refiled.body or item.body
        )
    }


def redact(parts: Mapping[str, Part], redaction: Redacted) -> Parts:
    """Take the fields out of the story; what was erased is not shown again."""
    changed: Parts = {}
    for path in redaction.fields:
        ref, inner = locate(redaction.target, path)
        part = changed.get(ref) or parts.get(ref)
        if isinstance(part, Correctable):
            changed[ref] = _with(part, inner, None)
    return changed


def _with(part: Correctable, path: str, value: Any) -> Correctable:  # noqa: ANN401 - any JSON value may stand there
    """Give a part with one field changed; what the part does not show stays untouched."""
    if isinstance(part, Occasion):
        path = f"content.{path}"
    first, _, rest = path.partition(".")
    if first == "title" or first not in {field.name for field in fields(part)}:
        return part
    if rest:
        inner = dict(getattr(part, first) or {})
        if value is None:
            inner.pop(rest, None)
        else:
            inner[rest] = value
        value = inner
    return replace(part, **{first: value})
