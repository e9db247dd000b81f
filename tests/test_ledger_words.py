"""The ledger of deliveries holds no words of the news, and nobody else on the machine reads it."""

from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest
from asking import eventually
from publishing import filed
from receiving import hook, receiving, sending, states
from redactions import LAW, traces

from consumers.alerts.policy import load
from consumers.delivery.ledger import Ledger
from dateline.commands.alerting import explain_alert
from dateline.outbox import Outbox
from dateline.wiring import Newsroom

WORDS = "zqledger01 words that were said of a drill"
NEW = "zqledger02 words that were put in their place"
NOTE = "zqledger03 why they were put right"
POLICY = '[[route]]\nname = "words"\nlevel = "regular"\nkinds = ["quote-added"]\n'


@pytest.fixture
async def out(room: Newsroom, tmp_path: Path) -> AsyncIterator[Outbox]:
    """An outbox whose webhook got an alert, and then its correction."""
    room.policy = load(POLICY)
    assert room.dispatch is not None
    async with receiving() as receiver, sending(room, tmp_path) as made:
        await hook(made, receiver.url)
        await filed(room, "story-opened", title="A story")
        await room.dispatch.decide_due()  # from here on it is news
        await filed(room, "quote-added", ref="Q", headline=WORDS)
        await room.dispatch.decide_due()
        await receiver.wait(1)
        put_right = {"field": "headline", "old": WORDS, "new": NEW, "note": NOTE}
        await filed(room, "corrected", ref="K", target="Q", headline=None, **put_right)
        await room.dispatch.decide_due()
        await receiver.wait(2)
        assert NOTE in receiver.got[1].body.decode()

        async def both() -> bool:
            return await states(made) == {"delivered": 2}

        await eventually(both)
        yield made


async def test_the_ledger_holds_no_words(out: Outbox, tmp_path: Path) -> None:
    """What an alert says, and why it was corrected, is read from the log when it is sent."""
    assert len(await out.deliveries.attempts(None, None)) == 2
    found = list(traces(tmp_path, WORDS, NEW, NOTE))
    assert found != []
    assert [each for each in found if "deliveries" in each] == []


async def test_redacted_words_of_a_chased_alert_are_nowhere(
    room: Newsroom, out: Outbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Words that an alert carried and a correction chased are in no file once they are redacted."""
    assert out.deliveries
    await filed(room, "redacted", target="Q", fields=["headline"], headline=None, **LAW)
    await room.cleaning.clean()
    assert list(traces(tmp_path, WORDS, NEW)) == []
    assert await explain_alert(room, "a/Q", room.policy, json=False) == 0
    said = capsys.readouterr().out
    assert "it corrects what this target got" in said
    assert "zqledger01" not in said


async def test_an_older_ledger_forgets_its_words(out: Outbox, tmp_path: Path) -> None:
    """A ledger that was begun when it still held words is cleaned of them as it is opened."""
    assert out.deliveries
    old = tmp_path / "old" / "news.deliveries.db"
    old.parent.mkdir()
    raw = apsw.Connection(str(tmp_path / "news.deliveries.db"))
    raw.execute("VACUUM INTO ?", (str(old),))
    raw.close()
    raw = apsw.Connection(str(old))
    raw.pragma("journal_mode", "wal")
    raw.pragma("user_version", 1)
    for what in ("TRIGGER deliveries_counted", "TRIGGER deliveries_recounted", "TABLE counted"):
        raw.execute(f"DROP {what}")
    raw.execute("UPDATE deliveries SET reason = ? WHERE kind = 'alert-corrected'", (WORDS,))
    assert list(traces(old.parent, WORDS)) != []
    old.chmod(0o644)
    Ledger(str(old)).close()
    assert list(traces(old.parent, WORDS)) == []  # not even beside somebody who looks
    assert old.stat().st_mode & 0o007 == 0
    assert raw.execute("SELECT count(*) FROM deliveries").get == 2
    assert raw.execute("SELECT sum(deliveries) FROM counted").get == 2
    raw.close()
    Ledger(str(old)).close()


async def test_nobody_else_reads_the_ledger(out: Outbox, tmp_path: Path) -> None:
    """The ledger and what SQLite keeps beside it are for their owner alone."""
    assert out.deliveries
    files = [file for file in tmp_path.iterdir() if "deliveries" in file.name]
    assert len(files) >= 3
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
