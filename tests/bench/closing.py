"""Closing a month: what it takes per usage period, for small and large installations."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench import books, cpu
from tests.bench.driving import BenchFailed
from tests.bench.world import World

_PER = 100_000


@dataclass(frozen=True)
class Closing:
    """One month that was closed, and the first of its invoices handed out. Units: seconds, also of processor time; MiB."""

    periods: int
    accounts: int
    lines: int
    close_s: float
    issued: int
    issue_s: float
    cpu_s: float
    postgres_cpu_s: float | None
    peak_mib: float

    @property
    def per_100_000_s(self) -> float:
        """Seconds for as many usage periods."""
        return self.close_s * _PER / self.periods

    @property
    def cpu_per_100_000_s(self) -> float | None:
        """The same of processor time, of whatever took part."""
        return None if self.postgres_cpu_s is None else (self.cpu_s + self.postgres_cpu_s) * _PER / self.periods


def closings(world: World, sizes: Sequence[int]) -> list[Closing]:
    """A month of each size, in a database of its own."""
    return [_closing(world, periods) for periods in sizes]


def _closing(world: World, periods: int) -> Closing:
    url = world.database(f"closing_{periods}")
    books.fill(world, url, periods)
    environment = dict(os.environ) | world.environment(url)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.closer"], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        before = cpu.used_s([world.postgres_pid])
        told = process.stdout.readline()
        after = cpu.used_s([world.postgres_pid])
        rest = process.stdout.readline()
    if process.returncode or not rest:
        raise BenchFailed("the month was not closed")
    lines = world.count(url, "select count(*) from invoice_lines")
    if world.count(url, "select count(*) from usage_periods") != periods or not periods * 0.8 < lines < periods * 1.2:
        raise BenchFailed(f"of {periods} usage periods came {lines} lines")
    world.drop(url)
    used = None if before is None or after is None else after - before
    return Closing(periods=periods, lines=lines, postgres_cpu_s=used, **json.loads(told), **json.loads(rest))
