"""However a story goes, the desk judges by what readers see, and readers see only what is out."""

import contextlib
from collections.abc import Iterator
from typing import Any

import orjson
from conftest import Clock
from filings import ADA, BEN, LATER, Story, opened
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.stories.projection import Stories
from consumers.views import Views
from events.errors import Refused
from producers.desk import Answer, Claimed, Counted, Standing

FIGURE = {"measure": "children", "source": "person:a"}
REFS = ["A", "B", "C", "D", "E", "G", "H"]
FIGURES = ["F1", "F2", "F3"]
WAITS = ["P1", "P2"]


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


def next_filing(story: Story) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Anything that could be filed next: what is pointed at is mostly there."""
    news = st.sampled_from([ref for ref, part in story.desk.items() if isinstance(part, Standing)])
    count = st.sampled_from([ref for ref, part in story.desk.items() if isinstance(part, Counted)])
    wait = st.sampled_from([ref for ref, part in story.desk.items() if isinstance(part, Answer)])
    number = st.integers(1, 6)
    nature = st.sampled_from(["not-comparable", "quantity"])
    people = st.lists(st.sampled_from(["person:a", "person:b"]), unique=True)
    someone = st.sampled_from(["person:a", "org:un"])
    new_count = st.fixed_dictionaries(
        {"ref": st.just(f"F{len(story.events)}"), "value": number},
        optional={"part_of": count, "qualifier": st.just("about")},
    )
    new_count = new_count.map(lambda count: FIGURE | count)
    new_wait = st.fixed_dictionaries(
        {
            "ref": st.just(f"P{len(story.events)}"),
            "awaited_from": st.just("org:kremlin"),
            "about": st.lists(count, max_size=1),
        }
    )
    trust = {
        "of": count | st.just("C1"),
        "from": st.just("attributed"),
        "basis": st.just("letters"),
        "seconded_by": st.just(BEN.name),
    }
    held, embargoed = (
        st.sampled_from([ref for ref in story.desk if status(story, ref) == how] or ["A"])
        for how in ("held", "embargoed")
    )
    acts = [
        filing(kind, target=target, reason=st.just("r"))
        for kind, target in (
            ("held", news),
            ("hold-released", held),
            ("embargo-broken", embargoed),
            ("withdrawn", news),
        )
    ]
    corrections = [
        (news, "people", people | st.none()),
        (news | count, "value", number),
        (news, "target", count),
        (news, "resolves", wait),
        (news, "conflict.nature", nature),
        (count, "part_of", count | st.none()),
        (count, "words", st.sampled_from(["eight", "nine"])),
        (wait, "due_at", st.just("2025-10-12T10:00:00+02:00")),
        (st.just("C1"), "text", st.just("it snowed")),
        (st.sampled_from(["A", "B"]), "attribution.speaker", someone | st.none()),
        (count, "source", someone | st.none()),
        (count, "source_text", st.sampled_from(["officials", None])),
        (st.sampled_from(["C1", "C2"]), "speaker", someone | st.none()),
    ]
    return st.one_of(
        released(
            filing(
                "figure-reported",
                figures=st.lists(new_count, min_size=1, max_size=1),
                people=people,
            )
        ),
        released(filing("figure-revised", target=count, value=number, source=st.just("person:a"))),
        released(filing("response-awaited", response=new_wait)),
        released(filing("response-received", resolves=wait)),
        released(filing("response-declined", resolves=wait)),
        filing(
            "conflict-noted",
            conflict=st.fixed_dictionaries(
                {
                    "between": st.lists(count, min_size=2, max_size=2, unique=True),
                    "nature": nature,
                }
            ),
        ),
        *acts,
        filing("withdrawn", target=news, reason=st.just("r"), replacement=news),
        filing("verification-changed", **trust, to=st.sampled_from(["disputed", "corroborated"])),
        *(
            filing(
                "corrected", target=target, field=st.just(field), new=new, note=st.just("misread")
            )
            for target, field, new in corrections
        ),
    )


def status(story: Story, ref: str) -> str | None:
    part = story.desk[ref]
    return part.release.status if isinstance(part, Standing) else None


def filing(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(kind), st.fixed_dictionaries(fields))


def released(filing: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
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


@settings(max_examples=50)
@given(draw=st.data())
def test_the_desk_judges_by_what_is_shown(draw: st.DataObject) -> None:
    """Whatever was filed, corrected, held or withdrawn, the desk and the state hold the same."""
    story = told(draw)
    state = story.state()
    shown = state["figures"] | state["claims"] | {wait["ref"]: wait for wait in state["resolved"]}
    for name, part in story.desk.items():
        match part:
            case Counted(figure=figure):
                said = figure.model_dump(mode="json", include={"value", "words", "qualifier"})
                seen = shown[name]
                assert {field: seen[field] for field in said} == said
                assert seen["source"] == part.source
                assert seen["parts"] == list(part.parts)
                assert seen.get("not_comparable_with", []) == sorted(part.apart_from)
                assert seen.get("part_of") == figure.part_of
                assert seen["status"] in (part.verification, "withdrawn")
            case Claimed(claim=claim):
                assert shown[name]["text"] == claim.text
                assert shown[name]["speaker"] == (claim.speaker or speaker(story, part.owner))
                assert shown[name]["status"] in (part.verification, "withdrawn")
            case Answer(by=by):
                assert shown.get(name, {}).get("by") == by or by is None or is_gone(story, part)


def speaker(story: Story, ref: str) -> str | None:
    owner = story.desk[ref]
    assert isinstance(owner, Standing)
    said_by = owner.development.attribution
    return said_by.speaker if said_by else None


def is_gone(story: Story, answer: Answer) -> bool:
    owner = story.desk[answer.owner]
    return isinstance(owner, Standing) and owner.release.withdrawn


@settings(max_examples=50)
@given(draw=st.data())
def test_readers_learn_no_name_of_what_is_not_out(
    draw: st.DataObject,
) -> None:
    """The public state names nothing that readers cannot find in it."""
    story = told(draw)
    if not story.is_public():
        return
    public = story.state(public=True)
    found = {item["ref"] for item in (*public["timeline"], *public["conflicts"])}
    found |= {"E1", *public["claims"], *public["figures"]}
    found |= {wait["ref"] for wait in (*public["pending"], *public["resolved"])}
    found |= {correction["ref"] for correction in public["corrections"]}
    known = set(story.desk) - {""}
    assert (known & set(words(public))) <= found


def words(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for name, each in value.items():
                if name not in ("old", "new"):
                    yield from words(each)
        case list():
            for each in value:
                yield from words(each)
        case str():
            yield value


@settings(max_examples=50)
@given(draw=st.data(), portion=st.integers(1, 9))
def test_the_view_shows_what_the_events_tell(draw: st.DataObject, portion: int) -> None:
    """The state on disk, made in portions of any size, is the state folded from the events."""
    story = told(draw)
    views = Views(":memory:", Clock())
    stories = Stories(views)
    with views.transaction():
        for first in range(0, len(story.events), portion):
            stories.project(1, story.events[first : first + portion])
    now = "2026-01-01T00:00:00Z"
    for public in (False, True) if story.is_public() else (False,):
        shown = stories.state("a-story", now, public=public)
        assert shown is not None
        assert orjson.loads(shown) | {"checkpoint": 0} == story.state(public=public) | {
            "checkpoint": 0
        }
    views.close()
