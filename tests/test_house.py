"""The house keeps its own rules: floors, locks, reasons, targets, and no trace of a machine."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
FLOORS = ("consumers", "dateline", "events", "producers")
LOCKS = ("requirements.lock", "requirements-dev.lock")

# Written so that this file does not match itself.
MACHINE_PATH = re.compile(r"(?<![\w.*~)}-])/(?:work|root|home|Users|opt/wheels)(?:/|\b(?![\w-]))")
REGISTRY_HOST = re.compile(r"\bpy[p]i\.org|py[t]honhosted", re.IGNORECASE)
PIN = re.compile(r"(?P<name>[a-z0-9][a-z0-9.-]*)==(?P<version>[^\s;\\]+)(?: ; [^\\]+)?")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
IGNORED_RULE = re.compile(r'^\s+"[A-Z]+[0-9]*",(?P<rest>.*)$')


def project() -> str:
    """Give the project's own settings file."""
    return (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def pins(lock: str) -> dict[str, str]:
    """Give each name's version; fail on a line that is not a pin with its hashes."""
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, str] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        requirement, *hashes = re.split(r"\s+(?=--)", line.strip())
        pin = PIN.fullmatch(requirement.strip())
        assert pin is not None, f"{lock}: not a pin: {requirement}"
        assert hashes, f"{lock}: no hash: {requirement}"
        assert all(HASH.fullmatch(each) for each in hashes), f"{lock}: not sha256: {requirement}"
        # One name may be pinned once for each Python or platform.
        found[pin["name"]] = f"{found.get(pin['name'], '')} {pin['version']}".strip()
    return found


def name_of(requirement: str) -> str:
    """Give the name that a requirement begins with, as locks write it."""
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def lint_imports(checkout: Path) -> subprocess.CompletedProcess[str]:
    """Run the import linter in a folder that holds the four packages."""
    return subprocess.run(
        [BIN / "lint-imports", "--no-cache"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )


def committed_files() -> list[Path]:
    """Give the files that git keeps; skip where there is no git."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: clone the repository to check its committed files")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    return [file for file in files if file.is_file()]


def found_in_committed_files(pattern: re.Pattern[str]) -> list[str]:
    """Give each committed line that matches, with its file and number."""
    return [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for file in committed_files()
        for number, line in enumerate(file.read_text("utf-8", "replace").splitlines(), start=1)
        if pattern.search(line)
    ]


def test_imports_keep_to_the_floors() -> None:
    """No floor imports a higher one, and the two on the second do not know each other."""
    linted = lint_imports(ROOT)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize(
    ("lower", "higher"),
    [("events", "producers"), ("producers", "consumers"), ("consumers", "producers")],
)
def test_an_import_against_the_floors_is_caught(lower: str, higher: str, tmp_path: Path) -> None:
    """One wrong import anywhere is enough to fail the check."""
    for floor in FLOORS:
        shutil.copytree(ROOT / floor, tmp_path / floor)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / lower / "astray.py").write_text(f"import {higher}\n", encoding="utf-8")
    linted = lint_imports(tmp_path)
    assert linted.returncode == 1, linted.stdout + linted.stderr
    assert f"{lower}.astray -> {higher}" in linted.stdout


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_everything_with_hashes(lock: str) -> None:
    """Whatever is installed is exactly what was checked: each version fixed, each file hashed."""
    assert pins(lock)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_place(lock: str) -> None:
    """A lock works with any mirror: it names no host, no index and no folder."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    for place in ("://", " @ ", "--index-url", "--extra-index-url", "--find-links", "file:"):
        assert place not in text


def test_locks_hold_what_the_project_asks_for() -> None:
    """Nothing that Dateline needs is missing from the locks, and the two agree."""
    settings = tomllib.loads(project())
    groups = settings["dependency-groups"]
    wanted = {name_of(each) for each in settings["project"]["dependencies"] + groups["build"]}
    runtime, dev = (pins(lock) for lock in LOCKS)
    assert wanted <= runtime.keys()
    assert {name_of(each) for each in groups["dev"]} <= dev.keys()
    assert runtime.items() <= dev.items()


def test_each_ignored_rule_has_its_reason() -> None:
    """Whoever finds a lint rule switched off finds beside it why."""
    lint = project().split("[tool.ruff.lint]", 1)[1].split("[tool.ruff.lint.pydocstyle]", 1)[0]
    rules = [rule for line in lint.splitlines() if (rule := IGNORED_RULE.match(line))]
    settings = tomllib.loads(project())["tool"]["ruff"]["lint"]
    listed = [settings["ignore"], *settings["per-file-ignores"].values()]
    assert len(rules) == sum(map(len, listed)), "each ignored rule stands on a line of its own"
    assert [rule[0].strip() for rule in rules if not re.search(r"# \S.{4}", rule["rest"])] == []


def test_make_lists_every_target() -> None:
    """`make` alone tells what can be done, and leaves nothing out."""
    if shutil.which("make") is None:
        pytest.skip("make is missing: install it with the system's package manager")
    outside = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    shown = subprocess.run(
        ["make", "--no-print-directory"],
        cwd=ROOT,
        env=outside,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):(?!=)", makefile, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony is not None
    assert sorted(re.findall(r"^make (\S+) +\S", shown, re.MULTILINE)) == sorted(targets)
    assert sorted(phony[1].split()) == sorted(targets)


def test_no_committed_file_names_a_machines_path() -> None:
    """A checkout works in any folder: no file remembers where it was written."""
    assert found_in_committed_files(MACHINE_PATH) == []


def test_no_committed_file_names_a_registry() -> None:
    """Where packages come from is for each site to say, not for this repository."""
    assert found_in_committed_files(REGISTRY_HOST) == []


def test_a_built_copy_is_whole(tmp_path: Path) -> None:
    """An installed Dateline has all that a checkout has: every module, its SQL and the sample."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    built = set(zipfile.ZipFile(wheel).namelist())
    source = {
        file.relative_to(ROOT).as_posix()
        for floor in FLOORS
        for suffix in ("*.py", "*.sql")
        for file in (ROOT / floor).rglob(suffix)
    }
    assert source | {"dateline/sample.jsonl"} <= built
