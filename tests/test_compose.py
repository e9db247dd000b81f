"""The containers are put together as the documents say; nothing of them is open to the network."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dateline.roles import roles_of

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def composed() -> str:
    """The file as compose understands it."""
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose is missing: apt-get install docker-compose")
    done = subprocess.run(
        ["docker-compose", "--profile", "metrics", "config"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_compose_takes_the_file(composed: str) -> None:
    """The file is valid, and has a broker, a desk, two feeds, alerts, a proxy and Prometheus."""
    services = re.findall(r"^  ([a-z0-9-]+):$", composed.partition("\nvolumes:")[0], re.MULTILINE)
    assert set(services) == {
        *("kafka", "desk", "feed-1", "feed-2", "alerts", "proxy", "prometheus"),
    }


def test_nothing_is_open_to_the_network(composed: str) -> None:
    """Every port that is published is one of this machine alone."""
    published = re.findall(r"^    - (\S+):\d+(?:/tcp)?$", composed, re.MULTILINE)
    ports = [each for each in published if re.search(r"\d$", each)]
    assert len(ports) == 3
    assert all(each.startswith("127.0.0.1:") for each in ports), ports


def test_every_image_is_pinned(composed: str) -> None:
    """Each image names its version, so that it is the same tomorrow."""
    images = re.findall(r"^    image: (\S+)$", composed, re.MULTILINE)
    froms = re.findall(
        r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
    for image in {*images, *froms} - {"dateline"}:
        assert re.search(r":v?\d+\.\d+\.\d+", image), image


def test_every_role_is_played() -> None:
    """Between them the nodes play every role but the hub, which needs an address outside."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    played = re.findall(r'--roles, "?([a-z,]+)"?\]', text)
    assert frozenset().union(*map(roles_of, played)) == roles_of("desk,feed,alerts,clock")


def test_a_container_is_nobody_in_particular() -> None:
    """What runs in the container is no administrator."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert "USER newsroom" in lines
