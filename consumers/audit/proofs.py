"""What an auditor proves of a log, and the forms in which it is given to others."""

from typing import Any, NamedTuple

from consumers.audit.book import Signed
from events.checkpoint import tlog_proof

__all__ = ["Consistency", "Inclusion"]


class Inclusion(NamedTuple):
    """The proof that an event is in the log of a checkpoint."""

    position: int
    leaf: bytes
    proof: list[bytes]
    checkpoint: Signed

    @property
    def tlog_proof(self) -> str:
        """The proof as a `.tlog-proof` file."""
        return tlog_proof(self.position - 1, self.proof, self.checkpoint.note)

    @property
    def shown(self) -> dict[str, Any]:
        """The proof as a JSON object."""
        return {
            "position": self.position,
            "leaf": self.leaf.hex(),
            "proof": [each.hex() for each in self.proof],
            "size": self.checkpoint.size,
            "root": self.checkpoint.root.hex(),
            "checkpoint": self.checkpoint.note,
        }


class Consistency(NamedTuple):
    """The proof that the log of `size` events begins with that of `earlier` events."""

    earlier: int
    size: int
    earlier_root: bytes
    root: bytes
    proof: list[bytes]

    @property
    def shown(self) -> dict[str, Any]:
        """The proof as a JSON object."""
        return {
            "from": self.earlier,
            "to": self.size,
            "from_root": self.earlier_root.hex(),
            "to_root": self.root.hex(),
            "proof": [each.hex() for each in self.proof],
        }
