"""The guarantees, each with the test that holds it and a bug that the test was seen to catch.

`docs/guarantees.md` is written from these lists, and `make torture` plants every bug again.
"""

from planted.around_brokers import AROUND_BROKERS
from planted.audit import AUDIT
from planted.bug import Planted
from planted.deciding import DECIDING
from planted.delivery import DELIVERY
from planted.desk import DESK
from planted.feed import FEED
from planted.ledger import LEDGER
from planted.log import LOG
from planted.many_machines import MANY_MACHINES
from planted.program import PROGRAM
from planted.redactions import REDACTIONS
from planted.stories import STORIES
from planted.ways_out import WAYS_OUT

__all__ = ["AREAS", "PLANTED", "Planted"]

AREAS = {
    "The log": LOG,
    "Many machines": MANY_MACHINES,
    "Many machines: brokers and topics": AROUND_BROKERS,
    "The desk": DESK,
    "Stories": STORIES,
    "Stories: redactions": REDACTIONS,
    "The feed": FEED,
    "Alerts: deciding": DECIDING,
    "Alerts: the ways out": WAYS_OUT,
    "Alerts: the ledger": LEDGER,
    "Alerts: delivering": DELIVERY,
    "Audit": AUDIT,
    "The program": PROGRAM,
}
"""What can be relied on, by what it is about."""

PLANTED = [planted for area in AREAS.values() for planted in area]
