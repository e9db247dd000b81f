"""What log lines hold, and what they never hold."""

import json

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
