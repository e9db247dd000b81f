"""How a consumer takes part in the log: batch by batch, each event once, none lost to a bad one.

A batch is handled in one transaction together with the checkpoint. When it fails, its events are
handled one by one; each try is counted for good before it is made, and an event that keeps
failing is parked with the reason while the others go on. What the disk does wrong is no fault of
an event: it ends the work, which goes on where it was when it is called again.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

import structlog

from consumers.views import STORAGE, Position, Views
from events.editorial import ParkedSkipped, Redacted
from events.envelope import Recorded
from events.log import Log
from events.tree import leaf_hash
from events.vocabulary import SCHEMAS, Unknown

__all__ = ["BATCH", "Projection", "Subscription"]

BATCH = 500  # events in one transaction: long enough to be cheap, short enough not to block others
TRIES = 3  # of one event before it is parked; a pure fold does not fail by chance

log = structlog.get_logger()


class Projection(Protocol):
    """Makes a view of events. Whatever it does, it does to the view: it can be done again."""

    name: str
    later: Literal["wait", "pass"]
    """Whether later events of a story wait behind a parked one or pass it by."""

    def project(self, generation: int, events: Sequence[Recorded]) -> None:
        """Bring the view of a generation up to the last of `events`, inside a transaction."""
        ...

    def drop(self, generation: int) -> None:
        """Remove a generation of the view, inside a transaction."""
        ...


@runtime_checkable
class Remaking(Protocol):
    """A projection that can make one story anew, as it must where something of it was erased."""

    def remake(self, generation: int, story: str, events: Sequence[Recorded]) -> None:
        """Make a story, and all that was told of it, anew from its events, in a transaction."""
        ...


class Subscription:
    """A projection at work on a log.

    It has `remade` a story where something was erased: what the view had is in its old pages still.

    Args:
        source: the log.
        views: where the view and the checkpoint are.
        projection: what makes the view.
        consumer: the name that the checkpoint is kept under, the projection's own by default.
        told: is told how far the view is, and how far it has to go, after each batch.
    """

    def __init__(
        self,
        source: Log,
        views: Views,
        projection: Projection,
        consumer: str | None = None,
        told: Callable[[int, int], None] | None = None,
    ) -> None:
        self._log = source
        self._views = views
        self._projection = projection
        self._told = told
        self.consumer = consumer or projection.name
        self._placed_before = False
        self.remade = False

    async def catch_up(self, upto: int | None = None) -> int:
        """Handle all that the log holds by now, or up to a position; returns the checkpoint."""
        target = upto if upto is not None else (await self._log.head()).size
        batch: list[Recorded] = []
        known = (await self._placed(target)).checkpoint
        async for event in self._log.read(known, upto=target):
            batch.append(event)
            if len(batch) == BATCH:
                await self._handle(batch, await self._erased(batch, known))
                if self._told is not None:
                    self._told(event.position, target)
                batch = []
        if batch:
            await self._handle(batch, await self._erased(batch, known))
        if self._told is not None:
            self._told(target, target)
        return self._views.position(self.consumer).checkpoint

    async def _erased(self, batch: Sequence[Recorded], known: int) -> dict[str, list[Recorded]]:
        """Give stories, as the log has them now, of which the view has words that are erased.

        A redaction is read with what it left of other events. What was read before it, by another
        call or long ago on a node that was off since, may stand in the view with its words.

        Args:
            batch: what is handled next.
            known: how far the view was before this call; what came later is as the log has it.
        """
        found: dict[str, list[Recorded]] = {}
        if isinstance(self._projection, Remaking):
            for story in {e.story for e in batch if isinstance(e.development, Redacted)}:
                upto = batch[-1].position
                events = [e async for e in self._log.read_versions(story) if e.position <= upto]
                if events and events[0].position <= known:
                    found[story] = events
        return found

    async def _placed(self, size: int) -> Position:
        """Give the position, at the start when the view was made of another history than this.

        A log that was put back from a copy, or another one in its place, has another event at the
        checkpoint, or none.
        """
        position = self._views.position(self.consumer)
        if self._placed_before and position.checkpoint <= size:
            return position
        self._placed_before = True
        if not position.checkpoint or await self._is_of_this_history(position):
            return position
        log.warning(
            "view of another history", consumer=self.consumer, checkpoint=position.checkpoint
        )
        with self._views.lock, self._views.transaction():
            if self._views.position(self.consumer) == position:
                self._projection.drop(position.generation)
                self._views.forget(self.consumer)
                self._views.move(self.consumer, Position(position.generation + 1))
            return self._views.position(self.consumer)

    async def _is_of_this_history(self, position: Position) -> bool:
        here = self._log.read(position.checkpoint - 1, upto=position.checkpoint)
        return [leaf_hash(event.envelope) async for event in here] == [position.event]

    async def run(self) -> None:
        """Handle what is there and then each new event as it comes, until cancelled."""
        checkpoint = await self.catch_up()
        while True:
            checkpoint = await self.catch_up(await self._log.grown(checkpoint))

    async def _handle(
        self, batch: Sequence[Recorded], erased: Mapping[str, Sequence[Recorded]]
    ) -> None:
        await asyncio.to_thread(self.handle, batch, erased)

    def handle(
        self, batch: Sequence[Recorded], erased: Mapping[str, Sequence[Recorded]] | None = None
    ) -> None:
        """Handle one batch: together when that works, else one by one.

        Args:
            batch: the events that come next.
            erased: the events, these among them, of each story that is to be made anew with it.
        """
        with self._views.turn():
            self._handle_alone(batch, erased or {})

    def _handle_alone(
        self, batch: Sequence[Recorded], erased: Mapping[str, Sequence[Recorded]]
    ) -> None:
        position = self._views.position(self.consumer)
        batch = [event for event in batch if event.position > position.checkpoint]
        if not batch:
            return
        # A batch in hand was left behind by one that failed or died: nobody else has a turn now.
        if position.in_hand <= position.checkpoint:
            with self._views.transaction():
                # Read again: a rebuild may have moved it.
                position = self._views.position(self.consumer)
                self._views.move(self.consumer, position._replace(in_hand=batch[-1].position))
            try:
                self._together(batch, erased)
            except STORAGE:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a bad event raises, it is found below
                log.warning("batch failed", consumer=self.consumer, error=type(error).__name__)
            else:
                return
        for event in batch:
            self._singly(event, erased)

    def _together(
        self, batch: Sequence[Recorded], erased: Mapping[str, Sequence[Recorded]]
    ) -> None:
        """Project a batch and move the checkpoint, unless a rebuild has moved past it."""
        with self._views.transaction():
            position = self._views.position(self.consumer)
            left = [event for event in batch if event.position > position.checkpoint]
            if not left:
                return
            self._project(position, left)
            self._remake(position, left, erased)
            self._views.move(
                self.consumer,
                _at(position.generation, left[-1]),
            )

    def _project(self, position: Position, events: Sequence[Recorded]) -> None:
        good = []
        for event in events:
            self._skip(event)
            if isinstance(event.development, Unknown):
                self._views.park(self.consumer, event, _not_understood(event.development))
            elif self._projection.later == "wait" and self._views.is_parked(
                self.consumer, event.story
            ):
                self._views.park(self.consumer, event, "waits behind a parked event of its story")
            else:
                good.append(event)
        if good:
            self._projection.project(position.generation, good)

    def _remake(
        self,
        position: Position,
        done: Sequence[Recorded],
        erased: Mapping[str, Sequence[Recorded]],
    ) -> None:
        """Make stories anew whose redaction was among what was projected."""
        redacted = {event.story for event in done if isinstance(event.development, Redacted)}
        parked = {event.position for event in self._views.parked(self.consumer)} if erased else ()
        for story in redacted & erased.keys():
            if isinstance(self._projection, Remaking):
                events = [
                    event
                    for event in erased[story]
                    if event.position <= done[-1].position
                    and event.position not in parked
                    and not isinstance(event.development, Unknown)
                ]
                self._projection.remake(position.generation, story, events)
                self.remade = True

    def _skip(self, event: Recorded) -> None:
        """Take an event off the list of parked ones where the desk decided to go on without it."""
        match event.development:
            case ParkedSkipped(consumer=self._projection.name, parked=position):
                self._views.unpark(self.consumer, position)

    def _singly(self, event: Recorded, erased: Mapping[str, Sequence[Recorded]]) -> None:
        """Try one event up to TRIES times, then park it."""
        while True:
            times = self._views.count_attempt(self.consumer, event.position)
            if times > TRIES:
                self._park(event)
                return
            try:
                self._together([event], erased)
            except STORAGE:
                with contextlib.suppress(*STORAGE):
                    self._views.discount_attempt(self.consumer, event.position)
                raise
            except Exception as error:  # noqa: BLE001 - whatever a bad event raises, it is parked for
                reason = f"{type(error).__name__}: {error}"
                self._views.note_failure(self.consumer, event.position, reason)
            else:
                self._views.clear_attempts(self.consumer, event.position)
                return

    def _park(self, event: Recorded) -> None:
        with self._views.transaction():
            reason = self._views.failure(self.consumer, event.position)
            position = self._views.position(self.consumer)
            if position.checkpoint >= event.position:
                return
            self._views.park(self.consumer, event, reason)
            self._views.clear_attempts(self.consumer, event.position)
            self._views.move(self.consumer, _at(position.generation, event))
        log.error(
            "parked",
            consumer=self.consumer,
            position=event.position,
            story=event.story,
            reason=reason,
        )


def _not_understood(development: Unknown) -> str:
    shape = f"{development.kind}/{development.schema}"
    known = SCHEMAS.get(development.kind) == development.schema
    return f"a body that is no {shape}" if known else f"unknown kind {shape}"


def _at(generation: int, event: Recorded) -> Position:
    return Position(generation, event.position, event.recorded_ms, leaf_hash(event.envelope))
