"""provider:test: checks a provider against the contract, without a broker."""

from __future__ import annotations

from pathlib import Path

import click

from broker.cli.errors import CliError, Exit, Misused
from broker.cli.kit_run import Tested, Wanted, show, tested
from broker.cli.manifest_files import default_file
from broker.cli.options import host_and_port, json_option
from broker.cli.output import clean, note, say_json


@click.command("provider:test")
@click.argument("manifest", required=False, type=click.Path(dir_okay=False, path_type=Path))
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
    manifest: Path | None,
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

    MANIFEST is addon-manifest.json of this directory, if it is not given.
    Everything that is made is removed again. Exit status 0: no failure; 1: a failure; 2: nothing to test.
    """
    wanted = Wanted(_groups(only), timeout, host_and_port(listen), strict, base_url, plan, to_plan)
    manifest = manifest or default_file()
    if page is not None:
        _check_writable(page)
    outcome = tested(manifest, wanted)
    if as_json:
        say_json(outcome.report.as_json())
    else:
        show(outcome.report)
    if page is not None:
        _write(page, outcome, manifest)
    return Exit.OK if outcome.report.conformant else Exit.FAILED


def _groups(only: str | None) -> frozenset[str]:
    from broker.testkit.results import GROUPS

    if only is None:
        return frozenset(GROUPS)
    asked = [part.strip() for part in only.split(",") if part.strip()]
    unknown = [clean(group) for group in asked if group not in GROUPS]
    if unknown or not asked:
        said = f"{', '.join(unknown)} is no group" if unknown else "names no group"
        raise click.BadParameter(f"{said}: they are {', '.join(GROUPS)}.", param_hint="--only")
    return frozenset(asked)


def _check_writable(page: Path) -> None:
    """Before minutes are spent on what could not be kept."""
    try:
        page.open("a").close()
    except OSError as error:
        raise Misused(f"{clean(page)} cannot be written: {error.strerror}.") from None


def _write(page: Path, outcome: Tested, manifest: Path) -> None:
    from broker.testkit.page import page_of

    subject = outcome.subject
    name = subject.manifest.name if subject else manifest.name
    try:
        page.write_text(page_of(outcome.report, name, subject.resources_url if subject else ""), encoding="utf-8")
    except OSError as error:
        raise CliError(f"{clean(page)} cannot be written: {error.strerror}.") from None
    note(f"Written: {clean(page)}")
