"""A number per day as a line, in SVG that needs neither script nor style of its own. What it shows is in a table beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 600
HEIGHT: Final = 120


@dataclass(frozen=True, slots=True)
class Curve:
    """The points of the line and of the area below it, as SVG takes them, and the highest number. Units: of the picture."""

    line: str
    area: str
    highest: int
    width: int = WIDTH
    height: int = HEIGHT


def curve(numbers: Sequence[int]) -> Curve:
    """A line from left to right, nothing at the bottom and the highest at the top."""
    highest = max(numbers, default=0)
    step = WIDTH / max(len(numbers) - 1, 1)
    points = [
        f"{place * step:.1f},{HEIGHT - 2 - (HEIGHT - 4) * number / max(highest, 1):.1f}"
        for place, number in enumerate(numbers)
    ]
    return Curve(" ".join(points), " ".join([f"0,{HEIGHT}", *points, f"{WIDTH},{HEIGHT}"]), highest)
