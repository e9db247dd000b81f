"""What the page on Kafka tells people to type is typed here, at a real broker."""

import os
import re
import subprocess
import sys
from pathlib import Path

from dateline.roles import WHAT

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "kafka.md").read_text(encoding="utf-8")


def test_the_way_to_many_machines_can_be_walked(kafka: str, tmp_path: Path) -> None:
    """Whoever types the page's commands in order has the log on Kafka, whole."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
    script = lines.replace("127.0.0.1:9092/newsroom", f"{kafka}/page-{os.getpid()}")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DATELINE_")},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["/bin/sh", "-c", f"set -e\n{script}"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    roots = re.findall(r"\broot ([0-9a-f]{64})", done.stdout)
    assert len(roots) == 3
    assert roots[0] == roots[1] != roots[2]


def test_the_page_names_every_role() -> None:
    """Each role that a server may play is explained."""
    assert all(f"`{role}`" in PAGE for role in WHAT)
