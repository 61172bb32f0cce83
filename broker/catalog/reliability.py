"""How reliable a provider has proved, from the runs of its canary. Pure; what a run is and who makes it is elsewhere.

A percentage is cut and never rounded up: 100 means that nothing failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from broker.kernel.clock import rfc3339

WINDOW: Final = timedelta(days=30)
"""How far back a figure looks."""
ENOUGH_RUNS: Final = 20
ENOUGH_TIME: Final = timedelta(hours=24)
"""What less than this says is chance, and is not shown as a percentage."""

_UNWATCHED: Final = 3
"""A pause of more than so many usual ones: nobody was looking, so it is neither up nor down."""


@dataclass(frozen=True, slots=True)
class Flown:
    """One run, as far as the figure needs it."""

    at: datetime
    passed: bool
    provision_ms: int | None


@dataclass(frozen=True, slots=True)
class Reliability:
    """The figure. Units: percentages with two digits, milliseconds from the request until the resource could be used."""

    runs: int
    passed: int
    since: datetime
    until: datetime
    available_percent: float | None
    """The share of the time that was watched: what a run found holds until the next."""
    median_ms: int | None
    p95_ms: int | None

    @property
    def measured(self) -> bool:
        """Whether there are enough runs to say anything."""
        return self.runs >= ENOUGH_RUNS and self.until - self.since >= ENOUGH_TIME

    @property
    def passed_percent(self) -> float | None:
        return _percent(self.passed, self.runs)

    @property
    def summary(self) -> str:
        """The figure in a sentence, which says so if there are too few runs for one."""
        counted = f"{self.runs} run{'' if self.runs == 1 else 's'} since {self.since:%Y-%m-%d}"
        if not self.measured:
            hours = ENOUGH_TIME // timedelta(hours=1)
            return f"Not measured yet: {counted}, of the {ENOUGH_RUNS} over {hours} hours that a figure needs."
        ready = f"; ready after {seconds(self.median_ms)} s, within {seconds(self.p95_ms)} s in 95 of 100"
        return f"{self.passed_percent:.2f} % of {counted} passed{ready if self.median_ms is not None else ''}."

    def stored(self) -> dict[str, Any]:
        """As the row of the service keeps it."""
        times = {"since": rfc3339(self.since), "until": rfc3339(self.until)}
        names = ("runs", "passed", "available_percent", "median_ms", "p95_ms")
        return {name: getattr(self, name) for name in names} | times


def of_stored(stored: Mapping[str, Any] | None) -> Reliability | None:
    """The other way round."""
    if stored is None:
        return None
    times = {name: datetime.fromisoformat(stored[name]) for name in ("since", "until")}
    return Reliability(**{**stored, **times})


def reliability(runs: Sequence[Flown], now: datetime) -> Reliability | None:
    """What these runs, in any order, say of the last 30 days; None if there was none."""
    within = sorted((run for run in runs if now - WINDOW <= run.at), key=lambda run: run.at)
    if not within:
        return None
    times = [run.provision_ms for run in within if run.passed and run.provision_ms is not None]
    return Reliability(
        runs=len(within),
        passed=sum(run.passed for run in within),
        since=within[0].at,
        until=within[-1].at,
        available_percent=_available(within),
        median_ms=nearest_rank(times, 50),
        p95_ms=nearest_rank(times, 95),
    )


def nearest_rank(values: Sequence[int], percent: int) -> int | None:
    """The smallest of the values that so many in a hundred do not exceed: one that did occur, none in between."""
    ranked = sorted(values)
    return ranked[max(-(-len(ranked) * percent // 100) - 1, 0)] if ranked else None


def seconds(ms: int | None) -> str | None:
    """Milliseconds as people read them."""
    return None if ms is None else f"{ms / 1000:.1f}"


def _available(runs: Sequence[Flown]) -> float | None:
    spans = [(run.passed, (following.at - run.at) // timedelta(milliseconds=1)) for run, following in pairwise(runs)]
    usual = nearest_rank([length for _, length in spans], 50)
    watched = [(passed, length) for passed, length in spans if length <= _UNWATCHED * (usual or 0)]
    return _percent(sum(length for passed, length in watched if passed), sum(length for _, length in watched))


def _percent(part: int, whole: int) -> float | None:
    return part * 10_000 // whole / 100 if whole else None
