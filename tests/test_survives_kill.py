"""Killed at any moment, nothing acknowledged is lost, doubled or out of order."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from witness import Program, acknowledged, check_file, programs


def one_round(start: Callable[..., Program], url: str, chance: random.Random) -> dict[str, int]:
    """Let six programs work and kill them; some may not even have opened the log by then."""
    filers = [start("filing_process.py", url, f"story-{n % 3}", "100000") for n in range(4)]
    consumers = [start("consuming_process.py", url) for _ in range(2)]
    filers[0].wait_for(chance.randrange(60))
    told: dict[str, int] = {}
    for victim in chance.sample([*filers, *consumers], 6):
        victim.kill()
    for filer in filers:
        _, lines, complaint = filer.finish()
        assert complaint == ""
        told |= acknowledged(lines)
    for consumer in consumers:
        assert consumer.finish()[2] == ""
    return told


@pytest.mark.parametrize("rounds", [4, pytest.param(200, marks=pytest.mark.torture)])
async def test_killed_at_random_moments(rounds: int, tmp_path: Path) -> None:
    """Four filers and two consumers, killed at random moments: the log and the view are whole."""
    path = tmp_path / "log.db"
    promised: dict[str, int] = {}
    chance = random.Random(4)
    for number in range(rounds):
        with programs() as start:
            told = one_round(start, f"sqlite:///{path}", chance)
        assert not told.keys() & promised.keys()
        promised |= told
        if number % 20 == 0 or number == rounds - 1:
            size = await check_file(path, promised)
    assert size >= len(promised) >= rounds * 10
    assert len(set(promised.values())) == len(promised), "one position was given out twice"
