"""What goes out next to a target, when what was on its way has ended."""

from collections.abc import AsyncIterator

import pytest

from consumers.delivery.deliveries import Deliveries
from consumers.delivery.ledger import Ledger
from consumers.delivery.rows import Delivery, End, Planned
from consumers.delivery.schedule import LIFE

TARGET = "webhook:a"


@pytest.fixture
async def deliveries() -> AsyncIterator[Deliveries]:
    ledger = Ledger(":memory:")
    yield Deliveries(ledger)
    ledger.close()


def planned(position: int, level: str, due_ms: int) -> Planned:
    alert = (f"alert-{position}", "alert-issued", level, level == "flash")
    where = (f"event-{position}", TARGET, position, f"story-{position}")
    return Planned(*where, *alert, "pending", "a drill", due_ms)


def delivered(sent: Delivery, now: int) -> End:
    return End(sent.delivery, sent.tries, "delivered", now, now, 1, 204)


async def test_a_flash_overtakes_what_waits(deliveries: Deliveries) -> None:
    """What is due goes out in its order, but a flash goes before all that is not one."""
    wanted = [("regular", 1), ("regular", 3), ("urgent", 2), ("flash", 4)]
    waiting = [planned(number, *each) for number, each in enumerate(wanted, 1)]
    await deliveries.plan(waiting, (4, b""), 1)
    (sent,) = await deliveries.claim({TARGET: 1}, 1, 1)
    order = [sent.position]
    while (following := await deliveries.turn(delivered(sent, 5), TARGET, 1, 5)) is not None:
        sent = following
        order.append(sent.position)
    assert order == [1, 4, 3, 2]


async def test_what_grew_old_while_it_waited_is_not_next(deliveries: Deliveries) -> None:
    """A flash whose time is over when its turn comes is not sent, and is noted as expired."""
    await deliveries.plan([planned(1, "flash", 1), planned(2, "flash", 2)], (2, b""), 1)
    (sent,) = await deliveries.claim({TARGET: 1}, 1, 1)
    late = 1 + LIFE["flash"]
    assert await deliveries.turn(delivered(sent, late), TARGET, 1, late) is None
    assert await deliveries.claim({TARGET: 1}, 1, late) == []
    _, states = await deliveries.totals()
    assert states == {"delivered": 1, "expired": 1}
