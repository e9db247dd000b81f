"""A policy is tried on what the log holds, before it is let loose on what comes."""

import json
from pathlib import Path

import pytest
from filings import Story
from hypothesis import given, settings
from hypothesis import strategies as st
from test_alerts_fuzzed import EXAMPLES, Step, _policies, lived, steps

from consumers.alerts.decide import BY
from consumers.alerts.policy import Policy, load
from consumers.alerts.rehearsal import rehearse
from dateline.cli.run import run
from events.alerts import AlertIssued

POLICY = '[[route]]\nname = "words"\nlevel = "regular"\nkinds = ["quote-added"]\n'


@settings(max_examples=EXAMPLES)
@given(_policies, steps(), st.sampled_from([{}, {"urgency": 1}]))
def test_a_rehearsal_decides_as_the_policy_did(
    policy: Policy, day: list[Step], opening: dict[str, int]
) -> None:
    """Tried on a day on which it was at work, a policy decides the same at the same moments."""
    second: Step = ("move", {"seconds": 1})
    apart = [second, *(each for step in day for each in (step, second))]
    story = lived(policy, apart, opening)
    made = [each for each in story.events if each.provenance["filed_by"] == BY]
    tried = list(rehearse(story.events, policy, story.now))
    assert [(e.recorded_ms, e.development) for e in tried] == [
        (e.recorded_ms, e.development) for e in made
    ]


def test_a_rehearsal_of_more_than_an_alert_holds_ends() -> None:
    """A policy is rehearsed to its end on a story in which more waits than one alert holds."""
    story = Story()
    story.file("story-opened", ref="E1", title="A story")
    for number in range(202):
        story.file("quote-added", ref=f"Q{number}")
    policy = load(f'[levels.regular]\nwait = "30m"\n{POLICY}')
    tried = [e.development for e in rehearse(story.events, policy, story.now + 3_600_000)]
    issued = [each.alert.derived_from for each in tried if isinstance(each, AlertIssued)]
    assert [len(refs) for refs in issued] == [200, 2]


def test_a_policy_is_rehearsed_on_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`alerts policy rehearse` says what would have been decided, and writes nothing."""
    url, policy = f"sqlite:///{tmp_path}/news.db", tmp_path / "alerts.toml"
    policy.write_text(POLICY)

    def said(*words: str) -> str:
        assert run([*words, "--log", url]) == 0
        return capsys.readouterr().out

    for story in ("harbour-fire", "a-storm"):
        said("file", story, "story-opened", "--headline", "x", "--data", '{"title": "A drill"}')
        said("file", story, "quote-added", "--headline", "A drill")
    before = said("audit", "verify")
    rehearse_it = ["alerts", "policy", "rehearse", str(policy)]
    lines = said(*rehearse_it).splitlines()
    assert lines[0].split() == ["AT", "STORY", "ALERT", "LEVEL", "DECISION", "FROM", "WHY"]
    assert [line.split()[1:6] for line in lines[1:]] == [
        ["harbour-fire", "alert-2", "regular", "issued", "d2"],
        ["a-storm", "alert-2", "regular", "issued", "d2"],
    ]
    (one,) = json.loads(said(*rehearse_it, "--story", "a-storm", "--json"))
    assert (one["story"], one["why"]) == ("a-storm", "route words")
    assert said("audit", "verify") == before
    policy.write_text(POLICY.replace("quote-added", "outcome-reported"))
    assert said(*rehearse_it) == "it would have decided nothing\n"
    assert run([*rehearse_it, "--story", "nowhere", "--log", url]) == 1
