"""The key that signs checkpoints: a file outside of the database, for its owner alone to read."""

import secrets
from pathlib import Path
from typing import Final, NamedTuple

from consumers.secret_file import keep_secret, secret_in
from events.checkpoint import Signer, VerifierKey, new_signer, open_note, signer_of
from events.errors import KeysUnavailable, Refused

__all__ = ["Keyring", "Rotation", "is_signed"]

SECRET_BYTES = 32  # an Ed25519 seed
# Who has no name of its own gets one that is nobody's: .invalid is reserved (RFC 2606).
_NAMELESS: Final = "dateline.invalid/"


class Rotation(NamedTuple):
    """A change of the key, signed by both."""

    old: VerifierKey
    new: VerifierKey
    signatures: tuple[bytes, bytes]

    @property
    def text(self) -> bytes:
        """What both keys signed."""
        return f"dateline key rotation\n{self.old}\n{self.new}\n".encode()

    @property
    def holds(self) -> bool:
        """Whether both keys did."""
        keys = (self.old, self.new)
        return all(
            key.accepts(self.text, signature)
            for key, signature in zip(keys, self.signatures, strict=True)
        )


def is_signed(note: str, key: VerifierKey) -> bool:
    """Whether a key signed a note."""
    try:
        open_note(note, [key])
    except Refused:
        return False
    return True


class Keyring:
    """The signing key of one log, made when something is first signed.

    Another process may change the key: whoever has the old one at hand notices by the file.

    Args:
        path: its file, mode 0600; None keeps it in memory, for logs that are there as well.
        origin: the name that a new key signs under; one of its own where there is none.
    """

    def __init__(self, path: str | None, origin: str | None = None) -> None:
        self._path = path
        self._origin = origin
        self._signer: Signer | None = None
        self._file: tuple[int, ...] | None = None  # which file the key was read from

    @property
    def signer(self) -> Signer:
        """The key.

        Raises:
            KeysUnavailable: its file cannot be read or made, or others may read it.
        """
        if self._path is None:
            self._signer = self._signer or self._new()
            return self._signer
        file = _identity(self._path)
        if self._signer is not None and file == self._file:
            return self._signer
        if self._signer is not None and file is None:  # a new one would be nobody's
            raise KeysUnavailable(self._path, "expected the key that was there; found no file")
        self._signer = self._load(self._path)
        self._file = _identity(self._path)
        return self._signer

    def check(self) -> None:
        """Look at the key's file, where there is one, and make none.

        Raises:
            KeysUnavailable: it cannot be read, or others may read it.
        """
        if self._path is not None and Path(self._path).exists():
            self._load(self._path)

    @property
    def origin(self) -> str:
        """The log's name in checkpoints."""
        return self.signer.name

    @property
    def public(self) -> VerifierKey:
        """What checkpoints are checked with."""
        return self.signer.public

    def sign(self, text: str) -> str:
        """Make a signed note."""
        return self.signer.sign(text)

    def _load(self, path: str) -> Signer:
        try:
            return signer_of(secret_in(path, lambda: _written(self._new())).decode("ascii").strip())
        except (OSError, ValueError) as error:
            raise KeysUnavailable(path, str(error)) from None

    def _new(self) -> Signer:
        return self._new_under(self._origin or _NAMELESS + secrets.token_hex(8))

    def next(self) -> Signer:
        """Give the key that may take this one's place, kept beside it until it does."""
        if self._path is None:
            return self._new_under(self.origin)
        beside = f"{self._path}.next"
        if not Path(beside).exists():
            keep_secret(beside, _written(self._new_under(self.origin)))
        return signer_of(Path(beside).read_text(encoding="ascii").strip())

    def _new_under(self, origin: str) -> Signer:
        return new_signer(origin, secrets.token_bytes(SECRET_BYTES))

    def change_to(self, new: Signer) -> Rotation:
        """Give the change to another key, signed by both; it is made by `take_up`."""
        change = Rotation(self.public, new.public, (b"", b""))
        signatures = (self.signer.signature(change.text), new.signature(change.text))
        return change._replace(signatures=signatures)

    def take_up(self, signer: Signer) -> None:
        """Sign with the next key from now on; the old one is gone."""
        if self._path is not None:
            Path(f"{self._path}.next").replace(self._path)
            self._file = _identity(self._path)
        self._signer = signer


def _identity(path: str) -> tuple[int, ...] | None:
    """Say which file is there, and when it was last touched; None where there is none."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def _written(signer: Signer) -> bytes:
    return f"{signer}\n".encode()
