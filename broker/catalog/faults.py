"""What can be wrong with a manifest: every fault at once, each with its place and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from broker.kernel.errors import InvalidParams


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to correct. `path` is a JSON pointer; `message` never quotes a secret."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path or '/'}: {self.message}"


class ManifestFaults(InvalidParams):
    """The manifest cannot be used; the message and `faults` list everything that has to change."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = list(faults)
        lines = "\n".join(f"- {fault}" for fault in self.faults)
        super().__init__(
            f"The manifest cannot be used:\n{lines}",
            faults=[{"path": fault.path, "message": fault.message} for fault in self.faults],
        )
