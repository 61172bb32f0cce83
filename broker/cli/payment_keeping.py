"""payments:refund, payments:record, billing:verify: what operators do about payments."""

from __future__ import annotations

import click

from broker.cli.bookkeeping import line_named, minor
from broker.cli.client import Json, connect, segment
from broker.cli.costs import money
from broker.cli.errors import CliError
from broker.cli.options import json_option
from broker.cli.output import clean, note, say_json

_currency = click.option("--currency", default="usd", show_default=True, help="Of the amount.")


@click.command()
@click.argument("payment")
@click.option("--amount", metavar="AMOUNT", help="How much, such as 12.50; without it, all that is left.")
@click.option("--line", "lines", multiple=True, metavar="LINE[=AMOUNT]",
              help="Send back a line of the invoice with its tax, or a net amount of it; instead of --amount.")  # fmt: skip
@_currency
@click.option("--reason", required=True, help="Why; it is printed on the credit note.")
@json_option
def refund(payment: str, amount: str | None, lines: tuple[str, ...], currency: str, reason: str, as_json: bool) -> None:
    """Send a payment back, or a part of it (operators). `broker payments --all` has the ids.

    Writes a credit note; what partners got of it is taken back in the same ratio.
    """
    body: Json = {"reason": reason}
    if amount is not None:
        body["amount_minor"] = minor(amount, currency.lower())
    if lines:
        body["lines"] = [line_named(text, currency.lower()) for text in lines]
    with connect() as client:
        made = client.post(f"/billing/payments/{segment(payment)}/refunds", body)
    if as_json:
        say_json(made)
    elif made["state"] == "failed":
        raise CliError(f"It was not sent back: {clean(made['failure_message'])}")
    else:
        under_way = "" if made["state"] == "succeeded" else " (under way)"
        note(f"Sent back {money(made['amount_minor'], made['currency'])}{under_way}.")


@click.command()
@click.argument("number")
@click.argument("amount")
@click.option("--reference", required=True, help="What the bank calls it.")
@_currency
@json_option
def record(number: str, amount: str, reference: str, currency: str, as_json: bool) -> None:
    """Record that an invoice, or a part of it, was paid past the gateway, such as by bank transfer (operators)."""
    body: Json = {"amount_minor": minor(amount, currency.lower()), "reference": reference}
    with connect() as client:
        made = client.post(f"/billing/invoices/{segment(number)}/payments", body)
    if as_json:
        say_json(made)
    else:
        note(f"Recorded {money(made['amount_minor'], made['currency'])} for {clean(number)}.")


@click.command()
@click.argument("email")
@click.option("--revoke", is_flag=True, help="Take it back.")
@json_option
def verify(email: str, revoke: bool, as_json: bool) -> None:
    """Let an account have paid plans without a payment method: it pays by transfer (operators)."""
    with connect() as client:
        made = client.post("/billing/verifications", {"email": email, "exempt": not revoke})
    if as_json:
        say_json(made)
    else:
        need = "needs a payment method for paid plans" if revoke else "may have paid plans without a payment method"
        note(f"{clean(email)} {need}.")
