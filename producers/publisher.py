"""The way from a filing to the log: load the story, decide, append, try again when overtaken."""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, cast

import structlog

from events.codec import canonical, decode, encode, encode_private
from events.developments import Development
from events.editorial import Redacted
from events.envelope import Filed, Recorded, Sealed
from events.errors import Conflict, IdReused, LogUnavailable, Refused, WrongVersion
from events.filing import Private
from events.log import Appended, Clock, Expect, ExpectedVersion, Log, check_version
from events.vocabulary import KnownKind
from producers.case import Actor
from producers.decide import decide
from producers.desk import Desk, evolve
from producers.erasing import Stored, erasures
from producers.intake import Filing

__all__ = ["Publisher", "Receipt", "foreseen", "is_recorded_as", "judge"]

TRIES = 8  # times to send again when the log could not say
PATIENCE = 10.0  # seconds after which nothing is sent again: a log may take long to say nothing
TRIES_OVERTAKEN = 100  # times to decide anew when another filer was faster: somebody always wins
PAUSE = 0.02  # seconds at most before the second try; doubles, with full jitter
LONGEST_OVERTAKEN = 0.32  # seconds; who waits longer than the others file is overtaken again
DESKS: Final = 256  # stories kept at hand, so that the next filing reads only what is new


class Receipt(NamedTuple):
    """What the filer gets back; `duplicate` when the same filing had been recorded before."""

    id: str
    story: str
    ref: str
    kind: str
    position: int
    version: int
    duplicate: bool


class _Asked(NamedTuple):
    """Filings of one story that are to be recorded together, and what goes for all of them."""

    story: str
    filings: Sequence[Filing]
    by: Actor
    expected: ExpectedVersion
    correlation: str | None


class Publisher:
    """Files developments into a log.

    Args:
        log: where to.
        clock: the time by which rules judge, milliseconds since 1970 UTC.
        pause: waits that many seconds between tries.
    """

    def __init__(
        self,
        to: Log,
        clock: Clock,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._log = to
        self._clock = clock
        self._pause = pause
        self._tell = structlog.get_logger().bind().info
        self._desks: OrderedDict[str, Desk] = OrderedDict()

    async def file(
        self,
        filing: Filing,
        by: Actor,
        expected: ExpectedVersion = Expect.ANY,
        correlation: str | None = None,
    ) -> Receipt:
        """Record one filing.

        Raises:
            Refused: it breaks a rule; nothing was appended.
            WrongVersion: the story is not where `expected` has it.
            IdReused: the id is known with other content.
            LogUnavailable: unknown, also after trying again; safe to retry with the same id.
        """
        (receipt,) = await self.file_all([filing], by, expected, correlation)
        return receipt

    async def file_all(
        self,
        filings: Sequence[Filing],
        by: Actor,
        expected: ExpectedVersion = Expect.ANY,
        correlation: str | None = None,
    ) -> list[Receipt]:
        """Record filings of one story together: all of them or none; see `file`."""
        story = filings[0].story
        if len(filings) > 1 and any(isinstance(each.development, Redacted) for each in filings):
            raise Refused("redact-alone", "kind", "a redaction by itself", "one among others")
        asked = _Asked(story, filings, by, expected, correlation)
        overtaken = unsaid = 0
        clock = asyncio.get_running_loop().time
        began = clock()
        while True:
            try:
                return await self._try(asked, again=unsaid > 0)
            except WrongVersion as error:
                check_version(story, expected, error.found)  # else somebody was only faster
                overtaken += 1
                if overtaken == TRIES_OVERTAKEN:
                    raise
                pause = min(PAUSE * 2**overtaken, LONGEST_OVERTAKEN)
            except LogUnavailable:
                unsaid += 1
                if unsaid == TRIES or clock() - began > PATIENCE:
                    raise
                pause = PAUSE * 2**unsaid
            await self._pause(random.uniform(0, pause))  # noqa: S311 - spreads retries

    async def foresee(self, filing: Filing, by: Actor) -> Development:
        """Decide a filing as it would be recorded now, erasures included, and record nothing.

        Raises:
            Refused: it breaks a rule.
        """
        desk = await self.desk(filing.story)
        (event,) = judge(filing.story, [filing], desk, by, now_ms=self._clock())
        if isinstance(event.development, Redacted):
            event = await self._erasing(filing.story, event, desk)
        return event.development

    async def desk(self, story: str) -> Desk:
        """Give the story as the desk knows it now, reading only what is new."""
        desk = self._desks.get(story)
        if desk is None:
            desk = Desk()
        async for event in self._log.read_versions(story, desk.version):
            if event.version > desk.version:  # else another filing of ours read it meanwhile
                desk.update(evolve(desk, event))
        self._desks[story] = desk
        self._desks.move_to_end(story)
        if len(self._desks) > DESKS:
            self._desks.popitem(last=False)
        return desk

    async def _try(self, asked: _Asked, *, again: bool) -> list[Receipt]:
        filings = asked.filings
        # An id made here can only be known when an earlier try got through without an answer.
        ids = [filing.id for filing in filings if filing.given_id or again]
        before = await self._before(filings, ids)
        if before is not None:
            return before
        try:
            return await self._decided(asked)
        except (Refused, Conflict):
            # It may have been sent twice at once, and refused for what the other had brought about.
            before = await self._before(filings, ids)
            if before is None:
                raise
            return before

    async def _before(self, filings: Sequence[Filing], ids: Sequence[str]) -> list[Receipt] | None:
        """Answer filings that were recorded before as they were answered then; None if not all.

        Raises:
            IdReused: an id was used for something else.
        """
        known = await self._log.find(ids) if ids else {}
        if len(known) < len(filings):
            return None
        return [_again(filing, known[filing.id]) for filing in filings]

    async def _decided(self, asked: _Asked) -> list[Receipt]:
        """Decide filings by the story as it is, and record them."""
        story = asked.story
        desk = self._desks.get(story) or await self.desk(story)
        seen = desk.version
        try:
            receipts = await self._append(asked, desk)
        except (Refused, WrongVersion):
            # Judged by what is remembered, which others may have moved on from: only a refusal by
            # the story as it is counts. What was taken, the log has held against its version.
            if (await self.desk(story)).version == seen:
                raise
            receipts = await self._append(asked, desk)
        whose = {"filed_by": asked.by.name, "correlation": asked.correlation}
        for receipt in receipts:
            self._tell("filed", **receipt._asdict(), **whose)
        return receipts

    async def _append(self, asked: _Asked, desk: Desk) -> list[Receipt]:
        story, filings, by, expected, correlation = asked
        check_version(story, expected, desk.version)
        now = self._clock()
        events = judge(story, filings, desk, by, now_ms=now, correlation=correlation)
        if isinstance(events[0].development, Redacted):
            events = [await self._erasing(story, events[0], desk)]
        # Whatever the filer expected: the log takes it only into the story that it was judged by.
        places = await self._log.append(story, events, desk.version)
        self._remember(story, events, places, now)
        return [
            Receipt(
                event.id,
                story,
                event.development.ref or "",
                event.development.kind,
                position,
                version,
                places.duplicate,
            )
            for event, position, version in zip(
                events, places.positions, places.versions, strict=True
            )
        ]

    async def _erasing(self, story: str, event: Filed, desk: Desk) -> Filed:
        """Complete a redaction by what it erases, which takes the whole story to say."""
        redaction = event.development
        assert isinstance(redaction, Redacted)  # noqa: S101 - as the caller found
        events = [each async for each in self._log.read_versions(story)]
        sealed = await self._log.find([str(each.provenance["id"]) for each in events])
        remains = await self._log.remains()
        bodies = {
            each.version: each.body if each.body is not None else remains.get(each.position, b"")
            for each in sealed.values()
        }
        stored = Stored(
            {version: body for version, body in sorted(bodies.items()) if body},
            {each.version: each.private for each in sealed.values() if each.private},
        )
        erased = erasures(redaction, events, stored, desk.is_held)
        return event._replace(development=redaction.model_copy(update={"erases": erased}))

    def _remember(self, story: str, events: Sequence[Filed], places: Appended, now_ms: int) -> None:
        """Move the remembered desk past what was just recorded, so that it need not be read."""
        desk = self._desks.get(story)
        if desk is None or places.duplicate or desk.version != places.versions[0] - 1:
            return
        if any(isinstance(event.development, Redacted) for event in events):
            del self._desks[story]  # what was erased is not remembered either
            return
        if any(event.development.embargo_until and event.development.filed_at for event in events):
            del self._desks[story]  # whether it is over is for the moment of recording to say
            return
        for event, version in zip(events, places.versions, strict=True):
            desk.update(evolve(desk, foreseen(event, story, version, now_ms)))


def judge(
    story: str,
    filings: Sequence[Filing],
    desk: Desk,
    by: Actor,
    *,
    now_ms: int,
    correlation: str | None = None,
) -> list[Filed]:
    """Decide filings one after the other, each on top of those before it; `desk` stays as it is.

    Raises:
        Refused: one of them breaks a rule.
    """
    ahead = desk.ahead() if len(filings) > 1 else desk
    events = []
    for filing in filings:
        development = decide(story, filing.development, ahead, by, now_ms)
        event = Filed(filing.id, by.name, development, filing.private, None, correlation)
        events.append(event)
        if len(filings) > 1:
            ahead.update(evolve(ahead, foreseen(event, story, ahead.version + 1, now_ms)))
    return events


def foreseen(event: Filed, story: str, version: int, now_ms: int) -> Recorded:
    """Give an event as it will be read back, so far as the desk's fold looks at it."""
    envelope = canonical({"filed_by": event.filed_by})
    # Only kinds of the vocabulary are filed, whatever the type of the field allows.
    return Recorded(0, story, version, now_ms, envelope, cast("KnownKind", event.development))


def _again(filing: Filing, stored: Sealed) -> Receipt:
    """Answer a filing that was recorded before, as it was answered then.

    Raises:
        IdReused: the id was used for something else.
    """
    if not is_recorded_as(filing.story, filing.development, filing.private, stored):
        raise IdReused(filing.id, f"it at position {stored.position} with other content")
    ref = getattr(decode(stored.kind, stored.schema, stored.body), "ref", None) or ""
    return Receipt(
        filing.id,
        stored.story,
        ref,
        stored.kind,
        stored.position,
        stored.version,
        duplicate=True,
    )


def is_recorded_as(
    story: str, development: Development, private: Private | None, stored: Sealed
) -> bool:
    """Whether a filing is the stored event, but for what the desk had added to it.

    Erased contents cannot be compared; there the id speaks alone.
    """
    if (story, development.kind) != (stored.story, stored.kind):
        return False
    if stored.private is not None and encode_private(private) != stored.private:
        return False
    if stored.body is None:
        return True
    found = decode(stored.kind, stored.schema, stored.body)
    added: dict[str, object] = {}
    if development.ref is None:
        added["ref"] = getattr(found, "ref", None)
    if isinstance(found, Redacted):
        added["erases"] = found.erases
    if getattr(found, "needs_approval", None):
        added["needs_approval"] = True
    return encode(development.model_copy(update=added) if added else development) == stored.body
