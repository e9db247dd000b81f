"""A filing as it arrives: one JSON object, taken apart into what is public and what is private."""

import codecs
import difflib
import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import nh3
import orjson
import uuid_utils
from pydantic import ValidationError

from events.developments import Development
from events.envelope import EVENT_ID, SLUG
from events.errors import Refused
from events.filing import Private
from events.misshapen import misshapen
from events.vocabulary import KINDS

__all__ = ["FILING_BYTES", "Filing", "clean", "parse", "take"]

FILING_BYTES = 256 * 1024  # a filing at its longest is a tenth of it, in any script

# What a body may hold beside text: what a live blog's editor offers, nothing that runs or loads.
_TAGS: Final = {"a", "b", "blockquote", "br", "em", "i", "li", "ol", "p", "strong", "ul"}
_ATTRIBUTES: Final = {"a": {"href"}}
# All that makes more of a text than its characters, or that HTML writes in another way. A body
# without it stays as it is, and is not taken apart for that.
_MARKUP: Final = re.compile("[<>&\r\x00\xa0]")
_SCHEMES: Final = {"http", "https", "mailto"}


class Filing(NamedTuple):
    """What somebody wants recorded.

    `id` is the idempotency key; `given_id` says whether the sender chose it.
    """

    story: str
    id: str
    development: Development
    private: Private | None = None
    given_id: bool = False


def parse(text: bytes | str) -> Any:  # noqa: ANN401 - any JSON value may have been sent
    """Read JSON text (RFC 8259).

    Raises:
        Refused: it is too long, no JSON, or has a name twice in one object.
    """
    if isinstance(text, bytes):
        text = text.removeprefix(codecs.BOM_UTF8)  # which some editors put before a file's text
    if len(text) > FILING_BYTES:
        raise Refused("size", "filing", f"at most {FILING_BYTES} bytes", "more")
    try:
        found = orjson.loads(text)
        _ONCE.decode(text if isinstance(text, str) else text.decode())
    except orjson.JSONDecodeError as error:
        raise _no_json(error) from error
    except RecursionError:
        raise Refused("json", "filing", "values at most some hundred deep", "deeper ones") from None
    return found


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that comes twice: parsers take the first or the last, people see either."""
    names = dict(pairs)
    if len(names) < len(pairs):
        seen = Counter(name for name, _ in pairs)
        twice = next(name for name, times in seen.items() if times > 1)
        found = f"{twice} twice" if _FIELD.fullmatch(twice) else "one twice"
        raise Refused("json", "filing", "each name once in an object", found)
    return names


# Reads for the names alone: orjson, which reads the values, does not tell of those that it drops.
_ONCE: Final = json.JSONDecoder(object_pairs_hook=_named_once, parse_int=str, parse_float=str)
_FIELD: Final = re.compile("[a-z_]{1,40}")  # anything else may be private words, and is not said


def _no_json(error: Exception) -> Refused:
    found = str(error)
    if found.startswith("str is not valid UTF-8"):  # orjson's words for bytes as well
        found = "text that is not UTF-8"
    return Refused("json", "filing", "one JSON object", found)


def take(content: Any) -> Filing:  # noqa: ANN401 - any JSON value may have been sent
    """Take a filing apart and check the shape of every part.

    Args:
        content: the JSON object, as `docs/reference/kinds.md` has it.

    Raises:
        Refused: naming the field, what it should hold and what it holds. Private text is never
            repeated in the error.
    """
    if not isinstance(content, Mapping):
        raise Refused("shape", "filing", "a JSON object", _shown(content))
    try:
        orjson.dumps(content)  # what is no JSON, such as half a surrogate pair, goes no further
    except TypeError as error:
        raise _no_json(error) from None
    public = dict(content)
    story = public.pop("story", None)
    if not isinstance(story, str) or not SLUG.fullmatch(story):
        raise Refused("story-slug", "story", "1 to 80 of a-z, 0-9 and -", _shown(story))
    given = public.pop("id", None)
    if given is not None and not (isinstance(given, str) and EVENT_ID.fullmatch(given)):
        raise Refused("event-id", "id", "a UUIDv7 in lower case", _shown(given))
    private = _private(public.pop("private", None))
    kind = public.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        near = difflib.get_close_matches(str(kind), KINDS, n=1)
        hint = (
            f"a kind of the vocabulary, perhaps {near[0]}" if near else "a kind of the vocabulary"
        )
        raise Refused("kind", "kind", hint, _shown(kind))
    if isinstance(public.get("body"), str):
        public["body"] = clean(public["body"]) or None
    if kind == "corrected":
        _take_correction(public)
    try:
        development = KINDS[kind].model_validate(public)
    except ValidationError as error:
        raise refusal(error) from None
    return Filing(story, given or str(uuid_utils.uuid7()), development, private, given is not None)


def _take_correction(public: dict[str, Any]) -> None:
    """Null empties a field, so a side that was forgotten is no null; and a body is a body."""
    for side in ("old", "new"):
        if side not in public:
            raise Refused("shape", side, "a value, or null for none", "no such field")
        if public.get("field") == "body" and isinstance(public[side], str):
            public[side] = clean(public[side]) or None


def clean(body: str) -> str:
    """Leave only the HTML that a body may hold; everything else goes, scripts with their text."""
    if not _MARKUP.search(body):
        return body
    return nh3.clean(body, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes=_SCHEMES)


def refusal(error: ValidationError, within: str = "") -> Refused:
    """Say in one sentence what is wrong with the first field that is."""
    first = misshapen(error, _unsaid if within == "private" else _shown)[0]
    field = ".".join((*((within,) if within else ()), *first.path)) or "filing"
    return Refused("shape", field, first.expected, first.found or "nothing")


def _private(content: Any) -> Private | None:  # noqa: ANN401 - any JSON value may have been sent
    if content is None:
        return None
    try:
        private = Private.model_validate(content)
    except ValidationError as error:
        raise refusal(error, "private") from None
    return private if private.model_fields_set else None


def _unsaid(_value: object) -> str:
    return "something else"


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    text = ascii(value) if isinstance(value, str) else str(type(value).__name__)
    if isinstance(value, bool | int | float):
        text = repr(value)
    return text
