"""The containers are put together as the documents say; nothing of them is open to the network."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from consumers.delivery import routes as subscribing
from dateline.outbox import outbox
from dateline.roles import roles_of
from dateline.server import DRAIN_SECONDS
from dateline.wiring import newsroom
from events.kafka.node import APPEND_SECONDS

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


def passed_to(path: str) -> str:
    """To which of the nodes the proxy passes a path: a pattern first, or the longest beginning."""
    text = (ROOT / "deploy" / "proxy.conf").read_text(encoding="utf-8")
    rules = re.findall(r"location (~ )?(\S+) \{\s+proxy_pass http://([a-z]+);", text)
    for pattern, rule, node in rules:
        if pattern and re.search(rule, path):
            return str(node)
    fits = [(rule, node) for pattern, rule, node in rules if not pattern and path.startswith(rule)]
    return str(max(fits, key=lambda fit: len(fit[0]))[1])


async def test_the_proxy_finds_the_node_that_answers(tmp_path: Path) -> None:
    """What only the senders of alerts answer is passed to them, and filings to the desk."""
    url = f"sqlite:///{tmp_path}/news.db"
    async with newsroom(url) as room, outbox(room, url) as out:
        for route in subscribing.routes(out, lambda _request: None):
            assert passed_to(re.sub(r"\{\w+\}", "x", route.path)) == "alerts", route.path
    assert passed_to("/v1/stories/a/developments") == "desk"
    assert passed_to("/v1/alerts/a/A1") == "desk"
    for path in (
        "/",
        "/v1/feed",
        "/v1/stories",
        "/v1/stories/a",
        "/stories/alerts",
        "/feeds/a.atom",
    ):
        assert passed_to(path) == "feeds", path


def test_the_sender_of_alerts_has_a_policy(composed: str) -> None:
    """Without a policy nothing alerts: the sender has the example's, until it is given another."""
    assert "DATELINE_ALERTS: /etc/dateline/alerts.toml" in composed
    assert re.search(r"examples/alerts\.toml:/etc/dateline/alerts\.toml:ro", composed)


def test_a_node_has_time_to_end(composed: str) -> None:
    """A node that is stopped may end what is under way, or say that it is unknown."""
    nodes = r"^    image: dateline$[^#]*?stop_grace_period: (\d+)s$"
    (given,) = set(re.findall(nodes, composed, re.MULTILINE))
    assert int(given) > DRAIN_SECONDS + APPEND_SECONDS


def test_a_container_is_nobody_in_particular() -> None:
    """What runs in the container is no administrator."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert "USER newsroom" in lines
