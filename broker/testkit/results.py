"""What came out of the checks: values, their JSON, the exit status. How they are shown: `page.py` and the command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

GROUPS: Final = (
    "manifest", "auth", "provision", "idempotency", "config", "planchange", "async", "sso", "deprovision", "errors",
    "latency", "concurrency",
)  # fmt: skip
"""In the order in which they are reported."""


class Status(StrEnum):
    """How a check ended."""

    PASS = "pass"  # noqa: S105 (no password)
    FAIL = "fail"
    WARN = "warn"
    SKIP = "skip"


class Verdict(Exception):
    """A check that did not simply pass; the text says what to do about it."""

    status = Status.FAIL

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Failed(Verdict):
    """What the contract demands does not hold."""


class Warned(Verdict):
    """Works, and still is not as it should be; a failure with `--strict`."""

    status = Status.WARN


class Skipped(Verdict):
    """Could not be checked, or does not concern this provider."""

    status = Status.SKIP


@dataclass(frozen=True, slots=True)
class Result:
    """One check. `sent` and `received` are texts without secrets, None where nothing was sent."""

    group: str
    name: str
    status: Status
    detail: str = ""
    sent: str | None = None
    received: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "group": self.group,
            "name": self.name,
            "status": str(self.status),
            "detail": self.detail,
            "sent": self.sent,
            "received": self.received,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All results of a run, in the order of the groups."""

    results: Sequence[Result]

    def count(self, status: Status) -> int:
        return Counter(result.status for result in self.results)[status]

    @property
    def conformant(self) -> bool:
        """No failure; warnings are allowed."""
        return self.count(Status.FAIL) == 0

    def as_json(self) -> dict[str, Any]:
        """The form of `--json`."""
        return {
            "summary": {
                "passed": self.count(Status.PASS),
                "failed": self.count(Status.FAIL),
                "warned": self.count(Status.WARN),
                "skipped": self.count(Status.SKIP),
            },
            "checks": [result.as_json() for result in self.results],
        }
