"""What a story is made of, each part small and on its own, so that an event changes few of them.

A part's fields are what `dateline story --json` shows of it; `public` says whether readers
without a key may see it. Keys are the refs that people point at parts by.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

from events.release import Release, Status

__all__ = [
    "SECTIONS",
    "Alert",
    "Claim",
    "Conflict",
    "Correction",
    "Figure",
    "Heading",
    "Item",
    "Mention",
    "Occasion",
    "Part",
    "Parts",
    "Response",
    "Tombstone",
]


@dataclass(frozen=True, slots=True)
class Heading:
    """The story itself; the `public_` fields are those of the last change that readers saw."""

    section: ClassVar = "heading"
    key: ClassVar = ""
    story: str
    title: str
    status: Literal["open", "closed"]
    opening: str | None
    version: int
    position: int
    recorded_at: str
    public: bool = False
    public_version: int = 0
    public_position: int = 0
    public_recorded_at: str | None = None
    public_title: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A development on the timeline, corrections applied; the opening is one that is not shown."""

    section: ClassVar = "timeline"
    ref: str
    kind: str
    headline: str | None
    status: Status
    corrected: bool
    version: int
    position: int
    recorded_at: str
    filed_at: str | None
    occurred: dict[str, Any]
    attribution: dict[str, Any] | None
    urgency: int
    body: str | None
    claims: list[str]
    figures: list[str]
    response: str | None
    resolves: str | None
    people: list[str]
    places: list[str]
    orgs: list[str]
    links: list[dict[str, Any]]
    media: list[dict[str, Any]]
    corrections: list[dict[str, Any]]
    embargo_until: str | None
    occasion: str | None
    revises: dict[str, Any] | None
    release: Release
    public: bool

    @property
    def key(self) -> str:
        """The development's own ref."""
        return self.ref


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What readers see of a development that was public and was withdrawn, at its old place."""

    section: ClassVar = "tombstones"
    ref: str
    kind: str
    version: int
    position: int
    recorded_at: str
    withdrawn_at: str
    reason: str
    replacement: str | None
    status: Literal["withdrawn"] = "withdrawn"
    headline: None = None
    corrected: bool = False
    public: bool = True

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
    """A statement, who says it, through whom it came, and how far the desk trusts it."""

    section: ClassVar = "claims"
    ref: str
    development: str
    text: str
    speaker: str | None
    via: str | None
    position_of: str | None
    status: str
    position: int
    public: bool

    @property
    def key(self) -> str:
        """The claim's own ref."""
        return self.ref


@dataclass(frozen=True, slots=True)
class Figure:
    """A number and whose it is; `history` holds what its source said before."""

    section: ClassVar = "figures"
    ref: str
    development: str
    measure: str
    unit: str | None
    value: int | str | None
    words: str | None
    qualifier: str | None
    window: str | None
    source: str | None
    source_text: str | None
    group: str | None
    part_of: str | None
    parts: list[str]
    not_comparable_with: list[str]
    status: str
    history: list[dict[str, Any]]
    position: int
    public: bool

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
    release: Release
    public: bool

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
    | Mention
)
Parts = dict[str, Part]

SECTIONS: Final[dict[str, type[Part]]] = {
    kind.section: kind
    for kind in (
        Heading,
        Item,
        Tombstone,
        Response,
        Claim,
        Figure,
        Occasion,
        Conflict,
        Correction,
        Alert,
        Mention,
    )
}
