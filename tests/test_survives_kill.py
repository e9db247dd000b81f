"""Killed at any moment, nothing acknowledged is lost, doubled or out of order."""

import random
from pathlib import Path

import pytest
from witness import Program, acknowledged, check_file

ENOUGH = 3  # acknowledgements that each filer gives before anybody is killed


@pytest.mark.parametrize("rounds", [4, pytest.param(200, marks=pytest.mark.torture)])
async def test_killed_at_random_moments(rounds: int, tmp_path: Path) -> None:
    """Four filers and two consumers, killed at random moments: the log and the view are whole."""
    path = tmp_path / "log.db"
    promised: dict[str, int] = {}
    chance = random.Random(4)
    for number in range(rounds):
        url = f"sqlite:///{path}"
        filers = [Program("filing_process.py", url, f"story-{n % 3}", "100000") for n in range(4)]
        consumers = [Program("consuming_process.py", url) for _ in range(2)]
        for filer in filers:
            filer.wait_for(ENOUGH)
        filers[0].wait_for(ENOUGH + chance.randrange(60))
        for victim in chance.sample([*filers, *consumers], 6):
            victim.kill()
        for filer in filers:
            _, lines, complaint = filer.finish()
            assert "Traceback" not in complaint
            told = acknowledged(lines)
            assert not told.keys() & promised.keys()
            promised |= told
        for consumer in consumers:
            assert consumer.finish()[2] == ""
        if number % 20 == 0 or number == rounds - 1:
            size = await check_file(path, promised)
    assert size >= len(promised) >= rounds * 4 * ENOUGH
    assert len(set(promised.values())) == len(promised), "one position was given out twice"
