"""Ten thousand filings that are wrong: each gets one clear sentence, and nothing is appended."""

import random
from typing import Any

import nh3
import orjson
import pytest
from conftest import SAMPLE, Clock
from filings import gathered
from hypothesis import given, settings
from hypothesis import strategies as st

from events.codec import encode
from events.errors import Conflict, DatelineError, Refused
from events.memory_log import MemoryLog
from events.vocabulary import KINDS
from producers.case import Actor
from producers.intake import clean, parse, take
from producers.publisher import Publisher

GOOD = [orjson.loads(line) for line in SAMPLE.read_bytes().splitlines()]

NAUGHTY: list[Any] = [
    "",
    " ",
    "\x00",
    "\x1b[2J\x1b[31m",
    "line\nbreak",
    "carriage\rreturn",
    "\u2028",
    "\u2029",
    "\x85",
    "\x7f",
    "\ud800",
    "a\udfffb",
    "x" * 281,
    "x" * 20_001,
    "💥" * 281,
    "nul\x00inside",
    None,
    True,
    False,
    0,
    -1,
    10,
    1e309,
    -1e309,
    float("nan"),
    0.1,
    10**400,
    2**63,
    -(2**63) - 1,
    [],
    {},
    [[]],
    [None],
    [{}],
    {"": ""},
    {"$ref": "#"},
    {"__proto__": {}},
    ["x"] * 1_000,
    "2025-02-30",
    "0000-00-00",
    "9999-99-99",
    "2025-10-10",
    "2025-10-10T25:00:00Z",
    "2025-10-10T18:00:00",
    "yesterday",
    -0.0,
    1e300,
    1e-300,
    10**15,
    0.1,
    "P",
    "PT",
    "1e5",
    "1e9999999",
    "1e-9999999",
    "007",
    " 1_0 ",
    "٣",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "1e999",
    "NaN",
    "Infinity",
    "--1",
    "person:",
    "person:UPPER",
    "Person:a",
    "person:а",  # noqa: RUF001 - a Cyrillic letter that looks like a Latin one
    "person:a b",
    "org:../../etc",
    "../../../etc/passwd",
    "' OR 1=1 --",
    '"; DROP TABLE events; --',
    "${jndi:x}",
    "%s%s%s%n",
    "{{7*7}}",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "http://",
    "story-opened",
    "STORY-OPENED",
    "held ",
]

FIELDS = sorted({name for model in KINDS.values() for name in model.model_fields} | {"from", "to"})


def spoilt(chance: random.Random) -> Any:
    """Take a good filing and spoil one thing in it, somewhere."""
    filing = orjson.loads(orjson.dumps(chance.choice(GOOD)))
    place: Any = filing
    while chance.random() < 0.5:
        inner = [v for v in (place.values() if isinstance(place, dict) else place) if v]
        inner = [v for v in inner if isinstance(v, dict | list)]
        if not inner:
            break
        place = chance.choice(inner)
    bad = chance.choice(NAUGHTY)
    if isinstance(place, list):
        place.append(bad)
    elif chance.random() < 0.3:
        place[chance.choice([*FIELDS, "\x00", "x" * 999])] = bad
    elif chance.random() < 0.2:
        place.pop(chance.choice(list(place)))
    else:
        place[chance.choice(list(place))] = bad
    return filing


@pytest.mark.parametrize("count", [1_500, pytest.param(10_000, marks=pytest.mark.torture)])
async def test_a_spoilt_filing_is_refused_with_a_sentence_or_recorded_whole(count: int) -> None:
    """Whatever is wrong with a filing, the filer reads one sentence and the log holds no half."""
    log = MemoryLog(Clock(1_790_000_000_000))
    publisher = Publisher(log, Clock(1_790_000_000_000))
    for filing in GOOD:
        await publisher.file(take(filing), Actor("desk:ada"))
    chance = random.Random(20_251_010)
    refused = 0
    for _ in range(count):
        filing = spoilt(chance)
        before = (await log.head()).size
        try:
            await publisher.file(take(filing), Actor("desk:ada"))
        except (Refused, Conflict) as error:
            refused += 1
            assert "expected" in str(error)
            assert "found" in str(error)
            assert "\n" not in str(error)
            assert len(str(error)) < 700
            assert (await log.head()).size == before
        else:
            assert (await log.head()).size == before + 1
            [event], [sealed] = (
                await gathered(log.read(before)),
                await gathered(log.read_sealed(before)),
            )
            assert encode(event.development) == sealed.body, "it reads as something else"
    assert refused > count * 0.8, f"{refused} of {count} refused"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), inner, max_size=6)
    ),
    max_leaves=12,
)


@settings(max_examples=400)
@given(content=json_values)
def test_any_json_at_all_is_refused_with_a_sentence(content: Any) -> None:
    """JSON of any shape is either a filing or refused; nothing else ever comes out."""
    try:
        take(content)
    except DatelineError as error:
        assert "\n" not in str(error)


@settings(max_examples=400)
@given(text=st.binary(max_size=60))
def test_any_bytes_at_all_are_refused_with_a_sentence(text: bytes) -> None:
    """Bytes that are no JSON are refused as such."""
    try:
        parse(text)
    except Refused as error:
        assert error.rule == "json"


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
        b'{"story":"a","story":NaN}',
        b'"\\ud800"',
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b"{'single':1}",
        b"",
        b" " * 300_000,
    ],
)
def test_hostile_json_text_is_refused(text: bytes) -> None:
    """Nesting without end, broken Unicode and oversize are refused before they do harm."""
    with pytest.raises(Refused):
        take(parse(text))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"story":"a","story":"b"}', "story twice"),
        ('{"embargo_until":"2031-01-01T00:00:00Z","embargo_until":null}', "embargo_until twice"),
        ('[{"kind":"quote-added"},{"figures":[{"value":8,"value":9}]}]', "value twice"),
        ('{"private":{"UNSAYABLE WORDS":1,"UNSAYABLE WORDS":2}}', "one twice"),
        ('{"a":{"b":1},"c":{"b":1}}', None),
        ('{"a":' * 990 + "1" + "}" * 990, "deeper"),
    ],
)
def test_a_name_stands_once_in_an_object(text: str, found: str | None) -> None:
    """Where a name comes twice nobody can say which was meant, so neither is taken."""
    if found is None:
        parse(text)
        return
    for sent in (text, text.encode()):
        with pytest.raises(Refused, match=found) as raised:
            parse(sent)
        assert raised.value.rule == "json"


def test_private_text_is_not_repeated_in_errors() -> None:
    """An error about a private field says that it is wrong, and not what it says."""
    for private in (
        {"notes": ["UNSAYABLE"], "sauces": "UNSAYABLE"},
        {"notes": "UNSAYABLE" * 9_999},
    ):
        with pytest.raises(Refused) as raised:
            take(GOOD[0] | {"private": private})
        assert "UNSAYABLE" not in str(raised.value)


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ("<p>plain <b>bold</b></p>", "<p>plain <b>bold</b></p>"),
        ("<script>alert(1)</script>after", "after"),
        ('<a href="javascript:alert(1)">x</a>', '<a rel="noopener noreferrer">x</a>'),
        ('<p onclick="x()">y</p>', "<p>y</p>"),
        ("<img src=x onerror=alert(1)>", None),
    ],
)
def test_a_body_keeps_only_harmless_html(body: str, kept: str | None) -> None:
    """Scripts, handlers and pictures are taken out of a body before it is filed."""
    assert take(GOOD[1] | {"body": body}).development.body == kept


@given(body=st.text(max_size=60) | st.text("<>&\r\n\t \xa0\xad\u2028;ab/", max_size=30))
def test_a_body_without_markup_is_what_a_parser_makes_of_it(body: str) -> None:
    """What is not taken apart, because it holds no markup, would have come out as it went in."""
    if clean(body) is body:
        assert nh3.clean(body, tags={"p"}, attributes={}) == body


@pytest.mark.parametrize("unseen", [
    " \t", "\u00a0", "\u00ad", "\u034f", "\u061c", "\u115f\u1160", "\u17b4", "\u180e", "\u200b",
    "\u200d", "\u202e", "\u2060", "\u206f", "\u2800", "\u3000", "\u3164", "\ufe0f", "\ufeff",
    "\uffa0", "\ufff8", "\U0001bca0", "\U0001d173", "\U000e0001", "\U000e0041\U000e007f",
])  # fmt: skip
def test_a_headline_that_shows_nothing_is_none(unseen: str) -> None:
    """Nothing but characters that are drawn as nothing is no headline; beside others they stand."""
    opening = {"kind": "story-opened", "story": "a", "title": "A drill"}
    with pytest.raises(Refused, match="headline"):
        take(opening | {"headline": unseen})
    shown = f"❤{unseen.strip()}"
    assert take(opening | {"headline": shown}).development.headline == shown
