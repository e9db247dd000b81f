"""The key that signs checkpoints: a file outside of the database, for its owner alone to read."""

import os
import secrets
from pathlib import Path
from typing import Final, NamedTuple

from events.checkpoint import Signer, VerifierKey, new_signer, open_note, signer_of, verifier_key
from events.errors import KeysUnavailable, Refused

__all__ = ["Keyring", "Rotation"]

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


class Keyring:
    """The signing key of one log, made when something is first signed.

    Args:
        path: its file, mode 0600; None keeps it in memory, for logs that are there as well.
        origin: the name that a new key signs under; one of its own where there is none.
    """

    def __init__(self, path: str | None, origin: str | None = None) -> None:
        self._path = path
        self._origin = origin
        self._signer: Signer | None = None

    @property
    def signer(self) -> Signer:
        """The key.

        Raises:
            KeysUnavailable: its file cannot be read or made, or others may read it.
        """
        if self._signer is None:
            self._signer = self._load()
        return self._signer

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

    def signed(self, note: str) -> bool:
        """Whether this key signed a note."""
        try:
            open_note(note, [self.public])
        except Refused:
            return False
        return True

    def _load(self) -> Signer:
        made = self._new()
        if self._path is None:
            return made
        try:
            if not Path(self._path).exists():
                self._write(made)
            mode = Path(self._path).stat().st_mode
            if mode & 0o077:
                raise KeysUnavailable(self._path, f"expected mode 600; found {mode & 0o777:o}")
            return signer_of(Path(self._path).read_text(encoding="ascii").strip())
        except (OSError, ValueError) as error:
            raise KeysUnavailable(self._path, str(error)) from None

    def _new(self) -> Signer:
        origin = self._origin or _NAMELESS + secrets.token_hex(8)
        return new_signer(origin, secrets.token_bytes(SECRET_BYTES))

    def _write(self, signer: Signer) -> None:
        """Put a key where there is none; where another process was faster, its key stays."""
        assert self._path is not None  # noqa: S101 - only files are written
        part = f"{self._path}.{os.getpid()}"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, f"{signer}\n".encode())
            os.fsync(descriptor)
            os.link(part, self._path)
        except FileExistsError:
            return
        finally:
            os.close(descriptor)
            Path(part).unlink()

    def rotate(self) -> tuple[Signer, Rotation]:
        """Make the next key, and the change that both sign; it is not used before `take_up`."""
        old = self.signer
        new = new_signer(old.name, secrets.token_bytes(SECRET_BYTES))
        change = Rotation(old.public, new.public, (b"", b""))
        signatures = (old.signature(change.text), new.signature(change.text))
        return new, change._replace(signatures=signatures)

    def take_up(self, signer: Signer) -> None:
        """Sign with another key from now on; the old one is gone."""
        if self._path is not None:
            part = f"{self._path}.new"
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.write(descriptor, f"{signer}\n".encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            Path(part).replace(self._path)
        self._signer = signer


def rotation(old: str, new: str, signatures: tuple[bytes, bytes]) -> Rotation:
    """Read a change of the key as it was recorded."""
    return Rotation(verifier_key(old), verifier_key(new), signatures)
