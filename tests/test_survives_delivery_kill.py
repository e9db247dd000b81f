"""Killed anywhere on the way from a decision to its record, nobody is forgotten, nor told anew."""

import asyncio
import random
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
from delivering_process import PLACES
from receiving import Receiver, hook, issue, receiving, sending

from consumers.delivery.signing import webhook_id
from dateline.wiring import newsroom

ALERTS = 4
PROCESS = Path(__file__).parent / "delivering_process.py"


async def run(log: str, place: str, nth: int) -> int:
    """Let a process send until it dies or is done; returns how it ended."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, PROCESS, log, place, str(nth), cwd=PROCESS.parent.parent
    )
    async with asyncio.timeout(60):
        return await process.wait()


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=pytest.mark.torture)])
async def test_killed_between_decision_and_record(tmp_path: Path, kills: int) -> None:
    """However often the sender is killed, each target gets each alert; a repeat has the same id."""
    chance = random.Random(kills)
    log = f"sqlite:///{tmp_path}/news.db"
    rounds = max(1, kills // 20)
    async with receiving() as one, receiving() as other:
        async with newsroom(log) as room, sending(room, tmp_path, at_work=False) as out:
            targets = [(await hook(out, each.url))[0] for each in (one, other)]
            await out.reaction.place()
        killed = 0
        events: list[str] = []
        for _ in range(rounds):
            async with newsroom(log) as room:
                for number in range(ALERTS):
                    story = f"story-{len(events) % 2}"
                    events.append(await issue(room, story, ref=f"A{len(events)}-{number}"))
            places = [(place, 1) for place in PLACES]
            if kills > len(PLACES):
                places = [(chance.choice(PLACES), chance.randint(1, 3)) for _ in range(20)]
            for place, nth in places:
                ended = await run(log, place, nth)
                assert ended in (0, -signal.SIGKILL)
                killed += ended != 0
            assert await run(log, "nowhere", 1) == 0
        for target, receiver in zip(targets, (one, other), strict=True):
            wanted = {webhook_id(event, target) for event in events}
            seen = Counter(receiver.ids())
            assert set(seen) == wanted, "somebody was forgotten, or told under another id"
            repeats = sum(seen.values()) - len(wanted)
            assert repeats <= 2 * killed, "more than one repeat of a story for a kill"
            assert all_same(receiver)
        assert killed >= rounds


def all_same(receiver: Receiver) -> bool:
    """Whether each repeat had the body of the first."""
    return len({(got.id, got.body) for got in receiver.got}) == len(set(receiver.ids()))
