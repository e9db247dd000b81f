"""A person at a terminal: the command line as real processes, in a folder of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import SAMPLE, STORY

__all__ = ["KREMLIN", "LAW", "Desk", "desk", "told"]

LAW = ["--reason-code", "court-order", "--legal-basis", "a drill", "--ordered-by", "nobody"]
LAW += ["--yes"]
KREMLIN = ["file", STORY, "response-received", "--headline", "The Kremlin answers"]


class Desk:
    """A person at a terminal of their own, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("DATELINE_")
        }

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "dateline", *arguments],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert "a fault of its own" not in done.stderr, done.stderr
        return done

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def told(desk: Desk) -> Desk:
    """A desk that has the sample story."""
    assert desk.run("import", str(SAMPLE)).returncode == 0
    return desk
