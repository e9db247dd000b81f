"""A topic makes one log, however it is read; a record is read as it was written or not at all."""

import hashlib
from pathlib import Path
from typing import Any

import uuid_utils
from filings import filed, note, opening
from hypothesis import given, settings
from hypothesis import strategies as st

from events.envelope import prepare_batch
from events.kafka.mirror import Mirror, Taken
from events.kafka.records import (
    KEYS_OF_EVENT,
    Garbage,
    Keys,
    Offer,
    decode,
    encode,
    key_number,
    opened,
)
from events.log import Expect

GOLDEN = Path(__file__).parent / "kafka" / "append.1.hex"
DIGEST = "695df44a18e7a57c71821c7e0ba3bc83fcee77d26b06138ecbb962e76cd6e753"  # it is never edited
RECORD_ID = "0199d6b0-0000-7000-8000-000000000002"


def keys_for(prefix: int, events: int) -> Keys:
    count = KEYS_OF_EVENT * events
    return Keys(prefix.to_bytes(8) + bytes(8), [bytes([n % 256]) * 32 for n in range(count)])


def golden() -> tuple[list[tuple[str, bytes]], bytes]:
    """The record that is kept."""
    event = filed(opening(ref="E1"), event_id="0199d6b0-0000-7000-8000-000000000001")
    batch = prepare_batch("a-story", [event], lambda size: bytes(range(64))[:size])
    return encode(RECORD_ID, "a-story", Expect.MUST_NOT_EXIST, batch, keys_for(7, 1))


def test_the_record_is_the_one_that_was_kept() -> None:
    """What one version writes on a topic every later one writes and reads the same way."""
    headers, value = golden()
    assert hashlib.sha256(GOLDEN.read_bytes()).hexdigest() == DIGEST
    assert value.hex() == GOLDEN.read_text(encoding="utf-8").strip()
    assert dict(headers) == {
        "ce_specversion": b"1.0",
        "ce_id": RECORD_ID.encode(),
        "ce_source": b"/dateline",
        "ce_type": b"dateline.append.v1",
        "ce_subject": b"a-story",
        "ce_expected": b"must not exist",
        "content-type": b"application/vnd.dateline.events",
    }
    offer = decode(headers, bytes.fromhex(GOLDEN.read_text(encoding="utf-8")))
    keys = keys_for(7, 1)
    known = {key_number(keys.first, step): key for step, key in enumerate(keys.keys)}
    body, _, private, _ = opened(offer.parcels[0], offer.first_key, 0, known)
    assert b'"kind":"story-opened"' in (body or b"")
    assert private == b""


@settings(max_examples=300)
@given(
    at=st.integers(0, 10_000),
    change=st.sampled_from(["flip", "cut", "add", "swap"]),
    name=st.sampled_from(["ce_type", "ce_subject", "ce_expected", "ce_id", "ce_root", ""]),
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
        for step, parcel in enumerate(offer.parcels):
            opened(parcel, offer.first_key, step, {})


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
            str(uuid_utils.uuid7()), story, expected, prepared, keys_for(number + 1, len(batch))
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
