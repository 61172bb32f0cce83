"""The list of checks: what a check is, and how a module adds one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from broker.testkit.probe import Probe
from broker.testkit.results import GROUPS

Run = Callable[[Probe], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class Check:
    """One sentence, and how it is found out. `run` gives a remark or None, or raises a verdict."""

    group: str
    name: str
    run: Run
    stage: int
    canary: bool = False
    """Whether it is quick and harmless enough to be made every hour at a provider that has customers."""


CHECKS: Final[list[Check]] = []


def check(group: str, name: str, *, stage: int = 1, canary: bool = False) -> Callable[[Run], Run]:
    """Register a check. Later stages run after all checks of the earlier ones: 2 removes, 3 looks back at the run."""
    assert group in GROUPS

    def register(run: Run) -> Run:
        CHECKS.append(Check(group, name, run, stage, canary))
        return run

    return register


def chosen(groups: frozenset[str]) -> list[Check]:
    """The checks of these groups in the order in which they run."""
    return _in_order([check for check in CHECKS if check.group in groups])


def of_canary() -> list[Check]:
    """The checks of the periodic canary, likewise."""
    return _in_order([check for check in CHECKS if check.canary])


def _in_order(found: list[Check]) -> list[Check]:
    return sorted(found, key=lambda check: (check.stage, GROUPS.index(check.group)))
