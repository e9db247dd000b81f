"""What log lines hold, and what they never hold."""

import json
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from dateline import telemetry


def test_private_fields_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is logged as private, key, secret, token or password reaches no log line."""
    telemetry.configure("info")
    log = structlog.get_logger()
    log.info("filed", private={"notes": "UNSAYABLE"}, token="UNSAYABLE", headline="\x1b[2J")  # noqa: S106 - no real token
    written = capsys.readouterr().err
    assert "UNSAYABLE" not in written
    assert "\x1b" not in written
    assert json.loads(written)["headline"] == "\x1b[2J"


def test_a_line_that_cannot_be_written_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk of the log lines is full, whoever tells something goes on with its work."""
    told = False
    # What is left in it is written once more when it is closed.
    with suppress(OSError), Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stderr", full)
        telemetry.configure("warning")
        with pytest.raises(OSError, match="No space left"):
            print("a line", file=full, flush=True)
        structlog.get_logger().error("work failed", work="a drill")
        told = True
    structlog.get_logger().error("work failed", work="a drill")
    monkeypatch.undo()
    telemetry.configure("warning")
    assert told
