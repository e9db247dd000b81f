"""What a redaction names: whatever stands or ever stood in its fields."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from events.corrections import locate
from events.editorial import Redacted
from events.errors import Refused
from events.redaction import CONTENTS, PRIVATE, STAND_INS, Leaf, has_field, leaves
from events.vocabulary import KINDS

__all__ = ["Contents", "Named", "named_in", "ref_of"]

Contents = Mapping[int, Mapping[str, Any]]
"""The bodies of a story's events, parsed, by version; without what they say was erased."""

_LISTS: Final = ("claims", "figures")
_REFILED: Final = ("headline", "body")
_REVISED: Final = ("value", "words", "source", "source_text")
_Brought = Mapping[str, Mapping[str, str]]  # by ref of an event: refs, each with the path to it
_Place = tuple[str, str]  # the ref of a fact, and the path within it; an empty path is all of it


class Named(NamedTuple):
    """A value that goes, the version of the event that holds it, and whether it goes elsewhere too.

    Of all that an event says, its texts go wherever they stand; whom and what it names does not.
    """

    version: int
    leaf: Leaf
    elsewhere: bool


def ref_of(version: int, content: Mapping[str, Any]) -> str:
    """Give the ref that an event goes by."""
    return str(content.get("ref") or f"d{version}")


def named_in(redaction: Redacted, contents: Contents) -> list[Named]:
    """Give the values that a redaction names, in the order of its fields.

    Raises:
        Refused: a field holds nothing, or nothing that may be erased. What it holds is not said.
    """
    brought = _brought(contents)
    found: list[Named] = []
    for n, field in enumerate(redaction.fields):
        if field == PRIVATE:
            continue
        places = set(_places(redaction.target, field, brought))
        values = [
            Named(version, leaf, elsewhere=field != CONTENTS or leaf.role == "text")
            for version, content in contents.items()
            for leaf in _values(version, content, places, brought)
        ]
        free = [each for each in values if each.leaf.may_go and each.leaf.value not in STAND_INS]
        if not free and any(each.leaf.may_go for each in values):
            found_there = f"{field} of {redaction.target}, which is erased already"
            raise Refused("redact-something", f"fields.{n}", "something to erase", found_there)
        if not free:
            raise _refusal(redaction.target, f"fields.{n}", field, places, contents)
        found += free
    return found


def _brought(contents: Contents) -> _Brought:
    """Give what each event brought, by the ref that it goes by."""
    # An older desk may have let a ref be used twice; the first keeps it.
    return {
        ref_of(version, content): _facts(version, content)
        for version, content in reversed([*contents.items()])
    }


def _places(target: str, field: str, brought: _Brought) -> Iterator[_Place]:
    """Lead a field to the facts that it is in, by their own refs."""
    own = brought.get(target, {target: ""})
    if field == CONTENTS:
        yield from ((ref, "") for ref in own)
        return
    ref, path = locate(target, field)
    first, _, rest = path.partition(".")
    if ref == target and first in _LISTS:
        for each, where in own.items():
            if where.startswith(f"{first}.") and rest in ("", each):
                yield each, ""
        return
    within = next((each for each, where in own.items() if ref == target and where == first), None)
    yield (within, rest) if within is not None and first else (ref, path)


def _facts(version: int, content: Mapping[str, Any]) -> dict[str, str]:
    """Give the refs of an event and of what it brought, each with the path that leads there."""
    found = {ref_of(version, content): ""}
    for name, value in content.items():
        many = enumerate(value) if isinstance(value, list) else ()
        inner = {f"{name}.{n}": each for n, each in many} | {name: value}
        for path, each in inner.items():
            if isinstance(each, dict) and isinstance(each.get("ref"), str):
                found[each["ref"]] = path
    return found


def _values(
    version: int, content: Mapping[str, Any], places: set[_Place], brought: _Brought
) -> Iterator[Leaf]:
    """Give what an event holds of some places."""
    facts = _facts(version, content)
    within = [_joined(facts[ref], path) for ref, path in places if ref in facts]
    target = content.get("target")
    match content.get("kind"):
        case "corrected":
            put_right = set(_places(str(target), str(content.get("field")), brought))
            within += [
                _joined(side, rest)
                for place in places
                for about in put_right
                if (rest := _rest(place, about)) is not None
                for side in ("old", "new")
            ]
        case "refiled":
            within += [
                name
                for ref, path in places
                for name in _REFILED
                if ref == target and path in ("", name)
            ]
        case "figure-revised":
            within += [path for ref, path in places if ref == target and path in _REVISED]
    if not within:
        return
    for leaf in leaves(KINDS.get(str(content.get("kind"))), dict(content)):
        if any(_covers(path, leaf.path) for path in within):
            yield leaf


def _rest(place: _Place, corrected: _Place) -> str | None:
    """Give the way from a corrected field on to a place, None where it leads past it."""
    if place[0] != corrected[0]:
        return None
    if _covers(place[1], corrected[1]):
        return ""
    return place[1].removeprefix(f"{corrected[1]}.") if _covers(corrected[1], place[1]) else None


def _covers(outer: str, inner: str) -> bool:
    return outer in ("", inner) or inner.startswith(f"{outer}.")


def _joined(outer: str, inner: str) -> str:
    return f"{outer}.{inner}" if outer and inner else outer or inner


def _refusal(
    target: str, named: str, field: str, places: set[_Place], contents: Contents
) -> Refused:
    """Say why a field cannot be redacted, without what it holds."""
    known = False
    for version, content in contents.items():
        facts = _facts(version, content)
        for path in (_joined(facts[ref], path) for ref, path in places if ref in facts):
            if _there(content, path):
                wanted = "a text, a name or a number"
                return Refused("redactable", named, wanted, f"{field}, by which {target} hangs")
            known |= has_field(KINDS.get(str(content.get("kind"))), path)
    if known or field == CONTENTS or field in _LISTS:
        return Refused("redact-something", named, "something to erase", f"{target} has no {field}")
    return Refused("redactable", named, f"a field of {target}", f"{field}, which it cannot have")


def _there(content: Any, path: str) -> bool:  # noqa: ANN401 - any JSON value
    for name in path.split(".") if path else ():
        try:
            content = content[int(name)] if isinstance(content, list) else content[name]
        except (KeyError, IndexError, ValueError, TypeError):
            return False
    return content not in (None, [], {})
