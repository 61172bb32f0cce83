"""What a person reads: tables, headings, prices, times, colour. Pure but for the printing functions at the end.

Data go to standard output, everything else (progress, warnings, errors) to standard error.
"""

from __future__ import annotations

import json
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_OUR_COLOUR = re.compile(r"(\x1b\[(?:0|1|3[1-6])m)")
"""What `paint` writes. Nothing that hides a text, moves the cursor or speaks to the terminal is among it."""

STATES = {
    "provisioned": "created",
    "provisioning": "creating",
    "deprovisioning": "destroying",
    "deprovisioned": "errored",
}
"""The words people know for the states of an add-on."""

_COLOURS = {"created": "green", "creating": "yellow", "destroying": "yellow", "errored": "red", "suspended": "red",
            "succeeded": "green", "failed": "red", "pending": "yellow", "running": "yellow", "waiting": "yellow"}  # fmt: skip


def clean(text: object) -> str:
    """Text of others without control and direction characters, so that it cannot steer the terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(text))


def width(text: str) -> int:
    """Columns that the text takes on a terminal."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def table(rows: Iterable[Sequence[object]], headings: Sequence[str] = ()) -> str:
    """Columns aligned with two blanks between them; None is shown as nothing; newlines inside cells become blanks."""
    cells = [["" if cell is None else clean(cell).replace("\n", " ") for cell in row] for row in rows]
    lines = [list(headings), *cells] if headings else cells
    if not lines:
        return ""
    widths = [max(width(cell) for cell in column) for column in zip(*lines, strict=True)]
    if headings:
        lines.insert(1, ["─" * size for size in widths])
    return "\n".join(_pad(line, widths) for line in lines)


def _pad(line: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell + " " * (size - width(cell)) for cell, size in zip(line, widths, strict=True)).rstrip()


def card(fields: Mapping[str, object]) -> str:
    """`Label:  value` lines; fields whose value is None, or an empty list, are left out; lists get a line each."""
    rows: list[tuple[str, object]] = []
    for label, value in fields.items():
        if value is None or value == []:
            continue
        values = value if isinstance(value, list) else [value]
        rows += [(f"{label}:" if index == 0 else "", item) for index, item in enumerate(values)]
    return table(rows)


def price(amount: Mapping[str, Any] | None) -> str:
    """What a plan costs by the hour, or one of the words free, contract, metered."""
    if not amount:
        return "free"
    if amount.get("contract"):
        return "contract"
    if amount.get("metered"):
        return "metered"
    cents = amount.get("cents") or 0
    return "free" if cents == 0 else f"~${cents / 100 / 720:.3f}/hour"


def max_price(amount: Mapping[str, Any] | None) -> str:
    """What a plan costs at most, by the month."""
    words = price(amount)
    if not words.startswith("~") or amount is None:
        return words
    return f"${dollars(amount['cents'])}/{clean(amount.get('unit') or 'month')}"


def dollars(cents: int) -> str:
    """Units: cents to dollars, without cents when there are none."""
    return f"{cents // 100}" if cents % 100 == 0 else f"{cents / 100:.2f}"


def price_note(amount: Mapping[str, Any] | None) -> str:
    """The price as it stands in brackets behind a finished step."""
    words = price(amount)
    return f"{words}, max {max_price(amount)}" if words.startswith("~") else words


def state_word(state: str) -> str:
    return STATES.get(state, state)


def moment(text: str | None, now: datetime | None = None) -> str | None:
    """An RFC 3339 time as local time, and how long ago or ahead when that is less than two days."""
    if not text:
        return None
    try:
        then = datetime.fromisoformat(text)
    except ValueError:
        return text
    seconds = ((now or datetime.now(UTC)) - then).total_seconds()
    shown = then.astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
    if abs(seconds) >= 172_800:
        return shown
    return f"{shown} ({span(seconds)} ago)" if seconds >= 0 else f"{shown} (in {span(-seconds)})"


def time_until(text: str) -> timedelta:
    """From now to an RFC 3339 time; less than nothing when it is past."""
    return datetime.fromisoformat(text) - datetime.now(UTC)


def span(seconds: float) -> str:
    """A length of time in its largest unit or two."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 and whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def colour_wanted(stream: Any) -> bool:
    """Colour is for terminals, and NO_COLOR (any non-empty value) or a dumb terminal says no."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(stream.isatty())


def paint(text: str, colour: str | None = None, *, bold: bool = False, err: bool = False) -> str:
    if not colour_wanted(sys.stderr if err else sys.stdout):
        return text
    return click.style(text, fg=colour, bold=bold or None)


def paint_state(word: str) -> str:
    return paint(word, _COLOURS.get(word))


def say(text: str = "") -> None:
    """Print data: into a file or a pipe as they are, onto a terminal so that they cannot steer it. `paint` knows which it is."""
    click.echo(tamed(text) if sys.stdout.isatty() else text, color=True)


def hand_on(content: bytes) -> None:
    """Print a part of a file in the same way."""
    click.echo(tamed(content.decode(errors="replace")) if sys.stdout.isatty() else content, nl=False, color=True)


def note(text: str) -> None:
    """Print something about what happens, on standard error. Nobody reads it but people."""
    click.echo(tamed(text), err=True, color=True)


def tamed(text: str) -> str:
    """The text with our colours and without anybody else's sequences: for what is put together of painted and other parts."""
    parts = _OUR_COLOUR.split(text)
    return "".join(part if index % 2 else clean(part) for index, part in enumerate(parts))


def warn(text: str) -> None:
    note(paint("Warning: ", "yellow", err=True) + clean(text))


def heading(text: str) -> None:
    say(paint(f"=== {clean(text)}", bold=True))


def say_json(data: object) -> None:
    """Print data as JSON, with every character that could steer a terminal spelt out: to a program it is the same."""
    text = json.dumps(data, indent=2, ensure_ascii=False)
    say(_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text))
