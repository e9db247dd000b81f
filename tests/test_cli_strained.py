"""Whatever the shell hands to the program, or takes from it, the answer is one clear sentence."""

import codecs
import ctypes
import gzip
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from dateline.urls import book_path, keys_path, signing_key_path, views_path
from producers.intake import FILING_BYTES

LIBC = ctypes.CDLL(None)
DROP = 24  # PR_CAPBSET_DROP: what is run by root then has no such capability
READ_AND_WRITE_ALL = (1, 2)  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
MEBIBYTE = 1024 * 1024
OPENING = {"story": "a", "kind": "story-opened", "headline": "h", "title": "t"}


def dateline(
    folder: Path, *words: str, before: str = "", limit: int = 0, held_to_modes: bool = False
) -> tuple[int, str, str]:
    """Run the program as a shell does, with `before` done to its streams."""

    def limited() -> None:
        if held_to_modes and os.geteuid() == 0:
            for capability in READ_AND_WRITE_ALL:
                LIBC.prctl(DROP, capability, 0, 0, 0)
        if limit:
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {before}', "sh", sys.executable, "-m", "dateline", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limited,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_version_is_said_without_a_command(tmp_path: Path) -> None:
    """`dateline --version` needs nothing else."""
    code, said, complaint = dateline(tmp_path, "--version")
    assert (code, said.split()[0], complaint) == (0, "dateline", "")


@pytest.mark.parametrize("option", ["--by", "--log"])
def test_an_empty_option_is_no_option_left_out(tmp_path: Path, option: str) -> None:
    """What an unset variable leaves of an option is wrong usage: nobody else files instead."""
    words = ("file", "a", "story-opened", "--headline", "h", "--data", '{"title": "t"}')
    code, said, complaint = dateline(tmp_path, *words, option, "")
    assert (code, said) == (2, "")
    assert complaint.startswith(f"dateline: Invalid value for '{option}': expected a value")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("serve", "--port", "http"), "'--port': expected a whole number; found 'http'"),
        (("serve", "--port", "70000"), "'--port': expected at most 65535; found '70000'"),
        (("audit", "prove", "0"), "'POSITION': expected at least 1; found '0'"),
        (("parked", "retry", "x" * 4000), f"expected a whole number; found 'xxxx{'x' * 95} (see"),
        (("backup",), "Missing argument 'FILE'. (see dateline backup --help)"),
    ],
)
def test_a_wrong_number_is_named_in_plain_words(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    """What was typed in place of a number is repeated, as far as it fits, with what goes there."""
    code, out, complaint = dateline(tmp_path, *words)
    assert (code, out, said in complaint) == (2, "", True), complaint


@pytest.mark.parametrize("words", [("file", "a", "quote-added", "--data", "-"), ("import", "-")])
def test_a_closed_standard_input_holds_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Where standard input was closed, there is nothing in it, and no fault in the program."""
    _, _, complaint = dateline(tmp_path, *words, before="<&-")
    assert "fault" not in complaint
    assert complaint.count("\n") <= 1


def test_a_line_without_an_end_takes_no_memory(tmp_path: Path) -> None:
    """A line of a gigabyte is named as too long, and is not held in memory to say so."""
    with gzip.open(tmp_path / "bomb.gz", "wb", compresslevel=1) as bomb:
        bomb.write(orjson.dumps(OPENING) + b"\n")
        for _ in range(1024):
            bomb.write(bytes(MEBIBYTE))
        bomb.write(b"\n{}\n")
    code, said, complaint = dateline(tmp_path, "import", "bomb.gz", limit=900 * MEBIBYTE)
    assert (code, said) == (1, "0 imported, 0 known before, 1 left out\n"), complaint
    assert [line.split(":")[1] for line in complaint.splitlines() if "line" in line] == [
        " line 2",
        " line 3",
    ]


@pytest.mark.parametrize(("more", "outcome"), [(0, (0, "")), (1, (1, "262144 bytes; found more"))])
def test_a_line_may_be_as_long_as_a_filing(
    tmp_path: Path, more: int, outcome: tuple[int, str]
) -> None:
    """A line may have 262144 bytes beside its end; of a longer one the limit is said."""
    line = orjson.dumps(OPENING).ljust(FILING_BYTES + more)
    (tmp_path / "long.jsonl").write_bytes(codecs.BOM_UTF8 + line + b"\r\n")
    code, _, complaint = dateline(tmp_path, "import", "long.jsonl")
    assert (code, outcome[1] in complaint) == (outcome[0], True), complaint


def test_a_log_has_one_of_each_by_whatever_link_it_is_named(tmp_path: Path) -> None:
    """A link to a log leads to the views, keys and signing key that the log has."""
    (tmp_path / "news.db").touch()
    (tmp_path / "link.db").symlink_to("news.db")
    for path_of in (views_path, keys_path, book_path, signing_key_path):
        beside = str(path_of(f"sqlite:///{tmp_path}/link.db"))
        assert os.path.realpath(beside) == str(path_of(f"sqlite:///{tmp_path.resolve()}/news.db"))


def test_nobody_else_on_the_machine_reads_what_is_private(tmp_path: Path) -> None:
    """Every file that the program makes is its owner's alone, whatever the shell's mask is."""
    data = '{"title": "t", "private": {"sources": "somebody"}}'
    for words in (
        ("file", "a", "story-opened", "--headline", "h", "--data", data),
        ("stories",),
        ("keys", "create", "desk", "--scope", "file"),
        ("backup", "copy.db"),
        ("restore", "copy.db", "--log", "sqlite:///again.db"),
    ):
        code, _, complaint = dateline(tmp_path, *words)
        assert code == 0, complaint
    modes = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir()}
    assert len(modes) >= 5
    assert not any(modes.values()), modes


def test_looking_makes_no_file(tmp_path: Path) -> None:
    """Who asks about a log that is not there finds the folder as it was."""
    for words in (("stories",), ("story", "a"), ("keys", "list"), ("doctor",), ("audit", "verify")):
        dateline(tmp_path, *words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [("rebuild",), ("alerts", "list", "--state")])
def test_bytes_that_are_no_text_are_refused_in_json(tmp_path: Path, words: tuple[str, ...]) -> None:
    """An argument that is not UTF-8 is named in the object that a program gets."""
    code, said, complaint = dateline(tmp_path, *words, os.fsdecode(b"caf\xe9"), "--json")
    assert (code in (1, 2), said) == (True, "")
    assert "caf\udce9" in json.loads(complaint)["detail"]


@pytest.mark.parametrize("json_too", [(), ("--json",)])
def test_what_was_filed_and_cannot_be_told_is_not_to_be_filed_again(
    tmp_path: Path, json_too: tuple[str, ...]
) -> None:
    """Who files into a log and cannot be answered is told that it is recorded, not to try again."""
    filing = ("file", "a", "story-opened", "--headline", "h", "--data", '{"title": "t"}')
    code, _, complaint = dateline(tmp_path, *filing, *json_too, before=">/dev/full")
    assert code == 1
    assert "standard output: No space left on device; what was recorded is kept" in complaint
    assert "version 1" in dateline(tmp_path, "stories")[1]


@pytest.mark.parametrize("words", [("--help",), ("story", "--help"), ("--version",)])
def test_help_that_cannot_be_shown_is_no_trouble_of_the_log(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Where standard output takes nothing, `--help` names it, and is not called safe to retry."""
    code, _, complaint = dateline(tmp_path, *words, before=">/dev/full")
    assert (code, "standard output: No space left on device" in complaint) == (1, True)


@pytest.mark.parametrize("closed", ["2>/dev/full", "2>&-"])
def test_a_complaint_that_cannot_be_made_changes_no_outcome(
    tmp_path: Path, closed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that throws complaints and log lines away gets the same exit codes."""
    monkeypatch.setenv("DATELINE_LOG_LEVEL", "info")
    assert dateline(tmp_path, "nonsense", before=closed)[0] == 2
    assert dateline(tmp_path, "stories", before=closed)[0] == 1
    opening = ("file", "a", "story-opened", "--headline", "h", "--data", '{"title": "t"}')
    code, said, _ = dateline(tmp_path, *opening, before=closed)
    assert (code, said) == (0, "a: d1 story-opened at version 1, position 1\n")


def test_a_server_that_cannot_say_where_it_is_ends(tmp_path: Path) -> None:
    """A server whose standard output takes nothing says so and ends, and serves nobody unseen."""
    code, _, complaint = dateline(tmp_path, "serve", "--port", "0", before=">/dev/full")
    assert code == 1
    assert "standard output: No space left on device" in complaint.splitlines()[-1]


@pytest.mark.parametrize("words", [("story",), ("history",), ("follow", "--story"), ("backup",)])
def test_bytes_that_are_no_text_are_no_fault(tmp_path: Path, words: tuple[str, ...]) -> None:
    """An argument that is not UTF-8 is refused wherever it would be looked for as text."""
    dateline(tmp_path, "file", "a", "story-opened", "--headline", "h", "--data", '{"title": "t"}')
    code, said, complaint = dateline(tmp_path, *words, os.fsdecode(b"caf\xe9"))
    assert (code, said) == (1, "")
    assert "expected text that is UTF-8; found 'caf\\udce9" in complaint


@pytest.mark.parametrize(
    ("closed", "named"), [("a.db", "use a copy"), (".", "written to {}, where")]
)
def test_a_log_that_cannot_be_written_to_is_said_to_be_so(
    tmp_path: Path, closed: str, named: str
) -> None:
    """Who has a log, or its folder, to read alone is told that, and what to do about it."""
    log = ("--log", "sqlite:///a.db")
    opening = ("file", "a", "story-opened", "--headline", "h", "--data", '{"title": "t"}')
    assert dateline(tmp_path, *opening, *log)[0] == 0
    (tmp_path / closed).chmod(0o555)
    again = ("file", "a", "quote-added", "--headline", "h", *log)
    code, said, complaint = dateline(tmp_path, *again, held_to_modes=True)
    assert (code, said, complaint.count("\n")) == (3, "", 1)
    assert named.format(tmp_path) in complaint


def test_a_complaint_commands_no_terminal(tmp_path: Path) -> None:
    """What was typed is repeated without what would colour or clear the screen."""
    dateline(tmp_path, "file", "a", "story-opened", "--headline", "h", "--data", '{"title": "t"}')
    code, _, complaint = dateline(tmp_path, "story", "\x1b[2J\x9b\r")
    assert (code, complaint) == (1, "dateline: no story  [2J  \n")
