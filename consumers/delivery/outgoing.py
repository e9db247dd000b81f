"""One outgoing call: made within its time, and no more of the answer read than is needed."""

from functools import lru_cache
from typing import Final, NamedTuple

import aiohttp
from yarl import URL

from consumers.delivery.guard import NotPublic

__all__ = ["Answer", "Outcome", "Unanswered", "call", "outcome_of"]

MOST_READ = 16 * 1024  # bytes of an answer; what there is beyond is not taken
GONE = 410  # RFC 9110: the target is not there any more, and will not be
_TAKEN: Final = range(200, 300)
# 4xx says what is wrong with the request, so it was not taken; of these it is not certain.
_UNCERTAIN: Final = frozenset({408, 425, 429})


class Answer(NamedTuple):
    """What came back: status, the beginning of the body, whence, and two of the headers.

    `retry_after` is Retry-After; `allowed` is WebHook-Allowed-Origin.
    """

    status: int
    body: bytes
    address: str | None
    retry_after: str | None
    allowed: str | None = None


class Unanswered(Exception):
    """Nothing came back.

    Args:
        error: its class, in kebab-case.
        may_have: false where it is certain that the target got nothing.
    """

    def __init__(self, error: str, *, may_have: bool) -> None:
        super().__init__(error)
        self.error = error
        self.may_have = may_have


class Outcome(NamedTuple):
    """What a channel says of one try.

    `asked` is the Retry-After header; `gone` that the target wants nothing ever again; `shown_as`
    what the channel calls what it shows now; `may_have` is false only where it is certain that
    the target did not get it.
    """

    delivered: bool
    status: int | None = None
    error: str | None = None
    address: str | None = None
    may_have: bool = True
    asked: str | None = None
    gone: bool = False
    shown_as: str | None = None


async def call(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Make one call; redirects are answers like any other.

    Raises:
        Unanswered: nothing came back in time, or nothing could be sent.
    """
    try:
        where = _parsed(url)
    except ValueError:
        raise Unanswered("bad-url", may_have=False) from None
    try:
        async with session.request(
            method,
            where,
            data=None if body is None else aiohttp.BytesPayload(body),
            headers=headers,
            allow_redirects=False,
        ) as response:
            address = getattr(response, "address", None)
            read = await _read(response)
            asked = response.headers.get("retry-after")
            allowed = response.headers.get("webhook-allowed-origin")
            return Answer(response.status, read, address, asked, allowed)
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, NotPublic):
            raise Unanswered("not-public", may_have=False) from None
        raise Unanswered("no-connection", may_have=False) from None
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
        raise Unanswered("bad-url", may_have=False) from None
    except TimeoutError:
        raise Unanswered("timeout", may_have=True) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Unanswered(f"dropped-{type(error).__name__.lower()}", may_have=True) from None


@lru_cache(maxsize=4096)
def _parsed(url: str) -> URL:
    """Read a URL once for all calls that go there."""
    return URL(url)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read the beginning of an answer; its status stands whatever becomes of the rest."""
    read = bytearray()
    try:
        while not response.content.at_eof():
            read += await response.content.read(MOST_READ - len(read))
            if len(read) >= MOST_READ:
                response.close()
                break
    except (TimeoutError, aiohttp.ClientError, OSError):
        response.close()
    return bytes(read)


def outcome_of(answer: Answer, shown_as: str | None = None) -> Outcome:
    """Judge an answer by its status: 2xx is delivered, 410 never again, all else not this time."""
    status, address = answer.status, answer.address
    if status in _TAKEN:
        return Outcome(delivered=True, status=status, address=address, shown_as=shown_as)
    refused = 300 <= status < 500 and status not in _UNCERTAIN  # noqa: PLR2004 - RFC 9110's classes
    return Outcome(
        delivered=False,
        status=status,
        error=f"http-{status}",
        address=address,
        may_have=not refused,
        asked=answer.retry_after,
        gone=status == GONE,
    )
