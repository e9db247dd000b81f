"""The desk's rules for its own acts: correcting, releasing, verifying, alerting, erasing."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from pydantic import ValidationError

from events.alerts import AlertCorrected, AlertDecision, AlertRetracted
from events.corrections import content_of, corrected, locate
from events.developments import (
    Development,
    Response,
    ResponseDeclined,
    ResponseReceived,
    StoryOpened,
)
from events.editorial import (
    Act,
    Corrected,
    EmbargoBroken,
    EmbargoLifted,
    Held,
    HoldReleased,
    LegalHoldLifted,
    LegalHoldPlaced,
    Published,
    Redacted,
    Refiled,
    VerificationChanged,
    Withdrawn,
)
from events.errors import Refused
from events.filing import Claim, Fact, Figure
from producers.case import Case
from producers.desk import Alerted, Answer, Claimed, Counted, Named, Standing
from producers.intake import refusal
from producers.rules import figures_have_owners, parts_fit_the_whole, refs_are_known

__all__ = ["ACT_RULES"]

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

# The steps that trust in a claim or figure may take.
_STEPS: Final = {
    "attributed": {"corroborated", "disputed", "refuted"},
    "corroborated": {"confirmed", "attributed", "disputed", "refuted"},
    "confirmed": {"disputed", "refuted"},
    "disputed": {"attributed", "corroborated", "refuted"},
    "refuted": {"disputed"},
}

_NUMBERS: Final = re.compile(
    r"\d+|\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|"
    r"fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|"
    r"eighty|ninety|hundred|hundreds|thousand|thousands|million|millions|billion|billions|dozen|"
    r"dozens|half|third|quarter|no|none|once|twice)\b",
    re.IGNORECASE,
)


def answers_end_one_wait(case: Case) -> None:
    """An answer or a refusal closes exactly one response that is still awaited."""
    answer = case.development
    if not isinstance(answer, ResponseReceived | ResponseDeclined):
        return
    awaited = case.part("resolves", answer.resolves, Answer, "an awaited response")
    asked = case.desk.get(awaited.owner)
    ended = f"resolved by {awaited.by}" if awaited.by else None
    if isinstance(asked, Standing) and asked.release.withdrawn:
        ended = f"withdrawn with {awaited.owner}"
    if ended is not None:
        raise Refused(
            "still-awaited",
            "resolves",
            "a response that is still awaited",
            f"{answer.resolves}, {ended}",
        )


def corrections_match(case: Case) -> None:
    """A correction names what stood there, and what it puts there instead can stand there."""
    correction = case.development
    if not isinstance(correction, Corrected):
        return
    fact, path, found = _standing_there(case, correction.target, correction.field, "field")
    if _plain(correction.old) != _plain(found):
        raise Refused("old-matches", "old", f"{found!r}, which stands there", f"{correction.old!r}")
    if _plain(correction.new) == _plain(found):
        raise Refused("correction-changes", "new", f"something else than {found!r}", "the same")
    try:
        put_right = corrected(fact, path, correction.new)
    except ValidationError as error:
        raise refusal(error, "new") from None
    changed = _within(case, locate(correction.target, correction.field)[0], put_right)
    if isinstance(changed, ResponseReceived | ResponseDeclined) and path == "resolves":
        answers_end_one_wait(case._replace(development=changed))
    for rule in CORRECTED_RULES:
        try:
            rule(case._replace(development=changed))
        except Refused as refused:
            raise Refused(refused.rule, "new", refused.expected, refused.found) from None


def _standing_there(case: Case, target: str, field: str, named: str) -> tuple[Fact, str, Any]:
    """Give the fact that a path leads to, the path within it, and what stands there."""
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


def _within(case: Case, ref: str, put_right: Fact) -> Development:
    """Give the development that a corrected fact is or belongs to, as it reads from now on."""
    part = case.desk.get(ref)
    if isinstance(put_right, Development):
        return put_right
    owner = case.standing(getattr(part, "owner", ref)).development
    match put_right:
        case Claim():
            claims = (put_right if claim.ref == ref else claim for claim in owner.claims)
            return owner.model_copy(update={"claims": tuple(claims)})
        case Figure():
            figures = (put_right if figure.ref == ref else figure for figure in owner.figures)
            return owner.model_copy(update={"figures": tuple(figures)})
        case _:
            return owner.model_copy(update={"response": put_right})


def _fact(case: Case, ref: str, path: str) -> tuple[Fact, str]:
    """Give the fact that a correction is about, and the path within it."""
    part = case.desk.get(ref)
    match part:
        case Standing(development=development, release=release):
            if release.withdrawn:
                raise Refused("stands", "target", "a development that stands", f"{ref}, withdrawn")
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


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return list(value) if isinstance(value, tuple) else value


def refiles_change_no_number(case: Case) -> None:
    """A refile mends typography; a number that changes is a correction."""
    refile = case.development
    if not isinstance(refile, Refiled):
        return
    standing = case.standing(refile.target)
    if refile.headline is None and refile.body is None:
        raise Refused("refile-says", "headline", "a headline or a body", "neither")
    for field in ("headline", "body"):
        new = getattr(refile, field)
        old = getattr(standing.development, field) or ""
        if new is not None and _numbers(new) != _numbers(old):
            raise Refused(
                "no-number-refiled",
                field,
                "the same numbers as before (file corrected to change one)",
                f"{new!r}"[:120],
            )


def _numbers(text: str) -> Counter[str]:
    return Counter(found.lower() for found in _NUMBERS.findall(text))


def releases_follow(case: Case) -> None:
    """Holding, releasing, publishing and withdrawing act on what is in the state for it."""
    act = case.development
    match act:
        case Held(target=ref):
            _in_state(case, ref, "a development that stands and is not held", _free)
        case HoldReleased(target=ref):
            _in_state(case, ref, "a held development", lambda s: s.release.status == "held")
        case Published(target=ref):
            standing = _in_state(
                case, ref, "a development that awaits approval", lambda s: s.release.unapproved
            )
            if standing.filed_by == case.by.name:
                raise Refused(
                    "second-person", "filed_by", "somebody else than its filer", case.by.name
                )
        case EmbargoLifted(target=ref) | EmbargoBroken(target=ref):
            standing = _in_state(
                case, ref, "an embargoed development", lambda s: s.release.embargoed
            )
            until = standing.development.embargo_until
            if isinstance(act, EmbargoLifted) and until and until.timestamp() * 1000 > case.now_ms:
                raise Refused(
                    "embargo-over",
                    "kind",
                    f"embargo-broken with a reason before {until.isoformat()}",
                    "embargo-lifted",
                )
        case Withdrawn(target=ref):
            standing = _in_state(
                case, ref, "a development that stands", lambda s: not s.release.withdrawn
            )
            if isinstance(standing.development, StoryOpened):
                raise Refused(
                    "opening-stays", "target", "a development after the opening", f"{ref}"
                )
        case _:
            return


def _free(standing: Standing) -> bool:
    return not (standing.release.held or standing.release.withdrawn)


def _in_state(case: Case, ref: str, wanted: str, holds: Callable[[Standing], bool]) -> Standing:
    standing = case.standing(ref)
    if standing.release.withdrawn or not holds(standing):
        raise Refused("state", "target", wanted, f"{ref}, {standing.release.status}")
    return standing


def trust_moves_by_steps(case: Case) -> None:
    """Verification moves by known steps from where it is, and two people agree."""
    change = case.development
    if not isinstance(change, VerificationChanged):
        return
    part = case.desk.get(change.of)
    if not isinstance(part, Claimed | Counted):
        raise Refused("ref-known", "of", "the ref of a claim or figure", case.named(change.of))
    if case.standing(part.owner, "of").release.withdrawn:
        raise Refused("stands", "of", "a claim or figure that stands", f"{change.of}, withdrawn")
    if change.before != part.verification:
        raise Refused("old-matches", "from", part.verification, change.before)
    if change.after not in _STEPS[change.before]:
        steps = ", ".join(sorted(_STEPS[change.before]))
        raise Refused("verification-step", "to", f"one of {steps}", change.after)
    _two_people(case, change.seconded_by)


def alerts_refer(case: Case) -> None:
    """An alert's type fits its kind, updates say of what, and a flash takes two people."""
    decision = case.development
    if not isinstance(decision, AlertDecision):
        return
    alert = decision.alert
    wanted = {AlertCorrected: "Update", AlertRetracted: "Cancel"}.get(type(decision), "Alert")
    if alert.msg_type != wanted:
        raise Refused("alert-type", "alert.msg_type", wanted, alert.msg_type)
    if wanted != "Alert" and not alert.references:
        raise Refused("alert-refers", "alert.references", "the alert that it is about", "none")
    for n, ref in enumerate(alert.references):
        case.part(f"alert.references.{n}", ref, Alerted, "an alert")
    if alert.level == "flash" and wanted == "Alert" and decision.kind == "alert-issued":
        _two_people(case, decision.seconded_by)


def _two_people(case: Case, second: str | None) -> None:
    if second is None or second == case.by.name:
        raise Refused(
            "second-person", "seconded_by", f"somebody else than {case.by.name}", second or "nobody"
        )


def holds_block_erasure(case: Case) -> None:
    """Nothing under a legal hold is erased, and a hold is placed or lifted once."""
    act = case.development
    match act:
        case Redacted(target=ref, fields=paths):
            if case.standing(ref).legal_hold or _story_held(case):
                raise Refused("legal-hold", "target", "no legal hold", f"one on {ref}")
            for n, path in enumerate(paths):
                found = _standing_there(case, ref, path, f"fields.{n}")[2]
                if not isinstance(found, str | None):
                    raise Refused("redactable", f"fields.{n}", "a text", f"{found!r}"[:120])
        case LegalHoldPlaced(target=target) | LegalHoldLifted(target=target):
            placed = _story_held(case) if target is None else case.standing(target).legal_hold
            if placed is isinstance(act, LegalHoldPlaced):
                raise Refused(
                    "legal-hold",
                    "target",
                    "no hold yet" if placed else "a legal hold to lift",
                    "one" if placed else "none",
                )
        case _:
            return


def _story_held(case: Case) -> bool:
    return bool(case.desk.story and case.desk.story.legal_hold)


def acts_take_effect_at_once(case: Case) -> None:
    """What the desk does about developments is neither embargoed nor approved, nor reports."""
    act = case.development
    if not isinstance(act, Act):
        return
    for field in ("embargo_until", "needs_approval", "claims", "figures"):
        if getattr(act, field):
            raise Refused(
                "act-at-once",
                field,
                f"none on {act.kind}, which takes effect at once",
                "one" if field != "needs_approval" else "true",
            )


# What must hold of a development when it was filed holds when it was corrected.
CORRECTED_RULES: Final = (refs_are_known, figures_have_owners, parts_fit_the_whole)

ACT_RULES: Final[tuple[Callable[[Case], None], ...]] = (
    acts_take_effect_at_once,
    answers_end_one_wait,
    corrections_match,
    refiles_change_no_number,
    releases_follow,
    trust_moves_by_steps,
    alerts_refer,
    holds_block_erasure,
)
