"""The desk's rules for figures: whose they are, who revises them, and how parts fit a whole."""

from dataclasses import replace
from decimal import Decimal

from events.developments import FigureRevised
from events.errors import Refused
from events.filing import Figure
from producers.case import Case
from producers.desk import Counted, source_of

__all__ = ["figures_have_owners", "parts_fit_the_whole", "revisions_keep_the_source"]


def figures_have_owners(case: Case) -> None:
    """A figure is somebody's: its own source, its source's words, or the one who is quoted."""
    for n, figure in enumerate(case.development.figures):
        if not (figure.source or figure.source_text or case.development.attribution):
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
            f"a whole that counts {figure.measure} too",
            f"{ref}, which counts {whole.measure}",
        )


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
        if part.source == whole.source and part.figure.ref not in apart
    )
    if total > limit:
        raise Refused("parts-exceed-whole", field, f"parts of {ref} of at most {limit}", f"{total}")


def _part_of(case: Case, ref: str, whole: str, given: dict[str, Figure]) -> Counted | None:
    if ref not in given and not isinstance(case.desk.get(ref), Counted):
        return None
    part = _counted(case, ref, given, "part_of")
    return part if part.figure.part_of == whole else None


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
    owner = (counted.source, counted.figure.source_text)
    if said != owner and said[0] != (counted.source or ""):
        raise Refused(
            "same-source",
            "source",
            f"{counted.source or counted.figure.source_text}, whose figure it is",
            str(said[0] or said[1] or "nobody"),
        )
    if revision.value is None and revision.words is None:
        raise Refused("figure-says", "value", "a value or words", "neither")
