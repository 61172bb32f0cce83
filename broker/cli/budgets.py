"""budgets, budgets:set, :remove, :notices, and requests to exceed them: budgets:requests, :approve, :refuse."""

from __future__ import annotations

import click

from broker.cli.amounts import minor, money
from broker.cli.client import Client, Json, connect, segment
from broker.cli.errors import NotFound
from broker.cli.options import complete_app, complete_service, for_team_option, json_option
from broker.cli.output import clean, heading, moment, note, say, say_json, table
from broker.cli.progress import Progress

_PATH = "/account/budgets"
_REQUESTS = "/account/budget-requests"
_AT_THE_LIMIT = {"notify": "tells", "block_new": "refuses new cost", "suspend_metered": "refuses new cost and usage"}
# Without BROKER_APP: a variable of the shell must not turn a budget for everything into one for an app.
_app = click.option("-a", "--app", metavar="APP", shell_complete=complete_app, help="For one app.")
_service = click.option("--service", metavar="SERVICE", shell_complete=complete_service, help="For one service.")
_token = click.option("--token", metavar="ID", help="For what one token adds; see `broker authorizations`.")
_currency = click.option("--currency", metavar="CODE", default="usd", show_default=True, help="Of the amount.")


@click.command()
@for_team_option
@json_option
def list_(as_json: bool) -> None:
    """List the budgets, with what is used of them in this month.

    Used is what has accrued, and what everything that is there costs until the end of the month.
    """
    with connect() as client:
        found = client.get_all(_PATH)
    if as_json:
        say_json(found)
    elif found:
        heading(f"Budgets in {clean(found[0]['month'])}")
        say(table([_row(budget) for budget in found], ("For", "Limit", "Used", "", "At the limit", "Budget ID")))
    else:
        note("There are no budgets. Set one with `broker budgets:set AMOUNT`, also for --app, --service or --token.")


def _row(budget: Json) -> tuple[object, ...]:
    limit, used, currency = budget["limit_minor"], budget["used_minor"], budget["currency"]
    share = f"{used * 100 // limit} %" if limit else ""
    policy = _AT_THE_LIMIT.get(budget["policy"], budget["policy"])
    return _title(budget), money(limit, currency), money(used, currency), share, policy, budget["id"]


def _title(budget: Json) -> str:
    scope = budget["scope"]
    return "the whole account" if scope["kind"] == "account" else f"{scope['kind']} {scope['name']}"


@click.command()
@click.argument("amount", metavar="AMOUNT")
@_app
@_service
@_token
@_currency
@click.option(
    "--policy", type=click.Choice(list(_AT_THE_LIMIT)), default="block_new", show_default=True,
    help="What happens at the limit. Nothing is ever deleted.",
)  # fmt: skip
@for_team_option
@json_option
def set_(
    amount: str, app: str | None, service: str | None, token: str | None, currency: str, policy: str, as_json: bool
) -> None:
    """Set what may be spent in a month, such as 50 or 12.50.

    For everything, or for one app, service or token; what was set before is changed.
    """
    currency = currency.lower()
    body = {"limit_minor": minor(amount, currency), "currency": currency, "policy": policy}
    scope = _scope(app, service, token)
    with connect() as client, Progress(f"Setting the budget for {clean(_title({'scope': scope}))}") as progress:
        made = client.post(_PATH, {**body, "scope": scope})
        progress.done("done")
    if as_json:
        say_json(made)
    else:
        used, limit = (money(made[key], made["currency"]) for key in ("used_minor", "limit_minor"))
        say(f"{used} of {limit} are used in {clean(made['month'])}.")


def _scope(app: str | None, service: str | None, token: str | None) -> Json:
    given = [(kind, name) for kind, name in (("app", app), ("service", service), ("token", token)) if name]
    if len(given) > 1:
        raise click.UsageError("A budget is for one thing: --app, --service or --token.")
    kind, name = given[0] if given else ("account", None)
    return {"kind": kind, "name": name}


@click.command()
@click.argument("budget", required=False, metavar="[ID]")
@_app
@_service
@_token
@_currency
@for_team_option
@json_option
def remove(
    budget: str | None, app: str | None, service: str | None, token: str | None, currency: str, as_json: bool
) -> None:
    """Remove a budget: by its ID, or by what it is for.

    Without either, the one for the whole account.
    """
    scope = _scope(app, service, token)
    with connect() as client:
        found = client.get(f"{_PATH}/{segment(budget)}") if budget else _meant(client, scope, currency)
        with Progress(f"Removing the budget for {clean(_title(found))}") as progress:
            gone = client.delete(f"{_PATH}/{segment(found['id'])}")
            progress.done("done")
    if as_json:
        say_json(gone)


def _meant(client: Client, scope: Json, currency: str) -> Json:
    for found in client.get_all(_PATH):
        named = scope["name"] in (None, found["scope"]["name"], found["scope"]["id"])
        if found["scope"]["kind"] == scope["kind"] and named and found["currency"] == currency.lower():
            one: Json = found
            return one
    raise NotFound(f"There is no budget in {currency.upper()} for {_title({'scope': scope})}.", "See `broker budgets`.")


@click.command()
@click.argument("budget", metavar="ID")
@for_team_option
@json_option
def notices(budget: str, as_json: bool) -> None:
    """Show when parts of a budget were reached: 50, 80 and 100 percent, once a month each."""
    with connect() as client:
        found = client.get_all(f"{_PATH}/{segment(budget)}/notices")
    if as_json:
        say_json(found)
    elif found:
        rows = [
            (
                one["month"],
                f"{one['step']} %",
                money(one["used_minor"], one["currency"]),
                money(one["limit_minor"], one["currency"]),
                moment(one["created_at"]),
            )
            for one in found
        ]
        say(table(rows, ("Month", "Reached", "Used", "Limit", "At")))
    else:
        note("No part of it was reached yet.")


@click.command()
@for_team_option
@json_option
def requests(as_json: bool) -> None:
    """List what was asked for beyond the budgets, newest first."""
    with connect() as client:
        found = client.get_all(_REQUESTS)
    if as_json:
        say_json(found)
    elif found:
        rows = [
            (
                one["id"],
                one["what"],
                money(one["amount_minor"], one["currency"]),
                _state(one),
                moment(one["expires_at"]),
            )
            for one in found
        ]
        say(table(rows, ("Request ID", "What", "Until the month's end", "State", "Good until")))
    else:
        note("Nothing was asked for.")


def _state(request: Json) -> str:
    return "used" if request["used_at"] else str(request["state"])


@click.command()
@click.argument("request", metavar="ID")
@for_team_option
@json_option
def approve(request: str, as_json: bool) -> None:
    """Allow one operation that exceeds a budget.

    It is to be repeated within a week, and may cost as much as was asked for.
    """
    _decide(request, "approve", "Approving", as_json)


@click.command()
@click.argument("request", metavar="ID")
@for_team_option
@json_option
def refuse(request: str, as_json: bool) -> None:
    """Refuse what was asked for."""
    _decide(request, "refuse", "Refusing", as_json)


def _decide(request: str, verb: str, doing: str, as_json: bool) -> None:
    with connect() as client, Progress(f"{doing} {request}") as progress:
        decided = client.post(f"{_REQUESTS}/{segment(request)}/actions/{verb}", {})
        progress.done(f"done, {clean(decided['what'])}")
    if as_json:
        say_json(decided)
