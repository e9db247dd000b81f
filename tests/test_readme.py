"""Every command that the documents tell people to type is typed here."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "docs/tutorial.md", "docs/how-to.md"]
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def commands(page: str) -> Iterator[str]:
    """Give the lines of a page's shell blocks."""
    for block in BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
        yield from block.strip().splitlines()


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_can_be_typed(page: str, tmp_path: Path) -> None:
    """A newcomer who types a page's commands in order sees each of them work."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    lines = [line for line in commands(page) if "activate" not in line]
    assert len(lines) >= 8
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DATELINE_")},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    script = "set -e\n" + "\n".join(lines)
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


SERVED = re.compile(r"```sh http\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", ["README.md", "docs/how-to.md"])
def test_what_a_page_says_of_serving_can_be_typed(page: str, tmp_path: Path) -> None:
    """A newcomer who serves a log as a page says gets the story and the feed."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not there: apt-get install curl")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    [block] = SERVED.findall((ROOT / page).read_text(encoding="utf-8"))
    opening = [line for line in commands(page) if "harbour-fire story-opened" in line]
    script = "\n".join(opening) + f"\n{block}\nwait\n".replace("8080", port)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DATELINE_")},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["/bin/sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert f"dateline: serving http://127.0.0.1:{port}" in done.stdout, done.stderr
    assert '"timeline":[' in done.stdout
    assert '"type":"dateline.story-opened"' in done.stdout
    assert "problem" not in done.stdout


def test_every_link_leads_somewhere() -> None:
    """Links between the documents point at files that are there."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} → {target}"


def test_the_two_commands_are_in_the_makefile() -> None:
    """The commands that the README begins with exist."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test", "check", "bench", "torture"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
