"""What a redaction erases: every event of the story that holds the words, and what is left of each.

The contents of an event are committed to whole, so they are erased whole, with their nonce. What
is left of them stands in the redaction itself, which is how a story can still be told.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from events.codec import canonical, decode
from events.corrections import content_of, locate
from events.developments import FigureRevised
from events.editorial import Corrected, Erasure, Redacted, Refiled
from events.envelope import Recorded
from events.filing import Fact
from events.vocabulary import Erased, Unknown

__all__ = ["PRIVATE", "erasures"]

PRIVATE: Final = "private"
"""The field that stands for an event's private part as a whole."""

MARK: Final = "[redacted]"
NAMELESS: Final = "outlet"  # stands for words in a field that holds a name
PROSE = 16  # characters from which words are looked for in the whole story; shorter ones are many


def erasures(
    redaction: Redacted,
    events: Sequence[Recorded],
    stored: Mapping[int, bytes],
    standing: Iterable[str],
) -> tuple[Erasure, ...]:
    """Give what is erased, in order of version.

    Args:
        redaction: the act, judged.
        events: the story so far.
        stored: the body of each as it is stored, by version; of one that was erased, its remains.
        standing: the words that stand in the fields now.
    """
    fields = [locate(redaction.target, field) for field in redaction.fields if field != PRIVATE]
    held = list(_words_of(fields, events))
    words = {*standing, *(text for _, text in held)}
    prose = {text for text in words if len(text) >= PROSE}
    # A short word stands in a thousand places; it is erased only by those who held the field.
    wanted = {event.version: prose for event in events} | {version: words for version, _ in held}
    left = {
        event.version: _without(event, stored[event.version], wanted[event.version])
        for event in events
        if event.version in stored
    }
    hidden = _versions_of(redaction.target, events) if PRIVATE in redaction.fields else set()
    bodies = {version: body for version, body in left.items() if body is not None}
    for event in events:
        # A log that keeps both parts of an event under one key can only erase it whole.
        if event.version in hidden and event.version in stored:
            bodies.setdefault(event.version, stored[event.version].decode())
    for earlier in events:
        bodies |= _restated(earlier, stored, bodies)
    return tuple(
        Erasure(
            version=version,
            remains=bodies.get(version),
            private=True if version in hidden else None,
        )
        for version in sorted({*bodies, *hidden})
    )


def _words_of(
    fields: Sequence[tuple[str, str]], events: Sequence[Recorded]
) -> Iterator[tuple[int, str]]:
    """Give the texts that the fields ever held, each with the version of the event that held it.

    They were filed, corrected, refiled or revised.
    """
    for event in events:
        development = event.development
        if isinstance(development, Unknown | Erased):
            continue
        for ref, path in fields:
            found: list[Any] = [
                content_of(fact, path) for fact in _facts(event, ref) if _has(fact, path)
            ]
            match development:
                case Corrected(target=target, field=field) if locate(target, field) == (ref, path):
                    found += [development.old, development.new]
                case Refiled(target=target) if target == ref and path in ("headline", "body"):
                    found.append(getattr(development, path))
                case FigureRevised(target=target, words=said) if target == ref and path == "words":
                    found.append(said)
            yield from ((event.version, text) for text in found if isinstance(text, str))


def _facts(event: Recorded, ref: str) -> Iterator[Fact]:
    """Give what an event brought under a ref."""
    development = event.development
    if isinstance(development, Unknown | Erased):
        return
    if (development.ref or f"d{event.version}") == ref:
        yield development
    brought = (
        getattr(development, name, None) for name in ("response", "remarks", "letter", "post")
    )
    for fact in (*development.claims, *development.figures, *brought):
        if isinstance(fact, Fact) and getattr(fact, "ref", None) == ref:
            yield fact


def _has(fact: Fact, path: str) -> bool:
    try:
        content_of(fact, path)
    except KeyError:
        return False
    return True


def _versions_of(ref: str, events: Iterable[Recorded]) -> set[int]:
    return {
        event.version
        for event in events
        if (getattr(event.development, "ref", None) or f"d{event.version}") == ref
    }


def _without(event: Recorded, body: bytes, words: set[str]) -> str | None:
    """Give the body of an event without some words, None where it has none of them.

    It is changed as it is stored, whatever its kind and schema, and must read as before.
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

    for place, name, text in list(_texts(content)):
        if text in words:
            _empty(place, name, reads)
        else:
            for word in words:
                if len(word) >= PROSE and word in text:  # "no" is in many words
                    place[name] = str(place[name]).replace(word, MARK)
    if canonical(content) == before:
        return None
    if erased is not None:
        content["erases"] = _marked(erased)
    return canonical(content).decode()


def _texts(value: Any) -> Iterator[tuple[Any, Any, str]]:  # noqa: ANN401 - any JSON value
    """Give every text in a JSON value with what holds it and the name or number it is held by."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, each in inner:
        if isinstance(each, str):
            yield value, name, each
        elif isinstance(each, dict | list):
            yield from _texts(each)


def _empty(place: Any, name: Any, reads: Callable[[], bool]) -> None:  # noqa: ANN401 - any JSON value
    """Take a text out of a body: the field goes where it may, else something stands for it."""
    text = place[name]
    if isinstance(place, dict):
        del place[name]
        if reads():
            return
    for stand_in in (MARK, NAMELESS):
        place[name] = stand_in
        if reads():
            return
    place[name] = text  # what cannot be anything else, such as a kind, is no redacted text


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
