"""Alerts go to those who asked for them, and nobody is signed up by another."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from aiohttp import web
from asking import eventually
from receiving import hook, receiving, sending, states
from serving import Served, served
from standardwebhooks import Webhook

from consumers.alerts.policy import load
from consumers.delivery.endpoints import MOST_TARGETS, Endpoints
from consumers.delivery.ledger import Ledger
from consumers.delivery.signing import Vault, headers, new_secret
from consumers.delivery.wishes import Wishes
from dateline.outbox import Outbox
from dateline.wiring import Newsroom, newsroom
from events.errors import DeliveriesUnavailable, Refused


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Newsroom]:
    async with newsroom(f"sqlite:///{tmp_path}/news.db") as made:
        yield made


class House(NamedTuple):
    """A server that sends, and its outbox."""

    desk: Served
    out: Outbox


@pytest.fixture
async def house(room: Newsroom, tmp_path: Path) -> AsyncIterator[House]:
    async with (
        sending(room, tmp_path, at_work=False) as out,
        served(room, outbox=out) as desk,
    ):
        yield House(desk, out)


async def ask(
    desk: Served, method: str, path: str, content: Any = None, key: str | None = None
) -> tuple[int, Any]:
    held = {} if key == "" else desk.bearer(key)
    body = None if content is None else orjson.dumps(content)
    url = f"{desk.url}{path}"
    async with desk.session.request(method, url, data=body, headers=held) as response:
        text = await response.read()
        return response.status, orjson.loads(text) if text else None


async def allowing(request: web.Request) -> web.Response:
    """Answer the handshake of CloudEvents."""
    origin = request.headers.get("WebHook-Request-Origin", "")
    return web.Response(headers={"WebHook-Allowed-Origin": origin})


async def echoing(request: web.Request) -> web.Response:
    """Answer a challenge with it."""
    event = await request.json()
    return web.json_response({"challenge": event["data"].get("challenge")})


async def test_an_endpoint_is_asked_first(house: House) -> None:
    """Only an endpoint that answers the handshake of CloudEvents is registered."""
    async with receiving() as silent, receiving(allowing) as willing:
        status, refused = await ask(house.desk, "POST", "/v1/webhooks", {"url": silent.url})
        assert (status, refused["rule"]) == (422, "handshake")
        status, made = await ask(house.desk, "POST", "/v1/webhooks", {"url": willing.url})
        assert status == 201
        assert willing.got[0].headers["webhook-request-origin"] == "dateline"
        assert [each.id for each in await house.out.endpoints.all()] == [made["target"]]


async def test_a_challenge_is_signed_and_given_back(house: House) -> None:
    """An endpoint that only takes POST shows that it is willing by giving a challenge back."""
    secret = new_secret()
    wanted = {"handshake": "challenge", "secret": secret}
    async with receiving() as silent, receiving(echoing) as willing:
        status, _ = await ask(house.desk, "POST", "/v1/webhooks", {"url": silent.url, **wanted})
        assert status == 422
        status, made = await ask(house.desk, "POST", "/v1/webhooks", {"url": willing.url, **wanted})
        assert (status, made["secret"]) == (201, secret)
        Webhook(secret).verify(willing.got[0].body, willing.got[0].headers)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ({"url": "https://10.0.0.1/"}, "target-url"),
        ({"url": "gopher://x"}, "target-schema"),
        ({"url": "mailto:a@b.example,c@d.example"}, "target-url"),
        ({"url": "mailto:a@b.example?bcc=c@d.example"}, "target-url"),
        ({"url": "console:", "wishes": {"least": "loud"}}, "wishes"),
        ({"url": "console:", "wishes": {"quiet": ["25:00-26:00"]}}, "wishes"),
        ({"url": "console:", "wishes": {"quiet": ["22:00-22:00"]}}, "wishes"),
        ({"url": "console:", "wishes": {"quiet": ["00:00-12:00", "12:00-00:00"]}}, "wishes"),
        ({"url": "console:", "wishes": {"timezone": "Mars/Base"}}, "wishes"),
        ({"url": "console:", "secret": "whsec_c2hvcnQ="}, "secret"),
        ({"url": "console:", "name": "../x"}, "target-name"),
        ({"url": "console:", "colour": "red"}, "shape"),
        ({"url": 7}, "shape"),
        ([], "json"),
    ],
)
async def test_what_cannot_be_meant_is_refused(house: House, content: Any, rule: str) -> None:
    """A registration that is not of its form is refused with the rule, and nothing is kept."""
    status, refused = await ask(house.desk, "POST", "/v1/webhooks", content)
    assert (status, refused["rule"]) == (400 if rule == "json" else 422, rule)
    assert await house.out.endpoints.all() == []


async def test_quiet_hours_that_never_end_are_not_changed_to_either(house: House) -> None:
    """Who would be alerted of nothing for ever keeps the wishes that stood before."""
    _, made = await ask(house.desk, "POST", "/v1/webhooks", {"url": "console:"})
    wishes = {"quiet": ["00:00-12:00", "12:00-00:00"]}
    at = f"/v1/webhooks/{made['target']}"
    status, refused = await ask(house.desk, "PATCH", at, {"wishes": wishes})
    assert (status, refused["field"]) == (422, "wishes.quiet")
    assert (await house.out.endpoints.get(made["target"])).wishes == Wishes()


async def test_quiet_that_never_ends_and_was_taken_in_once_is_read(house: House) -> None:
    """A ledger that an earlier version let say so is used as any other."""
    await house.out.endpoints.register("console:", Wishes(quiet=("00:00-00:00",)))
    await house.out.endpoints.register("console:", Wishes())
    assert len(await house.out.endpoints.all()) == 2


async def test_subscribing_others_takes_a_key(house: House) -> None:
    """Whom alerts go to is decided with a key that may alert, and seen with no other."""
    weak = house.desk.keys.create("weak", frozenset({"file", "read:internal"}))
    for method, path in (("GET", "/v1/webhooks"), ("POST", "/v1/webhooks")):
        assert (await ask(house.desk, method, path, key=""))[0] == 401
        assert (await ask(house.desk, method, path, key=weak))[0] == 403


async def test_a_webhook_over_http_from_first_to_last(house: House) -> None:
    """Registered, alerted, rotated, disabled, recovered and sent again: all of it over HTTP."""
    desk, out = house
    async with receiving(allowing) as receiver:
        _, made = await ask(desk, "POST", "/v1/webhooks", {"url": receiver.url, "name": "drill"})
        assert made["target"] == "webhook:drill"
        at = f"/v1/webhooks/{made['target']}"
        await eventually(lambda: sends(out))
        await issue_in(desk)
        await receiver.wait(2)
        await eventually(lambda: at_rest(out, 1))
        status, tries = await ask(desk, "GET", f"{at}/attempts")
        assert (status, tries[0]["state"], tries[0]["status"]) == (200, "delivered", 200)
        assert tries[0]["address"] == "127.0.0.1"
        status, rotated = await ask(desk, "POST", f"{at}/rotate")
        assert rotated["secret"] != made["secret"]
        status, changed = await ask(desk, "PATCH", at, {"wishes": {"stories": ["a-*"]}})
        assert (status, changed["wishes"]) == (200, {"stories": ["a-*"]})
        assert (await ask(desk, "DELETE", at))[0] == 204
        await issue_in(desk, ref="A2")
        await eventually(lambda: in_state(out, "skipped", 1))
        since = {"since": "2020-01-01T00:00:00Z"}
        assert (await ask(desk, "POST", f"{at}/recover", since))[1]["recovered"] == 1
        await receiver.wait(3)
        await eventually(lambda: at_rest(out, 2))
        again = f"/v1/deliveries/{receiver.got[1].id}/resend"
        assert (await ask(desk, "POST", again))[0] == 202
        await receiver.wait(4)
        assert receiver.got[1].id == receiver.got[3].id
        assert (await ask(desk, "POST", "/v1/deliveries/msg_none/resend"))[0] == 404
        assert (await ask(desk, "POST", f"{at}/remove"))[0] == 204
        assert (await ask(desk, "GET", at))[0] == 404


async def sends(out: Outbox) -> bool:
    return out.sender.sending


async def at_rest(out: Outbox, delivered: int) -> bool:
    return await states(out) == {"delivered": delivered}


async def in_state(out: Outbox, state: str, count: int) -> bool:
    return (await states(out)).get(state) == count


async def issue_in(desk: Served, ref: str = "A1", kind: str = "alert-issued", **more: Any) -> None:
    """File a story and an alert of it, as the policy does."""
    if ref == "A1":
        await desk.file("a-drill", "story-opened", ref="E1", title="A drill")
    alert = {"ref": ref, "level": "regular", "derived_from": ["E1"], "reason": "a drill", **more}
    await desk.file("a-drill", kind, alert=alert)


async def test_a_story_tells_whom_its_alerts_reached(house: House) -> None:
    """The newsroom sees in a story, and in metrics, how many an alert reached of how many."""
    desk, out = house
    async with receiving() as receiver, receiving() as broken:
        broken.status = 500
        for where in (receiver, broken):
            await hook(out, where.url)
        await eventually(lambda: sends(out))
        await issue_in(desk)
        await eventually(lambda: in_state(out, "retry", 1))
        await eventually(lambda: in_state(out, "delivered", 1))
        _, body, _ = await desk.get("/v1/stories/a-drill", desk.bearer())
        (alert,) = orjson.loads(body)["alerts"]
        assert (alert["ref"], alert["reached"], alert["owed"]) == ("A1", 1, 2)
        _, metrics, _ = await desk.get("/metrics")
        assert b"dateline_alerts_reached 1.0" in metrics
        assert b"dateline_alerts_owed 2.0" in metrics
        assert b'dateline_deliveries{state="retry"} 1.0' in metrics
        _, public, _ = await desk.get("/v1/stories/a-drill")
        assert orjson.loads(public)["alerts"] == []


async def test_what_is_kept_of_others_is_sealed(house: House, tmp_path: Path) -> None:
    """No secret and no address that holds one can be read from the ledger, or is ever shown."""
    address = "tgram://123456789:AAF8ZN1AmF3fLWPtN1fVzG3oGqGE9v-ABCD/-1001234567"
    async with receiving(allowing) as receiver:
        url = f"{receiver.url}/token-in-the-path"
        _, made = await ask(house.desk, "POST", "/v1/webhooks", {"url": url})
        status, _ = await ask(house.desk, "POST", "/v1/webhooks", {"url": address})
        assert status == 201
    _, listed = await ask(house.desk, "GET", "/v1/webhooks")
    stored = b"".join(
        file.read_bytes() for file in tmp_path.iterdir() if ".deliveries.db" in file.name
    )
    for word in ("token-in-the-path", "AAF8ZN1AmF3", made["secret"].removeprefix("whsec_")):
        assert word.encode() not in stored
        assert word not in str(listed)
    key = tmp_path / "news.sealing.key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o644)
    with pytest.raises(DeliveriesUnavailable, match="expected mode 600; found 644"):
        Vault(str(key))


def test_what_is_sealed_opens_for_nothing_else() -> None:
    """A sealed secret that is moved to another target does not open there."""
    vault = Vault(None)
    sealed = vault.seal("whsec_x", "webhook:a")
    assert vault.unseal(sealed, "webhook:a") == "whsec_x"
    with pytest.raises(DeliveriesUnavailable):
        vault.unseal(sealed, "webhook:b")


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/New_York"])
def test_signatures_hold_in_any_time_zone(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signed time is the true one, whatever zone the machine is in."""
    import time  # noqa: PLC0415 - its zone is set here

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        secret, now = new_secret(), int(time.time() * 1000)
        Webhook(secret).verify(b"{}", headers("msg_1", now, b"{}", [secret]))
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_a_name_is_given_once(house: House) -> None:
    """Two targets never share a name."""
    content = {"url": "console:", "name": "desk"}
    assert (await ask(house.desk, "POST", "/v1/webhooks", content))[0] == 201
    status, refused = await ask(house.desk, "POST", "/v1/webhooks", content)
    assert (status, refused["rule"]) == (422, "target-name")


async def test_an_owner_has_to_be_there(house: House) -> None:
    """Whoever is to be told before a target is disabled is a target too."""
    content = {"url": "console:", "owner": "mail:nobody"}
    assert (await ask(house.desk, "POST", "/v1/webhooks", content))[0] == 404


POLICY = """
[[route]]
name = "numbers"
level = "flash"
kinds = ["figure-reported"]

[[target]]
id = "console"
channel = "console"

[[target]]
id = "mail:night"
channel = "mail"
address = "night@newsroom.example"
least = "flash"
quiet = ["23:00-06:30"]
throttle.flash = { most = 4, within = "1h" }
"""


async def test_the_policys_targets_are_those_of_the_file(room: Newsroom, tmp_path: Path) -> None:
    """Who is named in the policy is a target; who is named no more is none."""
    room.policy = load(POLICY)
    async with sending(room, tmp_path, at_work=False) as out:
        await out.registrar.add("console:", (await out.endpoints.get("console")).wishes, name="own")
        found = {each.id: each for each in await out.endpoints.all()}
        assert set(found) == {"console", "mail:night", "console:own"}
        for change in (out.endpoints.remove("console"), out.endpoints.change("console", Wishes())):
            with pytest.raises(Refused, match="console, which the policy names"):
                await change
        assert [each.target for each in room.policy.target] == [
            found["console"].target,
            found["mail:night"].target,
        ]
    room.policy = load(POLICY[: POLICY.rindex("[[target]]")].replace('"console"\nch', '"desk"\nch'))
    async with sending(room, tmp_path, at_work=False) as out:
        assert {each.id for each in await out.endpoints.all()} == {"desk", "console:own"}


async def test_a_target_that_the_policy_moves_begins_anew(room: Newsroom, tmp_path: Path) -> None:
    """Each webhook of a policy has a secret of its own, and a new address a new start."""
    hooks = [
        f'[[target]]\nid = "{name}"\nchannel = "{channel}"\naddress = "{address}"\n'
        for name, channel, address in (
            *(("one", "mail", "a@b.example"), ("two", "webhook", "https://two.example/")),
            *(("one", "webhook", "https://one.example/"), ("two", "webhook", "https://2.example/")),
            ("three", "webhook", "https://three.example/"),
        )
    ]
    routes = POLICY[: POLICY.index("[[target]]")]
    room.policy = load(routes + "".join(hooks[:2]))
    async with sending(room, tmp_path, at_work=False) as out:
        await out.endpoints.disable("two", "410")
        before = await out.endpoints.get("two")
    room.policy = load(routes + "".join(hooks[2:]))
    async with sending(room, tmp_path, at_work=False) as out:
        one, two, three = [await out.endpoints.get(name) for name in ("one", "two", "three")]
    assert (two.state, two.secrets) == ("active", before.secrets)
    assert len({each.signs_with(0)[0] for each in (one, two, three)}) == 3


async def test_browsers_keep_nobody_out() -> None:
    """However many browsers signed up, a webhook can; and browsers that are gone make room."""
    ledger, vault = Ledger(":memory:"), Vault(None)
    endpoints = Endpoints(ledger, vault, lambda: 1)
    row = (
        "WITH RECURSIVE many (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < ?) "
        "INSERT INTO targets SELECT 'push:' || n, 'push', '{}', x'00', 'push', 0, NULL, 'active', "
        "NULL, 1, NULL, NULL, NULL FROM many"
    )
    await ledger.write(lambda c: c.execute(row, (MOST_TARGETS,)))
    await endpoints.register("https://x.example/", Wishes())
    with pytest.raises(Refused, match=f"at most {MOST_TARGETS}"):
        await endpoints.register("{}", Wishes(), channel="push")
    gone = "UPDATE targets SET state = 'disabled' WHERE target = 'push:7'"
    await ledger.write(lambda c: c.execute(gone))
    await endpoints.register("{}", Wishes(), channel="push")
    ledger.close()
