"""Filing and reading over HTTP, as a service that has never heard of us sees it."""

import asyncio
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from conftest import Clock
from filings import LATER
from multidict import CIMultiDict
from serving import Served

from dateline.wiring import Newsroom
from events.errors import KeysUnavailable
from producers.keys import GRANTABLE, REMEMBERED_MS, Keys


async def test_a_filing_is_acknowledged_with_its_place(desk: Served) -> None:
    """Who files is told the id, the ref, the position and the version."""
    first = await desk.file("a-drill", "story-opened", title="A drill")
    second = await desk.file("a-drill", "development-reported", label="note", ref="N1")
    assert (first["position"], first["version"], first["duplicate"]) == (1, 1, False)
    assert (second["ref"], second["position"], second["version"]) == ("N1", 2, 2)


async def test_several_filings_land_together_or_not_at_all(desk: Served) -> None:
    """A list is filed whole, or refused whole with the rule and the field at fault."""
    opening = {"kind": "story-opened", "title": "A drill", "headline": "It opens"}
    note = {"kind": "development-reported", "label": "note", "headline": "A note"}
    status, refused = await desk.post("a-drill", [opening, note, note | {"urgency": 12}])
    assert (status, refused["field"]) == (422, "urgency")
    assert (await desk.get("/v1/stories/a-drill"))[0] == 404
    status, told = await desk.post("a-drill", [opening, note, note])
    assert (status, [receipt["version"] for receipt in told]) == (201, [1, 2, 3])


async def test_the_same_request_is_answered_as_before(desk: Served) -> None:
    """With an Idempotency-Key a filing that is sent again is not filed again."""
    opening = {"kind": "story-opened", "title": "A drill", "headline": "It opens"}
    first = await desk.post("a-drill", opening, Idempotency_Key="any text of ours")
    again = await desk.post("a-drill", opening, Idempotency_Key="any text of ours")
    assert (first[0], again[0]) == (201, 201)
    assert again[1] == first[1] | {"duplicate": True}
    other = opening | {"title": "Another"}
    status, problem = await desk.post("a-drill", other, Idempotency_Key="any text of ours")
    assert (status, problem["title"]) == (409, "IdReused")
    status, problem = await desk.post("a-drill", opening, Idempotency_Key="")
    assert (status, problem["field"]) == (400, "Idempotency-Key")


async def test_a_filing_may_name_the_version_it_saw(desk: Served) -> None:
    """If-Match refuses what was filed into a story that has moved on, and says how far."""
    await desk.file("a-drill", "story-opened", title="A drill")
    note = {"kind": "development-reported", "label": "note", "headline": "A note"}
    assert (await desk.post("a-drill", note, If_Match='"1"'))[0] == 201
    status, problem = await desk.post("a-drill", note, If_Match='"1"')
    assert (status, problem["expected"], problem["found"]) == (409, 1, 2)
    assert (await desk.post("a-drill", note, If_Match="soon"))[0] == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b"[]", 422),
        (b"7", 422),
        (b'{"kind":"no-such-kind"}', 422),
        (b'{"kind":"story-opened","title":"T","headline":"H","story":"another"}', 422),
        (b'{"kind":"story-opened","headline":"' + b"x" * 300_000 + b'"}', 413),
    ],
)
async def test_what_cannot_be_filed_is_refused_with_a_reason(
    desk: Served, body: bytes, status: int
) -> None:
    """Nonsense gets a problem document that says what was expected and what was found."""
    found, problem = await desk.post("a-drill", body)
    assert found == problem["status"] == status
    assert {"type", "title", "detail", "expected", "found"} <= set(problem)


async def test_only_those_with_a_key_file(desk: Served) -> None:
    """No key, a wrong one and a revoked one file nothing; a scope that lacks is named."""
    path = f"{desk.url}/v1/stories/a-drill/developments"
    async with desk.session.post(path, data=b"{}") as response:
        assert (response.status, response.headers["www-authenticate"]) == (401, "Bearer")
    opening = {"kind": "story-opened", "title": "A drill", "headline": "It opens"}
    assert (await desk.post("a-drill", opening, key="dl_00000000_" + "x" * 43))[0] == 401
    reader = desk.keys.create("reader", frozenset({"read:internal"}))
    assert (await desk.post("a-drill", opening, key=reader))[0] == 403
    desk.keys.revoke(reader[3:11])
    assert (await desk.post("a-drill", opening, key=reader))[0] == 401


def test_a_key_that_another_program_revokes_ends(tmp_path: Path, clock: Clock) -> None:
    """A key that is revoked beside a running server opens nothing a second later."""
    here, there = (Keys(f"{tmp_path}/keys.db", clock) for _ in range(2))
    key = here.create("wire", frozenset({"file"}))
    assert here.find(key) is not None
    there.revoke(key[3:11])
    clock.move(1_000)
    assert here.find(key) is None
    here.close()
    there.close()


def test_a_key_ends_in_whatever_file_of_keys_is_there(tmp_path: Path, clock: Clock) -> None:
    """Where another file of keys was put in place, it says who is let in; without one nobody is."""
    path, copy = tmp_path / "news.keys.db", tmp_path / "copy.db"
    here = Keys(str(path), clock)
    key = here.create("wire", frozenset({"file"}))
    assert here.find(key) is not None
    copy.write_bytes(path.read_bytes())
    copy.rename(path)
    there = Keys(str(path), clock)
    there.revoke(key[3:11])
    there.close()
    clock.move(REMEMBERED_MS)
    assert here.find(key) is None
    path.unlink()
    clock.move(REMEMBERED_MS)
    for _ in range(2):
        with pytest.raises(KeysUnavailable):
            here.find(key)
    assert not path.exists()
    path.write_bytes(b"no keys at all " * 1_000)
    with pytest.raises(KeysUnavailable):
        here.find(key)
    here.close()


async def test_requests_may_be_sent_ahead(desk: Served) -> None:
    """Several requests sent at once are answered one after the other, those without a body too."""
    await desk.file("a-drill", "story-opened", title="A drill")
    filing = orjson.dumps({"kind": "development-reported", "label": "note", "headline": "A note"})
    held = f"Host: x\r\nAuthorization: Bearer {desk.key}\r\nContent-Length: {len(filing)}\r\n\r\n"
    asked = [
        b"POST /v1/stories/a-drill/developments HTTP/1.1\r\n" + held.encode() + filing,
        b"HEAD /v1/stories/a-drill HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/stories/none HTTP/1.1\r\nHost: x\r\n\r\n",
    ]
    last = b"If-None-Match: *\r\nConnection: close\r\n\r\n"
    asked.append(b"GET /v1/stories/a-drill HTTP/1.1\r\nHost: x\r\n" + last)
    host, port = desk.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"".join(asked))
    answers = await reader.read(-1)
    writer.close()
    assert re.findall(rb"HTTP/1.1 ([0-9]{3})", answers) == [b"201", b"200", b"404", b"304"]


async def test_who_filed_is_the_key(desk: Served, room: Newsroom) -> None:
    """The log names the key that filed, whatever the filing says."""
    key = desk.keys.create("wire", frozenset({"file"}))
    opening = {"kind": "story-opened", "title": "A drill", "headline": "It opens"}
    assert (await desk.post("a-drill", opening, key=key))[0] == 201
    filed = [event.provenance["filed_by"] async for event in room.log.read()]
    assert filed == ["key:wire"]


async def test_what_did_not_change_is_not_sent_again(desk: Served) -> None:
    """A reader that has the story is answered 304 until the story moves."""
    await desk.file("a-drill", "story-opened", title="A drill")
    status, _, headers = await desk.get("/v1/stories/a-drill")
    had = {"If-None-Match": headers["Etag"]}
    assert status == 200
    assert (await desk.get("/v1/stories/a-drill", had))[:2] == (304, b"")
    await desk.file("a-drill", "development-reported", label="note")
    assert (await desk.get("/v1/stories/a-drill", had))[0] == 200


async def test_a_story_is_shown_as_it_was_known(desk: Served) -> None:
    """`as_of` gives an earlier state; nonsense is refused."""
    await desk.file("a-drill", "story-opened", title="A drill")
    await desk.file("a-drill", "development-reported", label="note")
    _, then, _ = await desk.get("/v1/stories/a-drill?as_of=1")
    assert orjson.loads(then)["timeline"] == []
    assert (await desk.get("/v1/stories/a-drill?as_of=soon"))[0] == 400
    assert (await desk.get("/v1/stories/a-drill?occurred_by=7"))[0] == 400


async def test_what_readers_do_not_see_makes_nothing_overdue(desk: Served, clock: Clock) -> None:
    """Looking back, no reader can tell from an overdue answer that something was filed since."""
    asked = {"ref": "P1", "awaited_from": "org:port", "due_at": "2026-09-22T00:00:00Z"}
    await desk.file("a-drill", "story-opened", title="A drill")
    await desk.file("a-drill", "response-awaited", response=asked)
    before = await desk.get("/v1/stories/a-drill?as_of=9")
    clock.now = 1_800_000_000_000
    await desk.file("a-drill", "statement-issued", embargo_until="2031-01-01T00:00:00Z")
    after = await desk.get("/v1/stories/a-drill?as_of=9")
    inside = await desk.get("/v1/stories/a-drill?as_of=9", desk.bearer())
    assert (after[1], after[2]["Etag"]) == (before[1], before[2]["Etag"])
    overdue = [orjson.loads(body)["pending"][0]["overdue"] for body in (after[1], inside[1])]
    assert overdue == [False, True]


async def test_history_comes_in_pages(desk: Served) -> None:
    """A story's updates are read page by page, each once."""
    await desk.file("a-drill", "story-opened", title="A drill")
    for _ in range(4):
        await desk.file("a-drill", "development-reported", label="note")
    seen: list[int] = []
    after: Any = 0
    while after is not None:
        path = f"/v1/stories/a-drill/developments?limit=2&after={after}"
        page = orjson.loads((await desk.get(path))[1])
        seen += [told["data"]["position"] for told in page["developments"]]
        after = page["next"]
    assert seen == [1, 2, 3, 4, 5]
    assert (await desk.get("/v1/stories/a-drill/developments?limit=0x2"))[0] == 400


async def test_what_is_not_released_is_as_if_it_never_was(desk: Served) -> None:
    """To readers a story under embargo is no story; who may look inside sees it."""
    embargoed = {"title": "Secret", "embargo_until": LATER}
    await desk.file("a-secret", "story-opened", **embargoed)
    never = await desk.get("/v1/stories/b-secret")
    hidden = await desk.get("/v1/stories/a-secret")
    assert (hidden[0], never[0]) == (404, 404)
    assert hidden[1].replace(b"a-secret", b"b-secret") == never[1]
    assert (await desk.get("/v1/stories"))[1] == b"[]\n"
    assert (await desk.get("/v1/stories/a-secret/developments"))[0] == 404
    status, inside, _ = await desk.get("/v1/stories/a-secret", desk.bearer())
    assert (status, orjson.loads(inside)["title"]) == (200, "Secret")
    assert (await desk.get("/v1/stories/a-secret", desk.bearer("wrong")))[0] == 401


async def test_a_request_with_two_keys_is_refused(desk: Served) -> None:
    """Who sends a header twice that says who asks or what is done is told so, wherever they ask."""
    for name in ("Authorization", "Idempotency-Key", "If-Match", "Last-Event-ID"):
        for method, path in (
            ("GET", "/v1/stories"),
            ("GET", "/v1/feed"),
            ("POST", "/v1/stories/a-drill/developments"),
        ):
            twice = CIMultiDict([(name, "one"), (name, "another")])
            url = f"{desk.url}{path}"
            async with desk.session.request(method, url, headers=twice) as answer:
                problem = orjson.loads(await answer.read())
                assert (answer.status, problem["field"]) == (400, name.lower())


async def test_what_a_path_takes_is_told(desk: Served) -> None:
    """Who asks in a way that a path does not take is told all that it does (RFC 9110)."""
    for path, taken in (("/v1/stories", {"GET", "HEAD"}), ("/v1/feed", {"GET"})):
        async with desk.session.delete(f"{desk.url}{path}") as answer:
            assert answer.status == 405
            assert set(answer.headers["Allow"].split(", ")) == taken
    url = f"{desk.url}/v1/stories/a-drill/developments"
    async with desk.session.delete(url) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, POST")
        assert orjson.loads(await answer.read())["status"] == 405


async def test_stories_are_read_page_by_page(desk: Served) -> None:
    """A list of stories leads on to the next page as long as there is one (RFC 8288)."""
    for name in "abcde":
        await desk.file(name, "story-opened", title=name.upper(), headline="It opens")
    path, found = "/v1/stories?limit=2", []
    while path:
        _, body, headers = await desk.get(path)
        found += [summary["story"] for summary in orjson.loads(body)]
        path = headers["Link"].split(">")[0].lstrip("<") if "Link" in headers else ""
    assert found == list("edcba")
    assert "Link" in headers["Access-Control-Expose-Headers"]
    for limit in ("0", "100000", "-1", "x"):
        assert (await desk.get(f"/v1/stories?limit={limit}"))[0] == 400


async def test_every_answer_is_guarded_against_browsers(desk: Served) -> None:
    """No answer may be taken for a page, framed, or guessed to be of another type."""
    for path in ("/v1/stories", "/v1/stories/none", "/nowhere", "/healthz", "/v1/feed?kind=none"):
        _, _, headers = await desk.get(path)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]


async def test_an_answer_ends_its_line(desk: Served) -> None:
    """What is asked for from a terminal leaves the terminal's next line to the terminal."""
    await desk.file("a-drill", "story-opened", title="A drill")
    stories = (
        "/v1/stories /v1/stories/a-drill /v1/stories/a-drill/developments /readyz /openapi.json"
    )
    problems = "/v1/stories/none /v1/stories?limit=x /v1/audit/proof/1 /v1/alerts /nowhere"
    for path in (*stories.split(), *problems.split()):
        _, body, _ = await desk.get(path)
        assert body.endswith((b"}\n", b"]\n")), path


def test_every_scope_can_be_granted() -> None:
    """What an act asks for can be given to a key."""
    assert {"file", "publish", "correct", "withdraw", "read:internal"} <= GRANTABLE


async def test_a_server_tells_how_it_is(desk: Served) -> None:
    """Health, readiness and numbers are there for those who watch, and name no story."""
    await desk.file("a-drill", "story-opened", title="Zebra")
    await desk.file("a-drill", "development-reported", label="note")
    assert (await desk.get("/healthz"))[1] == b"ok\n"
    status, ready, _ = await desk.get("/readyz")
    assert (status, orjson.loads(ready)) == (200, {"ready": True, "wrong": []})
    _, numbers, _ = await desk.get("/metrics")
    found = dict(line.rsplit(" ", 1) for line in numbers.decode().splitlines() if line[0] != "#")
    assert found["dateline_events_total"] == "2.0"
    assert found["dateline_append_seconds_count"] == "2.0"
    assert found["dateline_parked"] == found["dateline_stories_undecided"] == "0.0"
    assert found["dateline_embargo_clock_runs"] == "1.0"
    assert 'dateline_lag_events{consumer="stories"}' in found
    assert b"Zebra" not in numbers
    assert b"drill" not in numbers
