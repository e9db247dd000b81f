"""What every test may ask for: a clock to move, a log of each kind, a newsroom."""

import hashlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from brokers import Broker, fetched, topic_of
from hypothesis import HealthCheck, settings
from serving import Served, served

from dateline import telemetry
from dateline.wiring import Newsroom, newsroom
from events.kafka.log import KafkaLog
from events.log import Log
from events.memory_log import MemoryLog
from events.sqlite.log import SqliteLog

if TYPE_CHECKING:
    from dispatching import Wire

# A shell that runs tests in the background has them ignore Ctrl-C, and what they start as well.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "house",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("house")

SAMPLE = Path(__file__).parents[1] / "examples" / "developments.jsonl"
STORY = "us-russia-ukraine-children"
AFTER_THE_SAMPLE = 1_790_000_000_000  # milliseconds; all of it had been published by then


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: int = 1_760_120_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def move(self, milliseconds: int) -> None:
        self.now += milliseconds


class Entropy:
    """Nonces that come out the same in every run, for tests that compare roots."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, size: int) -> bytes:
        self.calls += 1
        digest = hashlib.sha512(self.calls.to_bytes(8, "big")).digest()
        return (digest * (size // len(digest) + 1))[:size]


@pytest.fixture
def clock() -> Clock:
    return Clock()


OpenLog = Callable[[], Log]


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a broker that the whole run shares; each test has topics of its own."""
    given = os.environ.get("DATELINE_TEST_KAFKA")
    if given:
        yield given
        return
    fetched()
    broker = Broker(tmp_path_factory.mktemp("kafka"))
    try:
        yield broker.start().address
    finally:
        broker.stop()


@pytest.fixture(params=["memory", "sqlite", "kafka"])
async def log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Log]:
    """A log of each kind; a new adapter is added here and has to pass all that uses it."""
    made: Log
    match request.param:
        case "memory":
            made = MemoryLog(clock)
        case "sqlite":
            made = SqliteLog(tmp_path / "log.db", clock)
        case _:
            broker: str = request.getfixturevalue("kafka")
            made = KafkaLog(topic_of(broker, tmp_path), clock)
    yield made
    await made.close()


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Log lines from `warning` on, as the command line has it."""
    telemetry.configure("warning")


@pytest.fixture
async def room(tmp_path: Path, clock: Clock) -> AsyncIterator[Newsroom]:
    clock.now = AFTER_THE_SAMPLE
    async with newsroom(f"sqlite:///{tmp_path}/news.db", clock) as made:
        yield made


@pytest.fixture
async def desk(room: Newsroom) -> AsyncIterator[Served]:
    async with served(room) as made:
        yield made


@pytest.fixture
async def wire(log: Log, clock: Clock) -> AsyncIterator["Wire"]:
    """A log with one story, and alerts at work on it."""
    from dispatching import Wire  # noqa: PLC0415 - which has the clock from here

    made = Wire(log, clock)
    await made.opened()
    await made.dispatch.decide_due()
    yield made
    made.views.close()
