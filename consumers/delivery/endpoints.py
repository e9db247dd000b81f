"""Whom alerts go to: addresses with their wishes and secrets, and whether they still answer."""

import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Literal, NamedTuple

import apsw

from consumers.alerts.targets import Channel, Target
from consumers.delivery.addresses import channel_of, expect_short, shown_of
from consumers.delivery.failing import GAP_MS, Failing, follows
from consumers.delivery.ledger import SQL, Ledger
from consumers.delivery.schedule import LONGEST_LIFE
from consumers.delivery.signing import BOTH_VALID_MS, Vault, check_secret, new_secret
from consumers.delivery.wishes import Wishes, wishes_from, wishes_kept
from events.errors import NotFound, Refused
from events.log import Clock

__all__ = ["Endpoint", "Endpoints", "Named"]

# Whoever could register without end could fill the disk. Of each channel: browsers sign up without
# a key, and are to keep nobody else out.
MOST_TARGETS = 100_000

_TARGETS: Final = SQL["targets"]
_SECRETS: Final = SQL["secrets"]
_NEWEST: Final = "ORDER BY rowid DESC"


class Endpoint(NamedTuple):
    """A target with what sending to it takes. Never shown as it is: see `shown`."""

    target: Target
    wishes: Wishes
    address: str
    shown: str
    owner: str | None
    state: Literal["active", "disabled"]
    reason: str | None
    made_ms: int
    failing_ms: int | None
    warned_ms: int | None
    secrets: tuple[tuple[str, int | None], ...]

    @property
    def id(self) -> str:
        """The target's id."""
        return self.target.id

    def signs_with(self, now_ms: int) -> list[str]:
        """Give the secrets that are valid now, newest first."""
        return [text for text, until in self.secrets if until is None or until > now_ms]


def _expect_room(connection: apsw.Connection, channel: Channel) -> None:
    count = partial(connection.execute, SQL["count-targets"], (channel,))
    if channel == "push" and count().get >= MOST_TARGETS:
        connection.execute(SQL["forget-gone"])  # browsers come and go, and sign up again
    if count().get >= MOST_TARGETS:
        raise Refused("targets", "targets", f"at most {MOST_TARGETS}", "more")


def _expect_own(connection: apsw.Connection, target: str) -> None:
    if connection.execute(SQL["is-named"], (target,)).get:
        found = f"{target}, which the policy names: change it there"
        raise Refused("target-named", "target", "a target that was registered", found)


class Named(NamedTuple):
    """A target that the policy names, and where it is."""

    target: Target
    address: str


class Endpoints:
    """All targets, in the ledger; what is sealed there is open in memory alone.

    Args:
        ledger: where they are kept.
        vault: opens what is sealed.
        clock: milliseconds since 1970 UTC.
    """

    def __init__(self, ledger: Ledger, vault: Vault, clock: Clock) -> None:
        self._ledger = ledger
        self._vault = vault
        self._clock = clock
        self._known: dict[str, Endpoint] = {}
        self._version = -1
        self.changes = 0  # grows whenever the targets are others than before

    async def register(
        self,
        address: str,
        wishes: Wishes,
        *,
        channel: Channel | None = None,
        owner: str | None = None,
        secret: str | None = None,
        name: str | None = None,
    ) -> tuple[str, str | None]:
        """Take in a target; whoever calls has made sure that its address wants to be called.

        Returns:
            Its id, and for a webhook the secret, which is not shown again.

        Raises:
            Refused: there are too many, or the secret is not of its form.
        """
        channel = channel or channel_of(address)
        expect_short(address)
        if channel == "webhook":
            secret = new_secret() if secret is None else check_secret(secret)
        elif secret is not None:
            raise Refused("secret", "secret", "one for webhooks alone", "one for another channel")
        target = f"{channel}:{name or secrets.token_hex(6)}"
        now = self._clock()
        row = {
            "target": target,
            "channel": channel,
            "wishes": wishes.model_dump_json(exclude_defaults=True),
            "address": self._vault.seal(address, target),
            "shown": shown_of(channel, address),
            "named": False,
            "owner": None if owner is None else self._vault.seal(owner, target),
            "now": now,
        }
        signed = None if secret is None else (target, now, None, self._vault.seal(secret, target))

        def work(connection: apsw.Connection) -> None:
            _expect_room(connection, channel)
            if connection.execute(SQL["has-target"], (target,)).get:
                raise Refused("target-name", "name", "a name that is free", target)
            connection.execute(SQL["add-target"], row)
            if signed is not None:
                connection.execute(SQL["add-secret"], signed)

        await self._changing(work, target)
        return target, secret

    async def name(self, named: Sequence[Named]) -> None:
        """Have exactly these targets be those that the policy names: added, changed or removed.

        Raises:
            Refused: a target of one of these names registered itself.
        """
        await self._refresh()
        now, wanted = self._clock(), {each.target.id for each in named}
        moved = {each.target.id for each in named if self._was_elsewhere(each)}
        rows = [
            {
                "target": each.target.id,
                "channel": each.target.channel,
                "wishes": wishes_from(each.target).model_dump_json(exclude_defaults=True),
                "address": self._vault.seal(each.address, each.target.id),
                "shown": shown_of(each.target.channel, each.address),
                "named": True,
                "owner": None,
                "now": now,
            }
            for each in named
        ]

        def work(connection: apsw.Connection) -> None:
            before = {str(row[0]) for row in connection.execute(SQL["named-targets"])}
            for target in before - wanted:
                values = {"target": target, "reason": "the policy names it no more", "now": now}
                connection.execute(SQL["skip"], values)
                connection.execute(SQL["remove"], values)
            for row in rows:
                target = str(row["target"])
                if target not in before and connection.execute(SQL["has-target"], (target,)).get:
                    raise Refused("target-name", "target.id", "an id that is free", target)
                connection.execute(SQL["change-target" if target in before else "add-target"], row)
                if target in moved:  # what its last address did is not held against it
                    connection.execute(SQL["enable"], (target,))
                if row["channel"] == "webhook":
                    sealed = self._vault.seal(new_secret(), target)
                    connection.execute(SQL["first-secret"], (target, now, sealed))

        await self._ledger.write(work)
        self._version = -1
        await self._refresh()

    def _was_elsewhere(self, named: Named) -> bool:
        known = self._known.get(named.target.id)
        return known is not None and known.address != named.address

    async def all(self) -> list[Endpoint]:
        """Give all targets, oldest first; read anew where anybody changed one."""
        await self._refresh()
        return list(self._known.values())

    async def get(self, target: str) -> Endpoint:
        """Give a target.

        Raises:
            NotFound: there is none of this id.
        """
        await self._refresh()
        found = self._known.get(target)
        if found is None:
            raise NotFound("target", target)
        return found

    def known(self, target: str) -> Endpoint | None:
        """Give a target as it was when targets were last read."""
        return self._known.get(target)

    async def rotate(self, target: str, secret: str | None = None) -> str:
        """Give a webhook a new secret; the one before signs beside it for a day more.

        Raises:
            NotFound: there is no such target.
            Refused: it is no webhook, or the secret is not of its form.
        """
        found = await self.get(target)
        if found.target.channel != "webhook":
            raise Refused("secret", "target", "a webhook", found.target.channel)
        made = new_secret() if secret is None else check_secret(secret)
        now = self._clock()
        sealed = self._vault.seal(made, target)

        def work(connection: apsw.Connection) -> None:
            connection.execute(SQL["forget-secrets"], (target, now))
            connection.execute(SQL["outdate-secrets"], (now + BOTH_VALID_MS, target))
            connection.execute(SQL["add-secret"], (target, now, None, sealed))

        await self._changing(work, target)
        return made

    async def disable(self, target: str, reason: str, *, fails: bool = False) -> None:
        """Send nothing more to a target; what waits for it is skipped and can be recovered.

        One that is disabled because it `fails` may register itself again; of any other the desk
        has decided.
        """
        await self.get(target)
        values = {"target": target, "reason": reason, "now": self._clock(), "fails": fails}

        def work(connection: apsw.Connection) -> None:
            connection.execute(SQL["disable"], values)
            connection.execute(SQL["skip"], values)

        await self._changing(work, target)

    async def change(self, target: str, wishes: Wishes) -> None:
        """Have a target get what it wishes now; what was decided for it before stays.

        Raises:
            NotFound: there is no such target.
            Refused: the policy names it, and says what it gets.
        """
        await self.get(target)
        given = wishes.model_dump_json(exclude_defaults=True)

        def work(connection: apsw.Connection) -> None:
            _expect_own(connection, target)
            connection.execute(SQL["change-wishes"], {"target": target, "wishes": given})

        await self._changing(work, target)

    async def remove(self, target: str) -> None:
        """Forget a target and its secrets; what was sent to it stays on record.

        Raises:
            NotFound: there is no such target.
            Refused: the policy names it, and would bring it back.
        """
        await self.get(target)
        values = {"target": target, "reason": "the target was removed", "now": self._clock()}

        def work(connection: apsw.Connection) -> None:
            _expect_own(connection, target)
            connection.execute(SQL["skip"], values)
            connection.execute(SQL["remove"], values)

        await self._changing(work, target)

    async def enable(self, target: str) -> None:
        """Send to a target again."""
        await self.get(target)
        await self._changing(lambda c: c.execute(SQL["enable"], (target,)), target)

    async def renew(self, target: str, address: str, wishes: Wishes) -> None:
        """Have a target that registers itself again be so from now on; what waits for it stays.

        It is sent to again if it was disabled because it failed, not where the desk disabled it.
        """
        values = {"target": target, "address": self._vault.seal(address, target)}
        values["wishes"] = wishes.model_dump_json(exclude_defaults=True)

        def work(connection: apsw.Connection) -> None:
            connection.execute(SQL["renew"], values)
            connection.execute(SQL["enable-failing"], (target,))

        await self._changing(work, target)

    async def heard(self, target: str, *, well: bool) -> Failing:
        """Note how a target answered; says what is to be done about one that only fails."""
        found = self._known.get(target)
        now = self._clock()
        if found is None or (well and found.failing_ms is None):
            return "fine"
        if well:
            await self._changing(lambda c: c.execute(SQL["recovered"], (target,)), target)
            return "fine"
        if found.failing_ms is None:
            await self._changing(lambda c: c.execute(SQL["failing"], (now, target)), target)
            return "failing"
        what = follows(found.failing_ms, found.warned_ms, now)
        if what == "failing":
            return what
        since = await self._failing_since(target, found.failing_ms, now)
        if since > found.failing_ms:
            await self._changing(lambda c: c.execute(SQL["failing-anew"], (since, target)), target)
            return "failing"
        if what == "warn":
            await self._changing(lambda c: c.execute(SQL["warned"], (now, target)), target)
        return what

    async def _failing_since(self, target: str, failing_ms: int, now_ms: int) -> int:
        """Say since when a target fails without a while in which nobody tried."""
        asked = {"target": target, "failing": failing_ms, "now": now_ms}
        asked |= {"life": LONGEST_LIFE, "gap": GAP_MS}
        return int(
            await self._ledger.read(lambda c: c.execute(SQL["failing-since"], asked).get, long=True)
        )

    async def _changing(self, work: Callable[[apsw.Connection], Any], target: str) -> None:
        """Change one target, and know it as it is then; the others need not be read again."""

        def whole(connection: apsw.Connection) -> tuple[Any, list[Any]]:
            work(connection)
            row = connection.execute(f"{_TARGETS} WHERE target = ?", (target,)).fetchone()
            return row, connection.execute(
                f"{_SECRETS} WHERE target = ? {_NEWEST}", (target,)
            ).fetchall()

        row, sealed = await self._ledger.write(whole)
        before = self._known.get(target)
        if row is None:
            self._known.pop(target, None)
        else:
            self._known[target] = self._endpoint(row, self._signing(sealed).get(target, ()))
        after = self._known.get(target)
        if before is None or after is None or before.target != after.target:
            self.changes += 1

    async def _refresh(self) -> None:
        """Read the targets again, unless nobody changed them."""
        # Moves when another process commits.
        if await self._ledger.read(lambda c: c.pragma("data_version")) == self._version:
            return

        def work(connection: apsw.Connection) -> tuple[int, list[Any], list[Any]]:
            version = connection.pragma("data_version")
            rows = connection.execute(f"{_TARGETS} ORDER BY made_ms, target").fetchall()
            return version, rows, connection.execute(f"{_SECRETS} {_NEWEST}").fetchall()

        version, rows, sealed = await self._ledger.read(work, long=True)
        signing = self._signing(sealed)
        known = {row[0]: self._endpoint(row, signing.get(row[0], ())) for row in rows}
        if known != self._known:
            self._known = known
            self.changes += 1
        self._version = version

    def _signing(self, sealed: list[Any]) -> dict[str, tuple[tuple[str, int | None], ...]]:
        found: dict[str, tuple[tuple[str, int | None], ...]] = {}
        for target, until, secret in sealed:
            opened = (self._vault.unseal(secret, target), until)
            found[target] = (*found.get(target, ()), opened)
        return found

    def _endpoint(self, row: Any, signing: tuple[tuple[str, int | None], ...]) -> Endpoint:  # noqa: ANN401 - a row, as SQLite gives it
        target, channel, wishes, address, shown, owner = row[:6]
        state, reason, made_ms, failing_ms, warned_ms = row[6:]
        wanted = wishes_kept(wishes)
        return Endpoint(
            wanted.target(target, channel),
            wanted,
            self._vault.unseal(address, target),
            shown,
            None if owner is None else self._vault.unseal(owner, target),
            state,
            reason,
            made_ms,
            failing_ms,
            warned_ms,
            signing,
        )
