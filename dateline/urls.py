"""What the URL of a log names: a file or a topic, and the files of the newsroom beside it."""

import os
from pathlib import Path

from events.kafka.address import Address, BadAddress

__all__ = [
    "BadUrl",
    "book_path",
    "deliveries_path",
    "kafka_address",
    "keys_path",
    "push_key_path",
    "sealing_key_path",
    "signing_key_path",
    "sqlite_path",
    "views_path",
]

SQLITE = "sqlite:///"


class BadUrl(ValueError):
    """A log URL of no known form.

    Args:
        url: the URL.
        why: what is wrong with it, where more is known than that.
    """

    def __init__(self, url: str, why: str | None = None) -> None:
        forms = "sqlite:///FILE, kafka://HOST:PORT/TOPIC or memory:"
        super().__init__(why or f"expected a log as {forms}; found {url!r}")


def sqlite_path(url: str) -> str | None:
    """Give the file that a URL names, None when it names no SQLite log."""
    path = url.removeprefix(SQLITE)
    return path if url.startswith(SQLITE) and path else None


def kafka_address(url: str) -> Address | None:
    """Give what a URL says of a Kafka log, None when it names none.

    Raises:
        BadUrl: it names one that cannot be used.
    """
    try:
        return Address.parse(url)
    except BadAddress as error:
        raise BadUrl(url, str(error)) from error


def views_path(url: str) -> str:
    """Give the file that the views of a log live in: beside the log, so that they move together."""
    return _beside(url, "views")


def keys_path(url: str) -> str:
    """Give the file that the keys of a newsroom live in, beside its log."""
    return _beside(url, "keys")


def book_path(url: str) -> str:
    """Give the file of the auditor's book, beside the log."""
    return _beside(url, "audit")


def signing_key_path(url: str) -> str | None:
    """Give the file of the key that signs checkpoints, beside the log; None for one in memory."""
    path = _log_file(url)
    return None if path is None else f"{path.removesuffix('.db')}.signing.key"


def deliveries_path(url: str) -> str:
    """Give the file of the ledger of deliveries, beside the log."""
    return _beside(url, "deliveries")


def sealing_key_path(url: str) -> str | None:
    """Give the file of the key that seals addresses and secrets; None for one in memory."""
    path = _log_file(url)
    return None if path is None else f"{path.removesuffix('.db')}.sealing.key"


def push_key_path(url: str) -> str | None:
    """Give the file of the key that push services know us by; None for one in memory."""
    path = _log_file(url)
    return None if path is None else f"{path.removesuffix('.db')}.push.pem"


def _log_file(url: str) -> str | None:
    """Give the file of a log, or of a node's mirror: by whatever link it is named, it is one."""
    address = kafka_address(url)
    path = address.mirror if address is not None else sqlite_path(url)
    return path if path is None or not Path(path).is_symlink() else os.path.realpath(path)


def _beside(url: str, what: str) -> str:
    path = _log_file(url)
    if path is None:
        return ":memory:"
    # A log named without its ending has others beside it than the one that has it.
    return f"{path[:-3]}.{what}.db" if path.endswith(".db") else f"{path}-{what}.db"
