"""Text made inert: whatever was filed stays words, in XML, in JSON and in a page that holds it."""

import html
import re
from html.parser import HTMLParser
from typing import Any, Final

import orjson

__all__ = ["address", "escaped", "json_bytes", "line", "plain", "text", "title_for_html"]

# All that XML 1.0 (section 2.2) cannot hold, and U+0085, which some parsers take for a new line.
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BREAK: Final = re.compile("\r\n?|[\u2028\u2029]")
_OPENS: Final = {
    "\u202a": "\u202c",
    "\u202b": "\u202c",
    "\u202d": "\u202c",
    "\u202e": "\u202c",
    "\u2066": "\u2069",
    "\u2067": "\u2069",
    "\u2068": "\u2069",
}
_CLOSES: Final = frozenset(_OPENS.values())
_MARKS: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
# What browsers take in a URL and RFC 3986 does not: a percent sign that stands for itself, …
_NOT_URL: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|[\\^`{|}]")
_BLOCKS: Final = frozenset({"blockquote", "br", "div", "h2", "h3", "h4", "li", "ol", "p", "ul"})
# What would let a JSON document out of the <script> that holds it, or break a line of JavaScript.
_UNSAFE: Final = {
    ord("<"): "\\u003c",
    ord(">"): "\\u003e",
    ord("&"): "\\u0026",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


def text(value: str) -> str:
    """Give text as every output can hold it, lines kept."""
    return _closed(_NOT_XML.sub("", _BREAK.sub("\n", value)))


def line(value: str) -> str:
    """Give text as every output can hold it, on one line."""
    return " ".join(text(value).split())


def address(url: str) -> str:
    """Give a URL that was filed as one that is a URL (or an IRI) by its standard too."""
    return _NOT_URL.sub(lambda found: f"%{ord(found[0]):02X}", text(url))


def plain(body: str) -> str:
    """Give the words of a body, its markup left out."""
    words = _Words()
    words.feed(body)
    words.close()
    lines = (" ".join(each.split()) for each in text("".join(words.found)).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def escaped(value: str) -> str:
    """Give text for a place where readers expect HTML."""
    return html.escape(value, quote=False)


def title_for_html(value: str) -> str:
    """Give text for a place that some readers take for HTML and others for text, as titles of RSS.

    Both see the same wherever the text holds nothing that HTML reads otherwise.
    """
    if html.unescape(value) != value:
        value = value.replace("&", "&amp;")
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", value)


def json_bytes(document: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Give a document as JSON that can be put into a page as it is.

    Args:
        document: JSON values; texts in it are made inert, what is None in an object is left out.
    """
    return orjson.dumps(_inert(document)).decode().translate(_UNSAFE).encode()


def _inert(value: Any) -> Any:  # noqa: ANN401 - any JSON
    match value:
        case str():
            return text(value)
        case dict():
            return {text(name): _inert(each) for name, each in value.items() if each is not None}
        case list() | tuple():
            return [_inert(each) for each in value]
        case _:
            return value


def _closed(value: str) -> str:
    """End every change of direction that a text begins, so that it ends with the text."""
    open_: list[str] = []
    for mark in _MARKS.findall(value):
        if mark in _OPENS:
            open_.append(_OPENS[mark])
        elif mark in _CLOSES and mark in open_:
            # An end of an isolate also ends what was begun inside of it (UAX 9, X6a).
            while open_.pop() != mark:
                pass
    return value + "".join(reversed(open_))


class _Words(HTMLParser):
    """Gathers the words of a body; a block begins a line."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._block(tag)

    def handle_endtag(self, tag: str) -> None:
        self._block(tag)

    def _block(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.found.append("\n")
