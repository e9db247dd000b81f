"""Parts of stories kept in memory between events, so that few of them are looked up on disk."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, Protocol, TypeVar

__all__ = ["Remembered", "Story"]

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)

_UNKNOWN = object()  # stands for what is not remembered


class OnDisk(Protocol[P_co]):
    """A projection's tables."""

    def stored(self, generation: int, story: str, key: str) -> P_co | None:
        """Give a part of a story, None where it is not there."""

    def all_of(self, generation: int, story: str) -> Iterable[tuple[str, P_co]]:
        """Give every part of a story."""


class Remembered(Generic[P]):
    """The stories that were used last, each as far as it is remembered.

    Args:
        on_disk: where the rest is. The first event of a story writes its part `""`.
        most: parts in memory; of more, the stories used longest ago are forgotten.
    """

    def __init__(self, on_disk: OnDisk[P], most: int) -> None:
        self._on_disk = on_disk
        self._most = most
        self._stories: OrderedDict[str, Story[P]] = OrderedDict()  # that used longest ago first
        self._held = 0

    def story(self, generation: int, name: str) -> "Story[P]":
        """Give a story; the one used now is the last to be forgotten."""
        found = self._stories.get(name)
        if found is None:
            found = self._stories[name] = Story(self._on_disk, generation, name)
        else:
            self._stories.move_to_end(name)
        return found

    def count(self, stories: Iterable["Story[P]"]) -> None:
        """Take note of how much of stories is in memory, and forget others where it is too much."""
        for story in stories:
            self._held += len(story.parts) - story.counted
            story.counted = len(story.parts)
        while self._held > self._most:
            _, forgotten = self._stories.popitem(last=False)
            self._held -= forgotten.counted

    def forget(self) -> None:
        """Forget all: what is on disk may be another."""
        self._stories.clear()
        self._held = 0


class Story(Mapping[str, P]):
    """A story's parts as an event finds them: those remembered, the others on disk.

    `parts` are those that are remembered, None for what is not there; whoever projects adds what an
    event changes. Of a story that was not on disk when it was first met, what is not remembered is
    not there. `counted` is how many parts are known to be in memory.
    """

    __slots__ = ("_generation", "_name", "_on_disk", "_whole", "counted", "parts")

    def __init__(self, on_disk: OnDisk[P], generation: int, name: str) -> None:
        self._on_disk = on_disk
        self._generation = generation
        self._name = name
        itself = on_disk.stored(generation, name, "")
        self._whole = itself is None
        self.parts: dict[str, P | None] = {"": itself}
        self.counted = 0

    def get(self, key: str, default: object = None) -> P | None:  # type: ignore[override]  # - parts have no other default
        """Give a part, None where there is none."""
        del default
        found = self.parts.get(key, _UNKNOWN)
        if found is not _UNKNOWN:
            return found  # type: ignore[return-value]  # - it is no other object
        if self._whole:
            return None
        part = self.parts[key] = self._on_disk.stored(self._generation, self._name, key)
        return part

    def __getitem__(self, key: str) -> P:
        """Give a part that is there."""
        part = self.get(key)
        if part is None:
            raise KeyError(key)
        return part

    def _all(self) -> dict[str, P | None]:
        stored = self._on_disk.all_of(self._generation, self._name)
        return {**dict(stored), **self.parts}

    def __iter__(self) -> Iterator[str]:
        """Give the keys of all parts."""
        return (key for key, part in self._all().items() if part is not None)

    def __len__(self) -> int:
        """Say how many parts there are."""
        return sum(part is not None for part in self._all().values())
