"""Runs every measurement, prints the table."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

from tests.bench import floors, scenarios
from tests.bench.driving import Size
from tests.bench.programs import Programs
from tests.bench.report import Figures, as_json, as_text
from tests.bench.world import new_world

USUAL = Size(apps=400, seconds=6, warm_up=400, additions=100)
QUICK = Size(apps=20, seconds=0.5, warm_up=16, additions=3, processes=1)


def run(size: Size) -> Figures:
    """One run: the floors and what stands on them, on the same machine in the same minute."""
    load = os.getloadavg()[0]
    with new_world(size.apps) as world:
        programs = Programs(world.folder)
        with programs.group("tests.bench.provider", world.provider_port):
            create_floor = floors.create_transaction(world, world.database("floor"), size.seconds)
            hello_floor = floors.hello(programs, size)
            accepted, reads = scenarios.accepted(world, programs, size)
            completed = scenarios.completed(world, programs, size)
            latency = scenarios.latency(world, programs, size)
    return Figures(size, load, create_floor, hello_floor, accepted, reads, completed, latency)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that it works; the figures mean nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    chosen = parser.parse_args(arguments)
    figures = run(QUICK if chosen.quick else USUAL)
    print(as_text(figures))
    if chosen.json:
        chosen.json.write_text(json.dumps(as_json(figures), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
