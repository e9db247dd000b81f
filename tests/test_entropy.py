"""Nonces are drawn ahead, and none is given twice."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from events.entropy import PIECE, drawn


def test_no_nonce_is_given_twice() -> None:
    """However many threads draw at the same time, nobody is given what another was."""
    with ThreadPoolExecutor(8) as threads:
        found = [
            piece
            for pieces in threads.map(lambda _: [drawn(PIECE) for _ in range(2_000)], range(8))
            for piece in pieces
        ]
    assert len(set(found)) == len(found) == 16_000
    assert {len(piece) for piece in found} == {PIECE}
    assert len(drawn(3 * PIECE)) == 3 * PIECE


FORKS = """
import os
from events.entropy import PIECE, drawn
drawn(PIECE)  # so that more is there
child = os.fork()
if child:
    os.waitpid(child, 0)  # or what both print is mixed
print(*(drawn(PIECE).hex() for _ in range(300)), flush=True)
"""


def test_a_process_that_forks_shares_no_nonce_with_its_child() -> None:
    """What a child process draws is not what its parent goes on to draw."""
    done = subprocess.run(
        [sys.executable, "-c", FORKS], capture_output=True, text=True, check=True, timeout=30
    )
    found = done.stdout.split()
    assert len(set(found)) == len(found) == 600
