"""What was delivered for years costs nothing today."""

from collections.abc import Awaitable, Callable

import pytest

from consumers.delivery.deliveries import Deliveries
from consumers.delivery.endpoints import Endpoints
from consumers.delivery.ledger import SQL, Ledger
from consumers.delivery.rows import Delivery, End, Planned
from consumers.delivery.signing import Vault
from consumers.delivery.wishes import Wishes

TARGET = "webhook:a"
DAY = 24 * 60 * 60 * 1000


def planned(position: int, due_ms: int) -> Planned:
    story = f"story-{position}"
    alert = ("alert-1", "alert-issued", "urgent", False)
    return Planned(f"event-{position}", TARGET, position, story, *alert, "pending", "", due_ms)


async def deliver(deliveries: Deliveries, claimed: list[Delivery], now: int) -> None:
    """End what was claimed, and whatever is claimed in its place."""
    while claimed:
        one = claimed.pop()
        end = End(one.delivery, one.tries, "delivered", now, now, 1, 200)
        following = await deliveries.turn(end, TARGET, 1, now)
        claimed += [] if following is None else [following]


async def steps_of_a_day(many: int) -> dict[str, int]:
    """Give SQLite's steps for what a sender and the metrics ask, after so many deliveries."""
    ledger = Ledger(":memory:")
    deliveries = Deliveries(ledger)
    await Endpoints(ledger, Vault(None), lambda: 1).register(
        "https://x.example/", Wishes(), name="a"
    )
    for position in range(1, many + 1):
        await deliveries.plan([planned(position, 1)], (position, b""), 1)
    await deliver(deliveries, await deliveries.claim({TARGET: 1}, 1, 1), 1)
    today = 400 * DAY
    await deliveries.plan([planned(many + 1, today + DAY)], (many + 1, b""), today)
    story = {"story": f"story-{many + 1}"}
    steps = 0

    def step() -> bool:
        nonlocal steps
        steps += 1
        return False

    await ledger.read(lambda connection: connection.set_progress_handler(step, 1))
    found = {}
    asks: dict[str, Callable[[], Awaitable[object]]] = {
        "waiting": lambda: deliveries.waiting(today),
        "sent since": lambda: deliveries.sent_since(TARGET, today - DAY),
        "totals": deliveries.totals,
        "claim": lambda: deliveries.claim({TARGET: 1}, 1, today),
        "tally": lambda: ledger.read(lambda c: c.execute(SQL["tally"], story).fetchall()),
    }
    for name, ask in asks.items():
        await ask()  # a statement that was left before its end takes some steps of it along
        steps = 0
        await ask()
        found[name] = steps
    ledger.close()
    return found


async def test_how_much_was_delivered_makes_no_difference() -> None:
    """To look for what is due, to throttle and to count is no more work in an old ledger."""
    few, many = await steps_of_a_day(10), await steps_of_a_day(1_000)
    for name, steps in many.items():
        assert steps == pytest.approx(few[name], rel=0.5, abs=20), name
