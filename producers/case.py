"""The case that a rule judges: what is to be filed, by whom, when, and how the story stands."""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from events.developments import Development
from events.errors import Refused
from producers.desk import Desk, Part, Standing

__all__ = ["EVERY_SCOPE", "HOUSE", "SCOPES", "Actor", "Case", "Rule"]

P = TypeVar("P")

HOUSE: Final = "house"
"""The scope of what the house itself records as it does it: nobody is given it."""

# What a key must allow for a kind; all other kinds need `file`.
SCOPES: Final = {
    "corrected": "correct",
    "withdrawn": "withdraw",
    "published": "publish",
    "hold-released": "publish",
    "embargo-broken": "publish",
    "verification-changed": "publish",
    "redacted": "redact",
    "legal-hold-placed": "redact",
    "legal-hold-lifted": "redact",
    "alert-issued": "alert",
    "alert-suppressed": "alert",
    "alert-deferred": "alert",
    "alert-corrected": "alert",
    "alert-retracted": "alert",
    "silence-added": "alert",
    "silence-removed": "alert",
    "parked-retried": "admin",
    "parked-skipped": "admin",
    "private-read": HOUSE,
    "signing-key-changed": HOUSE,
}
EVERY_SCOPE: Final = frozenset({"file", *SCOPES.values()} - {HOUSE})
"""Every scope that somebody may be given."""


class Actor(NamedTuple):
    """Who files: a name for the record, and what they may do.

    `needs_second` marks a reporter on a desk that has an editor publish what reporters file.
    """

    name: str
    scopes: frozenset[str] = EVERY_SCOPE
    needs_second: bool = False


class Case(NamedTuple):
    """All that a rule may look at; `now_ms` is milliseconds since 1970 UTC."""

    story: str
    desk: Desk
    development: Development
    by: Actor
    now_ms: int

    def part(self, field: str, ref: str, kind: type[P], what: str) -> P:
        """Give what a ref names.

        Raises:
            Refused: nothing has the ref, or something of another sort.
        """
        part: Part | None = self.desk.get(ref)
        if isinstance(part, kind):
            return part
        raise Refused("ref-known", field, f"the ref of {what} in this story", self.named(ref))

    def standing(self, ref: str, field: str = "target") -> Standing:
        """Give the development that a ref names; see `part`."""
        return self.part(field, ref, Standing, "a development")

    def check_stands(self, field: str, ref: str) -> None:
        """Refuse a ref of something that was withdrawn, by itself or with what brought it.

        Raises:
            Refused: it no longer stands.
        """
        part = self.desk.get(ref)
        owner = self.desk.get(getattr(part, "owner", ref))
        if isinstance(owner, Standing) and owner.release.withdrawn:
            raise Refused("stands", field, "what still stands", f"{ref}, withdrawn")

    def named(self, ref: str) -> str:
        """Say what a ref stands for, for an error."""
        part = self.desk.get(ref)
        if part is None:
            return f"{ref}, which names nothing"
        what = getattr(part, "what", type(part).__name__.lower())
        words = {
            "standing": "a development",
            "claimed": "a claim",
            "counted": "a figure",
            "answer": "a response",
            "alerted": "an alert",
        }
        return f"{ref}, which is {words.get(what, what)}"


Rule = Callable[[Case], None]
"""Looks at a case and refuses it, or lets it pass."""
