"""What a page says, made of a story's public state by templates that escape every text."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import nh3
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from consumers.outputs import words
from consumers.outputs.place import PUBLISHER, Place
from consumers.outputs.told import timeline

__all__ = ["ASSETS", "home", "missing", "story"]

FOLDER: Final = Path(__file__).parent
ASSETS: Final = {"page.css": "text/css", "live.js": "text/javascript"}
"""What pages load, by name, with its media type."""

# What a filing's body may hold, see `producers.intake`; looked at again because a log may hold
# what an older desk, or another one, let pass.
_TAGS: Final = {"a", "b", "blockquote", "br", "em", "i", "li", "ol", "p", "strong", "ul"}
_SCHEMES: Final = {"http", "https", "mailto"}
UNSAID: Final = "not told"  # of a figure whose number was erased
_SIGNS: Final = {
    "more-than": "more than ",
    "less-than": "fewer than ",
    "about": "about ",
    "order-of-magnitude": "in the order of ",
}


def story(state: Mapping[str, Any], place: Place) -> bytes:
    """Give a story's page.

    Args:
        state: the story's public state, parsed.
        place: where it is served from.
    """
    responses = {wait["development"]: wait for wait in state["pending"]}
    shown = {"state": state, "items": timeline(state), "place": place, "pending_by": responses}
    return _page("story.html", **shown)


def home(stories: Sequence[Any], place: Place) -> bytes:
    """Give the front page.

    Args:
        stories: summaries, the one that moved last first.
        place: where it is served from.
    """
    position = max((each.position for each in stories), default=0)
    return _page("home.html", stories=stories, place=place, position=position)


def missing() -> bytes:
    """Give the page for a story that there is not, for readers."""
    return _page("missing.html")


def _page(template: str, **shown: Any) -> bytes:  # noqa: ANN401 - whatever a template shows
    return _templates().get_template(template).render(**shown).encode()


@lru_cache(maxsize=1)
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["publisher"] = PUBLISHER
    made.filters |= {
        "line": lambda value: words.line(value or ""),  # of what was erased nothing may be left
        "text": words.text,
        "body": _body,
        "when": _when,
        "name": _name,
        "number": _number,
        "kind": lambda kind: kind.replace("-", " "),
    }
    return made


def _body(html: str) -> Markup:
    """Give a body as HTML, of which only the harmless is left."""
    cleaned = nh3.clean(
        words.text(html), tags=_TAGS, attributes={"a": {"href"}}, url_schemes=_SCHEMES
    )
    return Markup(cleaned)  # noqa: S704 - nh3 has just made it harmless


def _when(moment: str) -> str:
    """Give a time of the log as people read it: 10 Oct 2025, 18:06 UTC."""
    at = datetime.fromisoformat(moment)
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def _name(who: str | None) -> str:
    """Give the name that an id such as person:ada-lovelace stands for."""
    if who is None or who == "outlet":
        return "our own reporting"
    return who.partition(":")[2].replace("-", " ").title()


def _number(figure: Mapping[str, Any]) -> str:
    """Give what a figure says: its words, or its value with how exact it is."""
    if figure.get("words"):
        return words.line(str(figure["words"]))
    value = figure.get("value")
    if value is None:
        return UNSAID
    sign = _SIGNS.get(figure.get("qualifier") or "", "")
    return f"{sign}{value:,}" if isinstance(value, int) else f"{sign}{value}"
