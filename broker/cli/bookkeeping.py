"""billing:close, billing:check, billing:credit, billing:export, invoices:credit-note: what operators do with the books."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from broker.cli.amounts import minor, money
from broker.cli.client import Client, Json, connect, segment
from broker.cli.errors import CliError
from broker.cli.invoices import FORMATS, export_from
from broker.cli.options import json_option
from broker.cli.output import clean, note, say, say_json
from broker.cli.progress import Progress

currency_option = click.option("--currency", metavar="CODE", help="Make sure that this is the currency of the amount.")


@click.command()
@click.option("--month", metavar="YYYY-MM", help="Make sure that this month can be closed by now.")
@json_option
def close(month: str | None, as_json: bool) -> None:
    """Close every month that is due, now (operators).

    The worker does it by itself, three days after the end of a month. It may be interrupted and repeated.
    """
    done: dict[str, int] = {"accounts": 0, "issued": 0}
    with connect() as client, Progress("Closing") as progress:
        more = True
        while more:
            part = client.post("/billing/closes", {"month": month} if month else {})
            done = {key: done[key] + part[key] for key in done}
            more = part["more"]
        progress.done(f"{done['accounts']} accounts, {done['issued']} invoices issued")
    if as_json:
        say_json(done)


@click.command()
@json_option
def check(as_json: bool) -> None:
    """Compute every bill again from the history and prove the sums of the ledger (operators).

    Exits with 1 if anything differs, and says what. The worker does it every night.
    """
    found: dict[str, Any] = {"checked": 0, "differences": []}
    with connect() as client:
        after: str | None = ""
        while after is not None:
            part = client.get(f"/billing/check?after={segment(after)}" if after else "/billing/check")
            found["checked"] += part["checked"]
            found["differences"] += part["differences"]
            after = part["after"]
    if as_json:
        say_json(found)
    else:
        say(
            "\n".join(clean(difference) for difference in found["differences"])
            or f"{found['checked']} bills are right."
        )
    if found["differences"]:
        raise CliError(f"{len(found['differences'])} differences in the books.")


@click.command()
@click.argument("email")
@click.argument("amount")
@click.option("--reason", required=True, help="Why; the account sees it.")
@click.option("--kind", type=click.Choice(["promo", "prepaid"]), default="promo", show_default=True,
              help="A promotional credit lowers the price before tax, a prepaid one pays.")  # fmt: skip
@click.option("--currency", default="usd", show_default=True, help="Of the bills that it is for.")
@click.option(
    "--expires", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="From when on it is lost (UTC)."
)
@click.option("--funded-by", type=click.Choice(["platform", "both"]), default="platform", show_default=True,
              help="At whose cost a promotional one is: the platform's, or its partners' too.")  # fmt: skip
@json_option
def credit(
    email: str,
    amount: str,
    reason: str,
    kind: str,
    currency: str,
    expires: datetime | None,
    funded_by: str,
    as_json: bool,
) -> None:
    """Give an account a credit, such as 25.00, which its next bills use up (operators)."""
    currency = currency.lower()
    body: Json = {"email": email, "amount_minor": minor(amount, currency), "reason": reason, "kind": kind}
    body |= {"currency": currency, "funded_by": funded_by}
    if expires is not None:
        body["expires_at"] = f"{expires:%Y-%m-%d}T00:00:00Z"
    with connect() as client:
        made = client.post("/billing/credits", body)
    if as_json:
        say_json(made)
    else:
        note(f"{clean(email)} has a {kind} credit of {money(made['amount_minor'], currency)}.")


@click.command()
@click.argument("number")
@click.option("--reason", required=True, help="Why; it is printed on the document.")
@click.option("--line", "lines", multiple=True, metavar="LINE[=AMOUNT]",
              help="Take back a line, or a net amount of it. Without any: the whole invoice.")  # fmt: skip
@currency_option
@json_option
def credit_note(number: str, reason: str, lines: tuple[str, ...], currency: str | None, as_json: bool) -> None:
    """Take back lines of an invoice with their tax, or all of it (operators). Amounts are in the invoice's own currency."""
    with connect() as client:
        known = currency_of(client, f"invoices/{segment(number)}", currency)
        body = {"reason": reason, "lines": [line_named(text, known) for text in lines]}
        made = client.post(f"/billing/invoices/{segment(number)}/credit-notes", body)
    if as_json:
        say_json(made)
    else:
        amount = money(made["net_minor"] + made["tax_minor"], known)
        note(f"Credit note {made['number']} takes back {amount} of {clean(number)}.")


def line_named(text: str, currency: str) -> Json:
    """A line as people name it, alone or with a net amount.

    Raises: BadParameter.
    """
    line, equals, amount = text.partition("=")
    if not line.isdecimal():
        raise click.BadParameter("must be the number of a line, such as 2 or 2=1.50.", param_hint="--line")
    return {"line": int(line)} | ({"net_minor": minor(amount, currency, "--line")} if equals else {})


def currency_of(client: Client, path: str, expected: str | None) -> str:
    """The currency of a payment or an invoice: what is typed is an amount of it.

    Raises: CliError, if another one was expected.
    """
    currency: str = client.get(f"/billing/{path}")["currency"]
    if expected is not None and expected.lower() != currency:
        raise CliError(f"This is in {currency.upper()}, not in {expected.upper()}: nothing was done.")
    return currency


@click.command()
@click.option("--month", required=True, metavar="YYYY-MM", help="The month that was billed; of the ledger, when.")
@click.option("--format", "format_", type=FORMATS, default="csv", show_default=True, help="Columns of FOCUS, or ours.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write it there instead of printing it.")  # fmt: skip
def export(month: str, format_: str, output: Path | None) -> None:
    """Print what was billed to all accounts as CSV (operators)."""
    export_from("/billing", month, format_, output)
