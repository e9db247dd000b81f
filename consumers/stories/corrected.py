"""How corrections, refilings and redactions show in a story, and what they leave behind."""

from dataclasses import fields, replace
from typing import Any, Final

import orjson

from consumers.stories.erased import erased_keys
from consumers.stories.parts import (
    Changes,
    Claim,
    Conflict,
    Correction,
    Figure,
    Find,
    Heading,
    Item,
    Occasion,
    Part,
    Parts,
    Response,
    Touched,
    touched,
)
from consumers.stories.standing import (
    INHERITED,
    SAID,
    attributed,
    counted_in,
    counted_out,
    last_revision,
    led_to,
)
from events import filing
from events.corrections import content_of, corrected, locate
from events.developments import (
    FigureRevised,
    Letter,
    News,
    Post,
    Remarks,
    ResponseDeclined,
    ResponseReceived,
    StoryOpened,
)
from events.developments import Response as Awaited
from events.editorial import ConflictNoted, Corrected, Redacted, Refiled
from events.envelope import Recorded
from events.filing import Fact
from events.redaction import CONTENTS, MARK, stand_in

__all__ = ["correct", "redact", "refile"]

Correctable = Item | Conflict | Claim | Figure | Response | Occasion

_OCCASIONS: Final[dict[str, type[Fact]]] = {"remarks": Remarks, "letter": Letter, "post": Post}
# Kinds of which an item shows more than what all news has.
_NEWS: Final[dict[str, type[News]]] = {
    "story-opened": StoryOpened,
    "figure-revised": FigureRevised,
    "response-received": ResponseReceived,
    "response-declined": ResponseDeclined,
}
_ERASED = "outlet"  # stands where a new value is only to be checked; every field can hold it
_BROUGHT: Final = ("claims", "figures")
# What `contents` takes from a development at once; what it brought goes when the story is cleaned.
_CONTENTS: Final = ("headline", "body", "attribution", "people", "places", "orgs", "links", "media")


def correct(find: Find, event: Recorded, correction: Corrected) -> Changes:
    """Put the field right, and label the development that the error stood in."""
    located, inner = locate(correction.target, correction.field)
    ref, path = _place(find, located, inner)
    part = find(ref)
    owner = find(getattr(part, "development", ref))
    said = correction.model_dump(mode="json", include={"old", "new"})
    revised = ref != located and isinstance(find(located), Figure)
    shown: dict[str, Any] = {
        "ref": correction.ref or f"d{event.version}",
        "target": ref if revised else correction.target,  # the figure may be held by now
        "field": path if revised else correction.field,
        "old": said.get("old"),
        "new": said.get("new"),
        "note": correction.note,
    }
    after = part
    if isinstance(part, Correctable):
        try:
            before = _fact_of(find, part)
            fact = corrected(before, path, correction.new)
            shown["new"] = content_of(fact, path)
            shown["old"] = _as_filed(before, path, shown["old"])
        except (KeyError, ValueError):  # nothing of it is shown, or an older desk let it pass
            pass
        else:
            after = _with(find, part, path, fact)
            yield from _titled(find, part, fact)
    if isinstance(owner, Item | Conflict):
        labelled = after if owner is part else owner
        assert isinstance(labelled, Item | Conflict)  # noqa: S101 - the owner is one
        corrections = [*labelled.corrections, shown]
        labelled = replace(labelled, corrected=True, corrections=corrections)
        yield {ref: after} | {owner.ref: labelled} if after else {owner.ref: labelled}
    made = Correction(
        **shown,
        recorded_at=event.recorded_at,
        development=owner.ref if isinstance(owner, Item | Conflict) else ref,
        position=event.position,
        public=isinstance(owner, Item | Conflict) and owner.public,
    )
    yield {made.ref: made}
    yield from _followed(find, part, event.recorded_at)


def _as_filed(fact: Fact, path: str, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Give a value as the field would hold it: 8.0 is 8, and a time has several zones."""
    try:
        return value if value is None else content_of(corrected(fact, path, value), path)
    except ValueError:  # what stood there was of an older desk
        return value


def _place(find: Find, ref: str, path: str) -> tuple[str, str]:
    """Give the part that shows what a correction is about, and the field in it."""
    part = find(ref)
    first, _, rest = path.partition(".")
    if isinstance(part, Item) and rest:
        if first in _OCCASIONS and part.occasion:
            return part.occasion, rest
        if first == "response" and part.response:
            return part.response, rest
    if isinstance(part, Figure) and path in SAID:
        revision = last_revision(find, part)
        if revision is not None:  # the number that stands there is the revision's
            return revision.ref, path
    return ref, path


def _followed(find: Find, before: Part | None, at: str) -> Changes:
    """What else changes with a part that was put right."""
    after = find(before.key) if before else None
    match before, after:
        case Item() | Conflict(), Item() | Conflict():
            yield from led_to(find, before, after, at)
            if isinstance(after, Item):
                yield _attributed_anew(find, after)
        case Figure(), Figure() if before.part_of != after.part_of:
            if after.status != "withdrawn":
                yield counted_out(find, before.ref, before.part_of)
                yield counted_in(find, after.ref, after.part_of)


def _attributed_anew(find: Find, item: Item) -> Parts:
    """What does not say itself whose it is goes with the development's attribution."""
    changed: Parts = {}
    for ref in (*item.claims, *item.figures):
        match find(ref):
            case (Claim() | Figure()) as part:
                changed[ref] = attributed(part, item.attribution)
    return {ref: part for ref, part in changed.items() if part != find(ref)}


def _titled(find: Find, part: Correctable, fact: Fact) -> Changes:
    heading = find("")
    if (
        isinstance(fact, StoryOpened)
        and isinstance(heading, Heading)
        and part.key == heading.opening
    ):
        yield {"": replace(heading, title=fact.title)}


def refile(find: Find, refiled: Refiled) -> Changes:
    """Exchange the words; nothing is labelled."""
    item = find(refiled.target)
    if isinstance(item, Item):
        headline, body = refiled.headline or item.headline, refiled.body or item.body
        yield {item.ref: replace(item, headline=headline, body=body)}
    if isinstance(item, Conflict):
        yield {item.ref: replace(item, headline=refiled.headline or item.headline)}


def redact(find: Find, event: Recorded, redaction: Redacted) -> Changes:
    """Take the fields out of the story; what was erased is not shown again."""
    for field in redaction.fields:
        located, path = locate(redaction.target, field)
        figure = find(located)
        if isinstance(figure, Figure) and path in SAID:
            yield from _number_erased(find, figure, path)
        ref, path = _place(find, located, path)
        part, heading = find(ref), find("")
        if isinstance(heading, Heading) and (ref, path) == (heading.opening, "title"):
            yield {"": replace(heading, title=MARK)}
        if isinstance(part, Correctable):
            after = _erased(part, path, redaction)
            yield {ref: after}
            yield from _corrections_erased(find, part, (ref, path))
            yield from _followed(find, part, event.recorded_at)
        elif isinstance(part, Correction) and path == "note":
            yield from _note_erased(find, part)
    for key in sorted(erased_keys(find, redaction)):
        part = find(key)
        if isinstance(part, Item):
            part = replace(part, redacted=[event.position, event.recorded_at])
        if part is not None:  # as it is left: readers are told of it, and no more of what it was
            yield {key: part}


def _number_erased(find: Find, figure: Figure, name: str) -> Changes:
    """What a source said of a figure goes with what it said before and has said since."""
    about = find(touched(figure.ref))
    for ref in about.by if isinstance(about, Touched) else ():
        item = find(ref)
        if isinstance(item, Item) and item.revises:
            yield {ref: replace(item, revises=item.revises | {name: None})}
    history = [said | {name: None} for said in figure.history]
    left: dict[str, Any] = {name: None, "history": history}
    yield {figure.ref: replace(figure, **left)}


def _corrections_erased(find: Find, part: Correctable, place: tuple[str, str]) -> Changes:
    """What was corrected from and to goes with what was erased."""
    owner = find(getattr(part, "development", part.key))
    if not isinstance(owner, Item | Conflict):
        return
    left = []
    for shown in owner.corrections:
        ref, path = _place(find, *locate(shown["target"], shown["field"]))
        if ref == place[0] and (_within(path, place[1]) or _within(place[1], path)):
            shown = shown | {"old": None, "new": None}  # noqa: PLW2901 - as it is shown from now on
            correction = find(shown["ref"])
            if isinstance(correction, Correction):
                yield {correction.ref: replace(correction, old=None, new=None)}
        left.append(shown)
    if left != owner.corrections:
        yield {owner.key: replace(owner, corrections=left)}


def _within(path: str, outer: str) -> bool:
    return path == outer or path.startswith(f"{outer}.")


def _note_erased(find: Find, part: Correction) -> Changes:
    """A correction goes on to say what it changed, and no longer why."""
    yield {part.ref: replace(part, note=MARK)}
    owner = find(part.development)
    if isinstance(owner, Item | Conflict):
        left = [
            shown | {"note": MARK} if shown["ref"] == part.ref else shown
            for shown in owner.corrections
        ]
        yield {owner.key: replace(owner, corrections=left)}


def _erased(part: Correctable, path: str, redaction: Redacted) -> Correctable:
    """Give a part without what was erased of it, so that every output can still show it."""
    if isinstance(part, Item) and path == CONTENTS:
        for name in _CONTENTS:
            part = _erased(part, name, redaction)
        return part
    if isinstance(part, Occasion):
        path = f"content.{path}"
    first, _, rest = path.partition(".")
    if isinstance(part, Item) and first in _BROUGHT:  # they are parts of their own
        return part
    if isinstance(part, Item) and part.revises and first in part.revises:
        return replace(part, revises=part.revises | {first: None})
    if first not in {field.name for field in fields(part)}:
        return part
    held = getattr(part, first)
    left: Any
    if isinstance(held, list):
        left = _list_left(part, first, redaction)
    elif rest:
        kind = _OCCASIONS[part.what] if isinstance(part, Occasion) else None
        word = stand_in(kind, rest) if kind else None
        left = {name: value for name, value in (held or {}).items() if name != rest}
        left |= {rest: word} if word else {}
    else:
        left = _stand_in(part, first)
    if isinstance(part, Claim | Figure) and first in INHERITED[type(part)]:
        # Nobody else is named as who said it.
        return replace(part, **{first: left, "own": sorted({*part.own, first})})
    return replace(part, **{first: left})


def _stand_in(part: Correctable, name: str) -> str | None:
    kinds: dict[type, type[Fact]] = {
        Item: News,
        Claim: filing.Claim,
        Figure: filing.Figure,
        Response: Awaited,
    }
    kind = kinds.get(type(part))
    return stand_in(kind, name) if kind else None


def _list_left(part: Correctable, name: str, redaction: Redacted) -> list[Any]:
    """Give what a redaction left of a list: it says so itself, unless a later one said it anew."""
    put_right = [
        shown["ref"]
        for shown in getattr(part, "corrections", ())
        if locate(shown["target"], shown["field"]) == (part.key, name)
    ]
    last = put_right[-1] if put_right else part.key
    for erasure in redaction.erases or ():
        body = orjson.loads(erasure.remains or "{}")
        if body.get("ref") == last:
            return list(body.get("new" if put_right else name) or ())
    found: list[Any] = getattr(part, name)
    return found


def _fact_of(find: Find, part: Correctable) -> Fact:
    """Give the fact that a part shows, so that a new value is checked and read as one filed."""
    content: dict[str, Any]
    kind: type[Fact]
    match part:
        case Claim() | Figure():
            kind = filing.Claim if isinstance(part, Claim) else filing.Figure
            content = _shown(part, kind)
        case Response():
            kind, content = Awaited, _shown(part, Awaited)
        case Occasion():
            kind, content = _OCCASIONS[part.what], {"ref": part.ref, **part.content}
        case Conflict():
            conflict = {"between": part.between, "nature": part.nature}
            kind, content = ConflictNoted, {"headline": part.headline, "conflict": conflict}
        case Item():
            kind = _NEWS.get(part.kind, News)
            heading = find("")
            content = _shown(part, kind) | (part.revises or {})
            content |= {"claims": [], "figures": []}
            if kind is StoryOpened and isinstance(heading, Heading):
                content["title"] = heading.title
    for name, field in kind.model_fields.items():
        if field.is_required() and content.get(field.alias or name) is None:
            content[field.alias or name] = _ERASED
    return kind.model_validate(
        {name: value for name, value in content.items() if value is not None}
    )


def _shown(part: Correctable, kind: type[Fact]) -> dict[str, Any]:
    names = {field.name for field in fields(part)} & kind.model_fields.keys()
    return {name: getattr(part, name) for name in names}


def _with(find: Find, part: Correctable, path: str, fact: Fact) -> Correctable:
    """Give a part with one field as the fact has it; what the part does not show is left out."""
    content = fact.model_dump(mode="json", by_alias=True, exclude_none=True)
    name = path.partition(".")[0]
    match part:
        case Occasion():
            del content["ref"]
            return replace(part, content=content)
        case Conflict():
            conflict = content["conflict"]
            headline = content.get("headline") if name == "headline" else part.headline
            return replace(
                part, headline=headline, between=conflict["between"], nature=conflict["nature"]
            )
        case Item(revises=dict(revises)) if name in revises:
            return replace(part, revises=revises | {name: content.get(name)})
        case Response() if name == "asked_at":
            asked_at, item = content.get(name), find(part.development)
            filed = (item.filed_at or item.recorded_at) if isinstance(item, Item) else part.since
            return replace(part, asked_at=asked_at, since=asked_at or filed)
        case Claim() | Figure() if name in (*INHERITED[type(part)], "source_text"):
            return _owned(find, part, name, content.get(name))
    if name not in {field.name for field in fields(part)}:
        return part
    value: Any = content.get(name)
    return replace(part, **{name: value})


def _owned(find: Find, part: Claim | Figure, name: str, value: str | None) -> Claim | Figure:
    """Give a claim or figure that says itself whose it is, or leaves it to its development."""
    own = [each for each in part.own if each != name]
    if name in INHERITED[type(part)] and value is not None:
        own = sorted((*own, name))
    item = find(part.development)
    changed: dict[str, Any] = {name: value, "own": own}
    return attributed(
        replace(part, **changed), item.attribution if isinstance(item, Item) else None
    )
