"""Subscribing from the command line: added, tried, looked at, rotated, disabled and recovered."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from receiving import Receiver, receiving
from test_subscribing import allowing


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Line:
    """A command line in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def run(self, *arguments: str) -> Ran:

        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dateline", *arguments),
            cwd=self.folder,
            env=os.environ | {"DATELINE_ALLOW_LOOPBACK_TARGETS": "true"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await process.communicate()
        return Ran(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving(allowing) as made:
        yield made


async def test_from_added_to_recovered(line: Line, receiver: Receiver) -> None:
    """A webhook is added, gets a drill that says so, and is rotated, disabled and recovered."""
    added = (await line.run("webhooks", "add", receiver.url, "--json")).json
    assert added["secret"].startswith("whsec_")
    target = added["target"]
    drill = await line.run("alerts", "test", "--json")
    assert (drill.code, list(drill.json["targets"].values())) == (0, ["delivered"])
    told = receiver.got[-1].event
    assert told["type"] == "dateline.drill"
    assert told["data"]["drill"] is True
    assert "DRILL" in told["data"]["headline"]
    (tried,) = (await line.run("webhooks", "attempts", target, "--json")).json
    assert (tried["state"], tried["status"], tried["target"]) == ("delivered", 200, target)
    assert target in (await line.run("webhooks", "attempts")).out
    for unknown in ("nobody", "msg_nobody"):
        missed = await line.run("webhooks", "attempts", unknown)
        assert (missed.code, unknown in missed.err) == (1, True)
    refused = await line.run("webhooks", "add", "x:")
    assert (refused.code, "zulip; found 'x'" in refused.err) == (1, True)
    rotated = (await line.run("webhooks", "rotate", target, "--json")).json
    assert rotated["secret"] not in ("", added["secret"])
    assert (await line.run("webhooks", "disable", target)).code == 0
    listed = await line.run("webhooks", "list")
    assert (target in listed.out, "disabled" in listed.out) == (True, True)
    assert added["secret"] not in listed.out
    assert "1 disabled" in (await line.run("doctor")).out
    recovered = await line.run("webhooks", "recover", target, "--since", "2020-01-01T00:00:00Z")
    assert (recovered.code, "0 deliveries" in recovered.out) == (0, True)
    resent = await line.run("webhooks", "resend", tried["delivery"])
    assert (resent.code, "will be sent again" in resent.out) == (0, True)


async def test_changed_and_removed(line: Line) -> None:
    """What a target gets is changed, and a target is forgotten, but for those of the policy."""
    await line.run("webhooks", "add", "console:", "--name", "desk", "--wishes", '{"kinds": ["a"]}')
    changed = await line.run("webhooks", "change", "console:desk", "--wishes", '{"least": "flash"}')
    assert changed.out == "console:desk gets least flash from now on\n"
    (found,) = (await line.run("webhooks", "list", "--json")).json
    assert found["wishes"] == {"least": "flash"}
    assert (await line.run("webhooks", "remove", "console:desk")).code == 0
    assert (await line.run("webhooks", "list", "--json")).json == []
    gone = await line.run("webhooks", "remove", "console:desk")
    assert (gone.code, "no target console:desk" in gone.err) == (1, True)


async def test_a_target_that_was_meant_is_suggested(line: Line) -> None:
    """Whoever leaves out the channel of a target, or misspells it, is told which it may be."""
    await line.run("webhooks", "add", "console:", "--name", "night-desk")
    await line.run("webhooks", "add", "console:", "--name", "desk")
    for command, named, meant in (
        ("attempts", "desk", "console:desk"),
        ("remove", "console:nihgt-desk", "console:night-desk"),
    ):
        done = await line.run("webhooks", command, named)
        said = f"dateline: no target {named}, perhaps {meant}\n"
        assert (done.code, done.err) == (1, said)


async def test_a_drill_that_misses_somebody_says_so(line: Line, receiver: Receiver) -> None:
    """`alerts test` ends with 1 and names who was not reached."""
    target = (await line.run("webhooks", "add", receiver.url, "--json")).json["target"]
    receiver._answering = None
    receiver.status = 500
    drill = await line.run("alerts", "test")
    assert drill.code == 1
    assert f"{target}" in drill.out
    assert "retry: http-500" in drill.out


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ('{"least": "loud"}', "wishes.least: expected 'flash', 'bulletin', 'urgent', 'regular' or"),
        ('{"quiet": "22"}', "wishes.quiet: expected a list; found '22'"),
        ('{"quiet": ["22"]}', "wishes.quiet.0: expected hours such as 22:00-07:00; found '22'"),
        ('{"throttle": {"flash": {"most": 0}}}', "wishes.throttle.flash.most: expected at least 1"),
        ('{"throttle": {"flash": {"most": 1}}}', "flash.seconds: expected a value; found nothing"),
        ('{"storys": ["a"]}', "wishes.storys: expected one of desk, kinds, least, passes_quiet"),
        ('{"desk": "perhaps"}', "wishes.desk: expected true or false; found 'perhaps'"),
        ("{stories: []}", "wishes: expected JSON (key must be a string at line 1 column 2)"),
        ("[]", "wishes: expected an object; found []"),
    ],
)
async def test_a_wish_that_cannot_be_is_named(line: Line, wishes: str, words: str) -> None:
    """What is wrong with wishes is said in plain words: where, what was expected and found."""
    done = await line.run("webhooks", "add", "console:", "--wishes", wishes)
    assert done.code == 1
    assert words in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "ftp://x"), "target-schema"),
        (("disable", "webhook:none"), "no target webhook:none"),
        (("recover", "webhook:none", "--since", "yesterday"), "moment"),
    ],
)
async def test_what_cannot_be_done_is_one_sentence(
    line: Line, arguments: tuple[str, ...], words: str
) -> None:
    """What is refused is refused with exit 1 and one sentence that says why."""
    if arguments[0] != "add":
        nowhere = await line.run("webhooks", *arguments)
        assert (nowhere.code, "no log" in nowhere.err) == (1, True)
        assert list(line.folder.iterdir()) == []
        await line.run("webhooks", "add", "console:")
    done = await line.run("webhooks", *arguments)
    assert done.code == 1
    assert words in done.err
    assert done.err.count("\n") == 1
