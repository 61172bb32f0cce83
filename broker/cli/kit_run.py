"""One run of the provider test kit from the command line: what is tested, progress, Ctrl-C, and how the result is shown."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from broker.cli.errors import Interrupted, Misused
from broker.cli.manifest_files import HOW_TO_START
from broker.cli.output import clean, note, paint, say

if TYPE_CHECKING:
    from broker.testkit.registry import Check
    from broker.testkit.results import Report, Result
    from broker.testkit.subject import Subject

_COLOURS = {"pass": "green", "fail": "red", "warn": "yellow", "skip": None}
_WORDS = {"pass": "pass", "fail": "FAIL", "warn": "warn", "skip": "skip"}


@dataclass(frozen=True, slots=True)
class Tested:
    """What came of a run. `subject` is None when the manifest has faults."""

    manifest: object
    subject: Subject | None
    report: Report


@dataclass(frozen=True, slots=True)
class Wanted:
    """How to run. Units: `timeout` in seconds."""

    groups: frozenset[str]
    timeout: float
    listen: tuple[str, int]
    strict: bool
    base_url: str | None = None
    plan: str | None = None
    to_plan: str | None = None


def tested(manifest: Path, wanted: Wanted) -> Tested:
    """Run the kit against the provider of a manifest file.

    Raises: Misused when there is nothing to test; Interrupted.
    """
    from broker.testkit.checks import manifest as of_manifest
    from broker.testkit.run import report

    data, subject = _subject(manifest, wanted)
    results = of_manifest.results(data) if "manifest" in wanted.groups or subject is None else []
    results += _calls(subject, wanted)
    return Tested(data, subject, report(results, strict=wanted.strict))


def _subject(manifest: Path, wanted: Wanted) -> tuple[object, Subject | None]:
    """What is tested; None when the manifest has faults, which the report then tells."""
    from broker.testkit import subject

    try:
        data = subject.read(manifest)
        return data, subject.known_subject(data, wanted.base_url, wanted.plan, wanted.to_plan)
    except subject.Unusable as error:
        raise Misused(str(error), None if manifest.exists() else HOW_TO_START) from None


def _calls(subject: Subject | None, wanted: Wanted) -> list[Result]:
    from broker.testkit.listen import CannotListen, bound
    from broker.testkit.probe import Limits
    from broker.testkit.run import examine, skipped
    from broker.testkit.subject import Unusable

    if subject is None:
        return skipped(wanted.groups, "The manifest cannot be used.")
    if wanted.groups == {"manifest"}:
        return []
    note(f"Testing {clean(subject.resources_url)}")
    watcher = _Progress()
    try:
        listener = bound(*wanted.listen)
        with watcher, closing(listener):
            limits = Limits(wanted.timeout)
            run = examine(subject, groups=wanted.groups, limits=limits, watcher=watcher, listener=listener)
            return asyncio.run(_stoppable(run))
    except (Unusable, CannotListen) as error:
        raise Misused(str(error)) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise Interrupted("Interrupted. What had been made was deleted again, but for what is named above.") from None


async def _stoppable(run: Awaitable[list[Result]]) -> list[Result]:
    """A SIGTERM ends the run as Ctrl-C does: what was made is removed first."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run


def show(report: Report) -> None:
    """Print the results by group, and the numbers."""
    group = ""
    for result in report.results:
        if result.group != group:
            group = result.group
            say(paint(group, bold=True))
        _show_one(result)
    numbers = report.as_json()["summary"]
    say()
    say(", ".join(f"{count} {word}" for word, count in numbers.items()) + ".")


def _show_one(result: Result) -> None:
    status = str(result.status)
    say(f"  {paint(_WORDS[status], _COLOURS[status])}  {clean(result.name)}")
    if result.detail:
        say(f"        {clean(result.detail)}")
    if status in ("fail", "warn"):
        _indented("sent", result.sent)
        _indented("received", result.received)


def _indented(label: str, text: str | None) -> None:
    for number, line in enumerate((text or "").splitlines()):
        say(f"        {label if number == 0 else '':9} {clean(line)}".rstrip())


class _Progress:
    """One line on a terminal that says which check runs; elsewhere silence, but for what could not be removed."""

    def __init__(self) -> None:
        self._out = sys.stderr
        self._live = self._out.isatty() and os.environ.get("TERM") != "dumb"
        self._width = shutil.get_terminal_size().columns - 1

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._line("")

    def checking(self, place: int, total: int, check: Check) -> None:
        self._line(f"{place + 1}/{total} {check.group}: {check.name}")

    def removing(self, count: int) -> None:
        self._line(f"Removing {count} resources…")

    def left_behind(self, lines: Sequence[str]) -> None:
        self._line("")
        note("These resources may still exist at the provider; remove them by hand:")
        for line in lines:
            note(f"  {clean(line)}")

    def _line(self, text: str) -> None:
        if self._live:
            self._out.write(f"\r\033[K{clean(text)[: self._width]}")
            self._out.flush()
