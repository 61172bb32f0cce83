"""Runs the measurements, prints the tables."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from tests.bench import floors, intake, scenarios
from tests.bench.closing import closings
from tests.bench.driving import Size
from tests.bench.pages import pages
from tests.bench.programs import Programs
from tests.bench.report import Figures, as_json, as_text
from tests.bench.world import World, new_world

USUAL = Size(apps=400, seconds=6, warm_up=400, additions=100)
QUICK = Size(
    apps=20,
    seconds=0.5,
    warm_up=16,
    additions=3,
    processes=1,
    closings=(200, 400),
    batches=4,
    services=(30, 60),
    shown=3,
    looks=4,
)
LARGE = 1_000_000
PARTS = ("provisions", "intake", "closing", "pages")


def run(size: Size, parts: Collection[str] = PARTS) -> Figures:
    """One run: the floors and what stands on them, on the same machine in the same minute."""
    figures = Figures(size, os.getloadavg()[0])
    with new_world(size.apps) as world:
        programs = Programs(world.folder)
        if "provisions" in parts:
            figures = _provisions(figures, world, programs)
        if "intake" in parts:
            floor = intake.floor(world, world.database("insert_floor"), size.seconds)
            reported = intake.reported(world, programs, size)
            rows = [("pgbench, insert usage", floor, None), ("usage reported, in batches of 1,000", reported, floor)]
            figures = replace(figures, rows=[*figures.rows, *rows])
        if "closing" in parts:
            figures = replace(figures, closings=closings(world, size.closings))
        if "pages" in parts:
            figures = replace(figures, pages=pages(world, programs, size))
    return figures


def _provisions(figures: Figures, world: World, programs: Programs) -> Figures:
    size = figures.size
    with programs.group("tests.bench.provider", world.provider_port):
        create_floor = floors.create_transaction(world, world.database("floor"), size.seconds)
        hello_floor = floors.hello(programs, size)
        accepted, reads = scenarios.accepted(world, programs, size)
        completed = scenarios.completed(world, programs, size)
        latency = scenarios.latency(world, programs, size)
    rows = [
        ("pgbench, create transaction", create_floor, None),
        ("FastAPI, hello", hello_floor, None),
        ("provisions accepted", accepted, create_floor),
        ("provisions completed", completed, create_floor),
        ("GET /addons/{id}", reads, hello_floor),
    ]
    return replace(figures, rows=rows, latency=latency)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"what to measure: {', '.join(PARTS)} (all of them)")
    parser.add_argument("--quick", action="store_true", help="only show that it works; the figures mean nothing")
    parser.add_argument("--large", action="store_true", help=f"also close a month of {LARGE:,} usage periods")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    size = QUICK if chosen.quick else USUAL
    if chosen.large:
        size = replace(size, closings=(*size.closings, LARGE))
    figures = run(size, chosen.parts or PARTS)
    print(as_text(figures))
    if chosen.json:
        chosen.json.write_text(json.dumps(as_json(figures), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
