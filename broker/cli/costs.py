"""costs, usage:addons: what an account owes for a month, and what add-ons used."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import click

from broker.cli.amounts import money
from broker.cli.client import Json, connect, segment
from broker.cli.options import for_team_option, json_option, optional_app_option, optional_team_option
from broker.cli.output import clean, heading, note, say, say_json, table
from broker.cli.tags import by_tag


def _checked(_ctx: click.Context, _param: click.Parameter, by: str | None) -> str | None:
    """What to sum up by, refused before anything is asked."""
    if by is None or by in {"app", "service", "plan"} or by.removeprefix("tag:") not in {"", by}:
        return by
    raise click.BadParameter("use app, service, plan or tag:NAME.")


@click.command()
@click.option("--month", metavar="YYYY-MM", help="Another month than the present one.")
@optional_app_option
@click.option("--by", metavar="WHAT", callback=_checked, help="Sum up by app, service, plan, or tag:NAME.")
@click.option("--explain", is_flag=True, help="Show how each line was computed.")
@for_team_option
@json_option
def costs(month: str | None, app: str | None, by: str | None, explain: bool, as_json: bool) -> None:
    """Show what the account owes for a month so far, and what it will be at the end if nothing changes."""
    wanted = {key: value for key, value in (("month", month), ("app", app)) if value}
    with connect() as client:
        found: Json = client.get(f"/account/costs?{urlencode(wanted)}" if wanted else "/account/costs")
    if as_json:
        say_json(found)
        return
    heading(f"Costs in {found['month']}" + (f" of {clean(app)}" if app else ""))
    for statement in found["statements"]:
        if by is None:
            _say_statement(statement, explain=explain, whole=app is None)
        else:
            _say_sums(statement, by)


def _say_statement(statement: Json, *, explain: bool, whole: bool) -> None:
    currency, lines = statement["currency"], statement["lines"]
    if not lines:
        note("Nothing.")
        return
    rows: list[tuple[object, ...]] = [_row(line, currency) for line in lines]
    if whole:
        rows += _totals(statement, currency)
    else:
        sums = [sum(line[key] for line in lines) for key in ("amount_minor", "forecast_minor")]
        rows.append(("Sum", "", "", *(money(each, currency) for each in sums)))
    say(table(rows, ("Add-on", "App", "For", "So far", "At the end")))
    if explain:
        _say_explanations(lines)


def _say_sums(statement: Json, by: str) -> None:
    """The lines summed up by what they have in common; before tax."""
    sums: dict[str, list[int]] = {}
    for line in statement["lines"]:
        so_far = sums.setdefault(_under(line, by), [0, 0])
        so_far[0] += line["amount_minor"]
        so_far[1] += line["forecast_minor"]
    currency = statement["currency"]
    rows = [(name, *(money(each, currency) for each in sums[name])) for name in sorted(sums)]
    total = [sum(each[place] for each in sums.values()) for place in (0, 1)]
    say(table([*rows, ("Sum", *(money(each, currency) for each in total))], (by, "So far", "At the end")))


def _under(line: Json, by: str) -> str:
    kind, _, name = by.partition(":")
    if kind == "tag":
        return by_tag(line, name)
    found = {"app": line["app"]["name"], "plan": line["plan"], "service": line["plan"].partition(":")[0]}
    return str(found[by])


def _row(line: Json, currency: str) -> tuple[object, ...]:
    what = line["plan"] if line["terms"] == "paid" else f"{line['plan']} ({line['terms']})"
    if line["kind"] == "metered":
        what = f"{line['label'] or line['meter']}: {line['quantity']} {line['unit'] or ''}".rstrip()
    amounts = (money(line[key], currency) for key in ("amount_minor", "forecast_minor"))
    return line["addon"]["name"], line["app"]["name"], what, *amounts


def _totals(statement: Json, currency: str) -> list[tuple[object, ...]]:
    """The sums; what is nothing is left out but for the last."""
    now, end = statement["now"], statement["forecast"]
    names = {"net_minor": "Net", "tax_minor": "Tax", "carried_minor": "Carried", "prepaid_minor": "Prepaid"}
    taken = [key for key in names if key != "net_minor" and (now[key] or end[key])]
    shown: list[tuple[str, str]] = [(names[key], key) for key in ("net_minor", *taken)] if taken else []
    return [
        (name, "", "", *(money(each[key], currency) for each in (now, end)))
        for name, key in [*shown, ("Due", "due_minor")]
    ]


def _say_explanations(lines: list[Any]) -> None:
    for line in lines:
        if line["explanation"]:
            say("")
            say(f"{clean(line['addon']['name'])}")
            say("\n".join(f"  {clean(sentence)}" for sentence in line["explanation"]))


@click.command()
@optional_app_option
@optional_team_option
@json_option
def usage(app: str | None, team: str | None, as_json: bool) -> None:
    """Show what the metered add-ons of an app, or of all apps of a team, used this month."""
    if app is None and team is None:
        raise click.UsageError("Of which app or team? Use --app APP or --team TEAM.")
    path = f"/apps/{segment(app)}/usage" if app else f"/teams/{segment(str(team))}/usage"
    with connect() as client:
        found: Json = client.get(path)
    if as_json:
        say_json(found)
        return
    for each in [found] if app else found["apps"]:
        _used(app or each["name"], each)
    if not app and not found["apps"]:
        note(f"No add-on of {clean(str(team))} is metered.")


def _used(app: str, found: Json) -> None:
    rows = [
        (addon.get("name") or addon["id"], label, meter["quantity"], meter.get("unit"))
        for addon in found["addons"]
        for label, meter in addon["meters"].items()
    ]
    if not rows:
        note(f"No add-on of {clean(app)} is metered.")
        return
    heading(f"Usage of {clean(app)} this month")
    say(table(rows, ("Add-on", "Meter", "Quantity", "Unit")))
