"""Several processes after one story: one winner for each version, and nobody sees a lock."""

from pathlib import Path

import pytest
from witness import acknowledged, check_file, programs


@pytest.mark.parametrize("attempts", [400, pytest.param(10_000, marks=pytest.mark.torture)])
async def test_four_processes_race_for_one_story(attempts: int, tmp_path: Path) -> None:
    """Each version has one winner, the others are told, and no lock is anybody's concern."""
    path = tmp_path / "log.db"
    each = str(attempts // 4)
    promised: dict[str, int] = {}
    lost = 0
    with programs() as start:
        url = f"sqlite:///{path}"
        racers = [start("filing_process.py", url, "story", each, "race") for _ in range(4)]
        for racer in racers:
            code, lines, complaint = racer.finish(280)
            assert (code, complaint) == (0, "")
            assert "MOVED\n" not in lines, "an append won another version than it expected"
            promised |= acknowledged(lines)
            lost += lines.count("WRONG\n")
    assert len(promised) + lost in range(attempts, attempts + 5)
    assert await check_file(path, promised) == len(promised)
