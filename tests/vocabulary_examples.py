"""An example of every kind with every field set, and any number of examples made by chance."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from pydantic import BaseModel

from events import editorial, filing
from events.developments import Development
from events.vocabulary import KINDS

REFS = ["E1", "C1", "F1"]
SHARED: dict[str, Any] = {
    "ref": "E9",
    "headline": "A drill: “quotes”, ünïcode and 漢字 in a headline",
    "body": "<p>A drill with <b>markup</b> &amp; entities</p>",
    "attribution": {
        "speaker": "person:a-speaker",
        "verb": "said",
        "form": "remarks",
        "via": "org:an-agency",
        "at": "R1",
        "source_text": "a person familiar with it",
    },
    "occurred": {
        "basis": "relative",
        "text": "since last August",
        "date": "2025-08",
        "start": "2025-08-01T00:00:00Z",
        "end": "2025-08-31",
        "after": "2025-07",
        "window": "P1M",
    },
    "urgency": 3,
    "claims": [
        {
            "ref": "C1",
            "text": "it was so",
            "speaker": "org:a",
            "via": "outlet",
            "position_of": "org:b",
        }
    ],
    "figures": [
        {
            "ref": "F1",
            "measure": "children-reunited",
            "unit": "children",
            "value": 8,
            "words": "eight",
            "qualifier": "exact",
            "window": "PT24H",
            "source": "person:a-speaker",
            "source_text": "one estimate",
            "group": "those displaced",
            "part_of": "F0",
        },
        {"ref": "F2", "measure": "share", "value": "2.5", "qualifier": "about"},
    ],
    "people": ["person:a-speaker"],
    "places": ["place:a-harbour"],
    "orgs": ["org:a"],
    "links": [{"url": "https://example.org/a?b=c", "title": "more"}],
    "media": [
        {"url": "https://example.org/a.jpg", "title": "t", "alt": "a harbour", "credit": "a desk"}
    ],
    "embargo_until": "2031-01-01T00:00:00Z",
    "filed_at": "2025-10-10T18:03:00Z",
    "needs_approval": True,
}
RESPONSE = {
    "ref": "P1",
    "awaited_from": "org:kremlin",
    "about": ["C1"],
    "asked_at": "2025-10-10T18:00:00Z",
    "due_at": "2025-10-11T18:00:00Z",
    "retrospective": True,
    "note": "asked by telephone",
}
ALERT = {
    "ref": "A1",
    "level": "flash",
    "route": "big news",
    "derived_from": ["E1"],
    "kinds": ["outcome-reported"],
    "audience": "desk",
    "until": "2031-01-01T00:00:00Z",
    "msg_type": "Update",
    "references": ["A0"],
    "reason": "urgency 1",
}
TARGET = {"target": "E1"}
KEY = "log.example+0123abcd+" + "A" * 44
SIGNATURE = "A" * 86 + "=="
WHY = {"target": "E1", "reason": "a reason"}
OWN: dict[str, dict[str, Any]] = {
    "story-opened": {"title": "A title"},
    "remarks-delivered": {
        "remarks": {
            "ref": "R1",
            "speaker": "person:a-speaker",
            "venue": "grand foyer",
            "duration_minutes": 6,
        }
    },
    "letter-sent": {
        "letter": {"ref": "L1", "from": "person:a", "to": "person:b"},
        "response": RESPONSE,
    },
    "post-published": {"post": {"ref": "M1", "author": "person:a", "medium": "video"}},
    "plan-announced": {"plan": {"horizon": "soon", "quantity": 12}},
    "figure-revised": {
        "target": "F1",
        "source": "person:a-speaker",
        "source_text": "one estimate",
        "value": "9.5",
        "words": "nine and a half",
        "qualifier": "less-than",
    },
    "response-awaited": {"response": RESPONSE},
    "response-received": {"resolves": "P1"},
    "response-declined": {"resolves": "P1"},
    "verification-asserted": {
        "verification": {"of": ["C1"], "verifier": "org:g", "relayed_by": "person:a"}
    },
    "verification-changed": {
        "of": "C1",
        "from": "attributed",
        "to": "corroborated",
        "basis": "two documents",
        "seconded_by": "desk:ben",
    },
    "conflict-noted": {"conflict": {"between": ["F1", "F2"], "nature": "not-comparable"}},
    "development-reported": {"label": "something else"},
    "corrected": {"target": "F1", "field": "value", "old": 8, "new": 9, "note": "miscounted"},
    "refiled": {"target": "E1", "note": "typography"},
    "held": WHY,
    "hold-released": WHY,
    "withdrawn": {**WHY, "replacement": "E2"},
    "published": TARGET,
    "embargo-lifted": TARGET,
    "embargo-broken": WHY,
    "story-closed": {"reason": "over"},
    "story-reopened": {"reason": "news"},
    "redacted": {
        "target": "E1",
        "fields": ["body", "claims.C1.text"],
        "reason_code": "privacy",
        "legal_basis": "court order",
        "ordered_by": "the court",
    },
    "legal-hold-placed": WHY,
    "legal-hold-lifted": WHY,
    "parked-retried": {"consumer": "stories", "parked": 17},
    "parked-skipped": {"consumer": "stories", "parked": 17, "reason": "known to be harmless"},
    "silence-added": {
        "silence": {
            "ref": "S1",
            "until": "2031-01-01T00:00:00Z",
            "levels": ["regular"],
            "kinds": ["outcome-reported"],
        },
        "reason": "the family is being told",
    },
    "silence-removed": {"silence": "S1", "reason": "the family knows"},
    "private-read": {"reader": "key:auditor", "what": "export of the log", "events": 26},
    "signing-key-changed": {"old": KEY, "new": KEY, "signatures": [SIGNATURE, SIGNATURE]},
    **{
        f"alert-{what}": {"alert": ALERT, "seconded_by": "desk:ben"}
        for what in ("issued", "suppressed", "deferred", "corrected", "retracted")
    },
}


def full(kind: str) -> dict[str, Any]:
    """Give an example of a kind in which every field holds something."""
    return {"kind": kind, **SHARED, **OWN.get(kind, {})}


# With something to see in it: nothing but spaces is refused.
_words = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=30).map(
    lambda text: f"{text}."
)
_moments = st.datetimes(datetime(1950, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy wants them bare
_amounts = st.integers(-(10**14), 10**14) | st.decimals(
    -(10**6), 10**6, places=3, allow_nan=False, allow_infinity=False
).map(lambda number: int(number) if number == int(number) else number.normalize())
_partial = st.dates().map(str).flatmap(lambda d: st.sampled_from([d, d[:7], d[:4]]))

_KNOWN: dict[Any, st.SearchStrategy[Any]] = {
    filing.Ref: st.from_regex(r"[A-Za-z0-9._-]{1,40}", fullmatch=True),
    filing.Headline: _words,
    filing.Body: _words,
    filing.Phrase: _words,
    filing.Word: _words,
    filing.Measure: st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True),
    filing.Speaker: st.sampled_from(["outlet", "person:a", "org:b-c"]),
    filing.Person: st.sampled_from(["person:a", "person:b-2"]),
    filing.Place: st.just("place:a"),
    filing.Org: st.just("org:a"),
    filing.Url: st.just("https://example.org/x"),
    filing.Duration: st.sampled_from(["PT24H", "P3M", "P2W", "P1Y2M3DT4H5M6S"]),
    filing.Instant: _moments,
    filing.Moment: _partial | _moments.map(lambda moment: moment.isoformat()),
    filing.PartialDate: _partial,
    filing.Amount: _amounts,
    filing.Urgency: st.integers(1, 9),
    filing.FieldPath: st.sampled_from(["headline", "figures.F1.value"]),
    editorial.Content: st.none() | st.integers(-(10**9), 10**9) | _words,
}


def _strategy(hint: Any) -> st.SearchStrategy[Any]:
    for known, strategy in _KNOWN.items():
        if hint == known:
            return strategy
    arguments = get_args(hint)
    if hint in (int, bool, type(None), Decimal):
        plain = {int: st.integers(1, 9_999), bool: st.booleans(), type(None): st.none()}
        return plain.get(hint, _amounts)
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return fields_of(hint)
    if hasattr(hint, "__metadata__"):
        rules = [rule for m in hint.__metadata__ for rule in getattr(m, "metadata", [m])]
        least = max((getattr(rule, "min_length", 0) for rule in rules), default=0)
        if get_origin(arguments[0]) is tuple:
            inner = _strategy(get_args(arguments[0])[0])
            return st.lists(inner, min_size=least, max_size=3).map(tuple)
        return _strategy(arguments[0])
    if get_origin(hint) is tuple:
        return st.lists(_strategy(arguments[0]), max_size=3).map(tuple)
    if getattr(get_origin(hint), "__name__", "") == "Literal":
        return st.sampled_from(arguments)
    return st.one_of([_strategy(argument) for argument in arguments])


def fields_of(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    """Give the fields of a model, by the names that a filing has for them."""
    hints = get_type_hints(model, include_extras=True)
    names = {name: field.alias or name for name, field in model.model_fields.items()}
    required = {
        names[name]: _strategy(hints[name])
        for name, field in model.model_fields.items()
        if field.is_required()
    }
    optional = {
        names[name]: _strategy(hints[name])
        for name, field in model.model_fields.items()
        if not field.is_required() and name != "kind"
    }
    return st.fixed_dictionaries(required, optional=optional)


def any_development() -> st.SearchStrategy[Development]:
    """Give developments of every kind, with anything in them that their kind allows."""
    return st.sampled_from(sorted(KINDS)).flatmap(
        lambda kind: fields_of(KINDS[kind]).map(
            lambda fields: KINDS[kind].model_validate({"kind": kind, **fields})
        )
    )
