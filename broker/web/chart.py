"""Columns of stacked parts as SVG: where everything is. Pure; drawn by `chart.html`, with the same numbers in a table behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

PLOT: Final = 200
"""How high the plot is. Units: CSS pixels. Across, everything is in percent, so that words keep their size."""
TOP: Final = 18
_LEFT, _RIGHT = 9.0, 100.0
_FILL: Final = 0.68
_MOST_STEPS: Final = 4


@dataclass(frozen=True, slots=True)
class Series:
    """A part of every column; `look` is its class in the style sheet."""

    name: str
    look: str
    values: Sequence[int]


@dataclass(frozen=True, slots=True)
class Part:
    """A rectangle and what it says. Units: percent across, pixels down."""

    x: float
    width: float
    y: float
    height: float
    look: str
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A line across, or a word below a column."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that is drawn."""

    title: str
    description: str
    parts: Sequence[Part]
    lines: Sequence[Mark]
    labels: Sequence[Mark]
    height: int = TOP + PLOT + 24
    ground: int = TOP + PLOT


def stacked(
    title: str, description: str, columns: Mapping[str, str], series: Sequence[Series], words: Callable[[int], str]
) -> Chart:
    """A column for each of `columns` (its name, and what stands below it) with its value of every series upon one another."""
    sums = [sum(max(each.values[place], 0) for each in series) for place in range(len(columns))]
    step = _step(max(sums, default=0))
    top = step * max(-(-max(sums, default=0) // step), 1)
    wide = (_RIGHT - _LEFT) / max(len(columns), 1)
    parts: list[Part] = []
    for place, name in enumerate(columns):
        x, reached = _LEFT + wide * (place + (1 - _FILL) / 2), 0
        for each in series:
            value = max(each.values[place], 0)
            if value:
                reached += value
                y, height = TOP + PLOT * (1 - reached / top), PLOT * value / top
                said = f"{each.name}, {name}: {words(value)}"
                parts.append(Part(_cut(x), _cut(wide * _FILL), _cut(y), _cut(height), each.look, said))
    lines = [Mark(_cut(TOP + PLOT * (1 - value / top)), words(value)) for value in range(0, top + 1, step)]
    labels = [Mark(_cut(_LEFT + wide * (place + 0.5)), text) for place, text in enumerate(columns.values())]
    return Chart(title, description, parts, lines, labels)


def _step(highest: int) -> int:
    """The distance of lines: 1, 2 or 5 times a power of ten, so that there are only a few."""
    power = 1
    while True:
        for step in (power, 2 * power, 5 * power):
            if highest <= step * _MOST_STEPS:
                return step
        power *= 10


def _cut(value: float) -> float:
    return round(value, 2)
