"""Every command that the documents tell people to type is typed here."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "docs/tutorial.md", "docs/how-to.md"]
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
PAGE_SECONDS = 270  # for some sixty commands, each a process, on a machine that does other work too


def typing() -> dict[str, str]:
    """Give the environment of a shell in which nothing of ours is set."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("DATELINE_")},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


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
    script = "set -e\n" + "\n".join(lines)
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=tmp_path,
        env=typing(),
        capture_output=True,
        text=True,
        check=False,
        timeout=PAGE_SECONDS,
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
    done = subprocess.run(
        ["/bin/sh", "-c", script], cwd=tmp_path, env=typing(), capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert f"dateline: serving http://127.0.0.1:{port}" in done.stdout, done.stderr
    assert '"timeline":[' in done.stdout
    assert '"type":"dateline.story-opened"' in done.stdout
    assert "problem" not in done.stdout


FOLLOWED = re.compile(r"```sh until Ctrl-C\n(.*?)```", re.DOTALL)
SUBSCRIBERS = FOLLOWED.findall((ROOT / "docs/how-to.md").read_text(encoding="utf-8"))[
    0
].splitlines()


@pytest.mark.parametrize("line", SUBSCRIBERS)
def test_what_goes_on_until_ctrl_c_can_be_typed(line: str, tmp_path: Path) -> None:
    """Each subscriber that the how-to starts shows what is in the feed, as it is typed there."""
    for tool in (line.split(maxsplit=1)[0], *(["curl"] if line.startswith("sh ") else [])):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is missing: install it")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    opening = [each for each in commands("README.md") if "harbour-fire story-opened" in each]
    dateline = [sys.executable, "-m", "dateline", "serve", "--port", "0"]
    subprocess.run(["/bin/sh", "-c", opening[0]], cwd=tmp_path, env=typing(), check=True)
    with subprocess.Popen(dateline, cwd=tmp_path, env=typing(), stdout=subprocess.PIPE) as serving:
        assert serving.stdout is not None
        port = serving.stdout.readline().decode().strip().rpartition(":")[2]
        with subprocess.Popen(
            ["/bin/sh", "-c", line.replace("8080", port)], cwd=tmp_path, env=typing(),
            stdout=subprocess.PIPE, start_new_session=True,
        ) as following:  # fmt: skip
            assert following.stdout is not None
            told = following.stdout.readline().decode()
            os.killpg(following.pid, signal.SIGINT)  # as a terminal does at Ctrl-C
        serving.send_signal(signal.SIGINT)
    assert '"type":"dateline.story-opened"' in told


def test_every_setting_is_in_the_reference() -> None:
    """The page of settings names each variable that the documents speak of."""
    page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    for other in (ROOT / "README.md", *ROOT.glob("docs/*.md")):
        for name in re.findall(r"DATELINE_[A-Z_]+", other.read_text(encoding="utf-8")):
            assert f"| `{name}` |" in page, f"{name} in {other.name}"


def anchors(page: Path) -> list[str]:
    """Give what links may name within a page: its headings, as they are made anchors."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return ["#" + re.sub(r"[^a-z0-9 _-]", "", each.lower()).replace(" ", "-") for each in headings]


def test_every_number_to_watch_is_in_the_reference() -> None:
    """A metric that a page names is one that a server tells, by the name that it tells it by."""
    told = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md")]
    named = {name for page in pages for name in re.findall(r"`(dateline_[a-z_]+)`", page)}
    assert len(named) >= 10
    assert {name for name in named if f"| `{name}` |" not in told} == set()


def test_every_link_leads_somewhere() -> None:
    """Links between the documents point at files that are there."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for target, heading in re.findall(r"\]\(([^)#:]*)(#[^)]+)?\)", text):
            there = page.parent / target if target else page
            assert there.exists(), f"{page.relative_to(ROOT)} → {target}"
            if heading:
                assert heading in anchors(there), f"{page.relative_to(ROOT)} → {target}{heading}"


def test_the_two_commands_are_in_the_makefile() -> None:
    """The commands that the README begins with exist."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test", "check", "bench", "torture"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
