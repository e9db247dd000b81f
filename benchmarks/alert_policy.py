"""Decisions of a policy over a million events, for a thousand subscriptions.

Every event is read from the log, typed, and taken into the watch on disk; what is due is decided
by twenty routes, each decision is taken into the watch as if it had been recorded, and each alert
that goes out is decided on for every subscription that wants it. One development in ten is taken by
a route. Nothing is appended or sent: what that costs is measured elsewhere.

`python -m benchmarks.alert_policy FILE` decides on a log and prints what it took.
"""

import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import psutil

from benchmarks.measuring import Effort, Finding
from benchmarks.million import log_of
from consumers.alerts.decide import decide
from consumers.alerts.parts import version_of
from consumers.alerts.policy import Policy, load
from consumers.alerts.quiet import Hours
from consumers.alerts.targets import Already, Sent, Target, Targets, notice_of, verdict_on
from consumers.alerts.throttle import Throttle
from consumers.alerts.watching import Watching
from consumers.subscription import BATCH, Subscription
from consumers.views import Views
from dateline.server import settle
from events.alerts import AlertIssued
from events.codec import canonical
from events.envelope import Filed, Recorded
from events.sqlite.log import SqliteLog

__all__ = ["measure"]

NAME = "alert policy"
MANY, FEW = 1_000_000, 10_000
BOUND_MB = 50.0
GOAL = 20_000.0
LOOKS_PER_SECOND = 50
SUBSCRIPTIONS = 1_000
ROUTES = 20
REMEMBERED = 100  # of what a target was sent, as far back as its throttle looks

_LEVELS: Final = ("urgent", "regular", "deferred")
_KINDS: Final = ("quote-added", "figure-reported", "response-received")


class Took(NamedTuple):
    """What deciding took: seconds by the clock and of the processor, and what came of it.

    `peak` is the most memory held, in MB.
    """

    seconds: float
    processor: float
    taken: int
    alerts: int
    verdicts: int
    peak: float = 0.0


def measure(effort: Effort) -> list[Finding]:
    """Decide on a large and a small log, each in a process of its own."""
    many = effort.events(MANY)
    large, small = _took(log_of(many)), _took(log_of(FEW))
    return [
        Finding(NAME, f"of {many:,} events", many / large.seconds, "events/s", GOAL),
        Finding(
            NAME,
            f"memory past that of {FEW:,} events, with {many:,}",
            large.peak - small.peak,
            "MB",
            BOUND_MB,
            at_most=True,
        ),
        Finding(NAME, f"of {many:,} events, in processor time", many / large.processor, "events/s"),
        Finding(NAME, f"of {FEW:,} events", FEW / small.seconds, "events/s"),
        Finding(NAME, "developments that a route took", large.taken / many * 100, "%"),
        Finding(NAME, "alerts that went out", large.alerts, ""),
        Finding(NAME, "verdicts on subscriptions", large.verdicts, ""),
    ]


def _took(log: Path) -> Took:
    command = [sys.executable, "-m", "benchmarks.alert_policy", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        process = psutil.Process(running.pid)
        peak = 0
        while running.poll() is None:
            peak = max(peak, process.memory_info().rss)
            time.sleep(1 / LOOKS_PER_SECOND)
        assert running.returncode == 0, "deciding failed; its reason stands above"
        assert running.stdout is not None
        return Took(*orjson.loads(running.stdout.read()))._replace(peak=peak / 1_000_000)


def _policy() -> Policy:
    """Twenty routes: each takes the quotes, figures or answers of some stories."""
    lines = ["[levels.urgent]", 'wait = "1s"', 'interval = "2s"']
    for number in range(ROUTES):
        lines += [
            "[[route]]",
            f'name = "route {number}"',
            f'level = "{_LEVELS[number % len(_LEVELS)]}"',
            f'kinds = ["{_KINDS[number % len(_KINDS)]}"]',
            f"stories = {[f'story-{part:05d}*' for part in range(number, 3_000, ROUTES)]}",
        ]
    return load("\n".join(lines))


def _targets() -> list[Target]:
    """A thousand subscriptions: of a story, of a kind, of a person, and a few that take all."""
    chance = random.Random(SUBSCRIPTIONS)  # noqa: S311 - every run gets the same
    found = []
    for number in range(SUBSCRIPTIONS):
        wish: dict[str, Any] = {}
        match number % 20:
            case 0:
                wish = {"kinds": frozenset({chance.choice(_KINDS)})}
            case 1:
                wish = {"people": frozenset({"person:ada-lovelace"})}
            case 2 if number < 100:
                pass
            case _:
                names = (f"story-{chance.randrange(20_000):06d}" for _ in range(5))
                wish = {"stories": frozenset(names)}
        found.append(
            Target(
                f"webhook:{number}",
                "webhook",
                **wish,
                timezone=chance.choice(("Europe/Berlin", "America/New_York", "UTC")),
                quiet=(Hours(23 * 60, 6 * 60),) if number % 3 == 0 else (),
                throttle={"urgent": Throttle(20, 3_600_000)},
            )
        )
    return found


class _Deciding:
    """The watch on disk, with its decisions taken in as if they had been recorded."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self._watching = Watching(views, _policy())
        self._targets = Targets(_targets())
        self._sent: defaultdict[str, list[Sent]] = defaultdict(list)
        self.decisions = self.taken = self.alerts = self.verdicts = 0

    async def over(self, log: SqliteLog) -> None:
        subscription = Subscription(log, self._views, self._watching)
        self._watching.begin(0)
        batch: list[Recorded] = []
        async for event in log.read():
            batch.append(event)
            if len(batch) == BATCH:
                self._take(subscription, batch)
                batch = []
        if batch:
            self._take(subscription, batch)

    def _take(self, subscription: Subscription, batch: Sequence[Recorded]) -> None:
        # Positions go up by the decisions so far, as they do in a log that these are appended to.
        moved = [Recorded(event.position + self.decisions, *event[1:]) for event in batch]
        subscription.handle(moved)
        now_ms, position = batch[-1].recorded_ms, moved[-1].position
        while due := self._watching.due(now_ms):
            recorded: list[Recorded] = []
            for story, keys in due.items():
                with self._watching.story(story) as parts:
                    made = decide(story, parts, keys, self._watching.rules, now_ms)
                    version = version_of(parts)
                recorded += [_recorded(story, version, now_ms, one) for one in made]
            recorded = [
                event._replace(position=position + number)
                for number, event in enumerate(recorded, 1)
            ]
            subscription.handle(recorded)
            self.decisions += len(recorded)
            position += len(recorded)
            for event in recorded:
                if isinstance(event.development, AlertIssued):
                    self.taken += len(event.development.alert.derived_from)
                    self._told(event)

    def _told(self, event: Recorded) -> None:
        notice = notice_of(event)
        wanting = self._targets.wanting(notice)
        already = Already(event.recorded_ms, sent=self._sent)
        for target in wanting:
            self.verdicts += 1
            if verdict_on(notice, target, already).outcome == "send":
                sent = self._sent[target.id]
                sent.append(Sent(notice.level, event.recorded_ms))
                del sent[:-REMEMBERED]
        self.alerts += 1


def _recorded(story: str, version: int, now_ms: int, one: Filed) -> Recorded:
    envelope = canonical({"id": one.id, "filed_by": one.filed_by, "cause": one.cause})
    return Recorded(0, story, version, now_ms, envelope, one.development)  # type: ignore[arg-type]  # - every decision is a kind of the vocabulary


async def _decide(path: Path) -> Took:
    log = SqliteLog(path)
    with tempfile.TemporaryDirectory(prefix="dateline-bench-") as folder:
        views = Views(f"{folder}/views.db", lambda: 0)
        deciding = _Deciding(views)
        settle()  # as the server does that the worker runs in
        start, worked = time.perf_counter(), time.process_time()
        await deciding.over(log)
        seconds, processor = time.perf_counter() - start, time.process_time() - worked
        views.close()
    await log.close()
    return Took(seconds, processor, deciding.taken, deciding.alerts, deciding.verdicts)


if __name__ == "__main__":
    print(orjson.dumps(asyncio.run(_decide(Path(sys.argv[1])))[:5]).decode())
