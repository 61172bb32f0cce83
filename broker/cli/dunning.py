"""billing:status: what is owed and when what happens. For operators: billing:delinquent, invoices:dispute, addons:suspend."""

from __future__ import annotations

import click

from broker.cli.amounts import money
from broker.cli.client import Json, connect, segment
from broker.cli.errors import CliError
from broker.cli.options import for_team_option, json_option
from broker.cli.output import card, clean, heading, moment, note, say, say_json, table


@click.command()
@for_team_option
@json_option
def status(as_json: bool) -> None:
    """Show what the account owes, what happens on which day if it is not paid, and how to pay."""
    with connect() as client:
        found: Json = client.get("/account/billing")
    if as_json:
        say_json(found)
        return
    if not found["invoices"]:
        note("Nothing is to be paid.")
        return
    heading("To be paid")
    rows = [(each["number"], each["month"], _state(each), _owed(each)) for each in found["invoices"]]
    say(table(rows, ("Invoice", "For", "State", "Owed")))
    dates = {
        "Past due since": moment(found["delinquent_at"]),
        "Suspended since": moment(found["suspended_at"]),
        "Paid add-ons are suspended": moment(found["scheduled_suspension_time"]),
        "Paid add-ons and their data are deleted": moment(found["scheduled_deletion_time"]),
        "Payment is tried again": moment(
            min(filter(None, (each["next_try_at"] for each in found["invoices"])), default=None)
        ),
    }
    say("")
    say(card({name: date for name, date in dates.items() if date and date != "-"}))
    note(f"Pay now: broker invoices:pay {clean(found['invoices'][0]['number'])}, or at {clean(found['payment_url'])}")
    if found["suspended_at"] and found["scheduled_deletion_time"]:
        note("Fetch your data meanwhile with: broker addons:credentials:show ADDON")


def _state(invoice: Json) -> str:
    if invoice["paused"]:
        return "disputed, not collected" if invoice["disputed_minor"] else "too little to be collected"
    return str(invoice["state"]).replace("_", " ") + (", in part disputed" if invoice["disputed_minor"] else "")


def _owed(invoice: Json) -> str:
    return money(invoice["owed_minor"], invoice["currency"])


@click.command()
@json_option
def delinquent(as_json: bool) -> None:
    """List the accounts with an invoice that is past due, the longest first (operators)."""
    with connect() as client:
        found = client.get_all("/billing/delinquent")
    if as_json:
        say_json(found)
    elif found:
        heading("Delinquent accounts")
        titles = ("Account", "Since", "Owed", "Suspended", "Suspends", "Deletes")
        say(table([_row(each) for each in found], titles))
    else:
        note("Every account has paid what was due.")


def _row(account: Json) -> tuple[object, ...]:
    owed = ", ".join(f"{_owed(each)} ({clean(each['number'])})" for each in account["invoices"])
    dates = ("suspended_at", "scheduled_suspension_time", "scheduled_deletion_time")
    return (account["email"], moment(account["delinquent_at"]), owed, *(moment(account[name]) for name in dates))


@click.command()
@click.argument("number")
@click.option("--reason", required=True, help="Why it may be wrong.")
@click.option("--line", type=click.IntRange(1), help="Only this line, with its tax; the rest is collected.")
@json_option
def dispute(number: str, reason: str, line: int | None, as_json: bool) -> None:
    """Stop collecting an invoice, or a line of it, until it is decided whether it is right (operators).

    If nothing is left to collect, its dates are put off, and nobody is suspended for it.
    """
    with connect() as client:
        made = client.post(
            f"/billing/invoices/{segment(number)}/disputes", {"reason": reason} | ({"line": line} if line else {})
        )
    _say_dispute(made, as_json=as_json)


@click.command()
@click.argument("number")
@click.option("--line", type=click.IntRange(1), help="Only this line.")
@json_option
def undispute(number: str, line: int | None, as_json: bool) -> None:
    """Collect an invoice, or a line of it, again (operators). Its dates are later by as long as it was disputed."""
    query = f"?line={line}" if line else ""
    with connect() as client:
        made = client.delete(f"/billing/invoices/{segment(number)}/disputes{query}")
    _say_dispute(made, as_json=as_json)


def _say_dispute(made: Json, *, as_json: bool) -> None:
    if as_json:
        say_json(made)
        return
    disputed, collected = (money(made[f"{what}_minor"], made["currency"]) for what in ("disputed", "collected"))
    note(f"Of {clean(made['invoice'])}, {disputed} is disputed, and {collected} is collected.")


_addon = click.argument("addon", required=False)
_service = click.option("--service", metavar="SERVICE", help="All add-ons of a service instead of one.")


@click.command()
@_addon
@_service
@click.option("--unbilled", is_flag=True, help="It is not their users' fault: nothing is charged.")
@click.option("--reason", required=True, help="Why; their users are shown it.")
@json_option
def suspend(addon: str | None, service: str | None, unbilled: bool, reason: str, as_json: bool) -> None:
    """Take add-ons out of use until addons:resume, unbilled (operators).

    Their config vars are taken out of the apps, in one release each. Accounts that do not pay are suspended by the worker.
    """
    if not unbilled:
        raise CliError("Add --unbilled: what is not paid is suspended by the worker, and not by hand.")
    _apply("suspend", addon, service, {"reason": reason}, as_json=as_json)


@click.command()
@_addon
@_service
@json_option
def resume(addon: str | None, service: str | None, as_json: bool) -> None:
    """End what addons:suspend did: config vars come back with the values that hold now (operators)."""
    _apply("resume", addon, service, {}, as_json=as_json)


def _apply(verb: str, addon: str | None, service: str | None, body: Json, *, as_json: bool) -> None:
    if (addon is None) == (service is None):
        raise click.UsageError("Name an add-on, or a service with --service.")
    target = {"addon": addon} if service is None else {"addon_service": service}
    with connect() as client:
        done = client.post(f"/actions/addons/{verb}", target | body)
    if as_json:
        say_json(done)
    else:
        count = done["addons"]
        note(f"{count} {'add-on was' if count == 1 else 'add-ons were'} {verb}{'d' if verb[-1] == 'e' else 'ed'}.")
