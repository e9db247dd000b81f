"""Shade: nothing can come to a route, for those above it take all that it would.

What comes to a route is looked at by example. Of what it takes, it is enough to look at what as
few of the others take as can be: the least urgent, at one place of its own or at none, in a story
that none of the others names. If each such example is taken above it, everything is.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from itertools import chain, product
from math import prod
from operator import and_
from string import ascii_lowercase, digits
from typing import Final, NamedTuple

__all__ = ["Reach", "in_shade"]

# Examples of one route that are looked at: far more than anybody writes a route for, and still
# looked through in milliseconds, so that no policy keeps a server from starting.
MOST_EXAMPLES: Final = 10_000
SLUG_LENGTH: Final = 80  # letters of the name of a story; see `events.filing.Slug`
_LETTERS: Final = f"-{digits}{ascii_lowercase}"  # of the name of a story


class Reach(NamedTuple):
    """What a route takes; of `stories`, `places` and `people` an empty set takes all.

    `urgency` is the least urgent of it; a story that ends in `*` stands for all that begin so.
    """

    stories: frozenset[str]
    kinds: frozenset[str]
    urgency: int
    places: frozenset[str]
    people: frozenset[str]


def in_shade(reach: Reach, above: Iterable[Reach]) -> bool:
    """Whether all that a route takes is taken by others, by one of them or by several together.

    Of a route with more than `MOST_EXAMPLES` only the first is found out; that several take all of
    it together is not.
    """
    others = [each for each in above if each.urgency >= reach.urgency]
    named = {name.removesuffix("*") for each in others for name in each.stories}
    stories = [example for name in reach.stories or {"*"} for example in _examples(name, named)]
    taken = (  # by which of the others, a bit for each of them
        _taken(stories, [_by_name(each.stories) for each in others]),
        _taken(reach.kinds, [each.kinds.__contains__ for each in others]),
        _taken(reach.places or {""}, [_if_any(each.places) for each in others]),
        _taken(reach.people or {""}, [_if_any(each.people) for each in others]),
    )
    if reduce(and_, chain(*taken)):  # one of the others takes every example
        return True
    if prod(map(len, taken)) > MOST_EXAMPLES:
        return False
    return all(reduce(and_, example) for example in product(*taken))


def _taken(examples: Iterable[str], others: Sequence[Callable[[str], bool]]) -> set[int]:
    """Give for each example which of the others take it, without what others show as well."""
    return _least(
        sum(takes(example) << n for n, takes in enumerate(others)) for example in examples
    )


def _least(taken: Iterable[int]) -> set[int]:
    """Leave out what more of the others take than one that is left."""
    least: set[int] = set()
    for each in sorted(set(taken), key=int.bit_count):
        if not any(other & each == other for other in least):
            least.add(each)
    return least


def _if_any(names: frozenset[str]) -> Callable[[str], bool]:
    return lambda name: not names or name in names


def _by_name(names: frozenset[str]) -> Callable[[str], bool]:
    begins = tuple(name[:-1] for name in names if name.endswith("*"))
    return lambda story: not names or story in names or story.startswith(begins)


def _examples(name: str, named: Iterable[str]) -> Iterator[str]:
    """Give stories that a name stands for, such that others take any where they take all these."""
    begin = name.removesuffix("*")
    if begin == name or len(begin) == SLUG_LENGTH:
        yield begin
        return
    longer = [each for each in named if each.startswith(begin) and each != begin]
    used = {each[len(begin)] for each in longer}
    free = next((letter for letter in _LETTERS if letter not in used), None)
    if free is not None:  # named by nobody: whoever takes it takes all that begins so
        yield begin + free
        return
    if begin:
        yield begin
    for letter in _LETTERS:
        yield from _examples(f"{begin}{letter}*", longer)
