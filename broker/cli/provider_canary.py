"""provider:canary: having a provider tried again and again by the broker, and what came of it."""

from __future__ import annotations

import re
from typing import Final

import click

from broker.cli.client import Client, Json, connect
from broker.cli.health import trials_text
from broker.cli.options import json_option
from broker.cli.output import card, clean, moment, note, say, say_json, span, table
from broker.cli.provider_listings import own

_UNITS: Final = {"m": 60, "h": 3600, "d": 86_400}
_SHOWN: Final = 10


class _Interval(click.ParamType[int]):
    """`30m`, `1h`, `1d` as seconds, `off` as 0."""

    name = "interval"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        match = re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", text)
        if match is None and text != "off":
            self.fail("must be a number with m, h or d, such as 30m or 1h, or off.", param, ctx)
        return int(match[1]) * _UNITS[match[2]] if match else 0


@click.command()
@click.argument("slug")
@click.option(
    "--every", type=_Interval(), metavar="TIME|off",
    help="Try it so often from now on: 5m to 1d. `off` ends it, and takes the figure from the listing.",
)  # fmt: skip
@click.option("--plan", metavar="PLAN", help="Plan to provision. [default: the cheapest]")
@json_option
def canary(slug: str, every: int | None, plan: str | None, as_json: bool) -> None:
    """Have the broker try a provider again and again, and show with the listing how reliable it proved.

    A run provisions a real resource, connects to what its config vars hold, repeats the plan, and removes it. Without
    --every, shows the last runs.
    """
    if plan is not None and not every:
        raise click.UsageError("--plan needs --every.")
    with connect() as client:
        if every is not None:
            found: Json = client.patch(f"{own(slug)}/canary", {"every_s": every or None, "plan": plan})
            runs: list[Json] = []
        else:
            found, runs = client.get(f"{own(slug)}/canary"), _last_runs(client, slug)
    if as_json:
        say_json(found if every is not None else found | {"runs": runs})
        return
    say(card(_facts(found)))
    if runs:
        say("\n" + table([_row(run) for run in runs], ("Run", "Result", "Ready after", "Plan", "What failed")))
    elif found["every_s"] and every is None:
        note("There was no run yet. Runs are made by `broker canary`, or by `broker serve --with-canary`.")


def _last_runs(client: Client, slug: str) -> list[Json]:
    runs: list[Json] = client.get(f"{own(slug)}/canary-runs")
    return runs[:_SHOWN]


def _facts(found: Json) -> dict[str, object]:
    if found["every_s"] is None:
        return {"Tried": "not any more" if found["reliability"] else "never: begin with --every 1h"}
    return {
        "Tried": f"every {_interval(found['every_s'])}, with {found['plan'] or 'the cheapest plan'}",
        "Next run": moment(found["next_run_at"]),
        "Measured": trials_text(found["reliability"]) if found["reliability"] else "No run yet.",
    }


def _interval(seconds: int) -> str:
    """As --every takes it."""
    unit = next((unit for unit, size in reversed(_UNITS.items()) if seconds % size == 0), None)
    return f"{seconds // _UNITS[unit]}{unit}" if unit else span(seconds)


def _row(run: Json) -> tuple[object, ...]:
    took = None if run["provision_ms"] is None else f"{run['provision_ms'] / 1000:.1f} s"
    return moment(run["at"]), "passed" if run["passed"] else "failed", took, run["plan"], clean(run["fault"] or "")
