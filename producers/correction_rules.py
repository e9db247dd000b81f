"""The desk's rules for corrections: what can be put right, and what may stand there afterwards."""

from typing import Any, Final

from pydantic import ValidationError

from events.corrections import content_of, corrected, locate
from events.developments import Development, Response, ResponseDeclined, ResponseReceived
from events.editorial import Corrected
from events.errors import Refused
from events.filing import Claim, Fact, Figure
from producers.case import Case, Rule
from producers.desk import Answer, Claimed, Counted, Named, Standing
from producers.figure_rules import (
    figures_have_owners,
    parts_fit_the_whole,
    revisions_keep_the_source,
)
from producers.intake import refusal
from producers.rules import (
    answers_are_due_after_asking,
    answers_end_one_wait,
    conflicts_are_between_claims_or_figures,
    refs_are_known,
)

__all__ = ["corrections_match", "standing_there"]

# Fields that a correction cannot reach: what an event is, when it may be seen, what is kept apart.
_NOT_CORRECTABLE: Final = {
    "kind": "the kind of a development; withdraw it and file another",
    "ref": "a ref, by which others point at it",
    "embargo_until": "an embargo, which may not be set or moved after filing",
    "filed_at": "when it was first published elsewhere",
    "needs_approval": "the approval; file published",
    "claims": "all claims at once; name one, as in claims.C1.text",
    "figures": "all figures at once; name one, as in figures.F1.value",
}

# What must hold of a development when it was filed holds when it was corrected.
_KEPT: Final[tuple[Rule, ...]] = (
    refs_are_known,
    figures_have_owners,
    parts_fit_the_whole,
    revisions_keep_the_source,
    answers_are_due_after_asking,
    conflicts_are_between_claims_or_figures,
)


def corrections_match(case: Case) -> None:
    """A correction names what stood there, and what it puts there instead can stand there."""
    correction = case.development
    if not isinstance(correction, Corrected):
        return
    ref = locate(correction.target, correction.field)[0]
    case.check_stands("target", ref)
    fact, path, found = standing_there(case, correction.target, correction.field, "field")
    shown = _shown(case, ref, path, found)
    if _as_filed(fact, path, correction.old) not in (found, shown):
        raise Refused("old-matches", "old", f"{shown!r}, which stands there", f"{correction.old!r}")
    try:
        put_right = corrected(fact, path, correction.new)
    except ValidationError as error:
        raise refusal(error, "new") from None
    # However it is written: what changes nothing is no correction, and nobody is alerted to it.
    if _shown(case, ref, path, content_of(put_right, path)) == shown:
        raise Refused("correction-changes", "new", f"something else than {shown!r}", "the same")
    before, after = (_within(case, ref, each) for each in (fact, put_right))
    if isinstance(after, ResponseReceived | ResponseDeclined) and path == "resolves":
        answers_end_one_wait(case._replace(development=after))
    for rule in _KEPT:
        refused = _refused(rule, case._replace(development=after))
        # What the source's own revision broke, no correction beside it has to mend.
        if refused and not _refused(rule, case._replace(development=before)):
            raise Refused(refused.rule, "new", refused.expected, refused.found)


def _refused(rule: Rule, case: Case) -> Refused | None:
    try:
        rule(case)
    except Refused as refused:
        return refused
    return None


def standing_there(case: Case, target: str, field: str, named: str) -> tuple[Fact, str, Any]:
    """Give the fact that a path leads to, the path within it, and what stands there.

    Raises:
        Refused: it leads to nothing, or to what no correction reaches.
    """
    _check_brought(case, target, field, named)
    fact, path = _fact(case, *locate(target, field))
    first = path.partition(".")[0]
    refused = _NOT_CORRECTABLE.get(first)
    if not isinstance(fact, Development) and first != "ref":
        refused = None
    response = getattr(fact, "response", None)
    if first == "response" and isinstance(response, Response):
        refused = f"a response; name it as the target, {response.ref}"
    if path.rpartition(".")[2] == "ref":
        refused = _NOT_CORRECTABLE["ref"]
    if refused is not None:
        raise Refused("correctable", named, "a field that can be corrected", refused)
    try:
        return fact, path, content_of(fact, path)
    except KeyError:
        names = ", ".join(sorted(type(fact).model_fields))
        raise Refused("correctable", named, f"one of {names}", path) from None


def _check_brought(case: Case, target: str, field: str, named: str) -> None:
    """Refuse a path through a development to a claim or figure that came with another."""
    ref = locate(target, field)[0]
    part = case.desk.get(ref)
    kind = {"claims": Claimed, "figures": Counted}.get(field.partition(".")[0])
    if ref == target or kind is None or part is None:
        return
    owner = getattr(part, "owner", ref)
    if not isinstance(part, kind) or owner != target:
        what = "claim" if kind is Claimed else "figure"
        found = f"{case.named(ref)} of {owner}"
        raise Refused("ref-known", named, f"a {what} of {target}", found)


def _fact(case: Case, ref: str, path: str) -> tuple[Fact, str]:
    """Give the fact that a path is about, and the path within it."""
    match case.desk.get(ref):
        case Standing(development=development):
            return development, path
        case Claimed(claim=claim):
            return claim, path
        case Counted(figure=figure):
            return figure, path
        case Answer(response=response):
            return response, path
        case Named(what="remarks" | "letter" | "post" as what, owner=owner):
            return case.standing(owner).development, f"{what}.{path}"
        case _:
            raise Refused(
                "ref-known", "target", "a development, claim, figure or response", case.named(ref)
            )


def _within(case: Case, ref: str, fact: Fact) -> Development:
    """Give the development that a fact is or belongs to, with all that it brought as it stands."""
    owner = fact if isinstance(fact, Development) else _owner(case, ref)
    if isinstance(fact, Response):
        owner = owner.model_copy(update={"response": fact})

    def now(brought: Claim | Figure) -> Claim | Figure:
        if brought.ref == ref and isinstance(fact, Claim | Figure):
            return fact
        match case.desk.get(brought.ref):
            case Claimed(claim=stands) | Counted(figure=stands):
                return stands
            case _:
                return brought

    brought = {"claims": tuple(map(now, owner.claims)), "figures": tuple(map(now, owner.figures))}
    return owner.model_copy(update=brought)


def _owner(case: Case, ref: str) -> Development:
    return case.standing(getattr(case.desk.get(ref), "owner", ref)).development


def _as_filed(fact: Fact, path: str, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Give a value as the field would hold it: 8.0 is 8, and a time has several zones."""
    try:
        return content_of(corrected(fact, path, value), path)
    except ValidationError:
        return value


def _shown(case: Case, ref: str, path: str, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Give what a state shows at a field: whose it is, a claim or figure has of its development."""
    part = case.desk.get(ref)
    if value is not None or not isinstance(part, Claimed | Counted):
        return value
    said = _owner(case, ref).attribution
    match path:
        case "speaker" | "via" if said is not None and isinstance(part, Claimed):
            return getattr(said, path)
        case "source" if said is not None and isinstance(part, Counted):
            return None if part.figure.source_text else said.speaker
        case _:
            return None
