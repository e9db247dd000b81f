"""The desk's decision: a filing and the story so far become one development, or are refused."""

from events.developments import Development, News
from producers.act_rules import ACT_RULES
from producers.case import Actor, Case
from producers.desk import Desk, named_in
from producers.rules import RULES

__all__ = ["decide"]


def decide(story: str, development: Development, desk: Desk, by: Actor, now_ms: int) -> Development:
    """Hold a filing against every rule and complete what the desk gives it.

    Args:
        story: the story's slug.
        development: what is to be filed.
        desk: the story so far.
        by: who files.
        now_ms: milliseconds since 1970 UTC.

    Returns:
        The development to record, with a ref (`d17` at version 17) where it had none, and marked
        as awaiting approval where who files needs a second person.

    Raises:
        Refused: it breaks a rule.
    """
    additions: dict[str, object] = {}
    if development.ref is None:
        additions["ref"] = _next_ref(desk, development)
    if by.needs_second and isinstance(development, News):
        additions["needs_approval"] = True
    if additions:
        development = development.model_copy(update=additions)
    case = Case(story, desk, development, by, now_ms)
    for rule in (*RULES, *ACT_RULES):
        rule(case)
    return development


def _next_ref(desk: Desk, development: Development) -> str:
    taken = {ref for ref, _ in named_in(development)}
    number = desk.version + 1
    while (ref := f"d{number}") in desk or ref in taken:
        number += 1
    return ref
