"""What is measured of a running server, in the Prometheus text format.

Nothing here names a story, a person or a key: whoever may look at numbers may look at all of them.
"""

from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

__all__ = ["Lag", "Metrics", "Moment", "Sent"]

APPEND_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Lag(NamedTuple):
    """How far a consumer is behind the log, and how long ago it last moved."""

    consumer: str
    events: int
    seconds: float
    moved_seconds_ago: float


class Moment(NamedTuple):
    """What a server knows of itself just now."""

    size: int = 0
    lags: tuple[Lag, ...] = ()
    parked: int = 0
    undecided: int = 0
    clients: int = 0
    told: int = 0
    embargo_clock_runs: bool = True
    signed: int = 0
    proved: int = 0
    proved_seconds_ago: float | None = None
    sound: bool = True
    answers: bool = True
    mirror: tuple[int, float, int, int] | None = None
    """Of a log with many nodes: records and seconds behind, void records, disagreements."""


class Sent(NamedTuple):
    """What became of alerts: targets reached and owed, deliveries by state, targets left alone."""

    reached: int = 0
    owed: int = 0
    states: tuple[tuple[str, int], ...] = ()
    open_breakers: int = 0
    sending: bool = False


class Metrics:
    """The numbers of one server.

    `now` is how things are, set before they are told.
    """

    def __init__(self) -> None:
        self.now = Moment()
        self.sent: Sent | None = None
        self._registry = CollectorRegistry()
        self.append_seconds = Histogram(
            "dateline_append_seconds",
            "Time from a filing's arrival to its acknowledgement.",
            buckets=APPEND_SECONDS,
            registry=self._registry,
        )
        self._registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Give the numbers of this moment; the registry calls it for every scrape."""
        now = self.now
        yield GaugeMetricFamily(
            "dateline_log_answers",
            "1 while the log can be asked; at 0 the others are of when it last was.",
            now.answers,
        )
        yield CounterMetricFamily("dateline_events", "Events in the log.", now.size)
        events = GaugeMetricFamily(
            "dateline_lag_events", "Events a consumer is behind.", labels=["consumer"]
        )
        seconds = GaugeMetricFamily(
            "dateline_lag_seconds", "Time a consumer is behind.", labels=["consumer"]
        )
        moved = GaugeMetricFamily(
            "dateline_moved_seconds_ago", "Time since a consumer moved.", labels=["consumer"]
        )
        for lag in now.lags:
            events.add_metric([lag.consumer], lag.events)
            seconds.add_metric([lag.consumer], lag.seconds)
            moved.add_metric([lag.consumer], lag.moved_seconds_ago)
        yield from (events, seconds, moved)
        yield GaugeMetricFamily("dateline_parked", "Events that are parked.", now.parked)
        yield GaugeMetricFamily(
            "dateline_stories_undecided", "Stories whose alerts cannot be decided.", now.undecided
        )
        yield from self._of_mirror()
        yield GaugeMetricFamily("dateline_feed_clients", "Connections of the feed.", now.clients)
        yield CounterMetricFamily("dateline_feed_updates", "Updates told on the feed.", now.told)
        yield GaugeMetricFamily(
            "dateline_embargo_clock_runs",
            "1 while embargoes are lifted, 0 once the clocks disagreed.",
            now.embargo_clock_runs,
        )

        yield from _audit(now)
        if self.sent is not None:
            yield from self._deliveries(self.sent)

    @staticmethod
    def _deliveries(sent: Sent) -> Iterator[Metric]:
        """Give what became of alerts."""
        yield GaugeMetricFamily("dateline_alerts_reached", "Targets that got alerts.", sent.reached)
        yield GaugeMetricFamily("dateline_alerts_owed", "Targets that are owed them.", sent.owed)
        states = GaugeMetricFamily(
            "dateline_deliveries", "Deliveries in each state.", labels=["state"]
        )
        for state, count in sent.states:
            states.add_metric([state], count)
        yield states
        yield GaugeMetricFamily(
            "dateline_targets_left_alone", "Targets that only fail.", sent.open_breakers
        )
        yield GaugeMetricFamily(
            "dateline_sending", "1 while this process has the right to send.", sent.sending
        )

    def _of_mirror(self) -> Iterator[Metric]:
        if self.now.mirror is None:
            return
        records, seconds, voids, disagreements = self.now.mirror
        yield GaugeMetricFamily("dateline_mirror_lag_records", "Records behind the topic.", records)
        yield GaugeMetricFamily(
            "dateline_mirror_lag_seconds",
            "Time behind the topic, or without a word from it.",
            seconds,
        )
        yield CounterMetricFamily("dateline_void_records", "Records that got no place.", voids)
        yield CounterMetricFamily(
            "dateline_root_disagreements",
            "Records sent by nodes that had another root than this one.",
            disagreements,
        )

    @staticmethod
    def all() -> "Metrics":
        """Give every number that a server may have, as the reference lists them."""
        metrics = Metrics()
        metrics.now = Moment(proved_seconds_ago=0.0, mirror=(0, 0.0, 0, 0))
        metrics.sent = Sent()
        return metrics

    def described(self) -> Iterator[Metric]:
        """Give every number with its name, its kind and what it is."""
        yield from self._registry.collect()

    def text(self) -> bytes:
        """Give all numbers as Prometheus reads them."""
        return generate_latest(self._registry)


def _audit(now: Moment) -> Iterator[Metric]:
    """Give how far the log is signed and proved, and whether the last proof held."""
    yield GaugeMetricFamily(
        "dateline_signed_events", "Events in the last signed checkpoint.", now.signed
    )
    yield GaugeMetricFamily(
        "dateline_proved_events", "Events that the last whole proof of the log read.", now.proved
    )
    if now.proved_seconds_ago is not None:
        yield GaugeMetricFamily(
            "dateline_proved_seconds_ago", "Time since the log was proved.", now.proved_seconds_ago
        )
    yield GaugeMetricFamily("dateline_log_sound", "1 unless the last proof failed.", now.sound)
