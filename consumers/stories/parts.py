"""What a story is made of, each part small and on its own, so that an event changes few of them.

A part's fields are what `dateline story --json` shows of it, those with a default only while they
hold something; `public` says whether readers without a key may see it. Keys are the refs that
people point at parts by.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal

from events.release import RELEASED, Release, Status

__all__ = [
    "SECTIONS",
    "Alert",
    "Changes",
    "Claim",
    "Conflict",
    "Correction",
    "Figure",
    "Find",
    "Heading",
    "Item",
    "Mention",
    "Occasion",
    "Part",
    "Parts",
    "Response",
    "Silence",
    "Tombstone",
    "Touched",
    "touched",
]


@dataclass(frozen=True, slots=True)
class Heading:
    """The story itself; the `public_` fields are those of the last change that readers saw.

    `first_seen` is the position and time at which it came into sight for the first time.
    """

    section: ClassVar = "heading"
    key: ClassVar = ""
    story: str
    title: str
    status: Literal["open", "closed"]
    opening: str | None
    version: int
    position: int
    recorded_at: str
    public: bool
    public_version: int
    public_position: int
    public_recorded_at: str | None
    public_title: str | None
    first_seen: list[Any] | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A development, corrections applied.

    `first_seen` is the position and time at which it was released for the first time, where that
    is not when it was filed; empty until then. `redacted` is that of the last redaction of it.
    """

    ref: str
    kind: str
    headline: str | None
    status: Status
    corrected: bool
    version: int
    position: int
    recorded_at: str
    occurred: dict[str, Any]
    attribution: dict[str, Any] | None
    urgency: int
    corrections: list[dict[str, Any]]
    public: bool
    filed_at: str | None = None
    body: str | None = None
    claims: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    response: str | None = None
    resolves: str | None = None
    people: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    orgs: list[str] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    media: list[dict[str, Any]] = field(default_factory=list)
    embargo_until: str | None = None
    occasion: str | None = None
    revises: dict[str, Any] | None = None
    first_seen: list[Any] | None = None
    redacted: list[Any] | None = None
    release: Release = RELEASED

    @property
    def section(self) -> str:
        """The timeline; the opening of a story has a place of its own."""
        return "opening" if self.kind == "story-opened" else "timeline"

    @property
    def key(self) -> str:
        """The development's own ref."""
        return self.ref


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What readers see of a development that was public and was withdrawn, at its old place."""

    section: ClassVar = "timeline"
    ref: str
    kind: str
    version: int
    position: int
    recorded_at: str
    withdrawn_at: str
    reason: str
    replacement: str | None
    status: Literal["withdrawn"]
    headline: None
    corrected: bool
    public: bool
    first_seen: list[Any] | None = None

    @property
    def key(self) -> str:
        """The withdrawn development's ref, marked; a ref cannot hold a slash."""
        return f"{self.ref}/withdrawn"


@dataclass(frozen=True, slots=True)
class Response:
    """An awaited response with its clock, and how the wait ended."""

    section: ClassVar = "responses"
    ref: str
    development: str
    awaited_from: str
    about: list[str]
    since: str
    asked_at: str | None
    due_at: str | None
    note: str | None
    by: str | None
    how: Literal["received", "declined"] | None
    position: int
    withdrawn: bool
    public: bool
    answer_public: bool = False

    @property
    def key(self) -> str:
        """The response's own ref."""
        return self.ref


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement, who says it, through whom it came, and how far the desk trusts it.

    `own` names what it says of that itself; all else is as its development has it.
    """

    section: ClassVar = "claims"
    ref: str
    development: str
    text: str
    speaker: str | None
    via: str | None
    status: str
    position: int
    public: bool
    position_of: str | None = None
    own: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """The claim's own ref."""
        return self.ref


@dataclass(frozen=True, slots=True)
class Figure:
    """A number and whose it is; `history` holds what its source said before.

    `own` holds `source` where the figure names its own and not that of its development.
    """

    section: ClassVar = "figures"
    ref: str
    development: str
    measure: str
    value: int | str | None
    words: str | None
    qualifier: str | None
    source: str | None
    status: str
    parts: list[str]
    history: list[dict[str, Any]]
    position: int
    public: bool
    unit: str | None = None
    window: str | None = None
    source_text: str | None = None
    group: str | None = None
    part_of: str | None = None
    own: list[str] = field(default_factory=list)
    not_comparable_with: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """The figure's own ref."""
        return self.ref


@dataclass(frozen=True, slots=True)
class Occasion:
    """Remarks, a letter or a post that attributions point at, with what was said of it."""

    section: ClassVar = "occasions"
    ref: str
    development: str
    what: Literal["remarks", "letter", "post"]
    content: dict[str, Any]
    position: int
    public: bool

    @property
    def key(self) -> str:
        """The occasion's own ref."""
        return self.ref


@dataclass(frozen=True, slots=True)
class Conflict:
    """Claims or figures that the desk noted do not agree."""

    section: ClassVar = "conflicts"
    ref: str
    headline: str | None
    between: list[str]
    nature: str
    position: int
    public: bool
    corrected: bool = False
    corrections: list[dict[str, Any]] = field(default_factory=list)
    release: Release = RELEASED

    @property
    def key(self) -> str:
        """The noting act's ref."""
        return self.ref


@dataclass(frozen=True, slots=True)
class Correction:
    """Our error and how it was put right."""

    section: ClassVar = "corrections"
    ref: str
    target: str
    field: str
    old: Any
    new: Any
    note: str
    recorded_at: str
    development: str
    position: int
    public: bool

    @property
    def key(self) -> str:
        """The correcting act's ref."""
        return self.ref


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert and what became of it; `reached` of `owed` counts its deliveries."""

    section: ClassVar = "alerts"
    ref: str
    level: str
    state: str
    derived_from: list[str]
    reason: str
    reached: int
    owed: int
    position: int
    public: bool = False

    @property
    def key(self) -> str:
        """The alert's own ref."""
        return self.ref


@dataclass(frozen=True, slots=True)
class Silence:
    """Somebody asked that the story does not alert for a while; no state shows it."""

    section: ClassVar = "silences"
    ref: str
    by: str
    until: str
    levels: list[str]
    kinds: list[str]
    reason: str
    position: int
    removed: bool = False
    public: ClassVar = False

    @property
    def key(self) -> str:
        """The silence's own ref."""
        return self.ref


@dataclass(frozen=True, slots=True)
class Mention:
    """A person or place of the story, and in how many standing developments it is named."""

    section: ClassVar = "mentions"
    key: str
    times: int
    public_times: int
    position: int

    @property
    def public(self) -> bool:
        """Named in something that readers can see."""
        return self.public_times > 0


@dataclass(frozen=True, slots=True)
class Touched:
    """What revises a figure or notes a conflict about it, released or not; shown to nobody."""

    section: ClassVar = "touched"
    ref: str
    by: list[str]
    position: int
    public: ClassVar = False

    @property
    def key(self) -> str:
        """The ref of what is touched, marked; a ref cannot hold a slash."""
        return touched(self.ref)


def touched(ref: str) -> str:
    """Give the key under which it is kept what touches a part."""
    return f"{ref}/touched"


Part = (
    Heading
    | Item
    | Tombstone
    | Response
    | Claim
    | Figure
    | Occasion
    | Conflict
    | Correction
    | Alert
    | Silence
    | Mention
    | Touched
)
Parts = dict[str, Part]
Find = Callable[[str], Part | None]  # gives a part as the event has changed it so far
Changes = Iterator[Parts]  # each seen by `Find` before the next is made

SECTIONS: Final[dict[str, type[Part]]] = {
    "opening": Item,
    "timeline": Item,
}
SECTIONS.update(
    (kind.section, kind)
    for kind in (
        Heading,
        Response,
        Claim,
        Figure,
        Occasion,
        Conflict,
        Correction,
        Alert,
        Silence,
        Mention,
        Touched,
    )
)
