"""A topic makes one log, however it is read; a record is read as it was written or not at all."""

import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw
import pytest
import uuid_utils
from filings import filed, note, opening
from hypothesis import given, settings
from hypothesis import strategies as st
from vocabulary_examples import any_development

from events.developments import Development
from events.envelope import Filed, prepare_batch
from events.errors import LogDamaged
from events.filing import Private
from events.kafka import moving
from events.kafka.arbitration import Places
from events.kafka.keystore import BLOCK_BYTES
from events.kafka.mirror import Mirror
from events.kafka.records import (
    ERASED_KEY,
    KEYS_BYTES,
    NOTHING,
    Garbage,
    Keys,
    Offer,
    asked,
    decode,
    encode,
    opened,
)
from events.kafka.taken import Taken
from events.log import Expect, ExpectedVersion

GOLDEN = Path(__file__).parent / "kafka" / "append.2.hex"
DIGEST = "8901e4a9258407f450125757f4e5044d3c9e84c70fc20633d7a1f1a2ea2b2079"  # it is never edited
RECORD_ID = "0199d6b0-0000-7000-8000-000000000002"


def keys_for(prefix: int, events: int) -> Keys:
    secrets = b"".join(bytes([n % 255 + 1]) * 32 for n in range(2 * events))
    return Keys(prefix.to_bytes(8) + bytes(8), secrets)


def golden() -> tuple[list[tuple[str, bytes]], bytes]:
    """The record that is kept."""
    event = filed(opening(ref="E1"), event_id="0199d6b0-0000-7000-8000-000000000001")
    batch = prepare_batch("a-story", [event], lambda size: bytes(range(64))[:size])
    return encode(RECORD_ID, Expect.MUST_NOT_EXIST, batch, keys_for(7, 1))


def test_the_record_is_the_one_that_was_kept() -> None:
    """What one version writes on a topic every later one writes and reads the same way."""
    headers, value = golden()
    assert hashlib.sha256(GOLDEN.read_bytes()).hexdigest() == DIGEST
    assert value.hex() == GOLDEN.read_text(encoding="utf-8").strip()
    assert dict(headers) == {
        "ce_specversion": b"1.0",
        "ce_id": RECORD_ID.encode(),
        "ce_source": b"/dateline",
        "ce_type": b"dateline.append.v2",
    }
    offer = decode(headers, bytes.fromhex(GOLDEN.read_text(encoding="utf-8")))
    assert (offer.parcels[0].story, offer.expected) == ("a-story", Expect.MUST_NOT_EXIST)
    ((body, _, private, _),) = opened(offer, keys_for(7, 1).secrets)
    assert b'"kind":"story-opened"' in (body or b"")
    assert private == b""


@settings(max_examples=300)
@given(
    at=st.integers(0, 10_000),
    change=st.sampled_from(["flip", "cut", "add", "swap"]),
    name=st.sampled_from(["ce_type", "ce_specversion", "ce_id", "ce_root", ""]),
    junk=st.binary(max_size=40),
)
def test_a_spoilt_record_is_garbage_or_as_it_was(
    at: int, change: str, name: str, junk: bytes
) -> None:
    """Whatever is done to a record, reading it ends in an offer or in one word of why not."""
    headers, value = golden()
    place = at % len(value)
    match change:
        case "flip":
            value = value[:place] + bytes([value[place] ^ (1 + at % 255)]) + value[place + 1 :]
        case "cut":
            value = value[:place]
        case "add":
            value = value[:place] + junk + value[place:]
        case _:
            value = value[:place] + junk
    named = [(key, junk if key == name else content) for key, content in headers]
    try:
        offer = decode(named, value)
    except Garbage as error:
        assert "expected" in str(error)
    else:
        assert isinstance(offer, Offer)
        assert len(list(opened(offer, b"?" * KEYS_BYTES))) == 1


@given(
    developments=st.lists(any_development(), min_size=1, max_size=3),
    notes=st.none() | st.text(min_size=1, max_size=50),
    expected=st.sampled_from([*Expect, 0, 7, -1, 10**30]),
)
def test_what_is_read_from_a_record_went_into_it(
    developments: list[Development], notes: str | None, expected: ExpectedVersion
) -> None:
    """A record of any events is to other nodes, contents and all, what it is to its own."""
    private = None if notes is None else Private.model_construct(notes=notes)
    cause = str(uuid_utils.uuid7())
    events = [
        Filed(str(uuid_utils.uuid7()), "desk:ada", each, private, cause) for each in developments
    ]
    batch = prepare_batch("a-story", events, os.urandom)
    keys = keys_for(7, len(batch))
    made = asked(RECORD_ID, "a-story", expected, batch, keys)
    read = decode(*encode(RECORD_ID, expected, batch, keys))
    contents: Iterator[Any] = opened(read, keys.secrets)
    found = [
        parcel._replace(
            prepared=parcel.prepared._replace(contents=each),
            sealed=b"",
            closed=NOTHING,
            contents=each,
        )
        for parcel, each in zip(read.parcels, contents, strict=True)
    ]
    bound = 2**63 - 1
    assert read._replace(parcels=found) == made._replace(
        expected=min(expected, bound) if isinstance(expected, int) else expected
    )


def mirror_of(path: Path, taken: list[Taken], blocks: list[tuple[bytes, bytes]]) -> Mirror:
    mirror = Mirror(str(path), "kafka://drill/topic", "topic")
    mirror.fold_keys(blocks, len(blocks))
    mirror.fold(taken)
    return mirror


def test_two_nodes_that_erase_at_once_bring_nothing_back(tmp_path: Path) -> None:
    """Whatever one node erases stays erased, though another wrote its block without knowing."""
    secrets = bytes(range(1, 129)) * (BLOCK_BYTES // 128)
    keys = Keys(bytes(16), secrets)
    batch = prepare_batch("a", [note("1"), note("2"), note("3")], bytes)
    taken = [Taken(0, 1_760_000_000_000, *encode(RECORD_ID, 0, batch, keys))]
    topic = [(keys.first, secrets)]
    one, other = (mirror_of(tmp_path / name, taken, topic) for name in ("one", "other"))
    read = {one: 1, other: 1}
    one.keys.condemn(1, body=True, private=False)
    other.keys.condemn(2, body=True, private=True)
    while told := [*one.keys.condemned(), *other.keys.condemned()]:
        topic += told  # both at the same time
        assert len(topic) < 10
        for node in read:
            node.fold_keys(topic[read[node] :], len(topic))
            read[node] = len(topic)
    late = mirror_of(tmp_path / "late", taken, topic[-1:])
    there = [(event.body, event.private) for event in batch]
    gone = [(None, there[0][1]), (None, None), there[2]]
    query = "SELECT body, private FROM events ORDER BY position"
    found = [node._connection.execute(query).fetchall() for node in (one, other, late)]
    # What a node erased itself goes with the redaction; what the other erased, with its key.
    assert found == [[there[0], *gone[1:]], [gone[0], *there[1:]], gone]
    assert topic[-1][1].count(ERASED_KEY) == 3
    for node in (one, other, late):
        node.close()


def test_what_was_open_before_its_key_was_erased_is_not_kept(tmp_path: Path) -> None:
    """Words that a process read ahead of an erasure do not come back with what it read."""
    (event,) = prepare_batch("a", [note("1")._replace(private=Private(notes="secret"))], bytes)
    keys = keys_for(7, 1)
    body_key, private_key = keys.secrets[:32], keys.secrets[32:]
    for secrets, left in (
        (ERASED_KEY + private_key, (None, event.private)),
        (body_key + ERASED_KEY, (event.body, None)),
    ):
        block = secrets + bytes(BLOCK_BYTES - len(secrets))
        mirror = mirror_of(tmp_path / secrets[:1].hex(), [], [(keys.first, block)])
        mirror.fold([Taken(0, 1, (), None, asked(RECORD_ID, "a", Expect.ANY, [event], keys))])
        query = "SELECT body, private FROM events"
        assert mirror._connection.execute(query).fetchall() == [left]
        mirror.close()


def test_keys_that_nobody_counted_stop_nothing(tmp_path: Path) -> None:
    """A record that names the last keys there could be is folded, without contents."""
    batch = prepare_batch("a", [note("1"), note("2")], bytes)
    keys = Keys(b"\xff" * 16, keys_for(1, 2).secrets)
    mirror = mirror_of(tmp_path / "mirror", [], [])
    (folded_,) = mirror.fold([Taken(0, 1, *encode(RECORD_ID, 0, batch, keys))], all_keys=True)
    assert folded_ is not None
    assert folded_.outcome == Places((1, 2), (1, 2), (1, 1))
    mirror.close()


def full_of(number: int) -> Taken:
    """A record of a hundred events."""
    batch = prepare_batch("a", [note(f"{number} {n}") for n in range(100)], bytes)
    return Taken(number, 1, *encode(RECORD_ID, Expect.ANY, batch, keys_for(number + 1, 100)))


def test_the_write_ahead_log_of_a_mirror_does_not_grow_with_the_topic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a way a node catches up, and whoever reads meanwhile, little stands beside it.

    While somebody reads, the thread can move only what stood there when they began.
    """
    monkeypatch.setattr(moving, "PAGES", 100)
    path = tmp_path / "mirror"
    mirror = mirror_of(path, [], [])
    reader = apsw.Connection(str(path))
    for number in range(60):
        if number % 2:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM events").get  # noqa: B018 - it reads when asked
        mirror.fold([full_of(number)], all_keys=True)
        if (under_way := mirror._moving._under_way) is not None:
            under_way.result()
        if number % 2:
            reader.execute("COMMIT")
    pages = path.with_name("mirror-wal").stat().st_size // 4096
    assert pages < 300  # were it never moved: five times as many
    reader.close()
    mirror.close()


def test_two_programs_that_tidy_one_mirror_do_not_stop_each_other(tmp_path: Path) -> None:
    """A node goes on folding while another program moves what stands beside their mirror."""
    path = tmp_path / "mirror"
    mirror = mirror_of(path, [], [])
    mirror.fold([full_of(0)], all_keys=True)
    writer, other = apsw.Connection(str(path)), apsw.Connection(str(path))
    waits, goes_on = threading.Event(), threading.Event()

    def busy(_times: int) -> bool:
        waits.set()
        return goes_on.wait(30)

    other.pragma("user_version")  # it sees that there is a write-ahead log
    other.set_busy_handler(busy)
    writer.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(1) as thread:
        moved = thread.submit(other.wal_checkpoint, mode=apsw.SQLITE_CHECKPOINT_FULL)
        try:
            assert waits.wait(30)  # nobody else may move anything now
            assert not mirror._moving.has_moved_most(moving.PAGES)
            assert mirror._moving._under_way is not None
            mirror._moving._under_way.result()
        finally:
            writer.execute("ROLLBACK")
            goes_on.set()
        moved.result()
    mirror.fold([full_of(1)], all_keys=True)
    assert mirror.size == 200
    for connection in (writer, other, mirror):
        connection.close()


def test_a_mirror_of_an_earlier_form_is_refused(tmp_path: Path) -> None:
    """A mirror that an earlier Dateline made is not misread: it is named, with what to do."""
    path = tmp_path / "mirror"
    mirror_of(path, [], []).close()
    connection = apsw.Connection(str(path))
    connection.execute("ALTER TABLE accepted ADD COLUMN offset INTEGER")
    connection.close()
    with pytest.raises(LogDamaged, match="move it away"):
        Mirror(str(path), "kafka://drill/topic", "topic")


Append = st.tuples(
    st.sampled_from(["a", "b"]),
    st.integers(1, 3),
    st.one_of(st.integers(0, 5), st.sampled_from(list(Expect))),
    st.sampled_from(["new", "new", "repeat", "partly", "garbage"]),
    st.integers(-2000, 2000),
)


def topic_of_appends(appends: list[Any]) -> list[Taken]:
    """Records as people of all kinds would send them, and a clock that wavers."""
    taken: list[Taken] = []
    sent: list[tuple[str, list[Any]]] = []
    for number, (story, count, expected, what, wavering) in enumerate(appends):
        batch = [note(str(n)) for n in range(count)]
        if what == "repeat" and sent:
            story, batch = sent[number % len(sent)]  # noqa: PLW2901 - another story than drawn
        if what == "partly" and sent:
            story = sent[-1][0]  # noqa: PLW2901 - as above
            batch = [*batch, sent[-1][1][0]]
        sent.append((story, batch))
        prepared = prepare_batch(story, batch, bytes)
        headers, value = encode(
            str(uuid_utils.uuid7()), expected, prepared, keys_for(number + 1, len(batch))
        )
        if what == "garbage":
            value = value[:-1]
        # Offsets have gaps.
        taken.append(Taken(3 * number, 1_760_000_000_000 + wavering, headers, value))
    return taken


def folded(path: Path, taken: list[Taken], cuts: list[int]) -> tuple[Any, ...]:
    """Fold in commits of these sizes, opening the mirror anew for each; gives what came of it."""
    rest = list(taken)
    for cut in [*cuts, len(taken)]:
        mirror = Mirror(str(path), "kafka://drill/topic", "topic")
        some, rest = rest[:cut], rest[cut:]
        if some:
            mirror.fold(some, all_keys=True)
        voids = mirror.irregular.voids()
        dump = mirror._connection.execute(
            "SELECT position, story, version, id, recorded_ms, envelope FROM events ORDER BY 1"
        ).fetchall()
        tree = mirror._connection.execute("SELECT * FROM tree").fetchall()
        mirror.close()
    return voids, dump, tree


@settings(max_examples=25)
@given(
    appends=st.lists(Append, min_size=1, max_size=20), cuts=st.lists(st.integers(0, 6), max_size=6)
)
def test_a_topic_makes_one_log_however_it_is_read(
    tmp_path: Path, appends: list[Any], cuts: list[int]
) -> None:
    """Nodes that read in other pieces, and start again in between, end with the same bytes."""
    taken = topic_of_appends(appends)
    one, other = (tmp_path / f"{uuid_utils.uuid7()}.db" for _ in range(2))
    assert folded(one, taken, []) == folded(other, taken, cuts)


if __name__ == "__main__":
    GOLDEN.write_text(golden()[1].hex() + "\n", encoding="utf-8")
