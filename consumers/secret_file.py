"""A secret in a file of its own: made where there is none, for its owner alone to read."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

__all__ = ["keep_secret", "secret_in"]


def secret_in(path: str, make: Callable[[], bytes]) -> bytes:
    """Give what a secret's file holds.

    Args:
        path: the file.
        make: makes the secret where there is none yet.

    Raises:
        OSError: it cannot be read or made.
        ValueError: others may read it.
    """
    if not Path(path).exists():
        keep_secret(path, make())
    mode = Path(path).stat().st_mode
    if mode & 0o077:
        raise ValueError(f"expected mode 600; found {mode & 0o777:o}")
    return Path(path).read_bytes()


def keep_secret(path: str, secret: bytes) -> None:
    """Put a secret into a new file, whole and synced; where another was faster, its own stays.

    Raises:
        OSError: it cannot be made.
    """
    part = f"{path}.{secrets.token_hex(4)}"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secret)
        os.fsync(descriptor)
        os.link(part, path)
    except FileExistsError:
        return
    finally:
        os.close(descriptor)
        Path(part).unlink()
