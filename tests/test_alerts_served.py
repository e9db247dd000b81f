"""Alerts as the newsroom sees them: over HTTP and on the command line."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from receiving import issue
from serving import served

from consumers.alerts.policy import load
from dateline.cli.run import run
from dateline.wiring import Newsroom, newsroom

POLICY = """
[[route]]
name = "words"
level = "regular"
kinds = ["quote-added"]
"""


async def test_alerts_are_served_to_the_newsroom(room: Newsroom) -> None:
    """A server with a policy alerts, and tells whoever may look inside what and why."""
    room.policy = load(POLICY)
    async with served(room) as desk:
        await desk.file("harbour-fire", "story-opened", ref="E1", title="Fire (drill)")
        assert room.dispatch is not None
        await room.dispatch.decide_due()  # from here on it is news
        await desk.file("harbour-fire", "quote-added", ref="E2")
        await desk.file("harbour-fire", "statement-issued", ref="E3")
        await room.log.grown(3)

        async def asked(path: str, key: str | None = None) -> tuple[int, Any]:
            status, body, _ = await desk.get(path, desk.bearer(key) if key != "" else None)
            return status, orjson.loads(body)

        status, found = await asked("/v1/alerts")
        assert (status, found["next"]) == (200, None)
        assert [(a["story"], a["state"], a["derived_from"]) for a in found["alerts"]] == [
            ("harbour-fire", "issued", ["E2"])
        ]
        _, why = await asked("/v1/alerts/harbour-fire/E2")
        assert (why["outcome"], why["why"]) == ("issued", "route words")
        _, why = await asked("/v1/alerts/harbour-fire/E3")
        assert (why["outcome"], why["why"]) == ("silent", "no route of the policy takes it")
        assert (await asked("/v1/alerts/silences"))[1] == {"silences": []}
        assert (await asked("/v1/alerts", ""))[0] == 401
        assert (await asked("/v1/alerts/harbour-fire/E9"))[0] == 404
        assert (await asked("/v1/alerts?before=x"))[0] == 400
        assert (await asked("/v1/alerts?story=harbour-fire&state=issued"))[1] == found
        for other in ("story=elsewhere", "state=retracted"):
            assert (await asked(f"/v1/alerts?{other}"))[1]["alerts"] == []
        assert (await asked("/v1/alerts?state=lost"))[0] == 400


async def test_alerts_are_listed_under_headings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`dateline alerts list` says what each column is, and lists a story's or a state's alone."""
    url = f"sqlite:///{tmp_path}/news.db"
    async with newsroom(url) as room:
        for story in ("harbour-fire", "a-storm"):
            await issue(room, story)

    async def listed(*options: str) -> str:
        await asyncio.to_thread(run, ["alerts", "list", "--log", url, *options])
        return capsys.readouterr().out

    lines = (await listed()).splitlines()
    assert lines[0].split() == ["ALERT", "LEVEL", "STATE", "REACHED", "FROM", "WHY"]
    assert [line.split()[:3] for line in lines[1:]] == [
        ["a-storm/A1", "regular", "issued"],
        ["harbour-fire/A1", "regular", "issued"],
    ]
    for line in lines[1:]:
        assert line[lines[0].index("WHY") :] == "a drill"
    assert "a-storm" not in await listed("--story", "harbour-fire", "--state", "issued")
    assert await listed("--state", "retracted") == "no such alerts\n"
    assert await asyncio.to_thread(run, ["alerts", "list", "--log", url, "--state", "lost"]) == 2
    assert "expected one of issued, suppressed" in capsys.readouterr().err


def test_silences_are_made_listed_and_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A silence has an author, a reason and an end, and stays on record when it is removed."""
    monkeypatch.setenv("DATELINE_LOG", f"sqlite:///{tmp_path}/news.db")
    monkeypatch.setenv("DATELINE_BY", "desk:ada")

    def said(*words: str) -> str:
        assert run(["alerts", *words]) == 0
        return capsys.readouterr().out

    file = ["file", "harbour-fire", "story-opened", "--headline", "Fire (drill)"]
    assert run([*file, "--data", '{"title": "Fire (drill)"}']) == 0
    assert run(["alerts", "list"]) == 0
    assert "no alerts yet" in capsys.readouterr().out
    until, why = "2099-01-01T00:00:00Z", "the family is being told"
    add = ["silence", "add", "harbour-fire", "--until", until, "--reason", why, "--json"]
    name = orjson.loads(said(*add, "--level", "regular"))["silence"]
    (listed,) = said("silence", "list").splitlines()
    assert f"in force until {until[:-1]}.000Z, regular alert: {why} (desk:ada)" in listed
    told = said("silence", "remove", f"harbour-fire/{name}", "--reason", "they know")
    assert told == f"harbour-fire/{name} is removed\n"
    (silence,) = orjson.loads(said("silence", "list", "--json"))
    assert (silence["by"], silence["reason"], silence["state"]) == ("desk:ada", why, "removed")
    past = [*add[:4], "2020-01-01T00:00:00Z", *add[5:]]
    assert run(["alerts", *past]) == 1
    assert "a time to come" in capsys.readouterr().err


def test_what_did_not_alert_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dateline alerts explain` says why a development did not alert, whatever the reason."""
    monkeypatch.setenv("DATELINE_LOG", f"sqlite:///{tmp_path}/news.db")

    def file(kind: str, ref: str, **fields: Any) -> None:
        data = orjson.dumps({"ref": ref, **fields}).decode()
        words = ["file", "harbour-fire", kind, "--headline", "A drill", "--data", data]
        assert run(words) == 0
        capsys.readouterr()

    def why(ref: str) -> str:
        assert run(["alerts", "explain", f"harbour-fire/{ref}"]) == 0
        return capsys.readouterr().out.strip()

    file("story-opened", "E1", title="Fire (drill)")
    file("response-awaited", "E2", response={"ref": "P1", "awaited_from": "org:port"})
    file("quote-added", "E3", embargo_until="2099-01-01T00:00:00Z")
    file("quote-added", "E4")
    assert why("E2").endswith("absence is not news: that an answer is awaited alerts nobody")
    assert why("E3").endswith("it is not released: embargoed")
    assert why("E4").endswith("there is no policy: DATELINE_ALERTS names none")
    policy = tmp_path / "alerts.toml"
    policy.write_text(POLICY)
    monkeypatch.setenv("DATELINE_ALERTS", str(policy))
    assert "route words takes it now, but it was there before" in why("E4")
    assert why("E1").endswith("no route of the policy takes it")
    assert run(["alerts", "explain", "harbour-fire/E9"]) == 1
    assert "no alert or development harbour-fire/E9" in capsys.readouterr().err
