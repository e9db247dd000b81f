"""The desk's rules for figures: whose they are, who revises them, and how parts fit a whole."""

from dataclasses import replace
from decimal import Decimal

from events.developments import FigureRevised
from events.errors import Refused
from events.filing import Figure
from producers.case import Case
from producers.desk import Counted, Standing, source_of

__all__ = ["figures_have_owners", "parts_fit_the_whole", "revisions_keep_the_source"]


def figures_have_owners(case: Case) -> None:
    """A figure is somebody's: its own source, its source's words, or the one who is quoted."""
    said_by = case.development.attribution
    quoted = said_by is not None and (said_by.speaker or said_by.source_text)
    for n, figure in enumerate(case.development.figures):
        if not (figure.source or figure.source_text or quoted):
            raise Refused(
                "figure-source",
                f"figures.{n}.source",
                "whose number it is: source, source_text or an attribution",
                "nobody",
            )
        if figure.value is None and figure.words is None:
            raise Refused("figure-says", f"figures.{n}.value", "a value or words", "neither")


def parts_fit_the_whole(case: Case) -> None:
    """The parts of a whole count the same thing and do not add up to more than it.

    Only exact figures of one source are added; those noted not comparable never are.
    """
    given = {figure.ref: figure for figure in case.development.figures}
    for n, figure in enumerate(case.development.figures):
        if figure.part_of is not None:
            field = f"figures.{n}.part_of"
            _no_circle(case, field, figure, given)
            _one_measure(case, field, figure, figure.part_of, given)
            _no_excess(case, field, figure.part_of, given)
        if figure.ref in case.desk:  # a correction: there may be parts of it
            _no_excess(case, f"figures.{n}.value", figure.ref, given)


def _one_measure(
    case: Case, field: str, figure: Figure, ref: str, given: dict[str, Figure]
) -> None:
    if ref not in given:
        case.check_stands(field, ref)
    whole = _counted(case, ref, given, field).figure
    if (figure.measure, figure.unit) != (whole.measure, whole.unit):
        raise Refused(
            "part-measure",
            field,
            f"a whole that counts {_counts(figure)} too",
            f"{ref}, which counts {_counts(whole)}",
        )


def _counts(figure: Figure) -> str:
    return f"{figure.measure} in {figure.unit}" if figure.unit else figure.measure


def _counted(case: Case, ref: str, given: dict[str, Figure], field: str) -> Counted:
    """Give a figure as it is to be: as the story has it, but for what the filing gives."""
    if ref not in given:
        return case.part(field, ref, Counted, "a figure")
    figure, source = given[ref], source_of(given[ref], case.development)
    known = case.desk.get(ref)
    if isinstance(known, Counted):
        return replace(known, figure=figure, source=source)
    return Counted(figure, case.development.ref or "", source)


def _figure(case: Case, ref: str) -> Figure | None:
    part = case.desk.get(ref)
    return part.figure if isinstance(part, Counted) else None


def _no_circle(case: Case, field: str, figure: Figure, given: dict[str, Figure]) -> None:
    seen = {figure.ref}
    step: Figure | None = figure
    while step is not None and step.part_of is not None:
        if step.part_of in seen:
            raise Refused("part-circle", field, "a whole that is not part of this", step.part_of)
        seen.add(step.part_of)
        step = given.get(step.part_of) or _figure(case, step.part_of)


def _no_excess(case: Case, field: str, ref: str, given: dict[str, Figure]) -> None:
    """Add up the exact parts of one whole, those in the story and those in the filing."""
    whole = _counted(case, ref, given, field)
    limit = _exact(whole)
    if limit is None:
        return
    refs = {*whole.parts, *(part.ref for part in given.values())}
    parts = [part for each in refs if (part := _part_of(case, each, ref, given))]
    apart = whole.apart_from.union(*(part.apart_from for part in parts))
    total = sum(
        _exact(part) or 0
        for part in parts
        if _said_by(case, part) == _said_by(case, whole) and part.figure.ref not in apart
    )
    if total > limit:
        raise Refused("parts-exceed-whole", field, f"parts of {ref} of at most {limit}", f"{total}")


def _part_of(case: Case, ref: str, whole: str, given: dict[str, Figure]) -> Counted | None:
    if ref not in given and not isinstance(case.desk.get(ref), Counted):
        return None
    part = _counted(case, ref, given, "part_of")
    return part if part.figure.part_of == whole else None


def _said_by(case: Case, counted: Counted) -> str | None:
    """Say whose number a figure is: a name, or else the words that stand for one."""
    figure = counted.figure
    if counted.source or figure.source_text:
        return counted.source or figure.source_text
    owner = case.desk.get(counted.owner)
    if counted.owner == case.development.ref:
        said_by = case.development.attribution
    else:
        said_by = owner.development.attribution if isinstance(owner, Standing) else None
    return said_by.source_text if said_by is not None else None


def _exact(counted: Counted) -> Decimal | None:
    figure = counted.figure
    if figure.value is None or figure.qualifier not in (None, "exact"):
        return None
    return Decimal(figure.value)


def revisions_keep_the_source(case: Case) -> None:
    """Only the source itself revises its figure; another's number stands beside it."""
    revision = case.development
    if not isinstance(revision, FigureRevised):
        return
    counted = case.part("target", revision.target, Counted, "a figure")
    case.check_stands("target", revision.target)
    said = (revision.source, revision.source_text)
    if not any(said) and revision.attribution is not None:
        said = (revision.attribution.speaker, revision.attribution.source_text)
    # Who has a name is known by it; words are another's where a name stands beside them.
    owner, says = _said_by(case, counted), said[0] or said[1]
    if says != owner or (said[0] is None) is not (counted.source is None):
        whose = f"{owner or 'nobody named'}, whose figure it is"
        raise Refused("same-source", "source", whose, says or "nobody")
    if revision.value is None and revision.words is None:
        raise Refused("figure-says", "value", "a value or words", "neither")
