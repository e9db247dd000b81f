"""An alert as it goes out: a CloudEvent for machines, a line and a text for people."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import orjson

from events.alerts import AlertDecision, AlertIssued
from events.envelope import Recorded, instant

__all__ = [
    "DIGEST",
    "DRILL",
    "NOTICE",
    "Message",
    "digest_of",
    "drill",
    "message_of",
    "notice",
]

DRILL: Final = "drill"  # the kind of what only tries whether alerts arrive
DIGEST: Final = "digest"  # the kind of several alerts in one
NOTICE: Final = "notice"  # the kind of what an owner is told about a target
ISSUED: Final = "alert-issued"  # the kind of what is news to its target
FIRST: Final = "it was put right before it went out"  # why who heard nothing is told it as it is
_LABELS: Final = {"Update": "CORRECTION: ", "Cancel": "RETRACTED: "}


class Message(NamedTuple):
    """What is sent.

    `headline` is one line, labelled when it corrects or retracts; `text` what else there is to
    say; `body` a CloudEvent (CloudEvents 1.0, JSON format, structured mode), the same for each
    target and each try; `references` the refs of the alerts that it corrects.
    """

    kind: str
    level: str
    story: str
    alert: str
    headline: str
    text: str
    body: bytes
    references: tuple[str, ...] = ()
    retracts: bool = False


def message_of(event: Recorded, public_url: str | None, kind: str) -> Message | None:
    """Give the message of an alert, None when its words were erased or it is no alert.

    Args:
        event: an `alert-issued`, `alert-corrected` or `alert-retracted`.
        public_url: where readers find the server, if anywhere.
        kind: of the delivery; `alert-issued` of a correction whose words are the first that its
            target hears.
    """
    decision = event.development
    if not isinstance(decision, AlertDecision):
        return None
    if kind == ISSUED and not isinstance(decision, AlertIssued):
        decision = _first(decision)
    alert = decision.alert
    said = decision.headline or alert.reason
    label = _LABELS.get(alert.msg_type, "")
    headline = said if said.upper().startswith(label.rstrip()) else label + said
    issued = isinstance(decision, AlertIssued)
    text = alert.reason if decision.headline and not issued else ""
    data = _told(event, decision, headline)
    body = _cloud_event(
        str(event.provenance["id"]),
        f"{public_url or ''}/v1/stories/{event.story}",
        decision.kind,
        event.story,
        event.recorded_at,
        data,
    )
    return Message(
        decision.kind,
        alert.level,
        event.story,
        alert.ref,
        headline,
        text,
        body,
        alert.references,
        alert.msg_type == "Cancel",
    )


def _first(correction: AlertDecision) -> AlertIssued:
    """Give a correction as an alert, for whoever got nothing that it corrects."""
    plain: dict[str, object] = {"msg_type": "Alert", "references": ()}
    if correction.headline:  # else what the reason says is all that there is
        plain["reason"] = FIRST
    alert = correction.alert.model_copy(update=plain)
    return AlertIssued.model_construct(
        headline=correction.headline, body=correction.body, alert=alert
    )


def _told(event: Recorded, decision: AlertDecision, headline: str) -> dict[str, object]:
    alert = decision.alert
    told: dict[str, object] = {
        "story": event.story,
        "position": event.position,
        "version": event.version,
        "recorded_at": event.recorded_at,
        "headline": headline,
        "alert": {
            "ref": alert.ref,
            "level": alert.level,
            "msg_type": alert.msg_type,
            "references": alert.references,
            "derived_from": alert.derived_from,
            "reason": alert.reason,
        },
    }
    return told | ({"body": decision.body} if decision.body else {})


def digest_of(event_id: str, told: Sequence[Message], now: str) -> Message:
    """Give one message of several, for a target that has had enough of them one by one."""
    alerts = [orjson.Fragment(each.body) for each in told]
    headline = f"{len(told)} more alerts"
    data = {"headline": headline, "alerts": alerts}
    body = _cloud_event(event_id, "/v1/alerts", DIGEST, DIGEST, now, data)
    lines = "\n".join(f"• {each.headline} ({each.story})" for each in told)
    return Message(DIGEST, "regular", "", DIGEST, headline, lines, body)


def drill(event_id: str, now_ms: int) -> Message:
    """Give a message that tries the ways out, and says so in every part."""
    headline = "DRILL: this is a test of the alerts, and says nothing about the news"
    data = {"headline": headline, "drill": True}
    body = _cloud_event(event_id, "/v1/alerts", DRILL, DRILL, instant(now_ms), data)
    return Message(DRILL, "regular", "", DRILL, headline, "", body)


def notice(event_id: str, headline: str, now_ms: int) -> Message:
    """Give what the owner of a target is told about it."""
    body = _cloud_event(
        event_id, "/v1/webhooks", NOTICE, NOTICE, instant(now_ms), {"headline": headline}
    )
    return Message(NOTICE, "regular", "", NOTICE, headline, "", body)


def _cloud_event(  # noqa: PLR0917 - the attributes of a CloudEvent
    event_id: str, source: str, kind: str, subject: str, time: str, data: object
) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": source,
            "type": f"dateline.{kind}",
            "subject": subject,
            "time": time,
            "datacontenttype": "application/json",
            "data": data,
        }
    )
