"""Each channel takes an alert its own way, and shows a correction with what it corrects."""

import asyncio
import base64
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import http_ece
import orjson
import pytest
from aiohttp import web
from asking import eventually
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02
from receiving import issue, parcel, receiving, sending, states
from serving import served

from consumers.delivery.channels.apprised import Apprised
from consumers.delivery.channels.slack import Slack
from consumers.delivery.confined import Confined
from consumers.delivery.guard import Guard
from consumers.delivery.routes import BROWSER, FOLDER
from consumers.delivery.rows import Earlier
from consumers.delivery.wishes import Wishes
from dateline.outbox import Outbox
from dateline.wiring import Newsroom, newsroom
from events.errors import Refused


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Newsroom]:
    async with newsroom(f"sqlite:///{tmp_path}/news.db") as made:
        yield made


async def correct(room: Newsroom) -> None:
    await issue(room, kind="alert-corrected", ref="A2", msg_type="Update", references=["A1"])


async def all_delivered(out: Outbox, count: int) -> bool:
    return await states(out) == {"delivered": count}


def subscribed(
    url: str, key: ec.EllipticCurvePrivateKey, auth: bytes = bytes(16)
) -> dict[str, Any]:
    """What a browser hands over when it subscribes to push messages (RFC 8291)."""
    point = key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return {"endpoint": url, "keys": {"p256dh": _text(point), "auth": _text(auth)}}


async def test_a_browser_gets_what_only_it_can_read(room: Newsroom, tmp_path: Path) -> None:
    """A push message is encrypted for one browser, says who sends it, and is replaced if wrong."""
    key, auth = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)
    async with receiving() as service, sending(room, tmp_path) as out:
        subscription = subscribed(service.url, key, auth) | {"expirationTime": None}
        made = await out.registrar.add_browser(subscription, Wishes())
        again = await out.registrar.add_browser(subscription, Wishes(least="urgent"))
        assert made == again
        await issue(room, level="flash")
        await service.wait(1)
        await eventually(lambda: all_delivered(out, 1))
        await correct(room)
        first, second = await service.wait(2)
        told = [
            orjson.loads(http_ece.decrypt(got.body, private_key=key, auth_secret=auth))
            for got in (first, second)
        ]
        assert told[0]["headline"] == "A1 happens"
        assert told[1]["headline"].startswith("CORRECTION")
        assert told[0]["tag"] == told[1]["tag"]
        assert first.headers["topic"] == second.headers["topic"]
        assert first.headers["urgency"] == "high"
        assert Vapid02.verify(first.headers["authorization"])
        service.status = 410
        await issue(room, "b-story", level="flash")
        await service.wait(3)
        await eventually(lambda: _disabled(out, made.target))


async def test_a_browser_that_comes_again_keeps_what_waits_for_it(
    room: Newsroom, tmp_path: Path
) -> None:
    """A reader who opens the page of alerts again still gets the correction that was under way."""
    async with receiving() as service, sending(room, tmp_path) as out:
        subscription = subscribed(service.url, ec.generate_private_key(ec.SECP256R1()))
        await out.registrar.add_browser(subscription, Wishes())
        await issue(room)
        await eventually(lambda: all_delivered(out, 1))
        service.status = 503
        await correct(room)
        await service.wait(2)
        await out.sender.quiet()
        await out.registrar.add_browser(subscription, Wishes(least="urgent"))
        assert await states(out) == {"delivered": 1, "retry": 1}


@pytest.mark.parametrize("fails", [False, True])
async def test_what_the_desk_disabled_no_browser_enables(
    room: Newsroom, tmp_path: Path, *, fails: bool
) -> None:
    """A reader who comes again is alerted again if pushing had failed, not if the desk ended it."""
    async with receiving() as service, sending(room, tmp_path) as out:
        subscription = subscribed(service.url, ec.generate_private_key(ec.SECP256R1()))
        made = await out.registrar.add_browser(subscription, Wishes())
        if fails:
            service.status = 410
            await issue(room)
            await eventually(lambda: _disabled(out, made.target))
        else:
            await out.endpoints.disable(made.target, "a drill")
        await out.registrar.add_browser(subscription, Wishes())
        assert await _disabled(out, made.target) is not fails


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


async def _disabled(out: Outbox, target: str) -> bool:
    return (await out.endpoints.get(target)).state == "disabled"


@pytest.mark.parametrize(
    ("endpoint", "rule"),
    [
        ("https://stranger.example/push", "push-service"),
        ("https://fcm.googleapis.com.evil.example/", "push-service"),
        ("https://8.8.8.8/push", "push-service"),
        ("https://127.0.0.1/push", "target-url"),
        ("https://fcm.googleapis.com/x", "push-subscription"),
    ],
)
async def test_only_browsers_are_pushed_to(
    room: Newsroom, tmp_path: Path, endpoint: str, rule: str
) -> None:
    """A subscription that is not of a browser's push service is refused."""
    async with sending(room, tmp_path, at_work=False) as out:
        out.registrar = type(out.registrar)(out.endpoints, Guard(), out.session, None, out.clock)
        subscription = {"endpoint": endpoint, "keys": {"p256dh": "AA", "auth": "AA"}}
        with pytest.raises(Refused, match=rule):
            await out.registrar.add_browser(subscription, Wishes())


async def test_ntfy_changes_what_it_shows(room: Newsroom, tmp_path: Path) -> None:
    """On ntfy the correction takes the place of the alert."""
    async with receiving() as server, sending(room, tmp_path) as out:
        address = server.url.replace("http://", "ntfy://tk_secret@").replace("/hook", "/news")
        await out.registrar.add(address, Wishes())
        await issue(room, level="flash")
        await server.wait(1)
        await eventually(lambda: all_delivered(out, 1))
        await correct(room)
        first, second = [orjson.loads(got.body) for got in await server.wait(2)]
        assert (first["topic"], first["title"], first["priority"]) == ("news", "A1 happens", 5)
        assert first["sequence_id"] == second["sequence_id"]
        assert server.got[0].headers["authorization"] == "Bearer tk_secret"


async def test_slack_changes_what_it_shows(room: Newsroom) -> None:
    """On Slack, by a bot, the correction takes the place of the alert."""
    answers: list[dict[str, Any]] = [
        {"ok": True, "channel": "C1", "ts": "1.2"},
        {"ok": True, "channel": "C1", "ts": "1.2"},
        {"ok": False, "error": "ratelimited"},
        {"ok": False, "error": "token_revoked"},
    ]

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(answers.pop(0))

    del room
    async with receiving(answer) as api, Guard(allow_loopback=True).session() as session:
        channel = Slack(session, api.url + "/")
        sent = await channel.send(parcel("slack-bot://xoxb-1@C1"))
        assert (sent.delivered, sent.shown_as) == (True, "C1/1.2")
        earlier = (Earlier("msg_1", sent.shown_as),)
        await channel.send(parcel("slack-bot://xoxb-1@C1", "CORRECTION: x", earlier=earlier))
        assert orjson.loads(api.got[1].body)["ts"] == "1.2"
        assert api.got[0].headers["authorization"] == "Bearer xoxb-1"
        for gone in (False, True):
            ended = await channel.send(parcel("slack-bot://xoxb-1@C1"))
            assert (ended.delivered, ended.gone) == (False, gone)


@pytest.mark.parametrize(
    ("body", "delivered", "may_have"),
    [
        (
            '{"ok":true,"channel":"C1","ts":"1.2","message":{"text":"%s"}}' % ("x" * 20_000),
            True,
            True,
        ),
        ("<html>busy</html>", False, True),
        ('{"ok":false,"error":"ratelimited"}', False, False),
    ],
)
async def test_slack_may_say_more_than_is_read(
    body: str,
    delivered: bool,  # noqa: FBT001 - of the table above
    may_have: bool,  # noqa: FBT001 - of the table above
) -> None:
    """Slack repeats a message in its answer; a long one is not posted again because of that."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    async with receiving(answer) as api, Guard(allow_loopback=True).session() as session:
        ended = await Slack(session, api.url + "/").send(parcel("slack-bot://xoxb-1@C1"))
        assert (ended.delivered, ended.may_have) == (delivered, may_have)
        assert ended.shown_as == ("C1/1.2" if delivered else None)


@pytest.mark.parametrize("allowed", [True, False])
async def test_what_apprise_speaks_is_guarded(allowed: bool) -> None:  # noqa: FBT001 - both are tried
    """Through Apprise too, calls reach public addresses alone."""
    async with receiving() as receiver:
        channel = Apprised(Confined(Guard(allow_loopback=allowed)), {})
        address = receiver.url.replace("http://", "json://")
        ended = await channel.send(parcel(address))
        assert ended.delivered == allowed
        assert len(receiver.got) == allowed
        if allowed:
            assert orjson.loads(receiver.got[0].body)["title"] == "A drill"
            receiver.status = 500
            ended = await channel.send(parcel(address))
            assert (ended.delivered, ended.error) == (False, "apprise-failed")


@pytest.mark.parametrize(
    "address",
    [
        "syslog://",
        "dbus://",
        "json://127.0.0.1/",
        "file:///etc/passwd",
        "kodi://10.0.0.1",
        "tgram://",
    ],
)
async def test_what_is_not_on_the_list_is_refused(
    room: Newsroom, tmp_path: Path, address: str
) -> None:
    """Of what Apprise speaks, only services that are on the list can be registered."""
    async with sending(room, tmp_path, at_work=False) as out:
        with pytest.raises(Refused, match=r"target-(schema|url)"):
            await out.registrar.add(address, Wishes())


async def test_the_console_shows_one_line(
    room: Newsroom, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever watches a terminal sees each alert as one line that drives no terminal."""
    async with sending(room, tmp_path) as out:
        await out.registrar.add("console:", Wishes())
        await issue(room, level="flash")
        await eventually(lambda: all_delivered(out, 1))
        fix: dict[str, Any] = {"ref": "A2", "msg_type": "Update", "references": ["A1"]}
        fix["reason"] = "12 is now 9"
        await issue(room, kind="alert-corrected", level="flash", **fix)
        await eventually(lambda: all_delivered(out, 2))
    said = capsys.readouterr().out
    assert "ALERT flash a-story A1 happens\n" in said
    assert "A2 happens (12 is now 9)\n" in said  # what is right, not what was wrong alone


WORKER_AT_WORK = """
const heard = {};
const shown = [];
globalThis.self = {
  addEventListener: (name, work) => { heard[name] = work; },
  registration: { showNotification: async (title, how) => { shown.push([title, how.tag]); } },
  clients: { openWindow: async (path) => { shown.push(path); } },
};
require(process.argv[1]);
const waiting = [];
const waitUntil = (work) => waiting.push(work);
for (const headline of ["A1 happens", "CORRECTION: A1 happens"]) {
  const alert = { headline, tag: "msg_1", text: "", story: "s" };
  heard.push({ data: { json: () => alert }, waitUntil });
}
for (const story of ["a-story", "https://elsewhere.example/"]) {
  heard.notificationclick({ notification: { close() {}, data: { story } }, waitUntil });
}
Promise.all(waiting).then(() => console.log(JSON.stringify(shown)));
"""


async def test_the_worker_shows_a_correction_in_place_of_its_alert(tmp_path: Path) -> None:
    """In a browser a correction replaces the notification that it corrects."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is missing: install Node.js to try what browsers are given")
    script = tmp_path / "try.cjs"
    script.write_text(WORKER_AT_WORK.replace("process.argv[1]", "process.argv[2]"))
    process = await asyncio.create_subprocess_exec(
        node, script, FOLDER / "push-worker.js", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert orjson.loads(out) == [
        ["A1 happens", "msg_1"],
        ["CORRECTION: A1 happens", "msg_1"],
        "/stories/a-story",
        "/",
    ]


async def test_browsers_are_given_what_they_need(room: Newsroom, tmp_path: Path) -> None:
    """The page, its script and the worker are served, and load nothing of anybody else's."""
    async with sending(room, tmp_path, at_work=False) as out, served(room, outbox=out) as desk:
        for path, (_, media_type) in BROWSER.items():
            status, _, headers = await desk.get(path)
            assert (status, headers["Content-Type"]) == (200, media_type)
            assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src")
        _, body, _ = await desk.get("/v1/push/key")
        point = base64.urlsafe_b64decode(orjson.loads(body)["key"] + "=")
        assert (len(point), point[0]) == (65, 4)
