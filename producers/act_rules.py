"""The desk's rules for its own acts: correcting, releasing, verifying, alerting, erasing."""

import re
from collections.abc import Callable
from typing import Final

from events.alerts import (
    AlertCorrected,
    AlertDecision,
    AlertRetracted,
    SilenceAdded,
    SilenceRemoved,
)
from events.developments import (
    StoryOpened,
)
from events.editorial import (
    Act,
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
from producers.case import Case, Rule
from producers.correction_rules import corrections_match
from producers.desk import Alerted, Claimed, Counted, Named, Standing
from producers.numbers import numbers_in

__all__ = ["ACT_RULES"]

# The steps that trust in a claim or figure may take.
_STEPS: Final = {
    "attributed": {"corroborated", "disputed", "refuted"},
    "corroborated": {"confirmed", "attributed", "disputed", "refuted"},
    "confirmed": {"disputed", "refuted"},
    "disputed": {"attributed", "corroborated", "refuted"},
    "refuted": {"disputed"},
}

_WORD: Final = re.compile(r"[\w.:/-]+")


def refiles_change_no_number(case: Case) -> None:
    """A refile mends typography; a number that changes is a correction."""
    refile = case.development
    if not isinstance(refile, Refiled):
        return
    standing = case.standing(refile.target)
    case.check_stands("target", refile.target)
    if refile.headline is None and refile.body is None:
        raise Refused("refile-says", "headline", "a headline or a body", "neither")
    for field in ("headline", "body"):
        new = getattr(refile, field)
        old = getattr(standing.development, field) or ""
        if new is not None and numbers_in(new) != numbers_in(old):
            raise Refused(
                "no-number-refiled",
                field,
                "the same numbers as before (file corrected to change one)",
                f"{new!r}"[:120],
            )


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
        case Withdrawn(target=ref, replacement=instead):
            if instead is not None:
                case.standing(instead, "replacement")
                case.check_stands("replacement", instead)
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


def silences_end(case: Case) -> None:
    """A silence ends some time, and only one that is there can be removed."""
    act = case.development
    match act:
        case SilenceAdded(silence=silence):
            if silence.until.timestamp() * 1000 <= case.now_ms:
                found = silence.until.isoformat()
                raise Refused("silence-ends", "silence.until", "a time to come", found)
        case SilenceRemoved(silence=ref):
            part = case.desk.get(ref)
            if not (isinstance(part, Named) and part.what == "silence"):
                raise Refused(
                    "ref-known", "silence", "the ref of a silence in this story", case.named(ref)
                )
        case _:
            return


def _two_people(case: Case, second: str | None) -> None:
    if second is None or second.strip().casefold() == case.by.name.strip().casefold():
        raise Refused(
            "second-person", "seconded_by", f"somebody else than {case.by.name}", second or "nobody"
        )


def holds_block_erasure(case: Case) -> None:
    """Nothing under a legal hold is erased, and a hold is placed or lifted once."""
    act = case.development
    match act:
        case Redacted(target=ref):
            if _WORD.fullmatch(act.reason_code) is None:
                found = "several" if " " in act.reason_code.strip() else "something else"
                raise Refused("reason-code", "reason_code", "one word, such as court-order", found)
            if act.erases is not None:
                raise Refused("redact-erases", "erases", "none: the desk finds them", "some")
            if case.desk.get(ref) is None:
                raise Refused("ref-known", "target", "a ref of this story", case.named(ref))
            held = case.desk.held_by(ref)
            if held is not None:
                raise Refused("legal-hold", "target", "no legal hold", f"one on {held}")
        case LegalHoldPlaced(target=target) | LegalHoldLifted(target=target):
            placed = case.desk.is_held(None) if target is None else case.standing(target).legal_hold
            if placed is isinstance(act, LegalHoldPlaced):
                raise Refused(
                    "legal-hold",
                    "target",
                    "no hold yet" if placed else "a legal hold to lift",
                    "one" if placed else "none",
                )
        case _:
            return


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


ACT_RULES: Final[tuple[Rule, ...]] = (
    acts_take_effect_at_once,
    corrections_match,
    refiles_change_no_number,
    releases_follow,
    trust_moves_by_steps,
    alerts_refer,
    silences_end,
    holds_block_erasure,
)
