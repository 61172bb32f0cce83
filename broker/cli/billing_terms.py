"""billing:terms: tax, discount and zone of an account."""

from __future__ import annotations

import click

from broker.cli.amounts import minor
from broker.cli.client import Json, connect, segment
from broker.cli.options import json_option
from broker.cli.output import clean, heading, say, say_json, table


@click.command()
@click.argument("email")
@click.option("--tax", metavar="PERCENT", help="How much tax, such as 19 or 8.875.")
@click.option("--inclusive", is_flag=True, help="The prices contain that tax; else it is added.")
@click.option(
    "--tax-note", metavar="TEXT", help="Printed beside the tax, such as that the customer owes it (reverse charge)."
)
@click.option("--no-tax", is_flag=True, help="No tax any more.")
@click.option("--discount", metavar="PERCENT", help="Off every price, such as 12.5.")
@click.option("--zone", help="By which clock its months begin, such as Europe/Berlin; before anything is billed.")
@json_option
def terms(
    email: str,
    tax: str | None,
    inclusive: bool,
    tax_note: str | None,
    no_tax: bool,
    discount: str | None,
    zone: str | None,
    as_json: bool,
) -> None:
    """Show on which terms an account is billed, or agree on others (operators).

    They hold from the months on that are not closed yet; invoices that there are do not change.
    """
    if tax is None and (inclusive or tax_note is not None):
        raise click.UsageError("Say with --tax how much tax it is.")
    if tax is not None and no_tax:
        raise click.UsageError("There is a tax, or there is none: --tax or --no-tax.")
    changes: Json = {}
    if tax is not None or no_tax:
        changes["tax"] = None if no_tax else {"percent": tax, "inclusive": inclusive, "note": tax_note or ""}
    if discount is not None:
        changes["discount_bp"] = minor(discount, "percent", "--discount")
    if zone is not None:
        changes["zone"] = zone
    with connect() as client:
        path = f"/billing/terms/{segment(email)}"
        found: Json = client.patch(path, changes) if changes else client.get(path)
    if as_json:
        say_json(found)
        return
    heading(f"Terms of {clean(found['email'])}")
    whole, hundredths = divmod(found["discount_bp"], 100)
    say(table([("Tax", _tax(found["tax"])), ("Discount", f"{whole}.{hundredths:02} %"), ("Zone", found["zone"])]))


def _tax(tax: Json | None) -> str:
    if tax is None:
        return "none"
    note = f" ({clean(tax['note'])})" if tax["note"] else ""
    return f"{tax['percent']} %, {'within' if tax['inclusive'] else 'on top of'} the price{note}"
