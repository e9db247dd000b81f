"""What a guarantee is: words, the test that holds it, and a bug that the test was seen to catch."""

from typing import NamedTuple

__all__ = ["Planted"]


class Planted(NamedTuple):
    """A guarantee in words; the test; and the bug: in `file`, `before` became `after`."""

    guarantee: str
    test: str
    file: str
    before: str
    after: str
    bug: str
