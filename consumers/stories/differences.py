"""What changed in a story between two of its states."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

__all__ = ["Change", "differences"]

_SINGLE: Final = ("title", "status", "opening", "lead")
_LISTS: Final = ("timeline", "pending", "resolved", "conflicts", "corrections", "alerts")
_KEYED: Final = ("claims", "figures", "occasions")


class Change(NamedTuple):
    """One thing that differs; `fields` holds [before, after] for each field of a changed one."""

    section: str
    ref: str
    change: str
    fields: dict[str, list[Any]]
    words: str = ""


def differences(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Change]:
    """Compare two states of a story; one that was not there yet is None."""
    old, new = before or {}, after or {}
    changes = [
        Change(name, "", "changed", {name: [old.get(name), new.get(name)]})
        for name in _SINGLE
        if old.get(name) != new.get(name)
    ]
    for name in (*_LISTS, *_KEYED):
        changes += _compared(name, _by_ref(old.get(name)), _by_ref(new.get(name)))
    return changes


def _by_ref(section: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a list, an object or nothing
    if isinstance(section, Mapping):
        return section
    return {item["ref"]: item for item in section or ()}


def _compared(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for ref in [*old, *(ref for ref in new if ref not in old)]:
        if ref not in new:
            yield Change(name, ref, "removed", {}, _words(old[ref]))
        elif ref not in old:
            yield Change(name, ref, "added", {}, _words(new[ref]))
        elif old[ref] != new[ref]:
            fields = {
                field: [old[ref].get(field), new[ref].get(field)]
                for field in {**old[ref], **new[ref]}
                if old[ref].get(field) != new[ref].get(field)
            }
            yield Change(name, ref, "changed", fields)


def _words(part: Mapping[str, Any]) -> str:
    """Say in words what a part is: a headline, a claim, a number, who is awaited."""
    if "measure" in part:
        number = part["words"] if part["value"] is None else part["value"]
        return f"{part['measure']}: {number}"
    names = ("headline", "text", "awaited_from", "note", "nature", "what")
    return next((str(part[name]) for name in names if part.get(name)), "")
