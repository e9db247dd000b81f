"""The command line where something is at stake: refused, asked first, or cut short by Ctrl-C."""

import json
import os
import signal
import subprocess
import sys

import pytest
from conftest import STORY
from terminal import KREMLIN, LAW, Desk, desk, told

__all__ = ["desk", "told"]


def test_a_program_is_refused_in_json(told: Desk) -> None:
    """With `--json` a command that has no result says why as one JSON object, as HTTP does."""
    done = told.run(*KREMLIN, "--data", '{"resolves": "P2"}', "--json")
    assert (done.returncode, done.stdout) == (1, "")
    refused = json.loads(done.stderr)
    assert (refused["type"], refused["title"]) == ("urn:dateline:refused", "Refused")
    assert (refused["rule"], refused["field"]) == ("still-awaited", "resolves")
    assert refused["detail"].startswith("refused by rule still-awaited, field resolves: expected")
    for arguments, code, title in (
        (["story", "no-such-story"], 1, "NotFound"),
        (["story", STORY, "--colour"], 2, "WrongUsage"),
        (["story", STORY, "--log", "postgres://x"], 2, "WrongUsage"),
        (["file", STORY, "quote-added", "--data", "@nowhere.json"], 1, "Refused"),
    ):
        done = told.run(*arguments, "--json")
        refused = json.loads(done.stderr)
        assert (done.returncode, refused["exit_code"], refused["title"]) == (code, code, title)


def test_what_cannot_be_undone_is_asked_first(told: Desk) -> None:
    """A redaction says what would go, asks whoever is at a terminal, and else wants `--yes`."""
    redaction = ["redact", STORY, "E05", "--field", "headline", *LAW[:-1]]

    def at_a_terminal(answer: str, arguments: list[str]) -> tuple[int, str]:
        """Type an answer where the command finds a terminal."""
        ours, theirs = os.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "dateline", *arguments],
            cwd=told.folder, env=told.environment, stdin=theirs, stdout=subprocess.PIPE,
            stderr=theirs,
        ) as asking:  # fmt: skip
            os.close(theirs)
            shown = b""
            while b"[y/N] " not in shown:
                shown += os.read(ours, 1_000)
            os.write(ours, answer.encode())
            assert asking.stdout is not None
            said = asking.stdout.read().decode()
        os.close(ours)
        return asking.returncode, said

    refused = told.run(*redaction)
    assert (refused.returncode, "expected --yes, or a terminal" in refused.stderr) == (2, True)
    foreseen = told.json(*redaction, "--dry-run")["erased"]
    assert "E05 (version 5): headline" in told.run(*redaction, "--dry-run").stdout
    code, said = at_a_terminal("n\n", redaction)
    assert (code, "E05 (version 5): headline" in said) == (1, True)
    assert told.json("story", STORY)["version"] == 26
    code, said = at_a_terminal("y\n", redaction)
    assert (code, "redacted at version 27" in said) == (0, True)
    other = ["redact", STORY, "E04", "--field", "contents", *LAW[:-1]]
    foreseen = told.json(*other, "--dry-run")["erased"]
    assert told.json(*other, "--yes")["erased"] == foreseen
    key = told.run("audit", "checkpoint", "--key").stdout
    assert at_a_terminal("\n", ["audit", "rotate-key"]) == (1, "")
    assert told.run("audit", "checkpoint", "--key").stdout == key


@pytest.mark.parametrize("named", ["-", "pipe"])
def test_ctrl_c_says_how_to_go_on(told: Desk, named: str) -> None:
    """An import that waits for what is written ends at Ctrl-C, and says how to go on."""
    os.mkfifo(told.folder / "pipe")
    writing = os.open(told.folder / "pipe", os.O_RDWR)  # which is open to read from then as well
    command = [sys.executable, "-m", "dateline", "import", named]
    with os.fdopen(writing, "wb") as writer, subprocess.Popen(
        command, cwd=told.folder, env=told.environment, text=True,
        stdin=writing, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as importing:  # fmt: skip
        # More than a pipe holds: it is reading by the time that all of it is written.
        writer.write(b'{"story": "b"}\n' * 10_000)
        writer.flush()
        importing.send_signal(signal.SIGINT)
        try:
            _, said = importing.communicate(timeout=20)
        finally:
            importing.kill()
    assert importing.returncode == 130
    assert said == (
        "dateline: interrupted; what was recorded is kept; "
        "the same import again goes on from there\n"
    )
