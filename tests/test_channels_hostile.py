"""No headline calls people or hides a link in a chat, and no address gives a secret away."""

import base64
import html
import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from apprise.plugins.telegram import NotifyTelegram
from filings import development
from receiving import NOW, parcel, receiving

from consumers.delivery.channels import apprised, web_push
from consumers.delivery.channels.apprised import Apprised
from consumers.delivery.channels.mail import relay_of
from consumers.delivery.channels.slack import Slack
from consumers.delivery.confined import Confined
from consumers.delivery.guard import Guard
from consumers.delivery.message import message_of
from events.codec import canonical
from events.envelope import Recorded
from events.errors import DeliveriesUnavailable, Refused

HOSTILE = "<b>Out</b> & over: @everyone <!channel> <http://x.example|here>"
LOOPBACK = Guard(allow_loopback=True)


async def test_a_headline_is_text_on_slack() -> None:
    """What Slack would read as a call to everybody, or as a link, is shown as it was written."""

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "channel": "C1", "ts": "1.2"})

    async with receiving(answer) as api, LOOPBACK.session() as session:
        await Slack(session, f"{api.url}/").send(parcel("slack-bot://xoxb-1@C1", HOSTILE))
    shown = orjson.loads(api.got[0].body)["text"].partition("\n")[0]
    assert shown == (
        "&lt;b&gt;Out&lt;/b&gt; &amp; over: @everyone &lt;!channel&gt; "
        "&lt;http://x.example|here&gt;"
    )


async def test_a_headline_is_text_on_telegram(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Telegram would read as markup, and refuse where it is none, is shown as written."""
    async with receiving() as service:
        monkeypatch.setattr(NotifyTelegram, "notify_url", f"{service.url}/bot")
        channel = Apprised(Confined(LOOPBACK), {})
        await channel.send(parcel(f"tgram://123456789:{'a' * 35}/12315544", HOSTILE))
    shown = orjson.loads(service.got[0].body)["text"].replace(apprised.WORD_JOINER, "")
    assert shown.startswith(f"<b>{html.escape(HOSTILE, quote=False)}</b>")


async def test_no_headline_calls_a_chat_together() -> None:
    """A chat takes no headline for a call to all of its people, and shows it as it is."""
    async with receiving() as service:
        channel = Apprised(Confined(LOOPBACK), {})
        address = service.url.replace("http://", "json://")
        assert (await channel.send(parcel(address, HOSTILE))).delivered
    title = orjson.loads(service.got[0].body)["title"]
    assert "@everyone" not in title
    assert "<!" not in title
    assert title.replace(apprised.WORD_JOINER, "") == HOSTILE


@pytest.mark.parametrize(
    "address",
    [
        "ntfys://",
        "ntfys://host.example",
        "ntfys://host.example:99999/topic",
        "ntfys://host.example/a/b",
        "ntfys://10.0.0.1/topic",
        "ntfy://user:password@host.example/topic",  # a password over a line that is open
        "slack-bot://",
        "slack-bot://xoxb-1@",
        "slack-bot://xox b@C1",
    ],
)
def test_an_address_that_could_not_be_sent_to_is_refused(address: str) -> None:
    """An address that would fail at its first alert is refused when it is given."""
    with pytest.raises(Refused, match="target-url"):
        apprised.check(address, Guard())


@pytest.mark.parametrize("address", ["xoxb-12345-secret", "a" * 5_000, "s3cret/:x"])
def test_what_is_no_address_is_not_repeated(address: str) -> None:
    """Somebody who gives a token in place of an address does not find it in the refusal."""
    with pytest.raises(Refused) as refused:
        apprised.check(address, Guard())
    assert "something else" in str(refused.value)
    assert address[:8] not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "smtps://alerts:pa/ss@mail.example",
        "smtps://alerts:pass#x@mail.example",
        "smtps://alerts:pass@mail.example:port",
        "smtps://alerts:pass@[mail.example",
    ],
)
def test_a_relay_that_cannot_be_read_is_not_repeated(url: str) -> None:
    """A relay's URL that is none is refused without a part of the password in it."""
    with pytest.raises(ValueError, match="a relay such as smtps://") as refused:
        relay_of(url, "alerts@news.example")
    assert "pa" not in str(refused.value).replace("password", "")


@pytest.mark.parametrize(
    ("kind", "msg_type", "headline", "shown"),
    [
        ("alert-corrected", "Update", "Correctional officers strike", "CORRECTION: {}"),
        ("alert-retracted", "Cancel", "Retracted study led to recall", "RETRACTED: {}"),
        ("alert-corrected", "Update", "Correction: 12, not 21", "{}"),
    ],
)
def test_a_correction_is_labelled_as_one(
    kind: str, msg_type: str, headline: str, shown: str
) -> None:
    """A correction says so, once, whatever word its headline begins with."""
    alert = {"ref": "A2", "level": "urgent", "derived_from": ["E1"], "reason": "a drill"}
    alert |= {"msg_type": msg_type, "references": ["A1"]}
    filed = development(kind, headline=headline, alert=alert)
    envelope = canonical({"id": "01990000-0000-7000-8000-000000000000"})
    message = message_of(Recorded(1, "a-story", 1, NOW, envelope, filed), None, kind)
    assert message is not None
    assert message.headline == shown.format(headline)


def test_a_browser_whose_key_is_on_no_curve_is_refused() -> None:
    """A subscription that nothing could be encrypted for is refused when it comes."""
    text = base64.urlsafe_b64encode(b"\x04" + os.urandom(64)).decode()
    keys: dict[str, Any] = {"p256dh": text, "auth": base64.urlsafe_b64encode(bytes(16)).decode()}
    subscription = {"endpoint": "https://fcm.googleapis.com/fcm/send/x", "keys": keys}
    with pytest.raises(Refused, match="point of P-256"):
        web_push.check(subscription, Guard())


def test_a_push_key_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    """The key that push services know us by is made for its owner alone, and refused otherwise."""
    path = tmp_path / "news.push.key"
    known = web_push.public_key(web_push.push_key(str(path)))
    assert path.stat().st_mode & 0o777 == 0o600
    assert web_push.public_key(web_push.push_key(str(path))) == known
    path.chmod(0o644)
    with pytest.raises(DeliveriesUnavailable, match="expected mode 600; found 644"):
        web_push.push_key(str(path))
