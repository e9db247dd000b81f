"""Who asks: the key that a request carries, and what it may."""

from starlette.requests import Request

from events.errors import Refused, Unauthorised
from producers.case import Actor
from producers.keys import Key, Keys

__all__ = ["Entrance"]


class Entrance:
    """Looks at keys; a wrong one is never taken for none.

    Args:
        keys: those that are known.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def known(self, authorization: str | None) -> Key | None:
        """Give the key of an Authorization header, None without one.

        Raises:
            Unauthorised: it holds none that is known.
        """
        if authorization is None:
            return None
        scheme, _, text = authorization.partition(" ")
        key = self._keys.find(text.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            raise Unauthorised("expected a key that is known and was not revoked; found another")
        return key

    def holder(self, authorization: str | None) -> Key:
        """Give the key of an Authorization header.

        Raises:
            Unauthorised: there is none, or none that is known.
        """
        key = self.known(authorization)
        if key is None:
            raise Unauthorised("expected a key (Authorization: Bearer …); found none")
        return key

    def filer(self, authorization: str | None) -> Actor:
        """Say who files."""
        return self.holder(authorization).actor

    def insider(self, request: Request) -> bool:
        """Whether who asks may see what is not released."""
        key = self.known(request.headers.get("authorization"))
        return key is not None and "read:internal" in key.scopes

    def who(self, request: Request) -> str:
        """Name who asks, by key or address, so that connections can be counted."""
        key = self.known(request.headers.get("authorization"))
        if key is not None:
            return key.id
        return request.client.host if request.client else ""

    def expect(self, request: Request, scopes: set[str], field: str) -> None:
        """Refuse a request whose key does not hold all these scopes.

        Raises:
            Unauthorised: there is no key, or none that is known.
            Refused: it does not.
        """
        held = self.holder(request.headers.get("authorization")).scopes
        if not scopes <= held:
            wanted, found = (" and ".join(sorted(each)) for each in (scopes, held))
            raise Refused("scope", field, f"a key with {wanted}", found)
