"""The vocabulary as bytes: canonical, faithful, and readable for ever."""

import hashlib
import json
from pathlib import Path
from typing import Any, get_args

import jsonschema
import orjson
import pytest
import rfc8785
from conftest import SAMPLE
from hypothesis import given, settings
from vocabulary_examples import any_development, full

from dateline.reference import generate
from events import upcasters
from events.codec import canonical, decode, encode, encode_private
from events.developments import Development
from events.envelope import Filed, prepare, seal
from events.errors import Refused
from events.filing import Private
from events.json_schema import filing_schema
from events.vocabulary import KINDS, SCHEMAS, Erased, KnownKind, Unknown
from producers.intake import take

GOLDEN = Path(__file__).parent / "golden"
VOCABULARY = """
story-opened remarks-delivered statement-issued contact-disclosed concern-raised position-relayed
quote-added coverage-observed background-added letter-sent post-published plan-announced
reunification-reported outcome-reported figure-reported figure-revised response-awaited
response-received response-declined verification-asserted verification-changed conflict-noted
development-reported corrected refiled held hold-released withdrawn published embargo-lifted
embargo-broken story-closed story-reopened redacted legal-hold-placed legal-hold-lifted alert-issued
alert-suppressed alert-deferred alert-corrected alert-retracted
""".split()  # noqa: SIM905 - a list of forty-one words reads best as words


HOUSE = {
    *("parked-retried", "parked-skipped", "silence-added", "silence-removed"),
    *("private-read", "signing-key-changed"),
}


def test_every_kind_of_the_vocabulary_is_there() -> None:
    """All kinds of the vocabulary are known, with those of parked events, silences and custody."""
    assert set(KINDS) == {*VOCABULARY, *HOUSE}


@settings(max_examples=300)
@given(development=any_development())
def test_bodies_are_canonical(development: Development) -> None:
    """What is committed to is RFC 8785 to the byte, without a float, and reads back the same."""
    body = encode(development)
    content = json.loads(body)
    assert body == rfc8785.dumps(content) == canonical(content)
    assert not [value for value in _leaves(content) if isinstance(value, float)]
    assert decode(development.kind, SCHEMAS[development.kind], body) == development


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in _leaves(inner)]
    return [value]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_golden_bodies_read_for_ever(kind: str) -> None:
    """A body of every kind and schema ever written reads today; today's also writes the same."""
    for schema in range(1, SCHEMAS[kind] + 1):
        golden = (GOLDEN / f"{kind}.{schema}.json").read_bytes()
        found = decode(kind, schema, golden)
        assert isinstance(found, Development)
        if schema == SCHEMAS[kind]:
            assert encode(found) == golden
            assert encode(KINDS[kind].model_validate(full(kind))) == golden


@pytest.mark.parametrize(
    "number",
    [
        *(
            "007",
            "12",
            " 1_0 ",
            "1e9",
            "1e9999999",
            "1e-9999999",
            "٣",
            "-0",
            "3.50",
            "0.00000000001",
        ),
        *(12, -0.0, 3.5, 1e-300, 1e300, 10**14, 10**15, 0.1, 123456789.123456),
    ],
)
def test_a_number_reads_as_it_was_filed(number: Any) -> None:
    """A quantity or a value is refused, or is the same when it is filed and when it is read."""
    figure = {"ref": "F1", "measure": "m", "value": number, "source_text": "the desk"}
    for filing in (
        {"kind": "plan-announced", "plan": {"quantity": number}},
        {"kind": "figure-reported", "figures": [figure]},
    ):
        try:
            taken = take({"story": "s", "headline": "h", **filing}).development
        except Refused as error:
            assert "expected" in str(error)
        else:
            assert decode(taken.kind, 1, encode(taken)) == taken


def test_golden_files_never_change() -> None:
    """A golden file is what was once written; changing one is changing history."""
    lines = (GOLDEN / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    files = {path.name: path.read_bytes() for path in GOLDEN.glob("*.json")}
    assert {name: hashlib.sha256(data).hexdigest() for name, data in files.items()} == sums


def envelope(kind: str = "figure-reported") -> bytes:
    """An envelope with nothing left to chance."""
    development: Any = KINDS[kind].model_validate(full(kind))
    event_id = "01999999-0000-7000-8000-000000000001"
    cause = "01999999-0000-7000-8000-000000000002"
    filed = Filed(event_id, "desk:ada", development, Private(notes="a drill"), cause, cause)
    prepared = prepare("a-story", filed, lambda size: bytes(range(size)))
    return seal(prepared, 17, 4, 1_760_120_000_123)


def test_the_golden_envelope() -> None:
    """The stored form of an event, commitments included, is what it was on the first day."""
    found = envelope()
    assert found == (GOLDEN / "envelope.1.json").read_bytes()
    assert found == rfc8785.dumps(json.loads(found))
    jsonschema.validate(json.loads(found), json.loads(generate()["schemas/envelope.json"]))


def test_an_older_schema_is_led_to_todays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body of an earlier schema is changed step by step when it is read, and stays as stored."""
    steps = {
        ("published", -1): lambda body: {**body, "kind": "published", "aim": body["goal"]},
        ("published", 0): lambda body: {"kind": "published", "target": body["aim"]},
    }
    monkeypatch.setattr(upcasters, "UPCASTERS", steps)
    found = decode("published", -1, b'{"goal":"E1"}')
    assert isinstance(found, Development)
    assert encode(found) == encode(KINDS["published"].model_validate(
        {"kind": "published", "target": "E1"}
    ))  # fmt: skip


def test_what_is_not_known_is_kept() -> None:
    """A kind or a later schema that is not known comes back whole; an erased body says so."""
    assert decode("rumour-denied", 1, b'{"a":1}') == Unknown("rumour-denied", 1, {"a": 1})
    assert decode("held", 99, b'{"a":1}') == Unknown("held", 99, {"a": 1})
    assert decode("held", 1, None) == Erased("held", 1)


def test_no_public_model_holds_the_private_part() -> None:
    """There is no way from a development to a private field, however deep."""
    seen: set[Any] = set()
    todo: list[Any] = list(get_args(KnownKind))
    while todo:
        hint = todo.pop()
        if hint in seen:
            continue
        seen.add(hint)
        assert hint is not Private
        todo += get_args(hint)
        todo += [field.annotation for field in getattr(hint, "model_fields", {}).values()]
    assert len(seen) > 60
    assert encode_private(None) == b""


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_examples_keep_to_their_published_schema(kind: str) -> None:
    """A filing with every field set is valid by the schema that subscribers are given."""
    filing = {"story": "a-story", "private": {"notes": "a drill"}, **full(kind)}
    schema = filing_schema(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(filing, schema)


def test_the_sample_keeps_to_the_published_schemas() -> None:
    """Each filing of the sample is valid by the schema of its kind."""
    for line in SAMPLE.read_bytes().splitlines():
        filing = orjson.loads(line)
        jsonschema.validate(filing, filing_schema(filing["kind"]))


def test_the_reference_is_current() -> None:
    """What is published under docs/reference is what the code says today."""
    folder = Path(__file__).parents[1] / "docs" / "reference"
    for name, text in generate().items():
        assert (folder / name).read_text(encoding="utf-8") == text, f"{name}: run `make docs`"


if __name__ == "__main__":  # writes the golden files of kinds that have none; never over one
    GOLDEN.mkdir(exist_ok=True)
    wanted = {
        f"{kind}.{SCHEMAS[kind]}.json": encode(KINDS[kind].model_validate(full(kind)))
        for kind in KINDS
    } | {"envelope.1.json": envelope()}
    for name, data in wanted.items():
        if not (GOLDEN / name).exists():
            (GOLDEN / name).write_bytes(data)
    (GOLDEN / "SHA256SUMS").write_text(
        "".join(
            f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
            for path in sorted(GOLDEN.glob("*.json"))
        )
    )
