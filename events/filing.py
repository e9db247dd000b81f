"""What a filing is made of: who says so, when it happened, what is claimed, what was counted."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema

__all__ = [
    "Attribution",
    "Claim",
    "Fact",
    "Figure",
    "Link",
    "Media",
    "Occurred",
    "Private",
    "Verification",
    "described",
]

HEADLINE_LENGTH = 280  # characters; what a push alert and a wire slug still show whole
BODY_LENGTH = 20_000  # characters; the longest real live-blog post in use is a third of it
PHRASE_LENGTH = 1_000  # characters; one statement, reason or note
LIST_LENGTH = 200  # items; more claims or figures than that are several developments
FIGURE_DIGITS = 15  # every integer below 10**15 is exact in any JSON reader (RFC 8259 section 6)

# Control characters and line separators end lines or drive terminals; a line of text has none.
_IN_LINE = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]"
_IN_TEXT = r"[^\x00-\x08\x0b-\x1f\x7f-\x9f]"
# And somewhere there is something to see: neither space nor what is drawn as nothing, which is
# Unicode's Default_Ignorable_Code_Point (UAX 44) and the Braille pattern without a dot.
_UNSEEN = (
    r"\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    # As characters: Python, Rust and ECMAScript write these in three ways.
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_SEEN = rf"[^\x00-\x1f\x7f-\x9f{_UNSEEN}]"
_LINE = f"^{_IN_LINE}*{_SEEN}{_IN_LINE}*$"
_TEXT = f"^{_IN_TEXT}*{_SEEN}{_IN_TEXT}*$"


def _whole_duration(window: str) -> str:
    if window.endswith(("P", "T")):
        msg = "an ISO 8601 duration such as PT24H names at least one amount"
        raise ValueError(msg)
    return window


Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,80}$")]
Ref = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,40}$")]
Headline = Annotated[str, StringConstraints(max_length=HEADLINE_LENGTH, pattern=_LINE)]
Body = Annotated[str, StringConstraints(max_length=BODY_LENGTH, pattern=_TEXT)]
Phrase = Annotated[str, StringConstraints(max_length=PHRASE_LENGTH, pattern=_TEXT)]
Word = Annotated[str, StringConstraints(max_length=200, pattern=_LINE)]
Measure = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,80}$")]
Speaker = Annotated[
    str, StringConstraints(pattern=r"^(?:(?:person|org):[a-z0-9][a-z0-9-]{0,79}|outlet)$")
]
FieldPath = Annotated[
    str, StringConstraints(max_length=120, pattern=r"^[a-z_]+(?:\.[A-Za-z0-9._-]+)*$")
]
Person = Annotated[str, StringConstraints(pattern=r"^person:[a-z0-9][a-z0-9-]{0,79}$")]
Place = Annotated[str, StringConstraints(pattern=r"^place:[a-z0-9][a-z0-9-]{0,79}$")]
Org = Annotated[str, StringConstraints(pattern=r"^org:[a-z0-9][a-z0-9-]{0,79}$")]
Url = Annotated[
    str, StringConstraints(max_length=2_000, pattern=r"^https?://[^\s\x00-\x20\x7f<>\"]+$")
]
Duration = Annotated[
    str,
    StringConstraints(
        max_length=40,
        pattern=(
            r"^P(?:[0-9]+W|(?:[0-9]+Y)?(?:[0-9]+M)?(?:[0-9]+D)?"
            r"(?:T(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+S)?)?)$"
        ),
    ),
    AfterValidator(_whole_duration),
]
# What the patterns above ask for, in words: nobody who files reads regular expressions.
_FORMS: Final = {
    Slug: "1 to 80 of a-z, 0-9 and -",
    Ref: "1 to 40 letters, digits or . _ -",
    Headline: "one line of text that says something, without control characters",
    Body: "text that says something, without control characters",
    Measure: "1 to 80 of a-z, 0-9 and -, such as children-returned",
    Speaker: "person:NAME, org:NAME or outlet, NAME in a-z, 0-9 and -",
    FieldPath: "a field such as headline or figures.F1.value",
    Person: "person:NAME, NAME in a-z, 0-9 and -",
    Place: "place:NAME, NAME in a-z, 0-9 and -",
    Org: "org:NAME, NAME in a-z, 0-9 and -",
    Url: "a URL that begins with http:// or https://",
    Duration: "an ISO 8601 duration such as PT24H or P3D",
}


def described(pattern: str) -> str:
    """Say in words what a pattern of this vocabulary asks for."""
    for form, words in _FORMS.items():
        constraints = get_args(form)[1]
        if constraints.pattern == pattern:
            return words
    return f"text of the form {pattern}"


Urgency = Annotated[int, Field(ge=1, le=9, strict=True)]


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        msg = "a time whose UTC lies in the years 1 to 9999"
        raise ValueError(msg) from None


Instant = Annotated[AwareDatetime, AfterValidator(_utc)]

_PARTIAL = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")


@lru_cache(maxsize=1_024)  # the events of a day share few of these
def _partial_date(text: str) -> str:
    """Accept YYYY, YYYY-MM and YYYY-MM-DD that exist in the calendar (ISO 8601 reduced form)."""
    found = _PARTIAL.fullmatch(text)
    if found is None:
        msg = "a date as YYYY, YYYY-MM or YYYY-MM-DD"
        raise ValueError(msg)
    year, month, day = found.groups()
    date(int(year), int(month or 1), int(day or 1))
    return text


@lru_cache(maxsize=1_024)
def _moment(text: str) -> str:
    """Accept a partial date, or a time with its zone (RFC 3339)."""
    if "T" not in text:
        return _partial_date(text)
    if datetime.fromisoformat(text).tzinfo is None:
        msg = "a time with its zone, such as 2025-10-10T18:00:00Z"
        raise ValueError(msg)
    return text


PartialDate = Annotated[str, AfterValidator(_partial_date)]
Moment = Annotated[str, StringConstraints(max_length=40), AfterValidator(_moment)]

FORMS: Final[frozenset[Callable[..., Any]]] = frozenset(
    {_whole_duration, _utc, _partial_date, _moment}
)
"""What looks at the form of a text or time after its type is known, and gives it back in UTC."""


def _amount(value: Any) -> Any:  # noqa: ANN401 - raw input of any JSON type arrives here
    """Turn a JSON number or a decimal in quotes into an exact number; no float goes on."""
    if isinstance(value, float):
        value = Decimal(repr(value))
    elif isinstance(value, str) and _DECIMAL.fullmatch(value):
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        msg = 'a number, or a decimal in quotes such as "3.5"'
        raise ValueError(msg)  # noqa: TRY004 - pydantic reports ValueError as a field error
    if isinstance(value, Decimal):
        if not value.is_finite() or abs(value.adjusted()) > FIGURE_DIGITS:
            msg = f"a finite number below 10 to the power of {FIGURE_DIGITS}"
            raise ValueError(msg)
        value = int(value) if value == value.to_integral_value() else value.normalize()
    if abs(value) >= 10**FIGURE_DIGITS:
        msg = f"a finite number below 10 to the power of {FIGURE_DIGITS}"
        raise ValueError(msg)
    if isinstance(value, Decimal) and (
        len(value.as_tuple().digits) > FIGURE_DIGITS or not _DECIMAL.fullmatch(format(value, "f"))
    ):
        msg = f"at most {FIGURE_DIGITS} digits"
        raise ValueError(msg)
    return value


def _exact(value: int | Decimal) -> int | str:
    return value if isinstance(value, int) else format(value, "f")


_DECIMAL = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")

Amount = Annotated[
    int | Decimal,
    BeforeValidator(_amount),
    PlainSerializer(_exact, return_type=int | str),
    WithJsonSchema(
        {"anyOf": [{"type": "number"}, {"type": "string", "pattern": rf"^{_DECIMAL.pattern}$"}]}
    ),
]


class Fact(BaseModel):
    """A frozen part of an event; its fields serialise in sorted order, which makes them canonical.

    Unknown fields are refused: a misspelt `embargo_untill` must not publish a story.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Sort the fields once, when the class is made, so that no event is sorted when filed."""
        schema = handler(source)
        inner: Any = schema
        while inner["type"] != "model-fields":
            inner = inner["schema"]
        inner["fields"] = dict(
            sorted(
                inner["fields"].items(),
                key=lambda field: field[1].get("serialization_alias", field[0]),
            )
        )
        return schema


class Attribution(Fact):
    """Who says so: `person:…`, `org:…`, `outlet`, or nobody named but the words of the source."""

    speaker: Speaker | None = None
    verb: Word | None = None
    form: Word | None = None
    via: Speaker | None = None
    at: Ref | None = None
    source_text: Phrase | None = None


class Occurred(Fact):
    """When it happened in the world, as exactly as the source said and no more exactly."""

    basis: Literal["stated", "inferred", "relative", "unstated"] = "unstated"
    text: Phrase | None = None
    date: PartialDate | None = None
    start: Moment | None = None
    end: Moment | None = None
    after: Moment | None = None
    window: Duration | None = None


Verification = Literal["attributed", "corroborated", "confirmed", "disputed", "refuted"]
Qualifier = Literal["exact", "more-than", "less-than", "about", "order-of-magnitude"]


class Claim(Fact):
    """One statement on its own, with who says it when that is not the development's speaker."""

    ref: Ref
    text: Phrase
    speaker: Speaker | None = None
    via: Speaker | None = None
    position_of: Speaker | None = None


class Figure(Fact):
    """A number and whose it is; words alone are a figure too ("thousands")."""

    ref: Ref
    measure: Measure
    unit: Word | None = None
    value: Amount | None = None
    words: Phrase | None = None
    qualifier: Qualifier | None = None
    window: Duration | None = None
    source: Speaker | None = None
    source_text: Phrase | None = None
    group: Phrase | None = None
    part_of: Ref | None = None


class Link(Fact):
    """Where to read on."""

    url: Url
    title: Word | None = None


class Media(Fact):
    """A picture, film or sound with the words that stand for it."""

    url: Url
    title: Word | None = None
    alt: Phrase | None = None
    credit: Word | None = None


class Private(Fact):
    """Sources, notes and legal advice: stored apart, never part of a development."""

    notes: Body | None = None
    sources: Body | tuple[Body, ...] | None = None
    legal: Body | None = None
