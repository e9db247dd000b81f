"""A story with words to be redacted, and the search for what is left of them."""

import gzip
from collections.abc import Iterator
from pathlib import Path

from publishing import filed

from dateline.wiring import Newsroom
from producers.publisher import Publisher

__all__ = ["BODY", "CORRECTED", "KEPT", "LAW", "NOTES", "story", "traces"]

BODY = "zqerase01 the words that a court ordered to be erased"
CORRECTED = "zqerase02 the words that stood there after a correction"
NOTES = "zqerase03 a name that was promised to nobody"
LAW = {"reason_code": "court-order", "legal_basis": "a drill", "ordered_by": "a court"}
KEPT = "the words beside them"


async def story(room: Newsroom | Publisher) -> None:
    """A development with a body that was corrected since, refiled, quoted and has private notes."""
    await filed(room, "story-opened", title="A story")
    await filed(room, "quote-added", ref="Q", body=BODY, headline=KEPT, private={"notes": NOTES})
    await filed(
        room,
        "corrected",
        ref="K",
        target="Q",
        field="body",
        old=BODY,
        new=CORRECTED,
        note="a drill",
    )
    await filed(room, "development-reported", label="note", body=f"It was said: {CORRECTED}. So.")


def traces(folder: Path, *words: str) -> Iterator[str]:
    """Give the files that hold any of some words, or the middle of them, packed ones unpacked."""
    for file in folder.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            data += gzip.decompress(data) if data[:2] == b"\x1f\x8b" else b""
            for word in words:
                if word.encode() in data or word[:20].encode() in data:
                    yield f"{file.name}: {word}"
