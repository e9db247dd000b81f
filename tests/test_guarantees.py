"""The page of guarantees is true: its tests exist, and each catches the bug it says it does."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from planted import AREAS, PLANTED, Planted

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "guarantees.md"
HEAD = """# What you can rely on

Each promise, the test that holds it, and a bug that was planted once and that the test caught.
`make torture` plants them all again.
"""
TABLE = """
| guarantee | test | planted bug that the test caught |
|---|---|---|
"""


def page() -> str:
    """The page as the lists have it."""
    return HEAD + "".join(f"\n## {title}\n{TABLE}{rows(area)}" for title, area in AREAS.items())


def rows(area: list[Planted]) -> str:
    return "".join(
        f"| {planted.guarantee} | `{planted.test.split('[')[0]}` | {planted.bug} |\n"
        for planted in area
    )


def test_the_page_is_current() -> None:
    """The page of guarantees says what the lists of planted bugs say."""
    assert PAGE.read_text(encoding="utf-8") == page(), "run python tests/test_guarantees.py"


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.test.split("::")[1])
def test_each_bug_can_still_be_planted(planted: Planted) -> None:
    """Each planted bug names a test that is there and code that is there, once."""
    file, name = planted.test.split("::")
    assert f"def {name.split('[')[0]}(" in (ROOT / "tests" / file).read_text(encoding="utf-8")
    assert (ROOT / planted.file).read_text(encoding="utf-8").count(planted.before) == 1


@pytest.mark.torture
@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.test.split("::")[1])
def test_each_planted_bug_is_caught(planted: Planted, tmp_path: Path) -> None:
    """With its bug planted in a copy of the project, the test of a guarantee fails."""
    copy = tmp_path / "copy"
    ignored = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, copy, ignore=ignored)
    spoilt = copy / planted.file
    text = spoilt.read_text(encoding="utf-8")
    spoilt.write_text(text.replace(planted.before, planted.after), encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "--timeout=30",
            f"--basetemp={tmp_path / 'base'}",
            f"tests/{planted.test}",
        ],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if "1 skipped" in done.stdout:
        pytest.skip("this machine cannot run the test that catches it")
    assert done.returncode == 1, f"not caught: {planted.bug}\n{done.stdout[-2000:]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
