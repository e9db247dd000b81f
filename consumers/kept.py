"""What was made is kept for who asks for the same, and all of it has a bound in bytes."""

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, ParamSpec, TypeVar

__all__ = ["MADE_BYTES", "kept"]

MADE_BYTES: Final = 64 * 1024 * 1024  # of one kind of answers; a story of 500 updates has half a MB
OVERHEAD: Final = 512  # bytes of keeping one, about

Asked = ParamSpec("Asked")
Made = TypeVar("Made")


def kept(most: int) -> Callable[[Callable[Asked, Made]], Callable[Asked, Made]]:
    """Keep what a function gives, by what it was asked; what was asked for longest ago goes first.

    A number of answers would be no bound: whoever asks chooses among the longest of stories, and
    by a Host header or a position that nobody else names, makes each answer another.

    Args:
        most: bytes that all may have together, those that they were made of with them; what alone
            has more is not kept.
    """

    def keeping(make: Callable[Asked, Made]) -> Callable[Asked, Made]:
        found: OrderedDict[Hashable, tuple[Made, int]] = OrderedDict()
        lock = threading.Lock()
        held = 0

        @functools.wraps(make)
        def give(*args: Asked.args, **kwargs: Asked.kwargs) -> Made:
            nonlocal held
            asked = (args, *kwargs.items())
            with lock:
                if asked in found:
                    found.move_to_end(asked)
                    return found[asked][0]
            made = make(*args, **kwargs)
            bytes_ = OVERHEAD + sum(len(each) for each in (*args, made) if isinstance(each, bytes))
            if bytes_ > most:
                return made
            with lock:
                _, before = found.pop(asked, (None, 0))
                found[asked] = made, bytes_
                held += bytes_ - before
                while held > most:
                    held -= found.popitem(last=False)[1][1]
            return made

        return give

    return keeping
