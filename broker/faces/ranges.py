"""The `Range` header of lists, as three real clients write it. Whatever cannot be understood is ignored, never refused.

Source: Platform API reference, "Ranges": `Range: <key> [<start>]..[<end>]; max=<n>, order=<asc|desc>`, `]` before an
exclusive start; `Next-Range` while more follows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from fastapi import Request

from broker.faces.answers import Answer
from broker.kernel.ids import as_uuid
from broker.kernel.parts import Part

MAX: Final = 1000
_RANGE: Final = re.compile(
    r"\s*(?P<key>[a-z_]+)\s+(?P<open>\]?)(?P<start>[^\s;,]*?)\.\.(?P<end>[^\s;,]*)\s*(?:;(?P<params>.*))?"
)
_WORD: Final = re.compile(r"(?!.*\.\.)[!-+\--:<-~]+")
"""What can stand in the header and is read there again: no two dots, blank, comma or semicolon, and nothing beyond ASCII."""
_LONGEST: Final = 400


@dataclass(frozen=True, slots=True)
class ListRange:
    """What part of a list is wanted."""

    key: str = "id"
    start: str = ""
    exclusive: bool = False
    end: str = ""
    max: int = MAX
    descending: bool = False

    def next(self, key: str, last: str) -> str:
        """The `Next-Range` after the entry `last`: complete, because clients send it back as it is."""
        return f"{key} ]{last}..{self.end}; max={self.max}, order={'desc' if self.descending else 'asc'}"


def parse(header: str | None) -> ListRange:
    """The range, or the whole list if there is none that can be understood."""
    match = _RANGE.fullmatch(header or "") if len(header or "") <= _LONGEST else None
    if match is None:
        return ListRange()
    params = dict(_param(part) for part in re.split(r"[;,]", match["params"] or "") if "=" in part)
    return ListRange(
        key=match["key"],
        start=match["start"],
        exclusive=bool(match["open"]),
        end=match["end"],
        max=_maximum(params.get("max", "")),
        descending=params.get("order") == "desc",
    )


def range_of(request: Request) -> ListRange:
    """The range that a request asks for."""
    return parse(request.headers.get("range"))


def _param(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip(), value.strip()


def _maximum(text: str) -> int:
    wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
    return min(wanted, MAX) or MAX


def newest_of(request: Request) -> tuple[ListRange, Part]:
    """The range of a list that is told by the ids of its entries, the newest first unless another order is asked for."""
    wanted = range_of(request)
    if wanted.key != "id" or wanted == ListRange():
        wanted = ListRange(max=wanted.max, descending=True)
    return wanted, part_of(wanted)


def part_of(wanted: ListRange) -> Part:
    """The part of the list: beyond an id, whatever the key is called (`seq`, `id`). One more entry tells whether more follows."""
    after: UUID | None = as_uuid(wanted.start) if wanted.exclusive else None
    return Part(wanted.max + 1, wanted.descending, after)


def page(request: Request, entries: Sequence[Any]) -> Answer:
    """The wanted part of a list of JSON objects, which comes in the order for those who want no part of it."""
    wanted = range_of(request)
    if wanted == ListRange() and len(entries) <= MAX:
        return Answer(list(entries))
    key = "name" if wanted.key == "name" and _are_told_apart([entry.get("name") for entry in entries]) else "id"
    ordered = sorted(entries, key=lambda entry: str(entry[key]), reverse=wanted.descending)
    if wanted.key == key:
        ordered = [entry for entry in ordered if _within(str(entry[key]), wanted)]
    return sliced(ordered, wanted, key)


def sliced(ordered: Sequence[Any], wanted: ListRange, key: str) -> Answer:
    """The first `max` entries; 206 with `Content-Range` and `Next-Range` if there are more."""
    if len(ordered) <= wanted.max:
        return Answer(list(ordered))
    shown = list(ordered[: wanted.max])
    first, last = str(shown[0][key]), str(shown[-1][key])
    headers = {"Accept-Ranges": key, "Content-Range": f"{key} {first}..{last}; max={wanted.max}"}
    return Answer(shown, 206, {**headers, "Next-Range": wanted.next(key, last)})


def _are_told_apart(names: Sequence[Any]) -> bool:
    """Whether a list can be cut between two names: each is one word of a header, and there is none twice."""
    words = {name for name in names if isinstance(name, str) and _WORD.fullmatch(name)}
    return len(words) == len(names)


def _within(value: str, wanted: ListRange) -> bool:
    """Whether a key lies in the range, which runs downwards in a descending list."""
    first, last = (wanted.end, wanted.start) if wanted.descending else (wanted.start, wanted.end)
    return not ((first and value < first) or (last and value > last) or (wanted.exclusive and value == wanted.start))
