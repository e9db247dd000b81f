"""How many got an alert, for whoever shows a story: read beside the story, never folded into it.

A story is made of the log alone, so that it can be made again; who was reached is known to the
ledger alone. They meet where a state is shown.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw
import orjson

from consumers.delivery.ledger import SQL
from consumers.delivery.rows import Tally

__all__ = ["Reach", "Sent", "Told", "Trouble", "reached", "with_reach"]

BUSY_MS = 2_000  # that whoever only looks waits for a ledger
_ALERTS: Final = b',"alerts":['
_AFTER: Final = b'],"people":'


# What came of a delivery later than the moment is not known at the moment.
_SENT: Final = """
SELECT position, alert, kind, level, target, coalesce(channel, ''), coalesce(shown, ''),
    CASE WHEN ended_ms <= :until THEN deliveries.state ELSE 'under way' END,
    deliveries.made_ms, CASE WHEN ended_ms <= :until THEN ended_ms END
FROM deliveries LEFT JOIN targets USING (target)
WHERE story = :story AND deliveries.made_ms <= :until ORDER BY delivery
"""


class Sent(NamedTuple):
    """An alert on its way to one target: of which event, to whom, and what came of it by then.

    `address` is as much of it as anybody may see; times are milliseconds since 1970 UTC.
    """

    position: int
    alert: str
    kind: str
    level: str
    target: str
    channel: str
    address: str
    state: str
    made_ms: int
    ended_ms: int | None


_WHOM: Final = """
SELECT target, state, reason FROM deliveries
WHERE story = :story AND alert = :alert ORDER BY delivery
"""


class Told(NamedTuple):
    """One target of an alert: what became of it there, and why it was decided so."""

    target: str
    state: str
    reason: str


class Trouble(NamedTuple):
    """Targets, those of them that are disabled or fail, deliveries that wait, and that failed."""

    targets: int
    disabled: int
    failing: int
    waiting: int
    failed: int


class Reach:
    """Looks into a ledger that another may be writing.

    Args:
        path: the ledger's file, which need not be there.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def of(self, story: str) -> dict[str, Tally]:
        """Give, for each alert of a story, how many got it of how many that are owed it.

        Where the ledger cannot be read nobody is known to have been reached.
        """
        counts: dict[str, dict[str, int]] = {}
        for alert, state, count in self._look(SQL["tally"], {"story": story}):
            counts.setdefault(alert, {})[state] = count
        return {alert: Tally.of(states) for alert, states in counts.items()}

    def sent(self, story: str, until_ms: int) -> list[Sent]:
        """Give to whom the alerts of a story had gone by a moment, in the order they were sent.

        Args:
            story: its slug.
            until_ms: the moment, milliseconds since 1970 UTC.
        """
        return [Sent._make(row) for row in self._look(_SENT, {"story": story, "until": until_ms})]

    def whom(self, story: str, alert: str) -> list[Told]:
        """Give to whom an alert goes or went, and why not to whom it does not; see `of`."""
        return [Told._make(row) for row in self._look(_WHOM, {"story": story, "alert": alert})]

    def trouble(self) -> Trouble | None:
        """Give what somebody should look at, None where nothing was ever sent."""
        found = self._look(SQL["trouble"], {})
        return Trouble._make(found[0]) if found else None

    def _look(self, query: str, bindings: Mapping[str, str | int]) -> list[Any]:
        if not Path(self._path).exists():
            return []
        try:
            connection = apsw.Connection(self._path, flags=apsw.SQLITE_OPEN_READWRITE)
            try:
                connection.set_busy_timeout(BUSY_MS)
                return connection.execute(query, bindings).fetchall()
            finally:
                connection.close()
        except apsw.Error:
            return []


def with_reach(state: bytes, tallies: Mapping[str, Tally]) -> bytes:
    """Put into a story's state how many each of its alerts reached, of how many that are owed it.

    Nothing but the alerts is parsed: a long story's state has megabytes.
    """
    begin = state.find(_ALERTS)
    end = state.find(_AFTER, begin)
    if not tallies or begin < 0 or end < 0:
        return state
    begin += len(_ALERTS)
    alerts = orjson.loads(b"[%b]" % state[begin:end])
    for alert in alerts:
        alert.update(reached(tallies, alert["ref"]))
    return b"%b%b%b" % (state[:begin], orjson.dumps(alerts)[1:-1], state[end:])


def reached(tallies: Mapping[str, Tally], alert: str) -> dict[str, int]:
    """Give what is told of an alert: how many it reached, of how many that are owed it."""
    return tallies.get(alert, Tally())._asdict()
