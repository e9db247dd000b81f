"""Keys for contents, two for each event, on the broker before anything is encrypted with them.

They are published ahead, in blocks for many events, so that an append costs one record and no event
is ever on the topic without its key. What is left over when a process ends is never used.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future

from events.envelope import Entropy
from events.kafka.keystore import BLOCK, BLOCK_BYTES
from events.kafka.records import KEYS_BYTES, Keys

__all__ = ["KeyRing"]

MOST = 64  # blocks published at a time by a process that goes on; one that files once needs one

Publish = Callable[[Sequence[tuple[bytes, bytes]]], Awaitable[None]]
"""Puts blocks with their numbers on the broker, and comes back when they are there."""
Do = Callable[[Coroutine[None, None, None]], "Future[None]"]
"""Does work in the event loop that publishes."""


class KeyRing:
    """Hands out keys that were never used; may be asked from several event loops.

    Args:
        entropy: source of keys and of the prefixes of their numbers.
        publish: called to put keys on the broker.
        do: has that done where the broker is spoken to.
    """

    def __init__(self, entropy: Entropy, publish: Publish, do: Do) -> None:
        self._entropy = entropy
        self._publish = publish
        self._do = do
        self._lock = threading.Lock()
        self._prefix = self._secrets = b""  # of the numbers of the keys, and the keys
        self._used = 0
        self._plenty = -1  # more may be used before others are fetched
        self._next = 1
        self._coming: Future[None] | None = None

    async def take(self, count: int) -> Keys:
        """Give the keys of so many events.

        Raises:
            LogUnavailable: they cannot be published.
        """
        while True:
            with self._lock:
                found = self._cut(count)
                few = found is None or self._used > self._plenty
                if few and (self._coming is None or self._coming.done()):
                    self._coming = self._do(self._more(0 if found else count))
                coming = self._coming
            if found is not None:
                return found
            if coming is not None:
                # Shielded: others wait for the same keys.
                await asyncio.shield(asyncio.wrap_future(coming))

    def cut(self, count: int) -> Keys | None:
        """Give the keys of so many events, None unless there are plenty left."""
        with self._lock:
            return None if self._used > self._plenty else self._cut(count)

    def _cut(self, count: int) -> Keys | None:
        start, end = self._used, self._used + KEYS_BYTES * count
        if end > len(self._secrets):
            return None
        self._used = end
        return Keys(self._prefix + (start // KEYS_BYTES).to_bytes(8), self._secrets[start:end])

    async def _more(self, least: int) -> None:
        """Publish a new ring for so many events; what is left of the old one is not used."""
        blocks = max(-(-least // BLOCK), self._next)
        self._next = min(2 * self._next, MOST)
        prefix = self._entropy(8)
        numbers = [prefix + (BLOCK * block).to_bytes(8) for block in range(blocks)]
        material = [self._entropy(BLOCK_BYTES) for _ in numbers]
        await self._publish(list(zip(numbers, material, strict=True)))
        secrets = b"".join(material)
        with self._lock:
            self._prefix, self._secrets, self._used = prefix, secrets, 0
            self._plenty = len(secrets) - self._next * BLOCK_BYTES // 4
