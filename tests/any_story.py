"""Any story, as chance has it go: what is filed next is whatever the desk might take."""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

from filings import ADA, BEN, LATER, Story, opened
from hypothesis import strategies as st

from events.errors import Refused
from producers.desk import Answer, Counted, Standing

__all__ = ["told"]

FIGURE = {"measure": "children", "source": "person:a"}
NUMBER = st.integers(1, 6)
NATURE = st.sampled_from(["not-comparable", "quantity"])
PEOPLE = st.lists(st.sampled_from(["person:a", "person:b"]), unique=True)
SOMEONE = st.sampled_from(["person:a", "org:un"])

Refs = st.SearchStrategy[str]
Filings = st.SearchStrategy[tuple[str, dict[str, Any]]]  # a kind and its fields


def begun() -> Story:
    """A story with two counts, one of them part of the other, two claims and two waits."""
    story = opened(people=["person:a"])
    whole = FIGURE | {"ref": "F1", "value": 8}
    part = {"ref": "F2", "measure": "children", "value": 5, "part_of": "F1"}
    claims = [{"ref": "C1", "text": "it rained", "speaker": "org:un"}, {"ref": "C2", "text": "so"}]
    said_by = {"speaker": "person:a"}
    story.file("figure-reported", ref="A", figures=[whole], claims=claims, attribution=said_by)
    story.file("figure-reported", ref="B", figures=[part], people=["person:b"], attribution=said_by)
    for wait, about in (("P1", ["F1", "C1"]), ("P2", ["F2"])):
        response = {"ref": wait, "awaited_from": "org:kremlin", "about": about}
        story.file("response-awaited", response=response)
    return story


def told(draw: st.DataObject) -> Story:
    """A story gone on with as the desk lets it; corrections find the old value in the state."""
    story = begun()
    for by in draw.draw(st.lists(st.sampled_from([ADA, BEN]), min_size=5, max_size=20)):
        kind, fields = draw.draw(next_filing(story))
        if kind == "corrected":
            fields["old"] = value_shown(story, fields["target"], fields["field"])
        with contextlib.suppress(Refused):
            story.file(kind, by=by, **fields)
    return story


class There(NamedTuple):
    """What a story has that can be pointed at."""

    news: Refs
    figure: Refs
    wait: Refs
    held: Refs
    embargoed: Refs

    @classmethod
    def of(cls, story: Story) -> Self:
        desk = story.desk

        def stands(how: str) -> Refs:
            return st.sampled_from([ref for ref in desk if status(story, ref) == how] or ["A"])

        return cls(
            st.sampled_from([ref for ref, part in desk.items() if isinstance(part, Standing)]),
            st.sampled_from([ref for ref, part in desk.items() if isinstance(part, Counted)]),
            st.sampled_from([ref for ref, part in desk.items() if isinstance(part, Answer)]),
            stands("held"),
            stands("embargoed"),
        )


def next_filing(story: Story) -> Filings:
    """Anything that could be filed next: what is pointed at is mostly there."""
    there = There.of(story)
    return st.one_of(*reports(story, there), *acts(there), *corrections(there))


def reports(story: Story, there: There) -> Iterator[Filings]:
    """Counts, waits and their ends, at once or some day; and conflicts."""
    count = st.fixed_dictionaries(
        {"ref": st.just(f"F{len(story.events)}"), "value": NUMBER},
        optional={"part_of": there.figure, "qualifier": st.just("about")},
    ).map(lambda count: FIGURE | count)
    counts = st.lists(count, min_size=1, max_size=1)
    wait = st.fixed_dictionaries(
        {
            "ref": st.just(f"P{len(story.events)}"),
            "awaited_from": st.just("org:kremlin"),
            "about": st.lists(there.figure, max_size=1),
        }
    )
    revised = {"target": there.figure, "value": NUMBER, "source": st.just("person:a")}
    yield released(filing("figure-reported", figures=counts, people=PEOPLE))
    yield released(filing("figure-revised", **revised))
    yield released(filing("response-awaited", response=wait))
    yield released(filing("response-received", resolves=there.wait))
    yield released(filing("response-declined", resolves=there.wait))
    two = st.lists(there.figure, min_size=2, max_size=2, unique=True)
    conflict = st.fixed_dictionaries({"between": two, "nature": NATURE})
    yield filing("conflict-noted", conflict=conflict)


def acts(there: There) -> Iterator[Filings]:
    """What is done to a development, or to how far something is trusted."""
    reason = st.just("r")
    yield filing("held", target=there.news, reason=reason)
    yield filing("hold-released", target=there.held, reason=reason)
    yield filing("embargo-broken", target=there.embargoed, reason=reason)
    yield filing("withdrawn", target=there.news, reason=reason)
    yield filing("withdrawn", target=there.news, reason=reason, replacement=there.news)
    trust = {
        "of": there.figure | st.just("C1"),
        "from": st.just("attributed"),
        "basis": st.just("letters"),
        "seconded_by": st.just(BEN.name),
    }
    yield filing("verification-changed", **trust, to=st.sampled_from(["disputed", "corroborated"]))


def corrections(there: There) -> Iterator[Filings]:
    """A new value for any field that can be wrong."""
    fields: list[tuple[Refs, str, st.SearchStrategy[Any]]] = [
        (there.news, "people", PEOPLE | st.none()),
        (there.news | there.figure, "value", NUMBER),
        (there.news, "target", there.figure),
        (there.news, "resolves", there.wait),
        (there.news, "conflict.nature", NATURE),
        (there.figure, "part_of", there.figure | st.none()),
        (there.figure, "words", st.sampled_from(["eight", "nine"])),
        (there.wait, "due_at", st.just("2025-10-12T10:00:00+02:00")),
        (st.just("C1"), "text", st.just("it snowed")),
        (st.sampled_from(["A", "B"]), "attribution.speaker", SOMEONE | st.none()),
        (there.figure, "source", SOMEONE | st.none()),
        (there.figure, "source_text", st.sampled_from(["officials", None])),
        (st.sampled_from(["C1", "C2"]), "speaker", SOMEONE | st.none()),
    ]
    for target, field, new in fields:
        what = {"target": target, "field": st.just(field), "new": new, "note": st.just("misread")}
        yield filing("corrected", **what)


def status(story: Story, ref: str) -> str | None:
    part = story.desk[ref]
    return part.release.status if isinstance(part, Standing) else None


def filing(kind: str, **fields: st.SearchStrategy[Any]) -> Filings:
    return st.tuples(st.just(kind), st.fixed_dictionaries(fields))


def released(filing: Filings) -> Filings:
    """At once, or some day."""
    later = st.sampled_from([{}, {}, {"embargo_until": LATER}])
    return st.tuples(filing, later).map(lambda both: (both[0][0], both[0][1] | both[1]))


def value_shown(story: Story, target: str, field: str) -> Any:
    state = story.state()
    parts = {item["ref"]: item for item in (*state["timeline"], *state["conflicts"])}
    parts |= state["figures"] | state["claims"]
    parts |= {one["ref"]: one for one in state["pending"]}
    part = parts.get(target, {})
    first, _, rest = field.partition(".")
    if first == "attribution":
        return (part.get(first) or {}).get(rest)
    return {**(part.get("revises") or {}), **part}.get(rest or first)
