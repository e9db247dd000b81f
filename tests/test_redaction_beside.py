"""A redaction beside a server that alerts says what is done, and is not asked for again."""

import asyncio
from pathlib import Path

import pytest
from publishing import filed
from redactions import LAW, traces
from viewing import watched

from consumers.alerts.policy import load
from dateline.cli.run import run
from dateline.commands import custody
from dateline.wiring import newsroom

WORDS = "zqbeside01 words that alerts remember of a drill"
POLICY = '[[route]]\nname = "words"\nlevel = "regular"\nkinds = ["quote-added"]\n'
REDACTION = ["redact", "a", "Q", "--field", "headline", "--reason-code", "drill"]
REDACTION += ["--legal-basis", "a drill", "--ordered-by", "a court", "--by", "desk:ada", "--yes"]


@pytest.fixture
async def alerted(tmp_path: Path) -> str:
    """A log whose alerts, which are not at work any more, remember words; its URL."""
    url = f"sqlite:///{tmp_path}/news.db"
    async with newsroom(url) as room:
        room.policy = load(POLICY)
        assert room.dispatch is not None
        await filed(room, "story-opened", title="A story")
        await room.dispatch.decide_due()  # from here on it is news
        later = {"embargo_until": "2031-01-01T00:00:00Z"}
        await filed(room, "quote-added", ref="Q", headline=WORDS, **later)
        await room.dispatch.decide_due()
        assert WORDS in str(watched(room.views))
    return url


def test_a_redaction_without_the_policy_says_what_is_left(
    alerted: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is done, with one sentence on which file is cleaned by whom; once more it is refused."""
    monkeypatch.setattr(custody, "LOOKS", 2)
    assert run([*REDACTION, "--log", alerted]) == 0
    said = capfd.readouterr()
    assert "erased from" in said.out
    (sentence,) = said.err.splitlines()
    assert sentence.startswith("dateline: recorded, and erased from the log")
    assert f"{tmp_path}/news.views.db" in sentence
    assert run([*REDACTION, "--log", alerted]) == 1
    assert "erased already" in capfd.readouterr().err
    assert run(["audit", "retention", "--log", alerted]) == 0
    assert "1 redaction; 1 to be cleaned up after, by a server" in capfd.readouterr().out
    policy = tmp_path / "alerts.toml"
    policy.write_text(POLICY)
    monkeypatch.setenv("DATELINE_ALERTS", str(policy))
    assert run(["audit", "retention", "--log", alerted]) == 0
    assert "1 of them just now" in capfd.readouterr().out
    assert list(traces(tmp_path, WORDS)) == []


def test_a_redaction_with_the_policy_cleans_everything(
    alerted: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever redacts with the policy at hand leaves no file to be cleaned, and hears of none."""
    policy = tmp_path / "alerts.toml"
    policy.write_text(POLICY)
    monkeypatch.setenv("DATELINE_ALERTS", str(policy))
    assert run([*REDACTION, "--log", alerted]) == 0
    assert capfd.readouterr().err == ""
    assert list(traces(tmp_path, WORDS)) == []


async def test_a_server_beside_it_has_a_moment(
    alerted: str, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Where a server that has the policy cleans up meanwhile, nothing is said to be left."""
    async with newsroom(alerted) as server, newsroom(alerted) as room:
        server.policy = load(POLICY)
        cleaning = asyncio.ensure_future(server.cleaning.run())
        act = {"story": "a", "kind": "redacted", "target": "Q", "fields": ["headline"], **LAW}
        assert await custody.redact(room, act, "desk:ada", None, json=False) == 0
        assert capfd.readouterr().err == ""
        cleaning.cancel()
        await asyncio.gather(cleaning, return_exceptions=True)
        assert list(traces(tmp_path, WORDS)) == []
