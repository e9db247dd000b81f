"""What was made is kept for who asks again, and never more of it than has room."""

from typing import Self

from starlette.requests import Request

from consumers.answers import answer
from consumers.kept import MADE_BYTES, kept


def test_what_is_asked_again_is_not_made_again() -> None:
    """An answer is made once for as long as it is asked for; what nobody asks for goes."""
    made: list[str] = []

    @kept(10_000)
    def page(name: str) -> bytes:
        made.append(name)
        return name.encode() * 1_000

    for name in ("a", "b", "a", "c", "a", "d", "a", "e", "f", "g", "a", "b"):
        assert page(name) == name.encode() * 1_000
    assert made == ["a", "b", "c", "d", "e", "f", "g", "b"]


def test_what_alone_is_too_large_is_not_kept() -> None:
    """An answer that is larger than all room puts nothing out, and is made each time."""
    made: list[int] = []

    @kept(10_000)
    def page(size: int) -> bytes:
        made.append(size)
        return bytes(size)

    for size in (100, 20_000, 100, 20_000):
        assert len(page(size)) == size
    assert made == [100, 20_000, 20_000]


class Body(bytes):
    """Bytes of which it is known how many there are."""

    alive = 0

    def __new__(cls, content: bytes) -> Self:
        cls.alive += len(content)
        return super().__new__(cls, content)

    def __del__(self) -> None:
        """Count it no more."""
        type(self).alive -= len(self)


def test_no_reader_fills_the_memory_with_answers() -> None:
    """However many different answers readers ask for, those that are kept have a bound in bytes."""
    request = Request({"type": "http", "method": "GET", "headers": []})
    for number in range(12):
        answer(request, Body(b"%d" % number + bytes(MADE_BYTES // 6)), "text/plain")
    assert 0 < Body.alive <= MADE_BYTES
