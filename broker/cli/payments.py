"""payment-methods, payments, invoices:pay: what the account pays with, what it has paid, and paying by hand."""

from __future__ import annotations

import time
from typing import Final

import click

from broker.cli.amounts import money
from broker.cli.browser import show
from broker.cli.client import Client, Json, connect, segment
from broker.cli.errors import CliError
from broker.cli.options import for_team_option, json_option
from broker.cli.output import card, clean, heading, moment, note, say, say_json, table
from broker.cli.progress import Progress

_LOOK_S: Final = 1.0
_GOING_ON: Final = ("pending", "calling", "waiting", "unsure")
_no_wait = click.option("--no-wait", is_flag=True, help="Do not wait until it is done.")
_show_url = click.option("--show-url", is_flag=True, help="Print the address instead of opening a browser.")


@click.command()
@for_team_option
@json_option
def methods(as_json: bool) -> None:
    """List what the account pays with; the default one is marked with *."""
    with connect() as client:
        found = client.get_all("/account/payment-methods")
    if as_json:
        say_json(found)
    elif found:
        heading("Payment methods")
        rows = [(_name(each), f"{each['exp_month']:02}/{each['exp_year']}", each["id"]) for each in found]
        say(table(rows, ("Card", "Expires", "Id")))
    else:
        note("There are no payment methods yet. Add one with `broker payment-methods:add`.")


def _name(method: Json) -> str:
    return f"{method['brand']} {method['last4']}{' *' if method['default'] else ''}"


@click.command()
@_show_url
@_no_wait
@for_team_option
@json_option
def add(show_url: bool, no_wait: bool, as_json: bool) -> None:
    """Add a payment method, on the page of the payment gateway; it becomes the default one.

    The broker never sees the number of your card. Waits until you are done there; Ctrl-C stops the waiting only.
    """
    with connect() as client:
        setup = _opened(client, client.post("/account/payment-methods", {}))
        if setup["state"] == "open" and not as_json:
            show(setup["url"], "the payment gateway", only_print=show_url)
        elif setup["state"] == "open":
            note(setup["url"])
        if not no_wait:
            setup = _added(client, setup)
        done = [each for each in client.get_all("/account/payment-methods") if each["id"] == setup["payment_method"]]
    if as_json:
        say_json(done[0] if done else setup)
    elif done:
        note(f"Added {_name(done[0]).removesuffix(' *')}. Invoices are paid with it from now on.")


def _opened(client: Client, setup: Json) -> Json:
    while setup["state"] == "pending":
        time.sleep(_LOOK_S)
        setup = client.get(f"/account/payment-setups/{setup['id']}")
    if setup["state"] == "over":
        raise CliError("The payment gateway gave no page. Try again later.")
    return setup


def _added(client: Client, setup: Json) -> Json:
    with Progress("Waiting for the card") as progress:
        while setup["state"] == "open":
            time.sleep(_LOOK_S)
            setup = client.get(f"/account/payment-setups/{setup['id']}")
        progress.done("done" if setup["state"] == "done" else "nobody came")
    if setup["state"] != "done":
        raise CliError("The page is over without a payment method. Ask for another one.")
    return setup


@click.command()
@click.argument("method")
@for_team_option
@json_option
def remove(method: str, as_json: bool) -> None:
    """Remove a payment method, by its id or the last four digits of its number."""
    with connect() as client:
        gone = client.delete(f"/account/payment-methods/{_found(client, method)['id']}")
    if as_json:
        say_json(gone)
    else:
        note(f"Removed {gone['brand']} {gone['last4']}.")


@click.command()
@click.argument("method")
@for_team_option
@json_option
def default(method: str, as_json: bool) -> None:
    """Pay with this payment method from now on."""
    with connect() as client:
        chosen = client.patch(f"/account/payment-methods/{_found(client, method)['id']}", {"default": True})
    if as_json:
        say_json(chosen)
    else:
        note(f"Invoices are paid with {chosen['brand']} {chosen['last4']} from now on.")


def _found(client: Client, key: str) -> Json:
    found = [each for each in client.get_all("/account/payment-methods") if key in (each["id"], each["last4"])]
    if len(found) != 1:
        raise CliError(f"{clean(key)} is {'none' if not found else 'several'} of your payment methods; name its id.")
    return found[0]


@click.command()
@click.option("--invoice", metavar="NUMBER", help="Those of one invoice.")
@click.option("--all", "everybody", is_flag=True, help="Of all accounts (operators).")
@for_team_option
@json_option
def list_(invoice: str | None, everybody: bool, as_json: bool) -> None:
    """List the payments of the account, the newest first: each attempt at an invoice."""
    path = f"/account/invoices/{segment(invoice)}/payments" if invoice else "/account/payments"
    if everybody:
        path = "/billing/payments" + (f"?invoice={segment(invoice)}" if invoice else "")
    with connect() as client:
        found = client.get_all(path)
    if as_json:
        say_json(found)
    elif found:
        heading("Payments")
        say(table([_row(each, ids=everybody) for each in found], _HEADINGS + (("Id",) if everybody else ())))
    else:
        note("There are no payments.")


_HEADINGS: Final = ("Invoice", "#", "Amount", "Paid with", "State", "When", "Why")


def _row(each: Json, *, ids: bool) -> tuple[object, ...]:
    amount, back = money(each["amount_minor"], each["currency"]), each["refunded_minor"]
    state = f"{each['state']}, {money(back, each['currency'])} sent back" if back else each["state"].replace("_", " ")
    why = clean(each["failure_message"] or "")
    row = each["invoice"], each["attempt"], amount, each["card"] or each["gateway"], state, moment(each["created_at"])
    return (*row, why, *((each["id"],) if ids else ()))


@click.command()
@click.argument("number")
@click.option("--with", "method", metavar="METHOD", help="Another payment method than the default one.")
@_show_url
@_no_wait
@for_team_option
@json_option
def pay(number: str, method: str | None, show_url: bool, no_wait: bool, as_json: bool) -> None:
    """Pay an invoice now.

    If your bank wants the payment to be confirmed, the page for that is opened.
    """
    with connect() as client:
        body = {"payment_method": _found(client, method)["id"]} if method else {}
        made = client.post(f"/account/invoices/{segment(number)}/payments", body)
        if made["action_url"] and not as_json:
            show(made["action_url"], "your bank", only_print=show_url)
        elif made["action_url"]:
            note(made["action_url"])
        if not no_wait:
            made = _settled(client, made)
    if as_json:
        say_json(made)
    elif made["state"] == "succeeded":
        note(f"Paid {money(made['amount_minor'], made['currency'])} for {clean(number)}.")
    elif made["state"] in ("failed", "action_needed") and not made["action_url"]:
        raise CliError(f"{clean(number)} was not paid: {clean(made['failure_message'])}")
    else:
        say(card({"Invoice": made["invoice"], "State": made["state"].replace("_", " "), "Id": made["id"]}))


def _settled(client: Client, made: Json) -> Json:
    with Progress(f"Paying {made['invoice']}") as progress:
        while made["state"] in _GOING_ON or (made["state"] == "action_needed" and made["action_url"]):
            time.sleep(_LOOK_S)
            made = client.get(f"/account/payments/{made['id']}")
        progress.done("done" if made["state"] == "succeeded" else "failed")
    return made
