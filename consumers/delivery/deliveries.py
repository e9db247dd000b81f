"""Deliveries: one alert for one target each, from the decision to its end."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import apsw
import orjson

from consumers.delivery.ledger import SQL, Ledger
from consumers.delivery.rows import Attempt, Delivery, Earlier, End, Held, Planned, State, Tally
from consumers.delivery.schedule import LIFE, LONGEST_LIFE
from consumers.delivery.signing import webhook_id

__all__ = ["Deliveries"]

RETRACTED: Final = "alert-retracted"
REACTION: Final = "alerts"  # the name that the reaction's checkpoint is kept under
WINDOW = 64  # deliveries looked at to find some of different stories
FEW = 300  # rows that are planned without a thread: some milliseconds
HELD = 500  # held deliveries decided again together
MOST_SHOWN = 10_000  # attempts listed at once


class Deliveries:
    """Every delivery, in the ledger.

    Args:
        ledger: where they are written.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def checkpoint(self) -> tuple[int, bytes] | None:
        """Give how far the log was acted on, None where it never was."""
        query = "SELECT checkpoint, event FROM reactions WHERE reaction = ?"
        row = await self._ledger.read(lambda c: c.execute(query, (REACTION,)).fetchone())
        return row and (int(row[0]), bytes(row[1]))

    async def begin_at(self, position: int, event: bytes) -> None:
        """Start acting on the log past a position, whatever was acted on before."""
        place = (REACTION, position, event)
        query = "INSERT OR REPLACE INTO reactions VALUES (?, ?, ?)"
        await self._ledger.write(lambda c: c.execute(query, place))

    async def plan(self, planned: Iterable[Planned], moved: tuple[int, bytes], now_ms: int) -> None:
        """Write down all that is decided of one event, and that the log is acted on up to it."""
        rows = [_row(each, now_ms) for each in planned]

        def work(connection: apsw.Connection) -> None:
            connection.executemany(SQL["plan"], rows)
            connection.execute(SQL["move"], _place(moved))

        await self._ledger.write(work, long=len(rows) > FEW)

    async def chase(
        self, planned: Planned, alerts: Sequence[str], moved: tuple[int, bytes], now_ms: int
    ) -> list[str]:
        """Have a correction sent to all who got, or may have got, one of some alerts.

        Who that is, is found in the same transaction that takes back what was not sent yet: nobody
        is sent an alert between the look and the decision. Who has not got it is sent the
        correction in its place, as the alert that it would have been; of a retraction, nothing.

        Args:
            planned: the correction; its target is left open.
            alerts: what it corrects or retracts, alerts of its story.
            moved: how far the log is acted on with it.
            now_ms: the time.

        Returns:
            Whom it goes to.
        """
        about: dict[str, str | int] = {"story": planned.story, "position": planned.position}
        about |= {"alerts": _json(alerts), "reason": f"overtaken by {planned.alert}", "now": now_ms}

        def work(connection: apsw.Connection) -> list[str]:
            about["deliveries"] = _json(_column(connection, "of-alerts", about))
            targets = _column(connection, "chased", about)
            about["chased"] = _json(targets)
            retracts = planned.kind == RETRACTED
            instead = [] if retracts else _tell_instead(connection, planned, about)
            connection.execute(SQL["supersede"], about)
            connection.execute(SQL["overtake"], about)
            told = {"event": planned.event, "told": _json(instead)}
            connection.execute(SQL["told-by"], {**about, **told})
            rows = [_row(planned._replace(target=target), now_ms) for target in targets]
            for row in rows:  # however little its alert is worth by now, it was told
                row["expires"] = now_ms + LONGEST_LIFE
            connection.executemany(SQL["plan-chase"], rows)
            connection.execute(SQL["move"], _place(moved))
            return [*targets, *instead]

        return await self._ledger.write(work, long=True)

    async def add(self, planned: Iterable[Planned], now_ms: int) -> None:
        """Write down what is in no log, such as a drill."""
        rows = [_row(each, now_ms) for each in planned]
        await self._ledger.write(lambda c: c.executemany(SQL["plan"], rows))

    async def claim(self, rooms: Mapping[str, int], most: int, now_ms: int) -> list[Delivery]:
        """Claim what goes out next to some targets.

        Args:
            rooms: how many may be on their way to each target then.
            most: how many are claimed in all.
            now_ms: the time.
        """

        def work(connection: apsw.Connection) -> list[Delivery]:
            claimed: list[Delivery] = []
            for target, room in rooms.items():
                left = most - len(claimed)
                if left <= 0:
                    break
                claimed += _claim(connection, target, room, left, now_ms)
            return claimed

        return await self._ledger.write(work)

    async def turn(self, ended: End, target: str, most: int, now_ms: int) -> Delivery | None:
        """Write down how a try ended, and claim what goes out in its place: in one commit.

        Args:
            ended: what came of a try; the next of its story goes out, or another in its turn.
            target: whose it was.
            most: how many may be on their way to it then.
            now_ms: the time.
        """

        def work(connection: apsw.Connection) -> Delivery | None:
            _end(connection, ended, now_ms)
            found = connection.execute(SQL["claim-next"], (target, now_ms, most)).fetchall()
            return tuple.__new__(Delivery, found[0]) if found else None  # half the time of `_make`

        return await self._ledger.write(work)

    async def adopt(self, now_ms: int) -> None:
        """Take over what a process that is gone had under way: nobody knows how it ended."""

        def work(connection: apsw.Connection) -> None:
            connection.execute(SQL["orphaned-attempts"], {"now": now_ms})
            connection.execute(SQL["orphaned"], {"now": now_ms})

        await self._ledger.write(work)

    async def waiting(self, now_ms: int) -> list[str]:
        """Give the targets that something is due for."""
        asked = {"now": now_ms}
        due = await self._ledger.read(
            lambda c: c.execute(SQL["waiting"], asked).fetchall(), long=True
        )
        return [str(row[0]) for row in due]

    async def held(self, now_ms: int) -> list[Held]:
        """Give what was held until now."""
        asked = {"now": now_ms, "most": HELD}
        return await self._ledger.read(
            lambda c: [Held._make(row) for row in c.execute(SQL["held"], asked)]
        )

    async def decide_again(
        self, held: int, state: State, reason: str, due_ms: int, now_ms: int, *, digested: bool
    ) -> None:
        """Write down what is decided now of something that was held."""
        values = {"delivery": held, "state": state, "reason": reason, "due": due_ms}
        values |= {"digested": digested, "now": now_ms}
        await self._ledger.write(lambda c: c.execute(SQL["decide-again"], values))

    async def gather(self, digest: Planned, now_ms: int) -> None:
        """Make one delivery of all that is due to be told to a target in a digest."""
        row = _row(digest, now_ms)

        def work(connection: apsw.Connection) -> None:
            connection.execute(SQL["plan"], row)
            connection.execute(SQL["into-digest"], row)

        await self._ledger.write(work)

    async def digested(self, delivery: int) -> list[tuple[int, str, str]]:
        """Give position, event and kind of each alert that a digest tells."""
        asked = {"delivery": delivery}
        return await self._ledger.read(
            lambda c: [(row[0], row[1], row[2]) for row in c.execute(SQL["digested"], asked)]
        )

    async def had(self, event: str) -> frozenset[str]:
        """Give the targets that something was decided of for an event."""
        asked = {"event": event}
        return await self._ledger.read(
            lambda c: frozenset(row[0] for row in c.execute(SQL["had"], asked))
        )

    async def sent_since(self, target: str, since_ms: int) -> list[tuple[str, int]]:
        """Give level and time of the alerts that a target was sent after a moment.

        What was sent again by hand once its life was over does not count.
        """
        asked = {"target": target, "since": since_ms, "life": LONGEST_LIFE}
        return await self._ledger.read(
            lambda c: [(row[0], row[1]) for row in c.execute(SQL["sent-since"], asked)]
        )

    async def earlier(self, story: str, target: str, alerts: Sequence[str]) -> list[Earlier]:
        """Give what a target was shown of some alerts, oldest first."""
        asked = {"story": story, "target": target, "alerts": _json(alerts)}
        return await self._ledger.read(
            lambda c: [Earlier._make(row) for row in c.execute(SQL["earlier"], asked)]
        )

    async def totals(self) -> tuple[Tally, dict[str, int]]:
        """Give the tally of all alerts, and how many deliveries are in each state."""

        def work(connection: apsw.Connection) -> tuple[Tally, dict[str, int]]:
            rows: list[Any] = connection.execute(SQL["totals"]).fetchall()
            states = {str(state): int(count) for state, count, _ in rows}
            return Tally.of({str(state): int(of_log) for state, _, of_log in rows}), states

        return await self._ledger.read(work, long=True)

    async def attempts(self, target: str | None, webhook_id: str | None) -> list[Attempt]:
        """List deliveries with their tries, newest first."""
        asked = {"target": target, "webhook_id": webhook_id, "most": MOST_SHOWN}
        return await self._ledger.read(
            lambda c: [Attempt._make(row) for row in c.execute(SQL["attempts"], asked)], long=True
        )

    async def of_event(self, event: str) -> dict[str, str]:
        """Give the state of each delivery of an event, by target."""
        query = "SELECT target, state FROM deliveries WHERE event = ? ORDER BY delivery"
        return await self._ledger.read(
            lambda c: {str(row[0]): str(row[1]) for row in c.execute(query, (event,))}, long=True
        )

    async def resend(self, webhook_id: str, now_ms: int) -> bool:
        """Have a delivery sent once more, under its id.

        Returns:
            False where there is none at rest, or a correction has overtaken it.
        """
        values: dict[str, str | int] = {"webhook_id": webhook_id, "reason": "sent again by hand"}
        values |= {"now": now_ms, "expires": now_ms + LONGEST_LIFE}
        return await self._ledger.write(lambda c: bool(_again(c, "resend", values)))

    async def recover(self, target: str, since_ms: int, now_ms: int) -> int:
        """Have all news sent that a target missed since a moment; returns how many that is."""
        values: dict[str, str | int] = {"target": target, "since": since_ms, "reason": "recovered"}
        values |= {"now": now_ms, "expires": now_ms + LONGEST_LIFE}
        return await self._ledger.write(lambda c: _again(c, "recover", values), long=True)


def _row(planned: Planned, now_ms: int) -> dict[str, str | int | None]:
    row = dict(zip(Planned._fields, planned, strict=True))
    row["webhook_id"] = webhook_id(planned.event, planned.target)
    row["now"] = now_ms
    row["due"] = planned.due_ms
    row["ended"] = None if planned.state in ("pending", "held") else now_ms
    row["expires"] = (planned.recorded_ms or now_ms) + LIFE.get(planned.level, LONGEST_LIFE)
    return row


def _json(values: Iterable[Any]) -> str:
    return orjson.dumps(list(values)).decode()


def _column(connection: apsw.Connection, query: str, about: Mapping[str, str | int]) -> list[Any]:
    return [row[0] for row in connection.execute(SQL[query], about)]


def _tell_instead(
    connection: apsw.Connection, correction: Planned, about: Mapping[str, str | int]
) -> list[str]:
    """Plan a correction for who has not got what it corrects, in its place; returns to whom."""
    values = {**about, **correction._asdict()}
    values["reason"] = f"in the words of {correction.alert}, which came before it was sent"
    unheard: list[Any] = connection.execute(SQL["unheard"], values).fetchall()
    for delivery, target, kind in unheard:
        values |= {"delivery": delivery, "kind": kind}
        values["webhook_id"] = webhook_id(correction.event, target)
        connection.execute(SQL["tell-instead"], values)
    return list(dict.fromkeys(target for _, target, _ in unheard))


def _place(moved: tuple[int, bytes]) -> dict[str, int | str | bytes]:
    return {"reaction": REACTION, "checkpoint": moved[0], "event": moved[1]}


def _end(connection: apsw.Connection, ended: End, now_ms: int) -> None:
    delivery, number, state, due_ms, *attempt, shown_as, digest = ended
    connection.execute(SQL["attempted"], (delivery, number, *attempt))
    connection.execute(SQL["end"], (delivery, state, due_ms, now_ms, shown_as))
    if digest:
        connection.execute(SQL["end-digested"], (delivery, now_ms, state))


def _again(connection: apsw.Connection, how: str, values: Mapping[str, str | int]) -> int:
    """Have deliveries sent once more, with all that they tell; returns how many that is."""
    again: list[Any] = connection.execute(SQL[how], values).fetchall()
    connection.executemany(SQL["hold-digested"], again)
    return len(again)


def _claim(
    connection: apsw.Connection, target: str, most: int, left: int, now_ms: int
) -> list[Delivery]:
    """Claim what goes out next: of each story one at a time, in the order in which it is due.

    No more than `left`, and no more than are `most` with those that are on their way.
    """
    asked: dict[str, str | int] = {"target": target, "now": now_ms, "most": WINDOW}
    under_way: list[Any] = connection.execute(SQL["in-flight"], asked).fetchall()
    busy = {story for story, _ in under_way}
    asked["busy"] = orjson.dumps(list(busy)).decode()
    room = min(left, most - sum(by_itself for _, by_itself in under_way))
    if room <= 0:
        return []
    expired: list[dict[str, int]] = []
    claimed: list[Delivery] = []
    make = tuple.__new__  # `_make` takes three times as long
    for row in connection.execute(SQL["due"], asked):
        waits = make(Delivery, row)
        if waits.expires_ms <= now_ms:
            expired.append({"delivery": waits.delivery, "now": now_ms})
        elif waits.story not in busy:
            claimed.append(waits)
            busy.add(waits.story)
            if len(claimed) == room:
                break
    if expired:
        connection.executemany(SQL["expire"], expired)
    for each in claimed:
        values = {"delivery": each.delivery, "tries": each.tries, "now": now_ms}
        connection.execute(SQL["claim"], values)
    return claimed
