"""How deliveries end: none sooner than was promised, none never, a digest with all it tells."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asking import eventually
from conftest import Clock
from receiving import (
    Receiver,
    counted,
    hook,
    issue,
    receiving,
    sending,
    states,
)

from consumers.delivery.rows import Planned
from consumers.delivery.wishes import Wishes
from dateline.outbox import Outbox
from dateline.wiring import Newsroom, newsroom

HOUR = 3_600_000


@pytest.fixture
async def room(tmp_path: Path, clock: Clock) -> AsyncIterator[Newsroom]:
    async with newsroom(f"sqlite:///{tmp_path}/news.db", clock) as made:
        yield made


@pytest.mark.parametrize("level", ["regular", "bulletin", "flash"])
async def test_a_correction_is_tried_as_long_as_what_it_corrects(
    room: Newsroom, tmp_path: Path, clock: Clock, level: str
) -> None:
    """Who got an alert is sent its correction for three days, whatever level that has."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url)
        await issue(room)
        await counted(out, delivered=1)
        receiver.status, receiver.headers = 503, {"retry-after": "60"}
        fields: dict[str, Any] = {"level": level, "msg_type": "Update", "references": ["A1"]}
        await issue(room, kind="alert-corrected", ref="A2", **fields)
        await counted(out, delivered=1, retry=1)
        for hour in range(75):
            clock.move(HOUR)
            await out.sender.look()
            await out.sender.quiet()
            assert await states(out) == {"delivered": 1, "retry": 1}, f"given up after {hour} h"
        receiver.status = 204
        clock.move(24 * HOUR)
        await counted(out, delivered=2)


async def test_who_asks_for_an_hour_gets_it_before_a_correction_too(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """A receiver that asks to be left alone for an hour is sent no correction within it."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        await hook(out, receiver.url)
        await issue(room)
        await counted(out, delivered=1)
        receiver.status, receiver.headers = 503, {"retry-after": "3600"}
        fields: dict[str, Any] = {"msg_type": "Update", "references": ["A1"]}
        await issue(room, kind="alert-corrected", ref="A2", **fields)
        await counted(out, delivered=1, retry=1)
        receiver.status = 204
        clock.move(HOUR - 1_000)
        await out.sender.look()
        await out.sender.quiet()
        assert len(receiver.got) == 2
        clock.move(1_000)
        await counted(out, delivered=2)


@pytest.mark.parametrize(("hours", "told"), [((25, 96), 0), ((24, 24, 25, 24, 25), 1)])
async def test_time_without_a_try_is_no_failure(
    room: Newsroom, tmp_path: Path, clock: Clock, hours: tuple[int, ...], told: int
) -> None:
    """A target of which nobody knows how it was for days is neither warned of nor disabled."""
    async with receiving() as receiver, receiving() as owners, sending(room, tmp_path) as out:
        owner, _ = await hook(out, owners.url, stories=["no-story"])
        wishes = Wishes(stories=frozenset({"a-story"}))
        target, _ = await out.endpoints.register(receiver.url, wishes, owner=owner)
        receiver.status = 500
        for number, passed in enumerate((0, *hours)):
            clock.move(passed * HOUR)
            await tried(room, out, receiver, f"A{number}")
        await out.sender.look()
        await out.sender.quiet()
        assert len(owners.got) == told
        assert (await out.endpoints.get(target)).state == ("disabled" if told else "active")


async def test_an_owner_has_two_days_whenever_they_are_told(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """A target is not disabled before its owner has known for 48 hours that it will be."""
    async with receiving() as receiver, receiving() as owners, sending(room, tmp_path) as out:
        owner, _ = await hook(out, owners.url, stories=["no-story"])
        wishes = Wishes(stories=frozenset({"a-story"}))
        target, _ = await out.endpoints.register(receiver.url, wishes, owner=owner)
        receiver.status = 500
        for number, passed in enumerate((0, 35, 35, 34, 24)):  # told after 104 h
            clock.move(passed * HOUR)
            assert (await out.endpoints.get(target)).state == "active"
            await tried(room, out, receiver, f"A{number}")
        await owners.wait(1)
        clock.move(25 * HOUR)
        await tried(room, out, receiver, "A9")
        assert (await out.endpoints.get(target)).state == "disabled"


async def tried(room: Newsroom, out: Outbox, receiver: Receiver, ref: str) -> None:
    """Have an alert tried of a level that is not worth a second try a day later."""
    had = len(receiver.got)
    await issue(room, ref=ref, level="flash")
    await receiver.wait(had + 1)
    await out.sender.quiet()


@pytest.mark.parametrize("ends", ["failed", "expired", "skipped"])
async def test_what_a_digest_was_to_tell_ends_with_it(
    room: Newsroom, tmp_path: Path, clock: Clock, ends: str
) -> None:
    """An alert whose digest did not get through has not either, and can be had again with it."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        target, _ = await hook(out, receiver.url, throttle={"regular": {"most": 1, "seconds": 600}})
        for number in range(3):
            await issue(room, f"story-{number}")
        await counted(out, delivered=1, held=2)
        receiver.status = 410 if ends == "failed" else 500
        clock.move(601_000)
        await out.reaction.decide_held()
        await receiver.wait(2)
        await out.sender.quiet()
        if ends == "expired":
            clock.move(130 * HOUR)
        elif ends == "skipped":
            await out.endpoints.disable(target, "a drill")
        await counted(out, delivered=1, **{ends: 3})
        receiver.status = 204
        await out.endpoints.enable(target)
        assert await out.deliveries.recover(target, 0, clock.now) == 1
        await counted(out, delivered=4)
        assert len(receiver.got[-1].event["data"]["alerts"]) == 2


def planned(target: str, kind: str, reason: str, now: int) -> Planned:
    """What is sent that is no news."""
    return Planned(
        *(f"{kind}-1", target, 0, "", kind, kind, "drill" if kind == "drill" else "regular"),
        fast=False,
        state="pending",
        reason=reason,
        due_ms=now,
    )


async def test_only_news_is_missed(room: Newsroom, tmp_path: Path, clock: Clock) -> None:
    """Who is sent what it missed gets no drill of yesterday and no old warning."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        target, _ = await hook(out, receiver.url)
        receiver.status = 503
        await issue(room)
        for kind in ("drill", "notice"):
            await out.deliveries.add([planned(target, kind, "a drill", clock.now)], clock.now)
        await out.sender.look()
        await counted(out, retry=3)
        await out.endpoints.disable(target, "a drill")
        receiver.status = 204
        clock.move(24 * HOUR)
        await out.endpoints.enable(target)
        assert await out.deliveries.recover(target, 0, clock.now) == 1
        await counted(out, delivered=1, skipped=2)


async def test_a_warning_keeps_its_words(room: Newsroom, tmp_path: Path, clock: Clock) -> None:
    """A warning that was skipped and is sent again by hand says what it said."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        target, _ = await hook(out, receiver.url)
        receiver.status = 503
        warning = planned(target, "notice", "mail:desk fails", clock.now)
        await out.deliveries.add([warning], clock.now)
        await out.sender.look()
        await counted(out, retry=1)
        await out.endpoints.disable(target, "a drill")
        await counted(out, skipped=1)
        receiver.status = 204
        await out.endpoints.enable(target)
        assert await out.deliveries.resend(receiver.got[0].id, clock.now)
        await counted(out, delivered=1)
        assert [got.event["data"]["headline"] for got in receiver.got] == ["mail:desk fails"] * 2


async def test_what_was_never_to_be_sent_is_not_under_way(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """Whoever asks whom an alert reached by now is told who was skipped, and that this is final."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        target, _ = await hook(out, receiver.url)
        await issue(room)
        await counted(out, delivered=1)
        await out.endpoints.disable(target, "a drill")
        await issue(room, ref="A2")
        fields: dict[str, Any] = {"msg_type": "Update", "references": ["A1"]}
        await issue(room, kind="alert-corrected", ref="A3", **fields)
        await counted(out, delivered=1, skipped=2)
        assert room.reach is not None
        sent = room.reach.sent("a-story", clock.now)
        assert [each.state for each in sent] == ["delivered", "skipped", "skipped"]


async def test_who_says_it_is_gone_is_left_alone(room: Newsroom, tmp_path: Path) -> None:
    """An endpoint that answers 410 is disabled; what it missed meanwhile can be had later."""
    async with receiving() as receiver, sending(room, tmp_path) as out:
        target, _ = await hook(out, receiver.url)
        receiver.status = 410
        await issue(room, ref="A1")
        await receiver.wait(1)
        await counted(out, failed=1)
        await eventually(lambda: is_so(out, target, disabled=True))
        await issue(room, ref="A2")
        await counted(out, failed=1, skipped=1)
        receiver.status = 204
        await out.endpoints.enable(target)
        assert await out.deliveries.recover(target, 0, room.clock()) == 2
        await receiver.wait(3)
        await counted(out, delivered=2)


async def test_nothing_but_failure_for_five_days_disables(
    room: Newsroom, tmp_path: Path, clock: Clock
) -> None:
    """After 72 h of nothing but failure the owner is told, after 120 h the target is disabled."""
    async with receiving() as receiver, receiving() as owners, sending(room, tmp_path) as out:
        owner, _ = await hook(out, owners.url, stories=["no-story"])
        wishes = Wishes(stories=frozenset({"a-story"}))
        target, _ = await out.endpoints.register(receiver.url, wishes, owner=owner)
        receiver.status = 500
        # Hours that pass, and whether the owner is told and the target disabled by then.
        for number, (hours, told, ended) in enumerate(
            [
                *((0, 0, False), (24, 0, False), (24, 0, False), (23, 0, False)),
                *((1.5, 1, False), (23, 1, False), (23, 1, False), (2, 1, True)),
            ]
        ):
            clock.move(int(hours * HOUR))
            had = await tries(out, target)
            await issue(room, ref=f"A{number}")
            await eventually(lambda had=had: tried_often(out, target, had + 1))  # type: ignore[misc]  # - bound now
            await owners.wait(told)
            await eventually(lambda ended=ended: is_so(out, target, disabled=ended))  # type: ignore[misc]  # - bound now
        assert len(owners.got) == 1
        assert target in owners.got[0].event["data"]["headline"]


async def is_so(out: Outbox, target: str, *, disabled: bool) -> bool:
    return ((await out.endpoints.get(target)).state == "disabled") == disabled


async def tries(out: Outbox, target: str) -> int:
    """Count the tries of which it is written down what came, and so what that says of a target."""
    return sum(each.status is not None for each in await out.deliveries.attempts(target, None))


async def tried_often(out: Outbox, target: str, count: int) -> bool:
    return await tries(out, target) >= count
