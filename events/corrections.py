"""How a correction changes what was filed: one field of one fact, found by a dotted path."""

from typing import Any, TypeVar

from events.filing import Fact

__all__ = ["content_of", "corrected", "locate"]

F = TypeVar("F", bound=Fact)
_LISTS = ("claims", "figures")


def locate(target: str, field: str) -> tuple[str, str]:
    """Lead a path through a development's claims and figures to the claim or figure itself.

    Returns:
        The ref to correct and the field in it: (E04, figures.F1.value) is (F1, value).
    """
    first, _, rest = field.partition(".")
    if first in _LISTS and rest:
        ref, _, inner = rest.rpartition(".")
        return (ref, inner) if ref else (target, field)
    return target, field


def content_of(fact: Fact, field: str) -> Any:  # noqa: ANN401 - any JSON value may stand there
    """Give what stands at a field as a JSON value; None where nothing does.

    Raises:
        KeyError: the fact has no such field.
    """
    content: Any = fact.model_dump(mode="json", by_alias=True)
    for name in field.split("."):
        if content is None:
            return None
        if not isinstance(content, dict):
            raise KeyError(field)
        content = content[name]
    return content


def corrected(fact: F, field: str, new: Any) -> F:  # noqa: ANN401 - any JSON value may be meant
    """Give the fact with one field changed and everything checked anew.

    Raises:
        KeyError: the fact has no such field.
        pydantic.ValidationError: the field cannot hold the new value.
    """
    content_of(fact, field)
    content = fact.model_dump(mode="json", by_alias=True, exclude_none=True)
    *outer, last = field.split(".")
    place = content
    for name in outer:
        place = place.setdefault(name, {})
    if new is None:
        place.pop(last, None)
    else:
        place[last] = list(new) if isinstance(new, tuple) else new
    return type(fact).model_validate(content)
