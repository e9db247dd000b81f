"""Whatever the policy and the day: nothing is lost, nothing is told twice or too soon."""

import contextlib
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from alerting import Alerting
from filings import ADA, BEN
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consumers.alerts.decide import BY
from consumers.alerts.match import Facts
from consumers.alerts.parts import part_of, text_of
from consumers.alerts.policy import ALERTING, Policy
from consumers.alerts.watch import fold
from consumers.stories.parts import Heading, Item, Parts
from consumers.stories.story import evolve as evolve_story
from events.alerts import LEVELS, AlertDecision, AlertIssued
from events.codec import encode
from events.developments import News
from events.editorial import Corrected, Withdrawn
from events.envelope import Recorded
from events.errors import Refused
from producers.desk import Standing

KINDS = ["quote-added", "outcome-reported", "figure-reported", "response-received", "story-opened"]
REPORTER = ADA._replace(name="desk:cyd", needs_second=True)
EXAMPLES = 60  # of days, for each promise
LONG = 40 * 24 * 3_600  # seconds, past every timer of a policy made here

_span = st.sampled_from(["0s", "10s", "1m", "10m", "1h"])
_levels = st.sampled_from(LEVELS)
_timers = st.fixed_dictionaries({"wait": _span, "interval": _span, "lapse": st.just("31d")})
_route = st.fixed_dictionaries(
    {"level": _levels, "urgency": st.integers(1, 9)},
    optional={
        "kinds": st.lists(st.sampled_from(KINDS), min_size=1, max_size=3),
        "places": st.just(["place:harbour"]),
        "stories": st.sampled_from([["a-story"], ["a-*"], ["another"]]),
    },
)
_inhibit = st.fixed_dictionaries(
    {"by": _levels, "mutes": st.lists(_levels, min_size=1), "for": _span}
)
_policies = st.builds(
    lambda routes, last, timers, **rest: Policy.model_validate(
        {
            "route": [
                route | {"name": f"route {n}"}
                for n, route in enumerate([*routes, *({"level": level} for level in last)])
            ],
            "levels": dict(zip(LEVELS, timers, strict=True)),
            **rest,
        }
    ),
    routes=st.lists(_route, min_size=1, max_size=3),
    last=st.lists(_levels, min_size=1, max_size=1) | st.just([]),  # mostly one that takes all
    timers=st.tuples(*(_timers for _ in LEVELS)),
    inhibit=st.lists(_inhibit, max_size=2),
    second_person=_span,
    fresh=st.just("1h"),
    overdue=st.sampled_from([None, {"after": "1m"}]),
)

Step = tuple[str, dict[str, Any]]


def steps() -> st.SearchStrategy[list[Step]]:
    """Anything that may happen on a desk, told in a way that any story can take."""
    at = st.integers(0, 3)  # mostly what came last
    who = st.sampled_from([ADA, BEN, REPORTER])
    news = st.fixed_dictionaries(
        {
            "kind": st.sampled_from([*KINDS[:4], "statement-issued", "response-awaited"]),
            "by": who,
            "urgency": st.integers(1, 9),
            "embargo": st.sampled_from([0, 0, 0, 0, 45]),
            "old": st.sampled_from([False, False, False, False, True]),
            "place": st.booleans(),
        }
    )
    act = st.fixed_dictionaries(
        {
            "kind": st.sampled_from(
                ["held", "hold-released", "withdrawn", "published", "embargo-lifted",
                 "embargo-broken", "corrected", "corrected", "alert-issued"]
            ),
            "by": who.filter(lambda by: by is not REPORTER),
            "at": at,
        }
    )  # fmt: skip
    silence = st.fixed_dictionaries({"kind": st.just("silence-added"), "for": st.integers(1, 900)})
    time = st.fixed_dictionaries({"seconds": st.sampled_from([1, 9, 50, 61, 700, 4_000])})
    each = st.one_of(
        st.tuples(st.just("news"), news),
        st.tuples(st.just("act"), act),
        st.tuples(st.just("act"), act),
        st.tuples(st.just("silence"), silence),
        st.tuples(st.just("move"), time),
    )
    return st.lists(each, min_size=8, max_size=20)


def lived(policy: Policy, day: list[Step], opening: dict[str, Any]) -> Alerting:
    """A story told, with whatever the desk refuses left out."""
    story = Alerting(policy, **opening)
    for what, facts in day:
        with contextlib.suppress(Refused):
            take(story, what, facts)
    return story


def take(story: Alerting, what: str, facts: dict[str, Any]) -> None:
    number = len(story.events)
    later = datetime.fromtimestamp(story.now / 1000 + facts.get("for", 60), UTC).isoformat()
    if what == "move":
        story.move(facts["seconds"])
    elif what == "silence":
        silence = {"ref": f"S{number}", "until": later, "levels": ["regular"]}
        story.file("silence-added", silence=silence, reason="quiet, please")
    elif what == "news":
        fields: dict[str, Any] = {"ref": f"E{number}x", "urgency": facts["urgency"]}
        if facts["place"]:
            fields["places"] = ["place:harbour"]
        if facts["embargo"]:
            fields["embargo_until"] = later
        if facts["old"]:
            fields["filed_at"] = "2025-01-01T00:00:00Z"
        if facts["kind"] == "figure-reported":
            fields["figures"] = [
                {"ref": f"F{number}", "measure": "m", "value": 1, "source": "org:a"}
            ]
        if facts["kind"] == "response-awaited":
            response = {"ref": f"P{number}", "awaited_from": "org:a", "due_at": later}
            fields["response"] = response
        if facts["kind"] == "response-received":
            waits = [
                e.development for e in story.events if e.development.kind == "response-awaited"
            ]
            fields["resolves"] = getattr(waits[-1], "response").ref if waits else "P0"  # noqa: B009 - of any kind
        story.file(facts["kind"], by=facts["by"], **fields)
    else:
        act(story, facts)


def act(story: Alerting, facts: dict[str, Any]) -> None:
    news = [ref for ref, part in story.desk.items() if isinstance(part, Standing)]
    target = news[-1 - facts["at"] % len(news)]
    fields: dict[str, Any] = {"target": target, "reason": "a reason"}
    if facts["kind"] in ("published", "embargo-lifted"):
        del fields["reason"]
    if facts["kind"] == "corrected":
        part = story.desk[target]
        assert isinstance(part, Standing)
        old = part.development.headline
        fix = {"field": "headline", "old": old, "new": f"{old}!", "note": "a slip"}
        fields = {"target": target, **fix}
    if facts["kind"] == "alert-issued":
        alert = {"ref": f"A{len(story.events)}", "level": "urgent", "derived_from": [target]}
        fields = {"alert": alert | {"reason": "it is big"}}
    story.file(facts["kind"], by=facts["by"], **fields)


def decisions(story: Alerting, kind: type[AlertDecision] = AlertDecision) -> list[Any]:
    return [e.development for e in story.events if isinstance(e.development, kind)]


def in_sight(events: list[Recorded]) -> list[set[str]]:
    """Give what readers see before the first event and after each, by the fold they are shown."""
    parts: Parts = {}
    seen: list[set[str]] = [set()]
    for event in events:
        parts.update(evolve_story(parts, event))
        heading = parts[""]
        shown = isinstance(heading, Heading) and heading.public
        items = (part for part in parts.values() if isinstance(part, Item) and shown)
        seen.append({item.ref for item in items if item.public})
    return seen


days = given(
    policy=_policies,
    day=steps(),
    opening=st.sampled_from([{}, {}, {"embargo_until": "2031-01-01T00:00:00Z"}]),
)


@settings(max_examples=EXAMPLES)
@days
def test_nothing_is_both_unsent_and_unexplained(
    policy: Policy, day: list[Step], opening: dict[str, Any]
) -> None:
    """Whatever came into sight and a route takes went out, or was kept back with a reason."""
    story = lived(policy, day, opening)
    story.move(LONG)
    seen = in_sight(story.events)
    last = {ref: d.kind for d in decisions(story) for ref in d.alert.derived_from}
    for event in story.events:
        news, ref = event.development, str(getattr(event.development, "ref", None))
        if not isinstance(news, News) or news.kind not in ALERTING:
            continue
        facts = Facts("a-story", news.kind, news.urgency, news.places)
        taken = story.rules.routing.route(facts) is not None and news.filed_at is None
        if taken and any(ref in shown for shown in seen):
            assert ref in last, f"{ref} is unsent and unexplained"
        if ref in seen[-1]:
            assert last.get(ref) != "alert-deferred", f"{ref} was never decided"
    assert all(d.alert.reason for d in decisions(story))


@settings(max_examples=EXAMPLES)
@days
def test_nothing_goes_out_twice_or_too_soon(
    policy: Policy, day: list[Step], opening: dict[str, Any]
) -> None:
    """A development goes out once, in one alert, and only while readers can see it."""
    story = lived(policy, day, opening)
    story.move(LONG)
    out: Counter[str] = Counter()
    seen = in_sight(story.events)
    for event in story.events:
        issued = event.development
        if not isinstance(issued, AlertIssued) or event.provenance["filed_by"] != BY:
            continue
        for ref in issued.alert.derived_from:
            assert ref in seen[event.version - 1] or issued.alert.audience == "desk"
            if issued.alert.audience == "everybody":
                out[ref] += 1
        if issued.alert.level == "flash":
            assert issued.seconded_by is not None
    assert not [ref for ref, times in out.items() if times > 1]
    refs = [d.alert.ref for d in decisions(story, AlertIssued)]
    assert len(refs) == len(set(refs))


@settings(max_examples=EXAMPLES)
@example(  # what every run must come to, whatever else it does
    policy=Policy.model_validate({"route": [{"name": "all", "level": "regular"}]}),
    day=[
        ("news", {"kind": KINDS[0], "by": ADA, "urgency": 5, "embargo": 0, "old": 0, "place": 0}),
        ("act", {"kind": "corrected", "by": ADA, "at": 0}),
    ],
    opening={},
)
@days
def test_every_correction_follows_its_alerts(
    policy: Policy, day: list[Step], opening: dict[str, Any]
) -> None:
    """A correction or withdrawal follows each alert that its development went out in, no other."""
    story = lived(policy, day, opening)
    story.move(LONG)
    out: dict[str, set[str]] = {}  # development → alerts that went out of it and stand
    owed: dict[str, set[str]] = {}
    followed: dict[str, list[str]] = {}  # alert → its corrections so far
    for event in story.events:
        match event.development:
            case AlertIssued(alert=alert) if alert.audience == "everybody":
                for ref in alert.derived_from:
                    out.setdefault(ref, set()).add(alert.ref)
            case Corrected(target=target) | Withdrawn(target=target) if out.get(target):
                owed.setdefault(target, set()).update(out[target])
            case AlertDecision(alert=alert) if alert.msg_type != "Alert":
                reference, *earlier = alert.references
                (ref,) = alert.derived_from
                assert earlier == followed.get(reference, []), "it stands for those before it"
                followed.setdefault(reference, []).append(alert.ref)
                assert reference in owed.get(ref, set()), "nobody got what this corrects"
                owed[ref].discard(reference)
                if alert.msg_type == "Cancel":
                    for alerts in (*out.values(), *owed.values()):
                        alerts.discard(reference)
    seen = in_sight(story.events)[-1]
    left = {ref: alerts for ref, alerts in owed.items() if alerts and ref in seen}
    assert not left, "a correction was not told"


@settings(max_examples=EXAMPLES)
@days
def test_a_replay_decides_nothing(policy: Policy, day: list[Step], opening: dict[str, Any]) -> None:
    """The watch made anew from the log is the watch, to the byte; nothing is left to decide."""
    story = lived(policy, day, opening)
    anew = fold(story.events, story.rules)
    kept = {key: text_of(part) for key, part in anew.items()}
    watched = {key: text_of(part) for key, part in story.watched.items()}
    learned = {key for key in kept if key not in watched}
    if not [d for d in decisions(story) if d.alert.route is None]:  # a person's alert is learned
        assert kept == watched
    assert learned <= {ref for d in decisions(story) for ref in d.alert.derived_from} | {
        owned for part in anew.values() for owned in getattr(part, "owns", ())
    }
    assert {key: part_of(type(part).__name__, text_of(part)) for key, part in anew.items()} == anew
    before = len(story.events)
    story.watched = anew
    assert story.settle() == []
    assert len(story.events) == before


@settings(max_examples=EXAMPLES)
@days
def test_the_same_day_is_decided_alike(
    policy: Policy, day: list[Step], opening: dict[str, Any]
) -> None:
    """The same news at the same times gives the same decisions: ids, causes and bytes."""
    first, again = lived(policy, day, opening), lived(policy, day, opening)
    assert [(d.id, d.cause, encode(d.development)) for d in first.filed_alerts] == [
        (d.id, d.cause, encode(d.development)) for d in again.filed_alerts
    ]
    assert len({d.id for d in first.filed_alerts}) == len(first.filed_alerts)
