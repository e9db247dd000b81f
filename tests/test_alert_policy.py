"""The policy of alerts: a mistake in it is found before it matters, and named by its key."""

import json
import random
import time
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.alerts.match import Facts, Routing
from consumers.alerts.policy import check, load
from consumers.alerts.quiet import Hours
from consumers.alerts.throttle import Throttle
from dateline.cli.run import run

EXAMPLE = Path(__file__).parents[1] / "examples" / "alerts.toml"
ROUTE = '[[route]]\nname = "a"\nlevel = "urgent"\n'
SECONDS = 5  # of work: many times what it takes, and a fraction of looking at every example
NEXT = '[[route]]\nlevel = "urgent"\nname = '
OUTCOMES = ["outcome-reported", "quote-added"]
SECOND = f'{NEXT}"c"\nkinds = ["outcome-reported"]\n{NEXT}"d"\n'
BEGIN_SO = ["a", *(f"a{letter}*" for letter in "abcdefghijklmnopqrstuvwxyz0123456789-")]
MISTAKES = {
    "no file of this form": ("route = ", "file: expected TOML; found Invalid value (at end of"),
    "no route": ("", "route: expected at least one route; found none: nothing would ever alert"),
    "a misspelt key": (f"{ROUTE}urgncy = 2", "route.0.urgncy: expected nothing of this name"),
    "an unknown level": (
        '[[route]]\nname = "a"\nlevel = "flush"',
        "route.0.level: expected 'flash', 'bulletin', 'urgent', 'regular' or 'deferred'; found 'fl",
    ),
    "an unknown kind": (
        f'{ROUTE}kinds = ["outcome-report"]',
        "route.0.kinds.0: expected a kind of the vocabulary, perhaps outcome-reported; found 'out",
    ),
    "a kind that never alerts": (
        f'{ROUTE}kinds = ["response-awaited"]',
        "route.0.kinds.0: expected a kind of news that can alert",
    ),
    "a route that can never match": (
        f'{ROUTE}[[route]]\nname = "b"\nlevel = "flash"\nkinds = ["quote-added"]\nurgency = 2',
        "route.1: expected a route that something can come to; found 'a' above it, which takes all",
    ),
    "a name twice": (
        f'{ROUTE}urgency = 2\n{ROUTE}kinds = ["quote-added"]',
        "route.1.name: expected a name of its own; found 'a', that of route 0",
    ),
    "an interval shorter than its wait": (
        f'{ROUTE}[levels.urgent]\nwait = "5m"\ninterval = "1m"',
        "levels.urgent.interval: expected none, or at least its wait of 300 s; found 60 s",
    ),
    "no time": (
        f'{ROUTE}[levels.urgent]\nwait = "soon"',
        "levels.urgent.wait: expected a time such as 0s, 30s, 5m, 2h or 1d, of at most 31d; found",
    ),
    "a level that mutes itself": (
        f'{ROUTE}[[inhibit]]\nby = "urgent"\nmutes = ["urgent"]\nfor = "1m"',
        "inhibit.0.mutes: expected levels below urgent; found urgent",
    ),
    "a route in the shade of several": (
        f'{ROUTE}kinds = ["quote-added"]\n{NEXT}"b"\nurgency = 2\n{SECOND}kinds = {OUTCOMES}',
        "route.3: expected a route that something can come to; found 'a', 'c' above it, which tog",
    ),
    "a route of which every letter is taken": (
        f'{ROUTE}stories = {BEGIN_SO}\n{NEXT}"b"\nstories = ["a*"]',
        "route.1: expected a route that something can come to; found 'a' above it, which takes all",
    ),
    "a level that nothing leads to": (
        f'{ROUTE}[levels.flash]\nwait = "1m"',
        "levels.flash: expected a level that a route leads to; found flash, which nothing would",
    ),
    "nothing to mute": (
        f'{ROUTE}[[inhibit]]\nby = "urgent"\nmutes = ["regular", "deferred"]\nfor = "1m"',
        "inhibit.0.mutes: expected a level that a route leads to; found regular, deferred",
    ),
    "an unknown channel": (
        f'{ROUTE}[[target]]\nid = "t"\nchannel = "pigeon"',
        "target.0.channel: expected 'webhook', 'push', 'mail', 'apprise' or 'console'; found 'pi",
    ),
    "an unknown time zone": (
        f'{ROUTE}[[target]]\nid = "t"\nchannel = "mail"\ntimezone = "Europe/Atlantis"',
        "target.0.timezone: expected a time zone such as Europe/Berlin; found 'Europe/Atlantis'",
    ),
    "a zone of another list": (
        f'{ROUTE}[[target]]\nid = "t"\nchannel = "mail"\ntimezone = "posixrules"',
        "target.0.timezone: expected a time zone such as Europe/Berlin; found 'posixrules'",
    ),
    "more than a target can be kept with": (
        f'{ROUTE}[[target]]\nid = "t"\nchannel = "mail"\nstories = {[f"s{n}" for n in range(101)]}',
        "target.0.stories: expected ",
    ),
    "empty quiet hours": (
        f'{ROUTE}[[target]]\nid = "t"\nchannel = "mail"\nquiet = ["22:00-22:00"]',
        "target.0.quiet.0: expected hours that end after they begin; found none between",
    ),
    "overlapping quiet hours": (
        f'{ROUTE}[[target]]\nid = "t"\nchannel = "mail"\nquiet = ["22:00-07:00", "06:00-08:00"]',
        "target.0.quiet.1: expected hours apart from the others; found some that overlap",
    ),
    "quiet all day": (
        f'{ROUTE}[[target]]\nid = "t"\nchannel = "mail"\nquiet = ["00:00-12:00", "12:00-00:00"]',
        "target.0.quiet: expected some hours that are not quiet; found a whole day of quiet",
    ),
    "nothing to pass": (
        f'{ROUTE}[[target]]\nid = "t"\nchannel = "mail"\npasses_quiet = ["flash"]',
        "target.0.passes_quiet: expected quiet hours to pass; found none",
    ),
    "a target of no route": (
        f'{ROUTE}[[target]]\nid = "t"\nchannel = "mail"\nroutes = ["b"]',
        "target.0.routes: expected the name of a route; found 'b'",
    ),
    "a target that gets nothing": (
        f'{ROUTE}[[target]]\nid = "t"\nchannel = "mail"\nleast = "flash"\nroutes = ["a"]',
        "target.0.least: expected a level that it can get; found flash, above every route",
    ),
    "an id twice": (
        f'{ROUTE}[[target]]\nid = "t"\nchannel = "mail"\n[[target]]\nid = "t"\nchannel = "push"',
        "target.1.id: expected an id of its own; found 't', as above it",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_named(mistake: str) -> None:
    """Each mistake is named by its key, with what was expected there and what was found."""
    text, sentence = MISTAKES[mistake]
    findings = [str(finding) for finding in check(text)[1]]
    assert len(findings) == 1
    assert findings[0].startswith(sentence)


_routes = st.lists(
    st.fixed_dictionaries(
        {"level": st.just("urgent")},
        optional={
            "stories": st.lists(
                st.sampled_from(["a", "ab", "b", "*", "a*", "ab*", "b*"]), min_size=1
            ),
            "kinds": st.lists(st.sampled_from(OUTCOMES), min_size=1),
            "urgency": st.sampled_from([4, 5]),
            "places": st.lists(st.sampled_from(["place:a", "place:b"]), min_size=1),
            "people": st.lists(st.sampled_from(["person:a", "person:b"]), min_size=1),
        },
    ),
    min_size=1,
    max_size=6,
)
_SOME = [
    Facts("".join(story), kind, urgency, places, people)
    for length in (1, 2, 3)
    for story in product("abc", repeat=length)
    for kind in (*OUTCOMES, "figure-reported")
    for urgency in (4, 5, 9)
    for places in ((), ("place:a",), ("place:b",), ("place:a", "place:b"))
    for people in ((), ("person:a",), ("person:b",), ("person:a", "person:b"))
]


@settings(max_examples=200, deadline=None)
@given(_routes)
def test_a_route_is_found_in_the_shade_where_nothing_comes_to_it(
    routes: list[dict[str, Any]],
) -> None:
    """Just the routes are named to which, of all news that there can be, nothing would come."""
    named = [{"name": f"route {n}", **route} for n, route in enumerate(routes)]
    text = "".join(
        "[[route]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in route.items())
        for route in named
    )
    policy, findings = check(text)
    assert policy is not None
    routing = Routing(policy)
    came = {route.name for facts in _SOME if (route := routing.route(facts)) is not None}
    assert {finding.key for finding in findings} == {
        f"route.{n}" for n, route in enumerate(named) if route["name"] not in came
    }


def test_a_policy_of_any_size_is_checked_in_seconds() -> None:
    """Routes with hundreds of names each are checked in seconds, so that a server starts."""
    drawn = random.Random(1)

    def most(kind: str) -> str:
        return json.dumps([f"{kind}{n}" for n in drawn.sample(range(200), 180)])

    text = "".join(
        f'{NEXT}"{n}"\nstories = {most("s")}\nplaces = {most("place:p")}\n'
        f"people = {most('person:p')}\n"
        for n in range(40)
    )
    began = time.process_time()
    assert check(text)[1] == []
    assert time.process_time() - began < SECONDS


def test_what_a_person_may_alert_of_is_no_mistake() -> None:
    """A person may alert at any level: it can mute, and reach who wants none but such alerts."""
    muted = '[[inhibit]]\nby = "flash"\nmutes = ["urgent", "regular"]\nfor = "1m"\n'
    flashes = '[[target]]\nid = "t"\nchannel = "mail"\nleast = "flash"'
    assert check(f"{ROUTE}{muted}{flashes}")[1] == []


def test_the_example_is_right() -> None:
    """The policy that comes along has no mistake, and says what it reads like."""
    policy, findings = check(EXAMPLE.read_text(encoding="utf-8"))
    assert policy is not None
    assert findings == []
    assert (policy.timers("urgent").wait, policy.timers("flash").wait) == (30_000, 0)
    mail = policy.targets[1]
    assert (mail.id, mail.quiet) == ("mail:night-desk", (Hours(23 * 60, 6 * 60 + 30),))
    assert mail.throttle == {"urgent": Throttle(4, 3_600_000)}


def test_a_policy_cannot_change() -> None:
    """What was loaded stays as it was checked."""
    policy = load(ROUTE)
    with pytest.raises(ValueError, match="frozen"):
        policy.fresh = 1  # type: ignore[misc]  # - that it cannot is the point


def test_the_command_names_every_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`dateline alerts policy check` names all mistakes and exits with 1, or says there is none."""
    file = tmp_path / "alerts.toml"
    file.write_text(f'{ROUTE}kinds = ["a"]\nurgency = 12')
    assert run(["alerts", "policy", "check", str(file)]) == 1
    out = capsys.readouterr().out
    assert out.count(f"{file}: route.0.") == 2
    assert run(["alerts", "policy", "check", str(EXAMPLE)]) == 0
    assert "no mistake found" in capsys.readouterr().out
    assert run(["alerts", "policy", "check", str(tmp_path / "none.toml")]) == 1
    assert "No such file" in capsys.readouterr().err


def test_mail_without_a_relay_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A policy that sends mail is checked without a relay for it: who gets nothing is named."""
    check_it = ["alerts", "policy", "check", str(EXAMPLE)]
    assert run(check_it) == 0
    assert "nothing will reach mail:night-desk where DATELINE_SMTP" in capsys.readouterr().out
    monkeypatch.setenv("DATELINE_SMTP", "smtps://relay.example")
    assert run([*check_it, "--json"]) == 0
    assert '"unsent":[]' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        *(("webhook", ""), ("webhook", "https://10.0.0.1/"), ("mail", ""), ("mail", "a b")),
        *(("apprise", "syslog://"), ("push", "x")),
    ],
)
def test_the_command_names_what_a_server_would_not_begin_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], channel: str, address: str
) -> None:
    """An address that nothing can be sent to is named before a server fails to start with it."""
    file = tmp_path / "alerts.toml"
    file.write_text(f'{ROUTE}[[target]]\nid = "t"\nchannel = "{channel}"\naddress = "{address}"')
    assert run(["alerts", "policy", "check", str(file)]) == 1
    assert capsys.readouterr().out.startswith(f"{file}: target.0.address: expected ")
