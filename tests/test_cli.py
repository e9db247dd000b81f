"""The command line as a person or a script meets it: real processes, real files."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import SAMPLE, STORY
from filings import filed, note, opening
from terminal import KREMLIN, LAW, Desk, desk, told

from events.sqlite.log import SqliteLog

__all__ = ["desk", "told"]


def test_a_first_filing(desk: Desk) -> None:
    """A newcomer opens a story, files into it and sees its state, all in the default log."""
    title = ["--data", '{"title": "Harbour fire"}']
    assert desk.run("file", "harbour", "story-opened", "--headline", "Fire", *title).returncode == 0
    done = desk.run("file", "harbour", "quote-added", "--headline", "“We are safe”")
    assert done.stdout == "harbour: d2 quote-added at version 2, position 2\n"
    shown = desk.run("story", "harbour").stdout
    assert "opened  d1  Fire\n" in shown
    assert "“We are safe”" in shown
    assert (desk.folder / "dateline.db").exists()


def test_a_refusal_is_one_sentence(told: Desk) -> None:
    """A broken rule exits 1 with one sentence that names rule, field, expected and found."""
    done = told.run(*KREMLIN, "--data", '{"resolves": "P2"}')
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "dateline: refused by rule still-awaited, field resolves: expected a response that is "
        "still awaited; found P2, resolved by E18\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["story", "no-such-story"], 1),
        (["story", STORY, "--as-of", "yesterday"], 1),
        (["history", "no-such-story"], 1),
        (["file", STORY, "quote-added", "--headline", "x", "--expected-version", "3"], 1),
        (["file", STORY, "quote-added", "--headline", "x", "--data", "{"], 1),
        (["file", STORY, "quote-added", "--headline", "x", "--data", "@nowhere.json"], 1),
        (["file", STORY, "quote-addedd", "--headline", "x"], 1),
        (["parked", "retry", "3"], 1),
        (["follow", "--after", "99"], 1),
        (["redact", STORY, "E04", "--field", "headline", *LAW[:-1]], 2),
        (["audit", "rotate-key"], 2),
        (["nonsense"], 2),
        (["story"], 2),
        (["story", STORY, "--colour"], 2),
        (["story", STORY, "--log", "postgres://x"], 2),
        (["rebuild", "nothing"], 2),
        ([], 2),
        (["story", STORY, "--log", "sqlite:///mistyped.db"], 1),
        (["audit", "verify", "--log", "sqlite:///mistyped.db"], 1),
        (["backup", "no/such/folder/x.db"], 1),
        (["redact", STORY, "E99", "--field", "body", *LAW], 1),
        (["redact", STORY, "E04", "--field", "urgency", *LAW], 1),
        (["hold", "lift", STORY, "--reason", "none was placed"], 1),
        (["audit", "verify", "nowhere.jsonl.gz"], 1),
        (["audit", "prove", "99"], 1),
        (["audit", "consistency", "99"], 1),
        (["audit", "export", "x.jsonl.gz", "--parts", "everything"], 2),
        (["file", STORY, "quote-added", "--headline", "x", "--log", "sqlite:///no/folder/x.db"], 3),
    ],
)
def test_exit_codes(told: Desk, arguments: list[str], code: int) -> None:
    """0 done, 1 refused, 2 wrong usage, 3 log unavailable; each with a sentence, no traceback."""
    done = told.run(*arguments)
    assert done.returncode == code, done.stderr
    assert done.stderr.strip()
    assert not list(Path(told.folder).glob("mistyped*"))


def test_who_has_read_enough_may_stop(told: Desk) -> None:
    """A reader that closes the pipe early ends the command in peace."""
    command = [sys.executable, "-m", "dateline", "history", STORY]
    with subprocess.Popen(
        command,
        cwd=told.folder,
        env=told.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as reading:
        assert reading.stdout is not None
        assert reading.stderr is not None
        reading.stdout.close()
        assert (reading.wait(), reading.stderr.read()) == (0, b"")


def test_a_bad_setting_is_named(desk: Desk) -> None:
    """A setting that cannot be is named with what was found."""
    desk.environment["DATELINE_LOG_LEVEL"] = "loud"
    done = desk.run("stories")
    assert done.returncode == 2
    assert "DATELINE_LOG_LEVEL" in done.stderr
    assert "loud" in done.stderr


def test_the_sample_as_json(told: Desk) -> None:
    """`story --json` gives a program all that a story holds, under names that stay the same."""
    state = told.json("story", STORY)
    assert set(state) >= {
        "story", "title", "status", "version", "position", "recorded_at", "opening", "lead",
        "timeline", "pending", "resolved", "claims", "figures", "conflicts", "corrections",
        "alerts", "people", "places", "checkpoint",
    }  # fmt: skip
    assert set(state["timeline"][0]) >= {
        "ref", "kind", "headline", "status", "corrected", "version", "position", "recorded_at",
        "occurred", "attribution", "corrections",
    }  # fmt: skip
    assert (len(state["timeline"]), len(state["conflicts"]), state["lead"]["ref"]) == (23, 2, "E04")
    assert [story["story"] for story in told.json("stories")] == [STORY]
    assert told.json("story", STORY, "--public")["timeline"] == state["timeline"]


def test_looking_back(told: Desk) -> None:
    """A story is shown as it was known at a position or a time, and as the world stood."""
    assert len(told.json("story", STORY, "--as-of", "10")["timeline"]) == 9
    now = told.json("story", STORY)
    at = told.json("story", STORY, "--as-of", now["recorded_at"])
    assert at["timeline"] == now["timeline"]
    assert told.run("story", STORY, "--as-of", "2020-01-01").returncode == 1
    by_september = told.json("story", STORY, "--occurred-by", "2025-09-30")
    assert [item["ref"] for item in by_september["timeline"]] == ["E17", "E20", "E21"]
    assert told.json("story", STORY, "--occurred-by", "2025-10-11")["timeline"] == now["timeline"]


def test_looking_back_by_the_corrected_date(told: Desk) -> None:
    """When it happened is judged by the date as it was corrected, not as it was first filed."""
    happened = {item["ref"]: item["occurred"] for item in told.json("story", STORY)["timeline"]}
    fix = {"target": "E20", "field": "occurred.date", "old": happened["E20"].get("date")}
    told.run("file", STORY, "corrected", "--data", json.dumps(
        fix | {"new": "2025-10-09", "note": "misread"}
    ))  # fmt: skip
    by_september = told.json("story", STORY, "--occurred-by", "2025-09-30")
    assert [item["ref"] for item in by_september["timeline"]] == ["E17", "E21"]


def test_what_changed(told: Desk) -> None:
    """`diff` says what was added, removed and changed between two moments."""
    told.run(*KREMLIN, "--data", '{"resolves": "P1", "ref": "K1"}')
    changes = told.json("diff", STORY, "26", "27")["changes"]
    assert {(c["section"], c["ref"], c["change"]) for c in changes} == {
        ("timeline", "K1", "added"),
        ("pending", "P1", "removed"),
        ("resolved", "P1", "added"),
    }
    assert "nothing changed" in told.run("diff", STORY, "26", "26").stdout


def test_what_is_withdrawn_says_why(told: Desk) -> None:
    """Readers see that something stood there, and why it went."""
    told.run("file", STORY, "withdrawn", "--data", '{"target": "E24", "reason": "a drill"}')
    assert "— [withdrawn: a drill]" in told.run("story", STORY, "--public").stdout


def test_history_shows_all_and_nothing_private(told: Desk) -> None:
    """Every event is in the history, with who filed it, and private text is in no output."""
    data = '{"private": {"notes": "UNSAYABLE"}}'
    told.environment["DATELINE_LOG_LEVEL"] = "debug"
    filed = told.run("file", STORY, "quote-added", "--headline", "x", "--data", data, "--by", "ada")
    lines = told.run("history", STORY, "--json").stdout.splitlines()
    assert len(lines) == 27
    assert json.loads(lines[-1])["filed_by"] == "ada"
    everything = [filed, told.run("history", STORY), told.run("story", STORY, "--json")]
    assert all("UNSAYABLE" not in done.stdout + done.stderr for done in everything)
    assert "UNSAYABLE" not in "".join(lines)


def test_log_lines_are_json_outside_a_terminal(told: Desk) -> None:
    """Where nobody watches, each log line is one JSON object with its correlation id."""
    told.environment["DATELINE_LOG_LEVEL"] = "info"
    done = told.run("file", STORY, "quote-added", "--headline", "x")
    (line,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert (line["event"], line["position"]) == ("filed", 27)
    assert len(line["correlation"]) == 36


def test_the_same_filing_twice(told: Desk) -> None:
    """The same id with the same content is answered with the first receipt."""
    event_id = "01999999-0000-7000-8000-000000000001"
    data = json.dumps({"id": event_id})
    first, again = (
        told.json("file", STORY, "quote-added", "--headline", "x", "--data", data) for _ in "12"
    )
    assert (first["duplicate"], again["duplicate"]) == (False, True)
    assert {**first, "duplicate": True} == again
    other = told.run("file", STORY, "quote-added", "--headline", "y", "--data", data)
    assert (other.returncode, "other content" in other.stderr) == (1, True)


def test_data_from_a_file_and_from_standard_input(told: Desk) -> None:
    """All other fields come from JSON as typed, from a file or from standard input."""
    (told.folder / "more.json").write_text('{"urgency": 1}')
    told.run("file", STORY, "quote-added", "--headline", "first", "--data", "@more.json")
    told.run(
        "file", STORY, "quote-added", "--headline", "then", "--data", "-", stdin='{"urgency":1}'
    )
    assert told.json("story", STORY)["lead"]["headline"] == "then"


def test_import_from_standard_input_names_bad_lines(desk: Desk) -> None:
    """A bad line is named by number, and the good stories go in."""
    lines = [*SAMPLE.read_text().splitlines()[:3], '{"story": "b"}']
    done = desk.run("import", "-", "--json", stdin="\n".join(lines))
    assert done.returncode == 1
    assert done.stderr.startswith("dateline: line 4: refused by rule kind")
    assert json.loads(done.stdout)["appended"] == 3


def test_following_from_another_process(told: Desk) -> None:
    """`follow` shows what is there and then what other processes file, until Ctrl-C."""
    command = [sys.executable, "-m", "dateline", "follow", "--after", "24", "--json"]
    follower = subprocess.Popen(
        command, cwd=told.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert follower.stdout is not None
    seen = [json.loads(follower.stdout.readline())["position"] for _ in range(2)]
    filing = threading.Thread(
        target=told.run, args=("file", STORY, "quote-added", "--headline", "x")
    )
    filing.start()
    seen.append(json.loads(follower.stdout.readline())["position"])
    filing.join()
    follower.send_signal(signal.SIGINT)
    _, complaint = follower.communicate(timeout=30)
    assert seen == [25, 26, 27]
    assert follower.returncode == 130
    assert complaint == (
        "dateline: interrupted; `--after` and the last position that was shown go on from there\n"
    )


def test_output_that_nobody_reads_to_the_end(told: Desk) -> None:
    """A pipe that closes early ends the command without complaint."""
    line = f"{sys.executable} -m dateline history {STORY} --json | head -n 1"
    done = subprocess.run(
        ["/bin/sh", "-c", line], cwd=told.folder, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["position"] == 1
    assert done.stderr == ""


def test_hostile_headlines_stay_words(told: Desk) -> None:
    """Markup and direction marks in a headline neither colour nor turn the terminal's text."""
    told.run("file", STORY, "quote-added", "--headline", "[red]x[/red] \u202eevil\u202c")
    shown = told.run("story", STORY).stdout
    assert "[red]x[/red] evil" in shown
    assert "\u202e" not in shown
    refused = told.run("file", STORY, "quote-added", "--headline", "\x1b[2Jgone")
    assert refused.returncode == 1
    assert "\x1b" not in refused.stderr


def test_rebuilding_and_parked(told: Desk) -> None:
    """A view is rebuilt on demand, and with nothing parked the list says so."""
    assert told.json("rebuild") == {"projection": "stories", "checkpoint": 26}
    assert told.run("parked", "list").stdout == "nothing is parked\n"
    assert told.json("parked", "list") == []


def test_the_doctor(told: Desk, tmp_path: Path) -> None:
    """The doctor says what is well, and exits 1 when something is at risk."""
    report = told.json("doctor")
    assert not report["at_risk"]
    assert {finding["what"] for finding in report["findings"]} >= {
        "log",
        "disk",
        "stories",
        "clock",
    }
    (tmp_path / "text.db").write_text("no database " * 99)
    ill = told.run("doctor", "--log", f"sqlite:///{tmp_path}/text.db")
    assert (ill.returncode, "at risk" in ill.stdout) == (1, True)


def test_verifying(told: Desk) -> None:
    """`audit verify` proves the log and prints the root."""
    proved = told.json("audit", "verify")
    assert (proved["events"], proved["stories"], len(proved["root"])) == (26, 1, 64)


def test_redacting(told: Desk) -> None:
    """Words are erased by law, held against it, and copies that still have them are named."""
    told.run("backup", "before.db")
    for parts in ("public", "private"):
        told.run("audit", "export", f"{parts}.gz", "--parts", parts)
    assert (told.folder / "private.gz").stat().st_mode & 0o077 == 0
    (read,) = told.json("audit", "reads")
    assert read["filed_by"] == "house:auditor"
    words = "Eight children reunited"
    assert words.encode() in (told.folder / "dateline.db").read_bytes()
    told.json("hold", "place", STORY, "--reason", "a suit")
    redaction = ["redact", STORY, "E04", "--field", "headline", *LAW]
    assert "legal-hold" in told.run(*redaction).stderr
    told.json("hold", "lift", STORY, "--reason", "it is over")
    again = ["redact", STORY, "E05", "--field", "headline", *LAW]
    assert "erased from 1 event: E05 (version 5)" in told.run(*again).stdout
    assert [each["ref"] for each in told.json(*redaction)["erased"]] == ["E04"]
    assert words not in told.run("story", STORY, "--json").stdout
    files = [file for file in told.folder.iterdir() if words.encode() in file.read_bytes()]
    assert [file.name for file in files] == ["before.db"]
    found = told.json("audit", "retention")
    copies = [*found["backups"], *found["exports"]]
    assert [(copy["there"], len(copy["erased_since"])) for copy in copies] == [(True, 2)] * 3
    assert [copy["parts"] for copy in found["exports"]] == ["public", "private"]
    assert "private export" in told.run("audit", "retention").stdout
    assert told.json("audit", "verify")["events"] == 32


def test_an_export_from_the_command_line(told: Desk) -> None:
    """The log is exported, verified without it, and refused with one byte changed."""
    assert told.run("audit", "checkpoint").stdout.count("\n") == 5
    told.run("audit", "export", "log.jsonl.gz")
    assert told.json("audit", "verify", "log.jsonl.gz")["events"] == 26
    whole = bytearray((told.folder / "log.jsonl.gz").read_bytes())
    whole[len(whole) // 2] ^= 1
    (told.folder / "log.jsonl.gz").write_bytes(whole)
    refused = told.run("audit", "verify", "log.jsonl.gz")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "log damaged at position" in refused.stderr
    assert told.run("audit", "prove", "5").stdout.startswith("c2sp.org/tlog-proof@v1\nindex 4\n")
    assert told.json("audit", "consistency", "10")["to"] == 26


def test_the_demonstration(desk: Desk) -> None:
    """The demo files a real story, shows it now and then, alerts, corrects, and verifies."""
    done = desk.run("demo")
    assert done.returncode == 0, done.stderr
    for words in (
        "26 developments filed",
        "Eight children reunited",
        "awaited    P1  org:kremlin",
        "as it was known at position 10",
        "dateline.alert-issued: DRILL",
        "dateline.alert-corrected: CORRECTION",
        "signature verified",
        "corrected: reached 1 of 1",
        "31 events are as they were recorded",
        "VERIFIED record.jsonl.gz: 31 events",
        "REFUSED changed.jsonl.gz: position 4: expected the body that was committed to",
    ):
        assert words in done.stdout
    assert list(desk.folder.iterdir()) == []


def test_help_names_every_command(desk: Desk) -> None:
    """`--help` lists each command of the contract."""
    shown = desk.run("--help").stdout
    commands = "demo file import story stories history diff follow rebuild parked backup restore"
    for command in [*commands.split(), "audit", "doctor"]:
        assert f"  {command} " in shown


async def test_a_view_that_is_far_behind_shows_how_it_catches_up(desk: Desk) -> None:
    """Whoever asks for stories right after a large import sees that something goes on, and no more.

    Standard output is the answer alone, and a view that is current says nothing.
    """
    await far_behind(desk)
    first, second = desk.run("stories"), desk.run("stories")
    assert first.stderr.splitlines()[-1] == "stories: 5500 of 6001"
    assert second.stderr == ""
    assert first.stdout == second.stdout


async def test_a_server_that_is_far_behind_says_so_in_its_metrics_alone(desk: Desk) -> None:
    """A server's standard error stays its log: how a view catches up is not among the lines."""
    await far_behind(desk)
    command = [sys.executable, "-m", "dateline", "serve", "--port", "0"]
    with subprocess.Popen(
        command, cwd=desk.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("dateline: serving http://127.0.0.1:")
        server.send_signal(signal.SIGINT)
        _, complaints = server.communicate(timeout=30)
    assert "stories: " not in complaints


async def far_behind(desk: Desk) -> None:
    """Have the log hold more than any view of it."""
    log = SqliteLog(desk.folder / "dateline.db")
    await log.append("a", [filed(opening()), *(note(str(number)) for number in range(6_000))])
    await log.close()
