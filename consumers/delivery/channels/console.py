"""The console: alerts as lines on standard output, for the desk that watches a terminal."""

import sys

from consumers.delivery.channels import Parcel
from consumers.delivery.outgoing import Outcome

__all__ = ["Console"]


class Console:
    """Writes each message as one line."""

    async def send(self, parcel: Parcel) -> Outcome:
        """Write one message."""
        message = parcel.message
        more = f" ({message.text})" if message.text else ""
        text = f"ALERT {message.level} {message.story} {message.headline}{more}"
        sys.stdout.write("".join(c if c.isprintable() else "�" for c in text) + "\n")
        sys.stdout.flush()
        return Outcome(delivered=True)
