"""Everything that can be refused or go wrong, as one tree.

    DatelineError
    ├── Refused             a filing breaks a rule; nothing was appended
    ├── NotFound            no such story, development or position
    ├── KeysUnavailable     keys cannot be looked up just now
    ├── BookDamaged         what the auditor remembers cannot be relied on; the log may be sound
    ├── DeliveriesUnavailable   who was sent what cannot be looked up or written just now
    ├── Unauthorised        no key, or none that is known
    ├── ViewsUnavailable    what is made of the log cannot be kept just now; the log is as it was
    │   └── RebuildUnderWay
    └── LogError
        ├── Conflict        the log's own facts speak against the append; nothing was appended
        │   ├── WrongVersion
        │   ├── IdReused
        │   └── PartlyRepeated
        ├── LogUnavailable  nobody knows whether it was appended; the same ids may be sent again
        │   ├── LogFull
        │   ├── LogMoved    its file is no longer where it was opened
        │   └── Overtaken   something was redacted while an export was made
        └── LogDamaged      what is stored is not what was written

Every message says what was expected and what was found. Exit codes and HTTP statuses are
given once, in `dateline.outcomes`.
"""

__all__ = [
    "BookDamaged",
    "Conflict",
    "DatelineError",
    "DeliveriesUnavailable",
    "IdReused",
    "KeysUnavailable",
    "LogDamaged",
    "LogError",
    "LogFull",
    "LogMoved",
    "LogUnavailable",
    "NotFound",
    "Overtaken",
    "PartlyRepeated",
    "RebuildUnderWay",
    "Refused",
    "Unauthorised",
    "ViewsUnavailable",
    "WrongVersion",
]


SHOWN = 200  # characters of a value that an error repeats: enough to know it again
MOST_EXPECTED = 1_000  # characters of what was expected: a list of all that may stand there


def _shown(text: str, most: int = SHOWN) -> str:
    """Make a value fit for one line of an error, whatever it holds."""
    if not text.isprintable():
        text = ascii(text)[1:-1]
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


class DatelineError(Exception):
    """The root: every error that a user may be shown in one sentence."""


class Refused(DatelineError):
    """A filing breaks a rule of the desk or the shape of its kind.

    Args:
        rule: kebab-case name of the rule, stable for scripts.
        field: dotted path of the field at fault, such as `figures.0.value`.
        expected: what the rule asks for, as the end of "expected …".
        found: what was there instead, as the end of "found …".
    """

    def __init__(self, rule: str, field: str, expected: str, found: str) -> None:
        self.rule = rule
        self.field = _shown(field)
        self.expected = _shown(expected, MOST_EXPECTED)
        self.found = _shown(found)
        super().__init__(
            f"refused by rule {rule}, field {self.field}: "
            f"expected {self.expected}; found {self.found}"
        )


class NotFound(DatelineError):
    """What was asked for is not in the log, or not in reach of who asks.

    Args:
        what: the kind of thing, such as `story`.
        name: what it was asked for by.
    """

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"no {what} {name}")
        self.what = what
        self.name = name


class Unauthorised(DatelineError):
    """Nobody knows who asks: there is no key, or none that is known and was not revoked."""


class KeysUnavailable(DatelineError):
    """Keys cannot be read or written just now; nobody who needs one is let in.

    Args:
        path: their file.
        why: what stands in the way.
    """

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"keys unavailable: {path}: {why}")


class BookDamaged(DatelineError):
    """What the auditor remembers of the log is not what it wrote down; the log is not to blame.

    Args:
        path: the book's file.
        why: what was expected there and what was found.
    """

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"the auditor's book is damaged: {path}: {why}; move it away, and a new one is made "
            "of the log; hold the log against a checkpoint that you kept (audit verify --kept)"
        )
        self.path = path


class DeliveriesUnavailable(DatelineError):
    """The ledger of deliveries cannot be read or written just now; nothing is sent unwritten.

    Args:
        path: its file, or that of the key to what is sealed in it.
        why: what stands in the way.
    """

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"deliveries unavailable: {path}: {why}")


class ViewsUnavailable(DatelineError):
    """Views of the log cannot be read or written just now; they can always be made again.

    Args:
        path: their file.
        why: what stands in the way.
    """

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"views unavailable: {path}: {why}; the log is as it was, try again")
        self.path = path


class RebuildUnderWay(ViewsUnavailable):
    """Another process makes the same view anew."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "expected to rebuild alone; found another rebuild under way")


class LogError(DatelineError):
    """The log could not do what was asked."""


class Conflict(LogError):
    """The append contradicts what the log already holds; nothing was appended."""


class WrongVersion(Conflict):
    """The story is not at the version that the append expected."""

    def __init__(self, story: str, expected: int | str, found: int) -> None:
        super().__init__(f"wrong expected version: {expected} (story: {story}, found: {found})")
        self.story = story
        self.expected = expected
        self.found = found


class IdReused(Conflict):
    """An event id came twice with different content."""

    def __init__(self, event_id: str, found: str) -> None:
        super().__init__(f"event id used twice: expected {event_id} to be new; found {found}")
        self.event_id = event_id


class PartlyRepeated(Conflict):
    """A batch repeats some events of the log and adds others; a retry repeats all or none."""

    def __init__(self, story: str, repeated: int, total: int) -> None:
        super().__init__(
            f"partly repeated batch (story: {story}): expected all {total} events to be new "
            f"or all to be known; found {repeated} known"
        )
        self.story = story


class LogUnavailable(LogError):
    """It is unknown whether the append took place; retrying with the same ids is safe.

    Args:
        log: the log's URL.
        why: what stands in the way.
        reading: nothing was to be appended, so nothing is unknown.
    """

    def __init__(self, log: str, why: str, *, reading: bool = False) -> None:
        self.advice = (
            "nothing was done, try again"
            if reading
            else "unknown whether anything was appended, safe to retry with the same ids"
        )
        super().__init__(f"log unavailable: {log}: {why}; {self.advice}")
        self.log = log
        self.why = why


class LogMoved(LogUnavailable):
    """Its file is no longer where it was opened: nobody would find again what is appended to it."""

    def __init__(self, log: str, *, reading: bool = False) -> None:
        why = "its file was moved or replaced: start the program anew"
        super().__init__(log, why, reading=reading)


class LogFull(LogUnavailable):
    """The disk has no room for the append."""


class Overtaken(LogUnavailable):
    """Words were erased while an export was made that has no event to say so; make it again."""

    def __init__(self, log: str, position: int) -> None:
        why = f"something was redacted at position {position} while an export was made"
        super().__init__(log, why, reading=True)
        self.position = position


class LogDamaged(LogError):
    """What the log holds is not what was appended.

    Args:
        log: the log's URL.
        position: first position at fault, 0 when no single event is.
        expected: what the position should hold.
        found: what it holds.
    """

    def __init__(self, log: str, position: int, expected: str, found: str) -> None:
        super().__init__(
            f"log damaged at position {position} ({log}): expected {expected}; found {found}"
        )
        self.log = log
        self.position = position
        self.expected = expected
        self.found = found
