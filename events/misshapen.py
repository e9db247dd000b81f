"""What is wrong with the form of something that was sent or typed, in words for its writer."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from events.filing import described

__all__ = ["Misshapen", "misshapen"]

_PLAIN: Final = {
    "missing": "a value",
    "extra_forbidden": "nothing of this name",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "datetime_from_date_parsing": "a time such as 2025-10-10T18:00:00Z",
    "datetime_parsing": "a time such as 2025-10-10T18:00:00Z",
    "datetime_type": "a time such as 2025-10-10T18:00:00Z",
    "dict_type": "an object",
    "float_parsing": "a number",
    "float_type": "a number",
    "frozen_set_type": "a list",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_attributes_type": "an object",
    "model_type": "an object",
    "set_type": "a list",
    "string_type": "text",
    "timezone_aware": "a time with its zone, such as 2025-10-10T18:00:00Z",
    "tuple_type": "a list",
}
_COUNTED: Final = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "json_invalid": "JSON ({error})",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} characters",
    "too_long": "at most {max_length} of them",
    "too_short": "at least {min_length} of them",
}
# How those begin that are not listed: what follows is what was expected.
_OPENINGS: Final = ("Value error, ", "Input should be ", "Input should ", "String should ")


class Misshapen(NamedTuple):
    """One fault: the path to it, and what was expected there; `found` is None where nothing was."""

    path: tuple[str, ...]
    expected: str
    found: str | None


def misshapen(error: ValidationError, shown: Callable[[object], str]) -> list[Misshapen]:
    """Give every fault of form that was found, in the order of the fields.

    Args:
        error: what the check of the form raised.
        shown: says what was found; it knows what may be repeated.
    """
    return [_fault(each, shown) for each in error.errors(include_url=False)]


def _fault(error: Mapping[str, Any], shown: Callable[[object], str]) -> Misshapen:
    kind, context = str(error["type"]), error.get("ctx", {})
    found: str | None = shown(error["input"])
    if kind in {"missing", "extra_forbidden"}:
        found = None if kind == "missing" else "one"
    path = tuple(str(part) for part in error["loc"] if part != "[key]")
    return Misshapen(path, _expected(kind, context, str(error["msg"])), found)


def _expected(kind: str, context: Mapping[str, Any], said: str) -> str:
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in _COUNTED:
        return _COUNTED[kind].format(**context)
    if kind == "string_pattern_mismatch":
        return described(context["pattern"])
    for opening in _OPENINGS:
        said = said.removeprefix(opening)
    return said
