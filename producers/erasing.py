"""What a redaction erases: every event of the story that holds the words, and what is left of each.

The contents of an event are committed to whole, so they are erased whole, with their nonce. What
is left of them stands in the redaction itself, which is how a story can still be told.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape, unescape
from typing import Any, Final, NamedTuple

import orjson

from events.codec import canonical, decode
from events.editorial import Erasure, Redacted
from events.envelope import Recorded
from events.errors import Refused
from events.redaction import CONTENTS, MARK, PRIVATE, STAND_INS, Leaf, leaves
from events.vocabulary import KINDS
from producers.redactable import Contents, named_in, ref_of

__all__ = ["Held", "Stored", "erasures"]

PROSE: Final = 16
"""Characters from which words are looked for in the whole story; shorter ones are many."""

Held = Callable[[str], bool]
"""Whether what a ref names is under a legal hold."""


class Stored(NamedTuple):
    """What is stored of a story, by version: bodies, or their remains, and private parts."""

    bodies: Mapping[int, bytes]
    private: Mapping[int, bytes]


class _Words(NamedTuple):
    """What goes from an event: values by their path, texts wherever it holds them."""

    paths: frozenset[str]
    texts: frozenset[str]
    prose: Sequence[str]


def erasures(
    redaction: Redacted, events: Sequence[Recorded], stored: Stored, held: Held
) -> tuple[Erasure, ...]:
    """Give what is erased, in order of version.

    Args:
        redaction: the act, judged.
        events: the story so far.
        stored: what the log holds of it.
        held: whether what a ref names is under a legal hold.

    Raises:
        Refused: a field holds nothing, or nothing that may be erased; the words stand where they
            cannot be taken out; or something that holds them is under a legal hold.
    """
    contents = {version: orjson.loads(body) for version, body in stored.bodies.items()}
    for content in contents.values():
        content.pop("erases", None)
    named = named_in(redaction, contents)
    texts = _forms(each.leaf.value for each in named)
    elsewhere = _forms(each.leaf.value for each in named if each.elsewhere)
    prose = sorted((text for text in elsewhere if len(text) >= PROSE), key=len, reverse=True)
    bodies: dict[int, str] = {}
    for event in events:
        if event.version in stored.bodies:
            paths = frozenset(each.leaf.path for each in named if each.version == event.version)
            words = _Words(paths, texts if paths else frozenset(prose), prose)
            left = _without(event, stored.bodies[event.version], words)
            bodies |= {} if left is None else {event.version: left}
    hidden = set(_hidden(redaction, contents, stored.private, prose))
    _check_holds({*bodies, *hidden}, contents, held)
    for version in hidden:
        # The body goes with it, and is restated: who erases one part erases the event.
        if version in stored.bodies:
            bodies.setdefault(version, stored.bodies[version].decode())
    for earlier in events:
        bodies |= _restated(earlier, stored.bodies, bodies)
    return tuple(
        Erasure(
            version=version,
            remains=bodies.get(version),
            private=True if version in hidden else None,
        )
        for version in sorted({*bodies, *hidden})
    )


def _forms(values: Iterable[Any]) -> frozenset[str]:
    """Give texts as they stand in a line and in a body, which is HTML."""
    texts = {value for value in values if isinstance(value, str)}
    return frozenset({*texts, *(form(text) for text in texts for form in (unescape, _escaped))})


def _escaped(text: str) -> str:
    return escape(text, quote=False)


def _hidden(
    redaction: Redacted, contents: Contents, private: Mapping[int, bytes], prose: Sequence[str]
) -> Iterator[int]:
    """Give the versions whose private part goes: it is named, or it holds the words."""
    target = redaction.target
    own = [version for version, content in contents.items() if ref_of(version, content) == target]
    if PRIVATE in redaction.fields and not any(version in private for version in own):
        found = f"{target} has no private part"
        raise Refused("redact-something", "fields", "something to erase", found)
    named = {PRIVATE, CONTENTS} & {*redaction.fields}
    for version, part in private.items():
        said = (str(leaf.value) for leaf in leaves(None, orjson.loads(part)))
        if (named and version in own) or any(word in text for text in said for word in prose):
            yield version


def _check_holds(versions: Iterable[int], contents: Contents, held: Held) -> None:
    """Refuse to erase anything of what is under a legal hold, or of an act about it.

    Raises:
        Refused: something is.
    """
    for version in sorted(versions):
        content = contents.get(version, {})
        for ref in (ref_of(version, content), content.get("target")):
            if isinstance(ref, str) and held(ref):
                wanted = "no legal hold on anything that holds the words"
                raise Refused("legal-hold", "target", wanted, f"one on {ref}")


def _without(event: Recorded, body: bytes, words: _Words) -> str | None:
    """Give the body of an event without some words, None where it has none of them.

    It is changed as it is stored, whatever its kind and schema, and must read as before.

    Raises:
        Refused: they stand where they cannot be taken out.
    """
    kind, schema = str(event.provenance["kind"]), int(event.provenance["schema"])
    content = orjson.loads(body)
    erased = content.pop("erases", None)
    before = canonical(content)
    shape = type(decode(kind, schema, body))

    def reads() -> bool:
        try:
            return type(decode(kind, schema, canonical(content))) is shape
        except ValueError:
            return False

    # From the end, so that what is taken out of a list moves nothing that is still to be looked at.
    for leaf in reversed(list(leaves(KINDS.get(kind), content))):
        if not _taken(leaf, words, reads):
            found = f"some of them in {leaf.path} at version {event.version}, which has to stay"
            raise Refused("erasable", "fields", "words that can be taken out", found)
    if canonical(content) == before:
        return None
    if erased is not None:
        content["erases"] = _marked(erased)
    return canonical(content).decode()


def _taken(leaf: Leaf, words: _Words, reads: Callable[[], bool]) -> bool:
    """Take the words out of a value, where it has any; returns whether it has none now."""
    value = leaf.value
    if leaf.role == "literal":  # the vocabulary's own word, and not what anybody wrote
        return True
    if leaf.role == "hanging":
        return not any(word in str(value) for word in words.prose)
    if leaf.path in words.paths or value in words.texts:
        return _emptied(leaf, reads)
    if not isinstance(value, str) or not any(word in value for word in words.prose):
        return True
    for word in words.prose:  # "no" is in many words
        leaf.holder[leaf.name] = leaf.value.replace(word, MARK)
    return reads() or _emptied(leaf, reads)


def _emptied(leaf: Leaf, reads: Callable[[], bool]) -> bool:
    """Take a value out: the field goes where it may, else something stands for it, else its item.

    Returns:
        Whether it could be taken out.
    """
    if isinstance(leaf.holder, list):
        return _dropped(leaf.holder, leaf.name, reads) or _replaced(leaf, reads)
    value = leaf.holder.pop(leaf.name)
    if reads() or _replaced(leaf, reads):
        return True
    leaf.holder[leaf.name] = value
    if leaf.item is None:
        return False
    items, item = leaf.item
    at = next((n for n, each in enumerate(items) if each is item), None)
    return at is None or _dropped(items, at, reads)  # else it is gone already


def _replaced(leaf: Leaf, reads: Callable[[], bool]) -> bool:
    for word in STAND_INS:
        leaf.holder[leaf.name] = word
        if reads():
            return True
    return False


def _dropped(items: list[Any], at: int, reads: Callable[[], bool]) -> bool:
    item = items.pop(at)
    if reads():
        return True
    items.insert(at, item)
    return False


def _marked(earlier: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Say of erasures that they were, without what was left: a later redaction says that anew."""
    return [{name: each[name] for name in each if name != "remains"} for each in earlier]


def _restated(
    event: Recorded, stored: Mapping[int, bytes], bodies: Mapping[int, str]
) -> dict[int, str]:
    """Take over an earlier redaction whose own words go, or whose remains hold what goes now."""
    act = event.development
    if not isinstance(act, Redacted) or act.erases is None or event.version not in stored:
        return {}
    if event.version not in bodies and not any(each.version in bodies for each in act.erases):
        return {}
    said = {each.version: each.remains for each in act.erases if each.remains is not None}
    content = orjson.loads(stored[event.version])
    content["erases"] = _marked(content["erases"])
    own = bodies.get(event.version, canonical(content).decode())
    return {event.version: own, **{v: text for v, text in said.items() if v not in bodies}}
