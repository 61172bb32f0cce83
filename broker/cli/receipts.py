"""billing:receive: money that came for an account as a whole."""

from __future__ import annotations

import click

from broker.cli.amounts import minor, money
from broker.cli.client import Json, connect
from broker.cli.options import json_option
from broker.cli.output import clean, note, say_json


@click.command()
@click.argument("email")
@click.argument("amount")
@click.option("--reference", required=True, help="What the bank calls it; the account sees it.")
@click.option("--currency", default="usd", show_default=True, help="Of the money, and of the invoices that it pays.")
@json_option
def receive(email: str, amount: str, reference: str, currency: str, as_json: bool) -> None:
    """Record that an account sent money, such as 250.00, by bank transfer (operators).

    It pays the oldest invoice first; what is left becomes a prepaid credit. For one invoice: `broker payments:record`.
    """
    currency = currency.lower()
    body: Json = {"email": email, "amount_minor": minor(amount, currency), "reference": reference}
    with connect() as client:
        made: Json = client.post("/billing/receipts", body | {"currency": currency})
    if as_json:
        say_json(made)
        return
    for part in made["paid"]:
        left = f", {money(part['left_minor'], currency)} left" if part["left_minor"] else ", in full"
        note(f"{clean(part['invoice'])}: {money(part['amount_minor'], currency)} paid{left}.")
    if made["credit_minor"]:
        note(f"{clean(email)} has a prepaid credit of {money(made['credit_minor'], currency)}.")
