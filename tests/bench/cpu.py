"""How much processor time trees of processes have used. Read from /proc; where there is none, nothing is known."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_PROC = Path("/proc")
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_TIMES = slice(11, 15)  # utime, stime and those of ended children, of the fields after the name


def used_s(roots: Iterable[int]) -> float | None:
    """Seconds that these processes and everything below them have used so far, ended children too."""
    if not (_PROC / "self" / "stat").exists():
        return None
    fields = _all_fields()
    children: dict[int, list[int]] = {}
    for pid, values in fields.items():
        children.setdefault(int(values[1]), []).append(pid)
    pids, found = [pid for pid in roots if pid in fields], set()
    while pids:
        pid = pids.pop()
        found.add(pid)
        pids += [child for child in children.get(pid, ()) if child not in found]
    return sum(int(value) for pid in found for value in fields[pid][_TIMES]) * _TICK_S


def _all_fields() -> dict[int, list[str]]:
    """The fields of every process' stat after its name, which may hold blanks and parentheses."""
    found = {}
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            try:
                found[int(entry.name)] = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found
