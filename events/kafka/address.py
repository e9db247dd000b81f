"""Where a Kafka log is, and how to be let in: `kafka://host:port[,host:port]/topic[?name=value…]`.

| name | value |
|---|---|
| `mirror` | file of this node's mirror; `TOPIC.mirror.db` in the current folder by default |
| `security` | `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl` |
| `mechanism` | of SASL: `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` |
| `credentials` | file of two lines: user and password |
| `ca`, `cert`, `key` | PEM files: who vouches for the broker; our certificate and its key |

A secret stands in a file and never in the URL, which people type, store and show.
"""

import logging
import re
import ssl
from pathlib import Path
from typing import Any, Final, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

from events.errors import LogUnavailable

__all__ = ["Address", "BadAddress"]

SCHEME: Final = "kafka://"
REQUEST_MS = 5_000  # that a broker has to answer one request, so that a silent one is noticed
BACKOFF_MS = 100  # before a request that failed is sent again
PORT = 9092  # of a broker that is named without one
_BROKER: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+)(?::([0-9]{1,5}))?")
_TOPIC: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_SECURITY: Final = {"plaintext", "ssl", "sasl_plaintext", "sasl_ssl"}
_MECHANISMS: Final = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}
_NAMES: Final = {"mirror", "security", "mechanism", "credentials", "ca", "cert", "key"}
_OF_TLS: Final = {"ca", "cert", "key"}
_OF_SASL: Final = {"mechanism", "credentials"}

# The library warns of every lost connection; what it means for a command is told by its error.
logging.getLogger("aiokafka").addHandler(logging.NullHandler())


class BadAddress(ValueError):
    """A URL that cannot be one of a Kafka log; says why, without its values."""


class Address(NamedTuple):
    """A log on a broker, and this node's mirror of it."""

    servers: str
    topic: str
    mirror: str
    security: str = "plaintext"
    mechanism: str = "PLAIN"
    credentials: str | None = None
    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    @classmethod
    def parse(cls, url: str) -> Self | None:
        """Read a URL; None when it is none of this form.

        Raises:
            BadAddress: it is of this form and cannot be used.
        """
        if not url.startswith(SCHEME):
            return None
        try:
            parts = urlsplit(url)
        except ValueError:  # a bracket that is not closed, say
            raise BadAddress("expected kafka://HOST:PORT/TOPIC; found no URL") from None
        topic = parts.path.removeprefix("/")
        if "@" in parts.netloc:
            raise BadAddress("expected no user or password in a log's URL, but credentials=FILE")
        if not parts.netloc or not _TOPIC.fullmatch(topic):
            raise BadAddress("expected kafka://HOST:PORT/TOPIC, the topic of A-Z a-z 0-9 . _ and -")
        if parts.fragment:
            raise BadAddress("expected nothing behind # in a log's URL; write it as %23")
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        named = dict(pairs)
        if len(named) < len(pairs):
            raise BadAddress("expected each name once in a log's URL; found one twice")
        _check_names(named)
        named.setdefault("mirror", f"{topic}.mirror.db")
        made = cls(parts.netloc, topic, **named)
        if not all(0 < port < 2**16 for _, port in made.brokers):
            raise BadAddress("expected brokers as HOST:PORT, the port from 1 to 65535")
        return made

    @property
    def url(self) -> str:
        """The log's URL as it may be shown: without the files that secrets are in."""
        return f"{SCHEME}{self.servers}/{self.topic}"

    @property
    def brokers(self) -> list[tuple[str, int]]:
        """Host and port of each broker that is named; port 0 where one has no form of a broker."""
        found = [_BROKER.fullmatch(each) for each in self.servers.split(",")]
        return [
            (each[1].strip("[]"), int(each[2] or PORT)) if each and _is_name(each[1]) else ("", 0)
            for each in found
        ]

    @property
    def keys_topic(self) -> str:
        """The topic that the keys of contents are kept on."""
        return f"{self.topic}.keys"

    def client(self) -> dict[str, Any]:
        """Give what every client of aiokafka is made with.

        Raises:
            LogUnavailable: a file that is named cannot be read.
        """
        made: dict[str, Any] = {
            "bootstrap_servers": self.servers.split(","),
            "request_timeout_ms": REQUEST_MS,
            "retry_backoff_ms": BACKOFF_MS,
            "security_protocol": self.security.upper(),
        }
        try:
            if self.security.endswith("ssl"):
                made["ssl_context"] = self._tls()
            if self.security.startswith("sasl"):
                made["sasl_mechanism"] = self.mechanism
                made["sasl_plain_username"], made["sasl_plain_password"] = self._secret()
        except (OSError, ValueError) as error:
            # Not the error's own words: they might hold a part of the file.
            name = getattr(error, "filename", None) or "credentials, ca, cert or key"
            why = f"expected a file that can be used; found {name}: {type(error).__name__}"
            raise LogUnavailable(self.url, why, reading=True) from None
        return made

    def _tls(self) -> ssl.SSLContext:
        for path in filter(None, (self.ca, self.cert, self.key)):
            Path(path).open("rb").close()  # whose error has the file's name, as that of TLS has not
        context = ssl.create_default_context(cafile=self.ca)
        if self.cert is not None:
            # A key that wants a password is refused, rather than asked for at the terminal.
            context.load_cert_chain(self.cert, self.key, password="")
        return context

    def _secret(self) -> tuple[str, str]:
        user, password = Path(self.credentials or "").read_text(encoding="utf-8").splitlines()[:2]
        return user, password


def _check_names(named: dict[str, str]) -> None:
    for name, value in named.items():
        if name not in _NAMES or not value:
            raise BadAddress(f"expected {_among(_NAMES)} with a value in a log's URL; found {name}")
    security = named.get("security", "plaintext")
    if security not in _SECURITY:
        raise BadAddress(f"expected security={_among(_SECURITY)}; found {security}")
    if named.get("mechanism", "PLAIN") not in _MECHANISMS:
        raise BadAddress(f"expected mechanism={_among(_MECHANISMS)}; found {named['mechanism']}")
    if security.startswith("sasl") and "credentials" not in named:
        raise BadAddress("expected credentials=FILE, two lines, user and password; found none")
    # Whoever names these believes that they are used.
    for names, part in ((_OF_TLS, "ssl"), (_OF_SASL, "sasl")):
        if names & named.keys() and part not in security:
            among = _among({each for each in _SECURITY if part in each})
            raise BadAddress(f"expected security={among} with {_among(names)}; found {security}")
    if "key" in named and "cert" not in named:
        raise BadAddress("expected cert=FILE with key=FILE; found none")


def _is_name(host: str) -> bool:
    """Whether a host's name can be looked up at all (RFC 1035: 63 characters between dots)."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def _among(names: set[str]) -> str:
    return ", ".join(sorted(names))
