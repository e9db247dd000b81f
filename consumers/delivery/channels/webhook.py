"""Webhooks: a CloudEvent in structured mode, signed after Standard Webhooks."""

from collections.abc import Callable

import aiohttp

from consumers.delivery.channels import Parcel
from consumers.delivery.outgoing import Outcome, Unanswered, call, outcome_of
from consumers.delivery.signing import headers

__all__ = ["Webhooks"]

STRUCTURED = "application/cloudevents+json; charset=utf-8"


class Webhooks:
    """Posts messages to endpoints.

    Args:
        session: makes the calls; see `guard`.
        signed: gives the last signed checkpoint of the audit tree, in base64. It goes along as a
            header of its own, for whoever keeps it can later show that history was rewritten.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        signed: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._session = session
        self._signed = signed

    async def send(self, parcel: Parcel) -> Outcome:
        """Post one message; the same id and body for each try, signed at the time of this one."""
        body = parcel.message.body
        signed_with = parcel.endpoint.signs_with(parcel.now_ms)
        held = headers(parcel.delivery.webhook_id, parcel.now_ms, body, signed_with)
        held["content-type"] = STRUCTURED
        checkpoint = self._signed()
        if checkpoint is not None:
            held["dateline-checkpoint"] = checkpoint
        try:
            answer = await call(self._session, "POST", parcel.endpoint.address, body, held)
        except Unanswered as error:
            return Outcome(delivered=False, error=error.error, may_have=error.may_have)
        return outcome_of(answer)
