"""The report as one page of HTML that needs nothing else: no script, no font, no picture."""

from __future__ import annotations

from itertools import groupby
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from broker.testkit.results import Report, Status

WORDS: Final = {"pass": "passed", "fail": "failed", "warn": "warning", "skip": "skipped"}


def environment() -> Environment:
    """Templates of this package; everything put into them is escaped."""
    loader = PackageLoader("broker.testkit", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def page_of(report: Report, name: str, address: str) -> str:
    """The page about a provider of this name at this address."""
    groups = [(group, list(results)) for group, results in groupby(report.results, key=lambda result: result.group)]
    template = environment().get_template("report.html")
    return template.render(
        name=name,
        address=address,
        conformant=report.conformant,
        summary=report.as_json()["summary"],
        groups=groups,
        wrong=[result for result in report.results if result.status in (Status.FAIL, Status.WARN)],
        anchors={result.name: f"check-{place}" for place, result in enumerate(report.results)},
        words=WORDS,
    )
