"""payments:refund, payments:record, payments:chargebacks, billing:verify: what operators do about payments."""

from __future__ import annotations

import click

from broker.cli.amounts import minor, money
from broker.cli.bookkeeping import currency_of, currency_option, line_named
from broker.cli.client import Json, connect, segment
from broker.cli.errors import CliError
from broker.cli.options import json_option
from broker.cli.output import clean, heading, moment, note, say, say_json, table


@click.command()
@click.argument("payment")
@click.option("--amount", metavar="AMOUNT", help="How much, such as 12.50; without it, all that is left.")
@click.option("--line", "lines", multiple=True, metavar="LINE[=AMOUNT]",
              help="Send back a line of the invoice with its tax, or a net amount of it; instead of --amount.")  # fmt: skip
@currency_option
@click.option("--reason", required=True, help="Why; it is printed on the credit note.")
@json_option
def refund(
    payment: str, amount: str | None, lines: tuple[str, ...], currency: str | None, reason: str, as_json: bool
) -> None:
    """Send a payment back, or a part of it (operators). `broker payments --all` has the ids.

    Amounts are in the payment's own currency. Writes a credit note; what partners got of it is taken back in the same ratio.
    """
    body: Json = {"reason": reason}
    with connect() as client:
        if amount is not None or lines:
            known = currency_of(client, f"payments/{segment(payment)}", currency)
            body |= {} if amount is None else {"amount_minor": minor(amount, known, "--amount")}
            body |= {"lines": [line_named(text, known) for text in lines]} if lines else {}
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
@currency_option
@json_option
def record(number: str, amount: str, reference: str, currency: str | None, as_json: bool) -> None:
    """Record that an invoice, or a part of it, was paid past the gateway, such as by bank transfer (operators).

    The amount is in the invoice's own currency.
    """
    with connect() as client:
        known = currency_of(client, f"invoices/{segment(number)}", currency)
        body: Json = {"amount_minor": minor(amount, known), "reference": reference}
        made = client.post(f"/billing/invoices/{segment(number)}/payments", body)
    if as_json:
        say_json(made)
    else:
        note(f"Recorded {money(made['amount_minor'], made['currency'])} for {clean(number)}.")


@click.command()
@json_option
def chargebacks(as_json: bool) -> None:
    """List the newest payments that banks took back, and how they decided (operators)."""
    with connect() as client:
        found = client.get_all("/billing/chargebacks")
    if as_json:
        say_json(found)
    elif found:
        heading("Chargebacks")
        rows = [
            (each["invoice"], clean(each["email"]), money(each["amount_minor"], each["currency"]), each["state"],
             moment(each["created_at"]), clean(each["id"]))
            for each in found
        ]  # fmt: skip
        say(table(rows, ("Invoice", "Account", "Amount", "State", "When", "Id")))
    else:
        note("No bank has taken anything back.")


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
