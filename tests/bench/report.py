"""The figures of a run, as tables for people and as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench.closing import Closing
from tests.bench.driving import CLIENTS, Measured, Size
from tests.bench.pages import Looked
from tests.bench.scenarios import Latency

_GOALS = [
    "goals: accepted >= 25 % of its floor (35 % would be fine), reads >= 15 %, addons:add <= 15 ms in the median;",
    "closing a month of 1,000,000 periods <= 1.3 x the cost per period of one of 100,000;",
    "search among 10,000 services: p99 <= 50 ms, and <= 3 x that among 1,000; front page <= 100 KB",
]


@dataclass(frozen=True)
class Figures:
    """Everything that one run has measured: by name, and the floor that it is compared with."""

    size: Size
    load_before: float
    rows: Sequence[tuple[str, Measured, Measured | None]] = ()
    latency: Latency | None = None
    closings: Sequence[Closing] = ()
    pages: Sequence[Looked] = ()


def as_text(figures: Figures) -> str:
    """The tables."""
    head = f"{CLIENTS} clients, {figures.size.processes} server processes, {os.cpu_count()} cores, {platform.machine()}"
    lines = [head + f"; load average before: {figures.load_before:.1f} (should be 0)", ""]
    if figures.rows:
        lines.append(
            "| | per second | of its floor | by CPU | median ms | p95 ms | CPU us: server | PostgreSQL | load |"
        )
        lines.append("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
        lines += [_line(*row) for row in figures.rows] + [""]
    if late := figures.latency:
        lines.append(f"addons:add, one after the other, without the provider's {late.provider_ms:.2f} ms: ")
        lines[-1] += f"median {late.median_ms:.1f} ms, p95 {late.p95_ms:.1f} ms ({late.count} times)"
        lines.append("")
    if figures.closings:
        lines += [*_closings(figures.closings), ""]
    if figures.pages:
        lines += [*_pages(figures.pages), ""]
    return "\n".join([*lines, *_GOALS])


def _line(name: str, measured: Measured, floor: Measured | None) -> str:
    shares = ["", ""]
    if floor is not None:
        shares = [f"{100 * measured.rate / floor.rate:.0f} %", _percent(floor.whole_us, measured.whole_us)]
    times = [f"{measured.percentile(50):.1f}", f"{measured.percentile(95):.1f}"] if measured.took_ms else ["", ""]
    used = [_number(measured.cpu_us.get(name)) for name in ("server", "postgres", "load")]
    return "| " + " | ".join([name, f"{measured.rate:,.0f}", *shares, *times, *used]) + " |"


def _closings(closings: Sequence[Closing]) -> list[str]:
    """Times are per 100,000 usage periods; the last columns compare one of them with that of the first month."""
    head = "| month closed, usage periods | accounts | s per 100,000 | CPU s: process | PostgreSQL | peak MiB |"
    return [
        head + " by time | by CPU | invoices out per s |",
        "|---|" + "--:|" * 8,
        *(_closing(each, closings[0]) for each in closings),
    ]


def _closing(each: Closing, first: Closing) -> str:
    per = 100_000 / each.periods
    postgres = None if each.postgres_cpu_s is None else each.postgres_cpu_s * per
    compared = ["", ""]
    if each is not first:
        compared = [f"x{each.per_100_000_s / first.per_100_000_s:.2f}", _ratio(each, first)]
    cells = [f"{each.periods:,}", f"{each.accounts:,}", f"{each.per_100_000_s:.1f}", f"{each.cpu_s * per:.1f}"]
    cells += [_number(postgres, 1), f"{each.peak_mib:.0f}", *compared, f"{each.issued / each.issue_s:.0f}"]
    return "| " + " | ".join(cells) + " |"


def _pages(pages: Sequence[Looked]) -> list[str]:
    """One request after the other. What a kind of page costs more of a larger marketplace is told beside the larger one."""
    head = "| page | of | median ms | p99 ms | growth: p99 | by CPU | CPU us: server | PostgreSQL | floors by CPU | KB | zipped |"
    smaller: dict[str, Looked] = {}
    lines = [head, "|---|" + "--:|" * 10]
    for each in pages:
        lines.append(_page(each, smaller.setdefault(each.name, each)))
    return lines


def _page(each: Looked, first: Looked) -> str:
    grown = ["", ""]
    if each is not first:
        ours, theirs = each.measured.whole_us, first.measured.whole_us
        by_cpu = "" if ours is None or theirs is None else f"x{ours / theirs:.1f}"
        grown = [f"x{each.ms(99) / first.ms(99):.1f}", by_cpu]
    used = [_number(each.measured.cpu_us.get(name)) for name in ("server", "postgres")]
    times = "" if each.times_floor is None else f"{each.times_floor:.1f}"
    weight = [f"{each.size / 1000:.1f}", f"{each.zipped / 1000:.1f}"] if each.size else ["", ""]
    cells = [each.name, f"{each.of:,}", f"{each.ms(50):.1f}", f"{each.ms(99):.1f}", *grown, *used, times, *weight]
    return "| " + " | ".join(cells) + " |"


def _ratio(each: Closing, first: Closing) -> str:
    ours, theirs = each.cpu_per_100_000_s, first.cpu_per_100_000_s
    return "" if ours is None or theirs is None else f"x{ours / theirs:.2f}"


def _percent(part: float | None, whole: float | None) -> str:
    return "" if part is None or whole is None else f"{100 * part / whole:.0f} %"


def _number(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


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
        for name, each, floor in figures.rows
    }
    return {
        "cores": os.cpu_count(),
        "load_before": figures.load_before,
        "measured": measured,
        "addons_add": figures.latency and asdict(figures.latency),
        "closings": [asdict(each) for each in figures.closings],
        "pages": [
            {
                "page": each.name,
                "of": each.of,
                "count": each.measured.count,
                "median_ms": each.ms(50),
                "p99_ms": each.ms(99),
                "cpu_us": dict(each.measured.cpu_us),
                "floors": each.times_floor,
                "bytes": each.size,
                "zipped": each.zipped,
            }
            for each in figures.pages
        ],
    }
