"""What may be erased of an event: its texts, names and numbers, but for those that it hangs by."""

from collections.abc import Iterator
from functools import cache
from types import UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NamedTuple,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import BaseModel

from events.custody import Key, Signature
from events.editorial import Content
from events.filing import Amount, Body, FieldPath, Headline, Instant, Measure, Phrase, Ref, Speaker

__all__ = [
    "CONTENTS",
    "MARK",
    "NAMELESS",
    "PRIVATE",
    "STAND_INS",
    "Leaf",
    "has_field",
    "leaves",
    "stand_in",
]

CONTENTS: Final = "contents"
"""The field that stands for all that an event says, and all that it brought."""

PRIVATE: Final = "private"
"""The field that stands for an event's private part as a whole."""

MARK: Final = "[redacted]"
NAMELESS: Final = "person:redacted"
STAND_INS: Final = (MARK, NAMELESS, "redacted")
"""What stands where an event has to say something: a text, a name, a measure."""

Role = Literal["text", "free", "hanging", "literal"]
Holder = dict[str, Any] | list[Any]

_NUMBERS: Final = (Amount, Content)
# Others point by these, or the event is proved or released by them. A literal is the vocabulary's.
_TEXTS: Final = (Headline, Body, Phrase, Content)
_HANGING: Final = (Ref, FieldPath, Key, Signature, Instant)


class Leaf(NamedTuple):
    """A value in the body of an event.

    `holder` and `name` are what holds it and by what key or number; `path` leads to it from the
    top; `item` is the list element that it is in, with its list. `role` is `text` or `free` where
    it may go (a text says something, all else names or counts), `hanging` where the event hangs by
    it, `literal` where it is a word of the vocabulary.
    """

    holder: Any
    name: Any
    path: str
    item: tuple[list[Any], Any] | None
    role: Role

    @property
    def may_go(self) -> bool:
        """Whether it can be erased without the event losing its hold."""
        return self.role in ("text", "free")

    @property
    def value(self) -> Any:  # noqa: ANN401 - a text or a number
        """What stands there."""
        return self.holder[self.name]


def leaves(model: type[BaseModel] | None, content: Holder) -> Iterator[Leaf]:
    """Give the texts and numbers in a body, in its order; flags, versions and the like are none.

    Args:
        model: what the body is read as; None where nobody knows, and only its kind is kept.
        content: the body, parsed.
    """
    return _leaves(content, () if model is None else (model,), "", None)


def _leaves(
    holder: Holder, forms: tuple[Any, ...], above: str, item: tuple[list[Any], Any] | None
) -> Iterator[Leaf]:
    inner = holder.items() if isinstance(holder, dict) else enumerate(holder)
    for name, value in inner:
        path = f"{above}.{name}" if above else str(name)
        below = _below(forms, name)
        within = (holder, value) if isinstance(holder, list) else item
        if isinstance(value, dict | list):
            yield from _leaves(value, below, path, within)
        elif isinstance(value, str) or (_is_number(value) and {*below} & {*_NUMBERS}):
            role: Role = "literal" if path == "kind" else _role(below)
            yield Leaf(holder, name, path, item, role)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _role(forms: tuple[Any, ...]) -> Role:
    if any(form in _HANGING for form in forms):
        return "hanging"
    if any(get_origin(form) is Literal for form in forms):
        return "literal"
    return "text" if any(form in _TEXTS for form in forms) else "free"


def _below(forms: tuple[Any, ...], name: str | int) -> tuple[Any, ...]:
    """Give what may stand in something of one of several types, by key or number."""
    found: list[Any] = []
    for form in forms:
        if isinstance(form, type) and issubclass(form, BaseModel):
            found += _fields(form).get(str(name), ())
        elif get_origin(form) is tuple and str(name).isdigit():
            found += _alternatives(get_args(form)[0])
    return tuple(found)


@cache
def _fields(model: type[BaseModel]) -> dict[str, tuple[Any, ...]]:
    """Give the types of a model's fields, by the names that its JSON has for them."""
    hints = get_type_hints(model, include_extras=True)
    return {
        field.alias or name: tuple(_alternatives(hints[name]))
        for name, field in model.model_fields.items()
    }


def _alternatives(hint: Any) -> Iterator[Any]:  # noqa: ANN401 - an annotation
    if hint in (*_NUMBERS, *_HANGING):
        yield hint
    elif get_origin(hint) in (Union, UnionType):
        for each in get_args(hint):
            yield from _alternatives(each)
    elif get_origin(hint) is Annotated and get_args(hint)[0] is not str:
        yield from _alternatives(get_args(hint)[0])
    else:
        yield hint


def has_field(model: type[BaseModel] | None, path: str) -> bool:
    """Whether something of this type can hold anything at a path; who knows no type says yes."""
    if model is None:
        return True
    forms: tuple[Any, ...] = (model,)
    for name in path.split("."):
        forms = _below(forms, name)
    return bool(forms)


def stand_in(model: type[BaseModel], name: str) -> str | None:
    """Give what stands in a field whose words were erased, None where it may be left out."""
    fields = {field.alias or known: field for known, field in model.model_fields.items()}
    if name not in fields or not fields[name].is_required():
        return None
    forms = _fields(model)[name]
    if Speaker in forms:
        return NAMELESS
    return "redacted" if Measure in forms else MARK
