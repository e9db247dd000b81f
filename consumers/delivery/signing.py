"""Webhooks signed after Standard Webhooks, and the secrets that they are signed with."""

import base64
import hashlib
import os
import secrets
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consumers.secret_file import secret_in
from events.errors import DeliveriesUnavailable, Refused

__all__ = ["BOTH_VALID_MS", "Vault", "check_secret", "headers", "new_secret", "webhook_id"]

PREFIX: Final = "whsec_"
SECRET_BYTES = 32  # Standard Webhooks asks for 24 to 64
_LENGTHS: Final = range(24, 65)
BOTH_VALID_MS = 24 * 3600 * 1000  # that an old secret still signs beside the new one
KEY_BYTES = 32  # AES-256
_NONCE = 12  # bytes, as AES-GCM wants it
_BLOCK = hashlib.sha256().block_size  # no key is longer
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


def new_secret() -> str:
    """Give a secret that nobody guesses, in the form that receivers take it in."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def check_secret(secret: str) -> str:
    """Give a secret that somebody brought along.

    Raises:
        Refused: it is not of the form of Standard Webhooks.
    """
    try:
        text = secret.removeprefix(PREFIX)
        fine = secret.startswith(PREFIX) and len(base64.b64decode(text, validate=True)) in _LENGTHS
    except ValueError:
        fine = False
    if not fine:
        wanted = f"{PREFIX} and 24 to 64 bytes in base64"
        raise Refused("secret", "secret", wanted, "something else")
    return secret


def webhook_id(event: str, target: str) -> str:
    """Give the id of a delivery: the same for each try, and in every ledger."""
    return f"msg_{hashlib.sha256(f'{event} {target}'.encode()).hexdigest()[:32]}"


def headers(webhook_id: str, at_ms: int, body: bytes, signed_with: Sequence[str]) -> dict[str, str]:
    """Give the three headers of a webhook, signed with each secret that is valid.

    Args:
        webhook_id: the delivery's, the same for each try.
        at_ms: when it is sent, milliseconds since 1970 UTC.
        body: what is sent, UTF-8.
        signed_with: the secrets, newest first.
    """
    seconds = at_ms // 1000
    signed = b"%s.%d.%s" % (webhook_id.encode(), seconds, body)
    macs = [_mac(secret, signed) for secret in signed_with]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(mac).decode()}" for mac in macs),
    }


def _mac(secret: str, signed: bytes) -> bytes:
    """Give HMAC-SHA256 in half the time that the library takes; a test holds the two together."""
    inner, outer = (begun.copy() for begun in _begun(secret))
    inner.update(signed)
    outer.update(inner.digest())
    return outer.digest()


@lru_cache(maxsize=4096)
def _begun(secret: str) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """Give both hashes with the key taken in, as RFC 2104 proposes in section 4."""
    key = base64.b64decode(secret.removeprefix(PREFIX)).ljust(_BLOCK, b"\x00")
    return hashlib.sha256(key.translate(_INNER)), hashlib.sha256(key.translate(_OUTER))


class Vault:
    """Seals what the ledger keeps for others, with a key outside of the ledger (AES-256-GCM).

    Args:
        path: the key's file, made when it is not there, readable by its owner alone; None keeps
            the key in memory, for ledgers that are there as well.

    Raises:
        DeliveriesUnavailable: others may read the key's file, or it holds no key.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path or "memory"
        self._cipher = AESGCM(_key(path) if path else os.urandom(KEY_BYTES))

    def seal(self, text: str, about: str) -> bytes:
        """Seal a text; `about` names what it belongs to, and it opens for nothing else."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, text.encode(), about.encode())

    def unseal(self, sealed: bytes, about: str) -> str:
        """Give the text that was sealed.

        Raises:
            DeliveriesUnavailable: it was sealed with another key, or for something else.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], about.encode()).decode()
        except InvalidTag:
            why = f"expected what the key in {self._path} opens; found something else"
            raise DeliveriesUnavailable(self._path, why) from None


def _key(path: str) -> bytes:
    try:
        key = secret_in(path, lambda: os.urandom(KEY_BYTES))
    except (OSError, ValueError) as error:
        raise DeliveriesUnavailable(path, str(error)) from None
    if len(key) != KEY_BYTES:
        raise DeliveriesUnavailable(path, f"expected {KEY_BYTES} bytes; found {len(key)}")
    return key
