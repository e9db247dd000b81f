"""Signed checkpoints: what the log was at a size, in a form that anybody can check.

The formats are those of C2SP, byte for byte: signed-note (a text, a blank line, signature lines),
tlog-checkpoint (a text of origin, size and root), tlog-cosignature (witnesses), tlog-proof (one
event's way to a checkpoint). Signatures are Ed25519 (RFC 8032).
"""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from events.errors import Refused

__all__ = [
    "Checkpoint",
    "Signer",
    "VerifierKey",
    "checkpoint_in",
    "cosigners",
    "new_signer",
    "open_note",
    "signer_of",
    "tlog_proof",
    "verifier_key",
]

SIGNS, COSIGNS = 0x01, 0x04  # C2SP signature types: Ed25519, and a witness's with its time
MOST_SIGNATURES = 100  # in one note; as Go's reference implementation has it
MOST_BYTES = 64 * 1024  # of a note; a checkpoint with 100 witnesses has 15,000
KEY_BYTES = 32  # of an Ed25519 key, public or secret
TIME_BYTES = 8  # of a cosignature's time
_OPENING: Final = "PRIVATE+KEY+"  # of a secret key as Go's notes write it
_NAME: Final = re.compile(r"[^\s+]+")
_LINE: Final = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")


class VerifierKey(NamedTuple):
    """A public key with the name that signs: `vkey` in the specifications.

    `id` is four bytes, SHA-256(name ‖ 0x0A ‖ type ‖ key) cut short.
    """

    name: str
    type: int
    key: bytes

    @property
    def id(self) -> bytes:
        """What signature lines name the key by, beside its name."""
        return sha256(b"%b\n%c%b" % (self.name.encode(), self.type, self.key)).digest()[:4]

    def __str__(self) -> str:
        """Write it as `name+id+base64(type ‖ key)`."""
        key = base64.b64encode(bytes([self.type]) + self.key).decode()
        return f"{self.name}+{self.id.hex()}+{key}"

    def accepts(self, text: bytes, signature: bytes) -> bool:
        """Whether a signature under this key is of this text."""
        if self.type == COSIGNS:
            time, signature = signature[:TIME_BYTES], signature[TIME_BYTES:]
            if len(time) < TIME_BYTES:
                return False
            text = b"cosignature/v1\ntime %d\n%b" % (int.from_bytes(time, "big"), text)
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text)
        except InvalidSignature:
            return False
        return True


class Signer(NamedTuple):
    """A secret key and the name that it signs under; never printed, logged or put in a database."""

    name: str
    secret: bytes

    @property
    def public(self) -> VerifierKey:
        """What its signatures are checked with."""
        key = Ed25519PrivateKey.from_private_bytes(self.secret).public_key().public_bytes_raw()
        return VerifierKey(self.name, SIGNS, key)

    def __str__(self) -> str:
        """Write it as Go's notes do: `PRIVATE+KEY+name+id+base64(type ‖ seed)`."""
        key = base64.b64encode(bytes([SIGNS]) + self.secret).decode()
        return f"{_OPENING}{self.name}+{self.public.id.hex()}+{key}"

    def __repr__(self) -> str:
        """Say whose it is and nothing else."""
        return f"Signer({self.name})"

    def signature(self, text: bytes) -> bytes:
        """Sign bytes: 64 bytes."""
        return Ed25519PrivateKey.from_private_bytes(self.secret).sign(text)

    def sign(self, text: str) -> str:
        """Make a signed note of a text that ends its line.

        Raises:
            Refused: the text is none that a note may have.
        """
        encoded = text.encode()
        if not text.endswith("\n") or _control(encoded):
            raise _malformed("a text of whole lines without control characters")
        line = base64.b64encode(self.public.id + self.signature(encoded)).decode()
        return f"{text}\n— {self.name} {line}\n"


class Checkpoint(NamedTuple):
    """What a log was at a size: its origin, how many events, and the root over them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The note's text, as tlog-checkpoint has it."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def new_signer(name: str, secret: bytes) -> Signer:
    """Make a signer.

    Raises:
        Refused: the name is none that a note may have.
    """
    if not _NAME.fullmatch(name):
        raise Refused("key-name", "name", "a name without spaces and +", repr(name))
    return Signer(name, secret)


def signer_of(text: str) -> Signer:
    """Read a secret key back.

    Raises:
        Refused: it is none; nothing of it is repeated.
    """
    # Through the public form, so that both are read by the same rules.
    found = _key(text.removeprefix(_OPENING)) if text.startswith(_OPENING) else None
    if found is None or found[1].type != SIGNS:
        raise Refused("signing-key", "key", "PRIVATE+KEY+name+id+key", "something else")
    signer = Signer(found[1].name, found[1].key)
    if signer.public.id != found[0]:
        raise Refused("signing-key", "key", "an id that is the key's", "another")
    return signer


def verifier_key(text: str) -> VerifierKey:
    """Read a public key as `name+id+base64(type ‖ key)`.

    Raises:
        Refused: it is none, or of a type that is not known here.
    """
    found = _key(text)
    if found is None or found[1].id != found[0] or found[1].type not in (SIGNS, COSIGNS):
        raise Refused("verifier-key", "key", "name+id+key of an Ed25519 key", repr(text))
    return found[1]


def _key(text: str) -> tuple[bytes, VerifierKey] | None:
    """Take the text of a key apart: the id that it gives, and the key."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = _decoded(encoded)
    if not _NAME.fullmatch(name) or not re.fullmatch("[0-9a-f]{8}", key_id) or raw is None:
        return None
    if len(raw) != 1 + KEY_BYTES:
        return None
    return bytes.fromhex(key_id), VerifierKey(name, raw[0], raw[1:])


def open_note(note: str | bytes, keys: Iterable[VerifierKey]) -> str:
    """Give the text of a note that one of the keys signed.

    Signatures of keys that are not known are passed over, as the specification asks; one of a
    known key that does not hold spoils the note.

    Raises:
        Refused: it is no signed note, no known key signed it, or a signature does not hold.
    """
    text, signatures = _parts(note)
    known = {(key.name, key.id): key for key in keys}
    signed = False
    for name, signature in signatures:
        key = known.get((name, signature[:4]))
        if key is None:
            continue
        if not key.accepts(text.encode(), signature[4:]):
            raise Refused("signature", "note", f"a signature of {name} that holds", "another")
        signed = signed or key.type == SIGNS
    if not signed:
        wanted = ", ".join(f"{name}+{key_id.hex()}" for name, key_id in known) or "a known key"
        found = ", ".join(f"{name}+{sig[:4].hex()}" for name, sig in signatures)
        raise Refused("signature", "note", f"one of {wanted}", found)
    return text


def cosigners(note: str, keys: Iterable[VerifierKey]) -> list[tuple[VerifierKey, int]]:
    """Give the witnesses among the keys that cosigned a checkpoint, with the second they did."""
    text, signatures = _parts(note)
    known = {(key.name, key.id): key for key in keys if key.type == COSIGNS}
    found = ((known.get((name, signature[:4])), signature[4:]) for name, signature in signatures)
    return [
        (key, int.from_bytes(signature[:TIME_BYTES], "big"))
        for key, signature in found
        if key is not None and key.accepts(text.encode(), signature)
    ]


def checkpoint_in(text: str) -> Checkpoint:
    """Read the text of a checkpoint.

    Raises:
        Refused: it is none.
    """
    lines = text.split("\n")[:-1]
    origin, size, root, *extensions = (*lines, "", "", "")[: max(3, len(lines))]
    decoded = _decoded(root)
    if (
        not text.endswith("\n")
        or not all((origin, *extensions))
        or not _SIZE.fullmatch(size)
        or decoded is None
        or len(decoded) != sha256().digest_size
    ):
        raise Refused("checkpoint", "note", "origin, size and root, each on a line", "other lines")
    return Checkpoint(origin, int(size), decoded)


def tlog_proof(index: int, proof: Sequence[bytes], note: str) -> str:
    """Write the proof of one event as a `.tlog-proof` file.

    Args:
        index: the leaf, from 0: the event's position less one.
        proof: its inclusion proof in the checkpoint's tree.
        note: the signed checkpoint.
    """
    hashes = "".join(f"{base64.b64encode(each).decode()}\n" for each in proof)
    return f"c2sp.org/tlog-proof@v1\nindex {index}\n{hashes}\n{note}"


def _parts(note: str | bytes) -> tuple[str, list[tuple[str, bytes]]]:
    """Take a note apart: its text, and the name and bytes of each signature."""
    raw = note.encode() if isinstance(note, str) else note
    if len(raw) > MOST_BYTES or _control(raw):
        raise _malformed("a note of sensible size without control characters")
    try:
        whole = raw.decode()
    except UnicodeDecodeError:
        raise _malformed("UTF-8") from None
    at = whole.rfind("\n\n")
    text, lines = whole[: at + 1], whole[at + 2 :]
    if at < 0 or not lines.endswith("\n") or lines.count("\n") > MOST_SIGNATURES:
        raise _malformed("a text, a blank line and signature lines")
    return text, [_signature(line) for line in lines[:-1].split("\n")]


def _signature(line: str) -> tuple[str, bytes]:
    found = _LINE.fullmatch(line)
    raw = _decoded(found[2]) if found else None
    if found is None or raw is None or len(raw) <= 4:  # noqa: PLR2004 - the key's id and more
        raise _malformed("signature lines, such as — name base64")
    return found[1], raw


def _decoded(encoded: str) -> bytes | None:
    """Decode base64 (RFC 4648) and nothing that only looks like it."""
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == encoded else None


def _control(raw: bytes) -> bool:
    return any(byte < 0x20 and byte != 0x0A for byte in raw)  # noqa: PLR2004 - space, newline


def _malformed(expected: str) -> Refused:
    return Refused("signed-note", "note", expected, "something else")
