"""How the program shows what it knows: colours on a terminal, plain lines elsewhere."""

import contextlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from consumers.stories.differences import Change
from dateline.streams import telling
from events.envelope import Recorded
from events.vocabulary import Erased, Unknown

__all__ = [
    "Told",
    "complain",
    "counted",
    "event_object",
    "exactly",
    "line",
    "progress",
    "show_changes",
    "show_event",
    "show_json",
    "show_state",
    "steps",
    "table",
]

SHORT = 100  # characters of a value in a line that shows a change
_INNER: Final = {"public", "release"}  # what `status` says in a word; JSON has them
FAR = 5_000  # steps behind, from which on catching up takes more than a moment
TOLD_PARTS = 10  # plain progress lines for one piece of work: enough to see it move, few to scroll

# Marks that turn the direction of text; on a terminal they let one headline pass for another.
_TURNING: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# An argument is told as it was given, and must not command the terminal that shows it.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


class _Plain(Console):
    """A console that leaves the end of the program to the program."""

    def on_broken_pipe(self) -> None:
        """Whoever read has had enough: that is for `dateline.cli.run` to end with."""
        raise  # noqa: PLE0704 - rich calls this while it handles the error


_out = _Plain(highlight=False, markup=False, emoji=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)

_STATUS_STYLE: Final = {"published": "", "withdrawn": "strike", "held": "yellow"}


class Told(Protocol):
    """Takes the steps done and the steps there are."""

    def __call__(self, done: int, total: int, /) -> None:
        """Take them."""
        ...


def line(text: str = "", style: str = "") -> None:
    """Print one line as it is; nothing in it is taken for markup."""
    _out.print(Text(_TURNING.sub("", text), style=style))


def counted(number: int, one: str, many: str | None = None) -> str:
    """Give a number with what it counts: 1 event, 2 events, 0 stories."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their headings, each column but the last as wide as what stands in it."""
    widths = [max(len(row[n]) for row in (headings, *rows)) for n in range(len(headings) - 1)]
    for number, row in enumerate((headings, *rows)):
        cells = [text.ljust(width) for text, width in zip(row, (*widths, 0), strict=True)]
        line("  ".join(cells), "" if number else "dim")


def exactly(text: str) -> None:
    """Print text byte for byte: a signature stands under it, or a program reads it."""
    sys.stdout.write(text)


def show_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Print JSON on one line."""
    raw = value if isinstance(value, bytes) else orjson.dumps(value)
    with telling():
        sys.stdout.buffer.write(raw + b"\n")
        sys.stdout.buffer.flush()


@contextmanager
def steps() -> Iterator[Callable[[str, int, int], None]]:
    """Show how far a piece of work is that has several steps, each with a name."""
    with contextlib.ExitStack() as shown:
        told: dict[str, Told] = {}

        def step(name: str, done: int, total: int) -> None:
            if name not in told:
                shown.close()
                told[name] = shown.enter_context(progress(name))
            told[name](done, total)

        yield step


@contextmanager
def catching_up() -> Iterator[Callable[[str, int, int], None]]:
    """Show how what a command waits for catches up, where that takes more than a moment."""
    with contextlib.ExitStack() as shown:
        bars: dict[str, Told] = {}

        def told(name: str, done: int, total: int) -> None:
            if name not in bars and total - done >= FAR:
                bars[name] = shown.enter_context(progress(name))
            if name in bars:
                bars[name](done, total)
                if done >= total:  # the command may have a bar of its own to show
                    bars.clear()
                    shown.close()

        yield told


@contextmanager
def progress(what: str) -> Iterator[Told]:
    """Show how far a piece of work is: a bar on a terminal, some plain lines elsewhere.

    It is told on standard error, so that standard output stays the result alone.
    """
    if not _err.is_terminal:
        yield _Lines(what)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_err, transient=True) as bar:
        task = bar.add_task(what, total=None)

        def told(done: int, total: int, /) -> None:
            bar.update(task, completed=done, total=total or None)

        yield told


class _Lines:
    """Progress in plain lines, a tenth at a time."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._part = 0

    def __call__(self, done: int, total: int, /) -> None:
        part = done * TOLD_PARTS // total if total else 0
        if part > self._part and done < total:
            self._part = part
            _err.print(Text(f"{self._what}: {done} of {total}"))


def event_object(event: Recorded) -> dict[str, Any]:
    """Give an event as `history --json` and `follow --json` show it; never anything private."""
    about = event.provenance
    development = event.development
    content: Any = None
    if isinstance(development, Unknown):
        content = development.content
    elif not isinstance(development, Erased):
        content = development.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {
        "position": event.position,
        "story": event.story,
        "version": event.version,
        "id": about["id"],
        "kind": about["kind"],
        "schema": about["schema"],
        "recorded_at": event.recorded_at,
        "filed_by": about["filed_by"],
        "cause": about.get("cause"),
        "correlation": about.get("correlation"),
        "known": not isinstance(development, Unknown | Erased),
        "development": content,
    }


def show_event(event: Recorded, *, story: bool = False) -> None:
    """Print an event on one line; with its story where several may stand beside each other."""
    development = event.development
    words = ""
    if isinstance(development, Unknown):
        words = f"(not understood, schema {development.schema})"
    elif isinstance(development, Erased):
        words = "(erased)"
    else:
        words = development.headline or _act_words(development.model_dump(mode="json"))
    text = Text(f"{event.position:>7}  ", style="dim")
    text.append(f"{_when(event.recorded_at)}  ", style="dim")
    if story:
        text.append(f"{event.story}  ")
    text.append(f"{_ref(event):<5} ")
    text.append(f"{development.kind:<22} ", style="cyan")
    text.append(_TURNING.sub("", words))
    text.append(f"  {event.provenance['filed_by']}", style="dim")
    _out.print(text)


def _ref(event: Recorded) -> str:
    return getattr(event.development, "ref", None) or f"d{event.version}"


def _when(moment: str) -> str:
    """Give a time in UTC as people read it, to the second where it has seconds."""
    return moment[:19].replace("T", " ") + "Z"


_REASONS: Final = ("note", "reason", "basis", "legal_basis")


def _act_words(content: Mapping[str, Any]) -> str:
    if "alert" in content:
        return f"{content['alert']['ref']}: {content['alert']['reason']}"
    about = content.get("target") or content.get("of") or content.get("parked") or ""
    words = next((content[name] for name in _REASONS if content.get(name)), "")
    if content.get("fields"):
        words = f"{', '.join(content['fields'])} ({words})"
    return f"{about}: {words}" if about else str(words)


def show_state(state: Mapping[str, Any]) -> None:
    """Print the state of a story for people."""
    line(str(state["title"]), "bold")
    line(
        f"{state['story']} · {state['status']} · version {state['version']}"
        f" · position {state['position']} · {state['recorded_at']}",
        "dim",
    )
    opening = state["opening"]
    if opening and opening["headline"] not in (None, state["title"]):
        line(f"opened  {opening['ref']}  {opening['headline']}")
    if state["lead"]:
        line(f"lead    {state['lead']['ref']}  {state['lead']['headline']}", "bold")
    line()
    for item in state["timeline"]:
        mark = " (corrected)" if item["corrected"] else ""
        why = f": {item['reason']}" if item.get("reason") else ""
        status = "" if item["status"] == "published" else f" [{item['status']}{why}]"
        said = (item.get("attribution") or {}).get("speaker")
        whose = f" — {said}" if said else ""
        line(
            f"{item['ref']:>6}  {_when(item.get('filed_at') or item['recorded_at'])}  "
            f"{item['kind']:<22} {item['headline'] or '—'}{whose}{status}{mark}",
            _STATUS_STYLE.get(item["status"], "yellow"),
        )
    _show_waits(state)
    _show_figures(state)
    for correction in state["corrections"]:
        line(
            f"corrected  {correction['target']}.{correction['field']}: "
            f"{_put_right(correction['old'], correction['new'])} ({correction['note']})",
            "yellow",
        )


def _put_right(old: Any, new: Any) -> str:  # noqa: ANN401 - any JSON value
    if old is None and new is None:  # no correction leaves nothing where nothing was
        return "erased"
    was, now = ("nothing" if side is None else side for side in (old, new))
    return f"{was} → {now}"


def _show_waits(state: Mapping[str, Any]) -> None:
    for wait in state["pending"]:
        due = f", due {wait['due_at']}" if wait["due_at"] else ""
        late = " — OVERDUE" if wait["overdue"] else ""
        asked = f"asked {wait['asked_at']}" if wait["asked_at"] else "nobody is known to have asked"
        line(
            f"awaited    {wait['ref']}  {wait['awaited_from']} since {wait['since']} "
            f"({asked}{due}){late}",
            "magenta",
        )
    for wait in state["resolved"]:
        line(f"answered   {wait['ref']}  {wait['awaited_from']}: {wait['how']} with {wait['by']}")


def _show_figures(state: Mapping[str, Any]) -> None:
    for ref, figure in state["figures"].items():
        value = _number(figure)
        more = {"more-than": "> ", "less-than": "< ", "about": "~ "}.get(figure["qualifier"], "")
        whose = figure["source"] or figure.get("source_text") or "no named source"
        within = f", part of {figure['part_of']}" if "part_of" in figure else ""
        unit = figure.get("unit", "")
        # Words say of what they are, and so do most measures: "children-reunited: 1".
        told = figure["value"] is None or unit in figure["measure"].split("-")
        unit = "" if told or not unit else f" {unit}"
        for old in figure["history"]:
            within += f", {_number(old)} until {old['by']}"
        line(
            f"figure     {ref:<4} {figure['measure']}: {more}{value}{unit} "
            f"({whose}, {figure['status']}{within})",
            "green",
        )
    for conflict in state["conflicts"]:
        between = " and ".join(conflict["between"])
        why = f" ({conflict['headline']})" if conflict["headline"] else ""
        line(f"conflict   {conflict['ref']:<4} {between}: {conflict['nature']}{why}", "yellow")


def _number(said: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a number or words
    value = said["words"] if said["value"] is None else said["value"]
    return "erased" if value is None else value


def show_changes(changes: list[Change]) -> None:
    """Print what differs between two states, a line for each change."""
    for change in changes:
        words = change.words if change.change != "changed" else ""
        line(f"{change.change:<8} {change.section:<11} {change.ref}  {words}".rstrip())
        for field, (before, after) in change.fields.items():
            if field not in _INNER:
                line(f"         {field}: {_short(before)} → {_short(after)}", "dim")


def _short(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict) and "headline" in value:
        value = f"{value['ref']} {value['headline']}"
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"


def complain(text: str) -> None:
    """Print one sentence on standard error."""
    sys.stderr.write(_TURNING.sub("", _CONTROL.sub(" ", text)) + "\n")
