"""What the house does with its own record: changing the key that signs, reading what is private.

These acts stand in a story of their own, `the-record`, which readers never see.
"""

from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from events.editorial import Act
from events.filing import Phrase, Word

__all__ = ["RECORD", "PrivateRead", "SigningKeyChanged"]

RECORD: Final = "the-record"
"""The story that holds the acts of custody."""

# name+id+base64(type ‖ key), and base64 of an Ed25519 signature.
Key = Annotated[
    str, StringConstraints(max_length=300, pattern=r"^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}$")
]
Signature = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{86}==$")]


class PrivateRead(Act):
    """Somebody was given private parts: who, of what, and of how many events."""

    kind: Literal["private-read"] = "private-read"
    reader: Word
    what: Phrase
    events: Annotated[int, Field(ge=0, strict=True)]


class SigningKeyChanged(Act):
    """The key that signs checkpoints was changed; both keys signed that it was."""

    kind: Literal["signing-key-changed"] = "signing-key-changed"
    old: Key
    new: Key
    signatures: Annotated[tuple[Signature, ...], Field(min_length=2, max_length=2)]
