"""What is not released is in nothing that a reader without a key can get hold of."""

import asyncio
import random
from typing import Any

import pytest
from filings import LATER
from serving import Served, Subscriber, served

from consumers.outputs.routes import FORMS
from dateline.wiring import Newsroom

STEPS = 14


class History:
    """A story filed step by step, and which of its words readers may know of.

    Every word is made once. `words` are those of a development by its ref; `never` are those that
    no reader may see whatever happens.
    """

    def __init__(self, desk: Served, slug: str, seed: int) -> None:
        self.desk = desk
        self.slug = slug
        self.random = random.Random(seed)
        self.keeps: dict[str, set[str]] = {}
        self.words: dict[str, set[str]] = {}
        self.never: set[str] = set()
        self.second = desk.keys.create("second", frozenset({"file", "publish", "correct"}))

    def word(self, owner: str | None) -> str:
        made = f"zq{self.slug.replace('-', '')}{self.random.getrandbits(64):016x}"
        (self.never if owner is None else self.words.setdefault(owner, set())).add(made)
        return made

    async def play(self) -> None:
        """File an opening and a number of developments and acts."""
        await self.news("story-opened", title=True)
        for _ in range(STEPS):
            await self.step()

    async def step(self) -> None:
        step = self.random.choice(
            [self.note, self.note, self.note, self.figure, self.act, self.act, self.correction]
        )
        await step()

    async def news(self, kind: str, *, title: bool = False, **fields: Any) -> None:
        ref = f"R{len(self.keeps)}"
        self.words[ref] = set()
        fields |= {"ref": ref, "headline": self.word(ref), "body": self.word(ref)}
        fields["private"] = {"notes": self.word(None)}
        fields["claims"] = [{"ref": f"C{ref}", "text": self.word(ref)}]
        if title:
            fields["title"] = self.word(ref)
        keeps = set()
        if self.random.random() < (0.2 if title else 0.35):
            kept = self.random.choice(["embargoed", "unapproved"])
            keeps = {kept}
            fields |= {"embargo_until": LATER} if kept == "embargoed" else {"needs_approval": True}
        status, answer = await self.desk.post(self.slug, {"kind": kind, **fields})
        assert status == 201, answer
        self.keeps[ref] = keeps

    async def note(self) -> None:
        await self.news("development-reported", label="note")

    async def figure(self) -> None:
        ref = f"R{len(self.keeps)}"
        said = {"ref": f"F{ref}", "measure": "children", "words": self.word(ref)}
        await self.news("figure-reported", figures=[said | {"source": "person:a"}])

    async def act(self) -> None:
        ref = self.random.choice(list(self.keeps))
        kind, more, before, after = self.random.choice(
            [
                ("held", {"reason": self.word(None)}, None, "held"),
                ("hold-released", {"reason": self.word(None)}, "held", None),
                ("embargo-broken", {"reason": "it is out"}, "embargoed", None),
                ("published", {}, "unapproved", None),
                ("withdrawn", {"reason": "a hoax"}, None, "withdrawn"),
            ]
        )
        content = {"kind": kind, "target": ref, **more}
        status, _ = await self.desk.post(self.slug, content, key=self.second_or_first(kind))
        if status == 201:
            self.keeps[ref] -= {before}
            self.keeps[ref] |= {after} if after else set()

    def second_or_first(self, kind: str) -> str:
        return self.second if kind == "published" else self.desk.key

    async def correction(self) -> None:
        ref = self.random.choice(list(self.keeps))
        _, inside, _ = await self.desk.get(f"/v1/stories/{self.slug}", self.desk.bearer())
        old = next(
            (word for word in self.words[ref] if f'"body":"{word}"'.encode() in inside), None
        )
        new, note = self.word(ref), self.word(ref)
        content = {"kind": "corrected", "target": ref, "field": "body", "old": old, "new": new}
        status, _ = await self.desk.post(self.slug, content | {"note": note})
        if status != 201:
            self.words[ref] -= {new, note}

    def secrets(self) -> set[str]:
        """Words that readers must not find now."""
        story_kept = bool(self.keeps["R0"])
        kept = (words for ref, words in self.words.items() if story_kept or self.keeps[ref])
        return self.never.union(*kept)


class Compared(History):
    """A history in time, after each step of which everything that readers see is compared."""

    before: tuple[bytes, dict[str, Any]] = (b"", {})
    unseen = 0

    async def step(self) -> None:
        step = self.random.choice(
            [self.figure, self.figure, self.conflict, self.conflict, self.act]
        )
        await step()
        _, told, _ = await self.desk.get(f"/v1/stories/{self.slug}/developments")
        seen = {path: await self.seen(path) for path in self.paths()}
        if told == self.before[0]:
            self.unseen += 1
            assert {path for path in seen if seen[path] != self.before[1][path]} == set()
        self.before = told, seen

    async def seen(self, path: str) -> tuple[int, bytes, str | None]:
        status, body, headers = await self.desk.get(path)
        return status, body, headers.get("Etag")

    def paths(self) -> list[str]:
        paths = ["/", "/v1/stories", "/feeds/all.atom", "/feeds/all.json", f"/stories/{self.slug}"]
        paths += [f"/feeds/{self.slug}.{form}" for form in FORMS]
        asked = ("", "?as_of=999999", "?occurred_by=2025-06-01", "?occurred_by=2040-01-01")
        return paths + [f"/v1/stories/{self.slug}{query}" for query in asked]

    async def news(self, kind: str, *, title: bool = False, **fields: Any) -> None:
        date = self.random.choice(["2024", "2025-05", "2025-07-01"])
        await super().news(kind, title=title, occurred={"basis": "stated", "date": date}, **fields)

    async def conflict(self) -> None:
        figures = [f"F{ref}" for ref in self.keeps if ref != "R0"]
        between = self.random.sample(figures, min(2, len(figures)))  # fewer are refused
        content = {"kind": "conflict-noted", "headline": "They differ"}
        noted = {"conflict": {"between": between, "nature": "quantity"}}
        await self.desk.post(self.slug, content | noted)


async def public_bytes(desk: Served, slugs: list[str], size: int) -> list[bytes]:
    """Everything that a reader without a key can ask for."""
    paths = ["/v1/stories", "/metrics", "/readyz", "/healthz", "/v1/feed?since=nonsense"]
    paths += ["/feeds/all.atom", "/feeds/all.json", "/openapi.json", "/", "/stories/none"]
    for slug in slugs:
        paths += [f"/feeds/{slug}.{form}" for form in FORMS]
        paths += [f"/feeds/{slug}.atom?page=1", f"/stories/{slug}"]
        paths += [f"/v1/stories/{slug}", f"/v1/stories/{slug}/developments"]
        paths += [f"/v1/stories/{slug}?as_of={size * n // 5}" for n in range(1, 6)]
        paths += [f"/v1/stories/{slug}?occurred_by=2040-01-01"]
    found = []
    for path in paths:
        status, body, headers = await desk.get(path)
        found += [path.encode(), str(status).encode(), body, str(headers).encode()]
    return found


async def until_the_end(live: Subscriber) -> list[bytes]:
    """Read the feed up to the last thing that is filed."""
    told = []
    async for event in live:
        told.append(str(event).encode())
        if "the-end" in str(event.data):
            break
    return told


@pytest.mark.parametrize("histories", [12, pytest.param(500, marks=pytest.mark.torture)])
async def test_no_word_gets_out(
    room: Newsroom, histories: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """No word that is embargoed, held, withdrawn, unapproved or private is in any public byte."""
    async with served(room) as desk:
        async with desk.feed() as live:
            await anext(live)
            reading = asyncio.create_task(until_the_end(live))
            played = [History(desk, f"drill-{n}", n) for n in range(histories)]
            for history in played:
                await history.play()
            size = (await room.log.head()).size
            never_out = set().union(*(history.never for history in played))
            out = await public_bytes(desk, [history.slug for history in played], size)
            await desk.file("the-end", "story-opened", title="The end")
            told = await reading
        async with desk.feed("?since=0") as late:
            out += await until_the_end(late)
        logged = "".join(capfd.readouterr()).encode()
    secrets = set().union(*(history.secrets() for history in played))
    public = set().union(*(set().union(*h.words.values()) for h in played)) - secrets
    everything = b"\n".join(out)
    assert public, "nothing was public, so nothing was tried"
    assert [word for word in public if word.encode() not in everything] == []
    assert [word for word in secrets if word.encode() in everything + logged] == []
    assert [word for word in never_out if word.encode() in b"\n".join(told)] == []


@pytest.mark.parametrize("histories", [12, pytest.param(500, marks=pytest.mark.torture)])
async def test_what_readers_are_not_told_of_changes_nothing_for_them(
    room: Newsroom, histories: int
) -> None:
    """A filing that readers are told nothing of changes no byte of what they can ask for."""
    unseen = 0
    async with served(room) as desk:
        for seed in range(histories):
            history = Compared(desk, f"drill-{seed}", seed)
            await history.play()
            unseen += history.unseen
    assert unseen > histories, "hardly anything was unseen, so nothing was tried"
