"""What a filing points at is there, stands, and is of the sort that it has to be."""

from typing import Any

import pytest
from filings import BEN, opened, refused

LETTER = {"ref": "L1", "from": "org:a", "to": "org:b"}
WAIT = {"ref": "P1", "awaited_from": "org:b"}
ALERT = {"ref": "A1", "level": "urgent", "derived_from": ["Q"], "reason": "r"}
CHANGE = {"from": "attributed", "to": "disputed", "basis": "b", "seconded_by": BEN.name}


@pytest.mark.parametrize(
    ("rule", "kind", "fields"),
    [
        ("ref-known", "letter-sent", {"letter": LETTER, "response": WAIT | {"about": ["X"]}}),
        ("ref-other", "letter-sent", {"letter": LETTER, "response": WAIT | {"about": ["P1"]}}),
        ("ref-other", "alert-issued", {"alert": ALERT | {"derived_from": ["A1"]}}),
        ("ref-other", "alert-issued", {"ref": "B", "alert": ALERT | {"derived_from": ["B"]}}),
        ("ref-known", "alert-corrected",
         {"alert": ALERT | {"msg_type": "Update", "references": ["X"]}}),
        ("ref-known", "alert-corrected",
         {"alert": ALERT | {"msg_type": "Update", "references": ["Q"]}}),
        ("ref-known", "verification-changed", CHANGE | {"of": "Q"}),
        ("ref-known", "withdrawn", {"target": "Q", "reason": "r", "replacement": "C1"}),
        ("ref-known", "withdrawn", {"target": "C1", "reason": "r"}),
        ("ref-known", "figure-revised", {"target": "C1", "value": 1, "source": "org:a"}),
        ("ref-known", "response-received", {"resolves": "C1"}),
        ("state", "held", {"target": "G", "reason": "r"}),
        ("state", "hold-released", {"target": "G", "reason": "r"}),
    ],
)  # fmt: skip
def test_what_is_pointed_at_is_of_its_sort(rule: str, kind: str, fields: dict[str, Any]) -> None:
    """A wait is about what there is, an alert refers to an alert, trust is in what was claimed."""
    story = opened()
    story.file("quote-added", ref="Q", claims=[{"ref": "C1", "text": "said"}])
    story.file("quote-added", ref="G")
    story.file("held", target="G", reason="a drill")
    story.file("withdrawn", target="G", reason="gone")
    refused(rule, lambda: story.file(kind, **fields))


def test_one_person_alerts_unless_it_is_a_flash() -> None:
    """Below a flash one person decides, and so does whoever suppresses a flash."""
    story = opened()
    story.file("quote-added", ref="Q")
    story.file("alert-issued", alert=ALERT)
    story.file("alert-suppressed", alert=ALERT | {"ref": "A2", "level": "flash"})


@pytest.mark.parametrize("ref", ["alert-3", "alert-12.2", "alert-3.overdue"])
def test_refs_of_the_policy_are_its_own(ref: str) -> None:
    """Nobody gives the ref that the policy will give to an alert of its own."""
    story = opened()
    story.file("quote-added", ref="Q")
    refused("ref-kept", lambda: story.file("quote-added", ref=ref))
    refused("ref-kept", lambda: story.file("alert-issued", alert=ALERT | {"ref": ref}))
    story.file("quote-added", ref="alert-three")
