"""provider:test: runs the checks of the test kit against a provider, and shows what came of it."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from broker.cli.errors import CliError, Exit, Interrupted, Misused
from broker.cli.options import host_and_port, json_option
from broker.cli.output import clean, note, paint, say, say_json

if TYPE_CHECKING:
    from broker.testkit.registry import Check
    from broker.testkit.results import Report, Result
    from broker.testkit.subject import Subject

_COLOURS = {"pass": "green", "fail": "red", "warn": "yellow", "skip": None}
_WORDS = {"pass": "pass", "fail": "FAIL", "warn": "warn", "skip": "skip"}


@click.command("provider:test")
@click.argument("manifest", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--base-url", metavar="ORIGIN", help="Scheme, host and port instead of those in the manifest's URLs.")
@click.option("--plan", metavar="P", help="Plan to provision. [default: the manifest's default]")
@click.option("--to-plan", metavar="Q", help="Plan to change to. [default: the next one in the manifest]")
@click.option(
    "--timeout", type=click.FloatRange(0.1), default=60.0, show_default=True, metavar="S",
    help="Seconds to wait for an answer, and for the end of what was accepted with 202.",
)  # fmt: skip
@click.option(
    "--listen", default="127.0.0.1:0", show_default=True, metavar="HOST:PORT",
    help="Where the provider can call back; port 0 is a free one.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Take warnings for failures.")
@click.option("--only", metavar="GROUP[,GROUP]", help="Run these groups of checks only.")
@json_option
@click.option(
    "--report", "page", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.html",
    help="Write a page with everything that was sent and received, too.",
)  # fmt: skip
def provider_test(
    manifest: Path,
    base_url: str | None,
    plan: str | None,
    to_plan: str | None,
    timeout: float,
    listen: str,
    strict: bool,
    only: str | None,
    as_json: bool,
    page: Path | None,
) -> int:
    """Check a provider against the contract, without a broker: every promise is tried, one sentence each.

    Everything that is made is removed again. Exit status 0: no failure; 1: a failure; 2: nothing to test.
    """
    from broker.testkit.checks import manifest as of_manifest
    from broker.testkit.run import report as report_of

    groups = _groups(only)
    data, subject = _subject(manifest, base_url, plan, to_plan)
    results = of_manifest.results(data) if "manifest" in groups or subject is None else []
    results += _calls(subject, groups, timeout, host_and_port(listen))
    report = report_of(results, strict=strict)
    if page is not None:
        _write(page, report, subject, manifest)
    if as_json:
        say_json(report.as_json())
    else:
        _show(report)
    return Exit.OK if report.conformant else Exit.FAILED


def _groups(only: str | None) -> frozenset[str]:
    from broker.testkit.results import GROUPS

    asked = [part.strip() for part in (only or ",".join(GROUPS)).split(",") if part.strip()]
    unknown = [group for group in asked if group not in GROUPS]
    if unknown or not asked:
        raise click.BadParameter(f"knows the groups {', '.join(GROUPS)}.", param_hint="--only")
    return frozenset(asked)


def _subject(
    manifest: Path, base_url: str | None, plan: str | None, to_plan: str | None
) -> tuple[object, Subject | None]:
    """What is tested; None when the manifest has faults, which the report then tells."""
    from broker.testkit import subject

    try:
        data = subject.read(manifest)
        return data, subject.known_subject(data, base_url, plan, to_plan)
    except subject.Unusable as error:
        raise Misused(str(error)) from None


def _calls(subject: Subject | None, groups: frozenset[str], timeout: float, listen: tuple[str, int]) -> list[Result]:
    from broker.testkit.listen import CannotListen, bound
    from broker.testkit.probe import Limits
    from broker.testkit.run import examine, skipped
    from broker.testkit.subject import Unusable

    if subject is None:
        return skipped(groups, "The manifest cannot be used.")
    if groups == {"manifest"}:
        return []
    note(f"Testing {clean(subject.resources_url)}")
    watcher = _Progress()
    try:
        listener = bound(*listen)
        with watcher, closing(listener):
            run = examine(subject, groups=groups, limits=Limits(timeout), watcher=watcher, listener=listener)
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


def _write(page: Path, report: Report, subject: Subject | None, manifest: Path) -> None:
    from broker.testkit.page import page_of

    name = subject.manifest.name if subject else manifest.name
    try:
        page.write_text(page_of(report, name, subject.resources_url if subject else ""), encoding="utf-8")
    except OSError as error:
        raise CliError(f"{page} cannot be written: {error.strerror}.") from None
    note(f"Written: {page}")


def _show(report: Report) -> None:
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
        self._live = self._out.isatty()

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
            self._out.write(f"\r\033[K{clean(text)[:100]}")
            self._out.flush()
