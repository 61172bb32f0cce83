"""The figures of a run, as a table for people and as JSON."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import Any

from tests.bench.driving import CLIENTS, Measured, Size
from tests.bench.scenarios import Latency

_GOALS = "goals: accepted >= 25 % of its floor (35 % would be fine), reads >= 15 %, addons:add <= 15 ms in the median"


@dataclass(frozen=True)
class Figures:
    """Everything that one run has measured."""

    size: Size
    load_before: float
    create_floor: Measured
    hello_floor: Measured
    accepted: Measured
    reads: Measured
    completed: Measured
    latency: Latency

    def rows(self) -> list[tuple[str, Measured, Measured | None]]:
        """Name, what was measured, and the floor that it is compared with."""
        return [
            ("pgbench, create transaction", self.create_floor, None),
            ("FastAPI, hello", self.hello_floor, None),
            ("provisions accepted", self.accepted, self.create_floor),
            ("provisions completed", self.completed, self.create_floor),
            ("GET /addons/{id}", self.reads, self.hello_floor),
        ]


def as_text(figures: Figures) -> str:
    """The table."""
    head = f"{CLIENTS} clients, {figures.size.processes} server processes, {os.cpu_count()} cores, {platform.machine()}"
    head += f"; load average before: {figures.load_before:.1f} (should be 0)"
    lines = [
        head,
        "",
        "| | per second | of its floor | by CPU | median ms | p95 ms | CPU us: server | PostgreSQL | load |",
    ]
    lines.append("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    lines += [_line(*row) for row in figures.rows()]
    late = figures.latency
    lines += ["", f"addons:add, one after the other, without the provider's {late.provider_ms:.2f} ms: "]
    lines[-1] += f"median {late.median_ms:.1f} ms, p95 {late.p95_ms:.1f} ms ({late.count} times)"
    return "\n".join([*lines, "", _GOALS])


def _line(name: str, measured: Measured, floor: Measured | None) -> str:
    shares = ["", ""]
    if floor is not None:
        shares = [f"{100 * measured.rate / floor.rate:.0f} %", _percent(floor.whole_us, measured.whole_us)]
    times = [f"{measured.percentile(50):.1f}", f"{measured.percentile(95):.1f}"] if measured.took_ms else ["", ""]
    used = [_us(measured.cpu_us.get(name)) for name in ("server", "postgres", "load")]
    return "| " + " | ".join([name, f"{measured.rate:,.0f}", *shares, *times, *used]) + " |"


def _percent(part: float | None, whole: float | None) -> str:
    return "" if part is None or whole is None else f"{100 * part / whole:.0f} %"


def _us(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def as_json(figures: Figures) -> dict[str, Any]:
    """The same with every digit."""
    measured = {
        name: {
            "per_second": each.rate,
            "count": each.count,
            "cpu_us": dict(each.cpu_us),
            **({"median_ms": each.percentile(50), "p95_ms": each.percentile(95)} if each.took_ms else {}),
            **({"of_floor": each.rate / floor.rate} if floor else {}),
        }
        for name, each, floor in figures.rows()
    }
    return {
        "cores": os.cpu_count(),
        "load_before": figures.load_before,
        "measured": measured,
        "addons_add": vars(figures.latency),
    }
