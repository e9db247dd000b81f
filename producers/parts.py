"""What the desk knows of a story, part by part, each under the ref that people point at it by."""

from dataclasses import dataclass, field
from typing import Literal

from events.alerts import Alert
from events.developments import Development, Response
from events.filing import Claim, Figure, Verification
from events.release import Release

__all__ = [
    "STORY",
    "Alerted",
    "Answer",
    "Claimed",
    "Counted",
    "Desk",
    "Named",
    "Part",
    "Standing",
    "StoryPart",
]

STORY = ""  # the ref under which the story itself is kept; no development can have it


@dataclass(frozen=True, slots=True)
class StoryPart:
    """The story itself: how far it is and whether it takes filings."""

    version: int
    status: Literal["open", "closed"]
    legal_hold: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """A development as it stands, corrections applied; its claims and figures are parts apart."""

    development: Development
    filed_by: str
    release: Release
    version: int
    legal_hold: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim and how far the desk trusts it."""

    claim: Claim
    owner: str
    verification: Verification = "attributed"


@dataclass(frozen=True, slots=True)
class Counted:
    """A figure as its source has it now, how far the desk trusts it, and what is part of it.

    `first` is the figure before any revision; `touched_by` are the revisions and the notes of
    conflict about it, in the order of filing, whether or not they are released.
    """

    figure: Figure
    owner: str
    source: str | None
    verification: Verification = "attributed"
    parts: tuple[str, ...] = ()
    apart_from: frozenset[str] = field(default_factory=frozenset)
    first: Figure | None = None
    touched_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """An awaited response; `by` is the development that ended the wait."""

    response: Response
    owner: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Alerted:
    """An alert that was decided on."""

    alert: Alert


@dataclass(frozen=True, slots=True)
class Named:
    """Anything else that has a ref: remarks, a letter, a post, an act of the desk."""

    what: str
    owner: str


Part = StoryPart | Standing | Claimed | Counted | Answer | Alerted | Named


class Desk(dict[str, Part]):
    """A story's parts by ref, as the desk knows them."""

    @property
    def story(self) -> StoryPart | None:
        """The story itself, or None before it was opened."""
        found = self.get(STORY)
        return found if isinstance(found, StoryPart) else None

    @property
    def version(self) -> int:
        """How many events the story has."""
        return self.story.version if self.story else 0

    def is_held(self, ref: str | None) -> bool:
        """Whether a legal hold is on what a ref names, on what brought it, or on the story."""
        return self.held_by(ref) is not None

    def held_by(self, ref: str | None) -> str | None:
        """Say what a legal hold is on that protects a ref, None where nothing does."""
        part = self.get(ref or STORY)
        owner = getattr(part, "owner", ref or STORY)
        for name, each in ((ref, part), (owner, self.get(owner))):
            if name != STORY and isinstance(each, Standing) and each.legal_hold:
                return name
        return "the story" if self.story and self.story.legal_hold else None

    def ahead(self) -> "Desk":
        """Give a copy to think ahead in, while the story stays as it is."""
        return Desk(self)
