"""Where the outputs are served, and by which names things in them are known for ever."""

from typing import NamedTuple

__all__ = ["ALL", "PUBLISHER", "Place", "name_of"]

ALL = "all"
"""Stands for all stories together, where a feed is named by its story."""

PUBLISHER = "Dateline"


class Place(NamedTuple):
    """The outside of a server.

    `base` is the URL that readers reach it by, without a slash at the end; `hub` is the WebSub
    hub that tells subscribers of changes, if there is one.
    """

    base: str
    hub: str | None = None

    def feed(self, story: str, form: str, page: int | None = None) -> str:
        """Give the URL of an output, such as `form` "atom" or "ninjs.json"."""
        asked = "" if page is None else f"?page={page}"
        return f"{self.base}/feeds/{story}.{form}{asked}"

    def story(self, story: str, ref: str | None = None) -> str:
        """Give the URL of a story's page, or of one development on it."""
        return f"{self.base}/stories/{story}" + (f"#{ref}" if ref else "")

    def home(self) -> str:
        """Give the URL of the front page."""
        return f"{self.base}/"


def name_of(story: str | None = None, ref: str | None = None) -> str:
    """Give the URN of a development, a story, or all stories.

    It holds no host, so that a newsroom that moves keeps the names of all that it published. Slugs
    and refs hold only letters that a URN takes (RFC 8141).
    """
    if story is None:
        return "urn:dateline:stories"
    return f"urn:dateline:story:{story}" + (f":{ref}" if ref else "")
