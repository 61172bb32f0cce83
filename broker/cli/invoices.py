"""invoices, invoices:show, invoices:explain, invoices:export, credits: what was billed, and how it was computed."""

from __future__ import annotations

from pathlib import Path

import click

from broker.cli.amounts import money
from broker.cli.client import Json, connect, segment
from broker.cli.errors import CliError
from broker.cli.options import for_team_option, json_option
from broker.cli.output import card, clean, hand_on, heading, moment, note, say, say_json, table

FORMATS = click.Choice(["focus", "csv", "ledger"])
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@for_team_option
@json_option
def list_(as_json: bool) -> None:
    """List the invoices of the account, the newest first, and statements of months without one."""
    with connect() as client:
        found = client.get_all("/account/invoices")
    if as_json:
        say_json(found)
    elif found:
        heading("Invoices")
        rows = [
            (each["number"] or "-", each["month"], each["state"], money(each["due_minor"], each["currency"]))
            for each in found
        ]
        say(table(rows, ("Number", "Month", "State", "Due")))
    else:
        note("There are no invoices yet. What this month will cost: `broker costs`.")


@click.command()
@click.argument("number")
@click.option("--pdf", type=_FILE, metavar="FILE", help="Write it there as PDF.")
@click.option("--html", type=_FILE, metavar="FILE", help="Write it there as a page that prints well.")
@for_team_option
@json_option
def show(number: str, pdf: Path | None, html: Path | None, as_json: bool) -> None:
    """Show an invoice, by its number or id, with its lines."""
    path = f"/account/invoices/{segment(number)}"
    with connect() as client:
        for file, kind in ((pdf, "pdf"), (html, "html")):
            if file is not None:
                save(file, b"".join(client.download(f"{path}.{kind}")))
        if pdf or html:
            return
        found: Json = client.get(path)
    if as_json:
        say_json(found)
        return
    heading(f"Invoice {found['number']}" if found["number"] else f"Statement for {found['month']}")
    say(card({"For": found["month"], "State": found["state"], "Issued": moment(found["issued_at"])}))
    say("")
    say(table(_rows(found), ("#", "Add-on", "App", "For", "Amount")))
    for taken in found["credit_notes"]:
        amount = money(taken["net_minor"] + taken["tax_minor"], found["currency"])
        say(f"Credit note {taken['number']} takes back {amount}: {clean(taken['reason'])}")


def _rows(found: Json) -> list[tuple[object, ...]]:
    currency, lines = found["currency"], found["lines"]
    rows: list[tuple[object, ...]] = [
        (line["number"], line["addon"]["name"], line["app"]["name"], _what(line), money(line["amount_minor"], currency))
        for line in lines
    ]
    sums = {
        "Discount": -sum(line["discount_minor"] for line in lines),
        "Promotional credits": -sum(line["promotion_minor"] for line in lines),
        "Tax": found["tax_minor"],
        "Carried": found["carried_minor"],
        "Prepaid": -found["prepaid_minor"],
    }
    rows += [("", name, "", "", money(minor, currency)) for name, minor in sums.items() if minor]
    return [*rows, ("", "Due" if found["number"] else "Carried on", "", "", money(found["due_minor"], currency))]


def _what(line: Json) -> str:
    if line["meter"]:
        return f"{line['plan']}: {line['quantity']} {line['meter']}"
    return str(line["plan"]) if line["terms"] == "paid" else f"{line['plan']} ({line['terms']})"


@click.command()
@click.argument("number")
@click.argument("line", type=int)
@for_team_option
@json_option
def explain(number: str, line: int, as_json: bool) -> None:
    """Show how a line of an invoice was computed, step by step."""
    with connect() as client:
        found: Json = client.get(f"/account/invoices/{segment(number)}/lines/{line}/explanation")
    if as_json:
        say_json(found)
        return
    heading(f"Line {found['line']} of {found['invoice']}: {money(found['amount_minor'], found['currency'])}")
    say("\n".join(clean(sentence) for sentence in found["sentences"]))


@click.command()
@click.option("--month", required=True, metavar="YYYY-MM", help="The month that was billed; of the ledger, when.")
@click.option("--format", "format_", type=FORMATS, default="csv", show_default=True, help="Columns of FOCUS, or ours.")
@click.option("-o", "--output", type=_FILE, metavar="FILE", help="Write it there instead of printing it.")
@for_team_option
def export(month: str, format_: str, output: Path | None) -> None:
    """Print what was billed to the account as CSV."""
    export_from("/account", month, format_, output)


def export_from(base: str, month: str, format_: str, output: Path | None) -> None:
    """Print a table, or write it to a file, as it comes."""
    with connect() as client:
        parts = client.download(f"{base}/exports/{format_}?month={segment(month)}")
        if output is not None:
            save(output, b"".join(parts))
            return
        for part in parts:
            hand_on(part)


def save(file: Path, content: bytes) -> None:
    """Write a file and say so.

    Raises: CliError.
    """
    try:
        file.write_bytes(content)
    except OSError as cause:
        raise CliError(f"{file} can't be written: {cause.strerror}.") from cause
    note(f"Written to {file}.")


@click.command()
@for_team_option
@json_option
def credits_(as_json: bool) -> None:
    """List the credits of the account, and what is left of each."""
    with connect() as client:
        found = client.get_all("/account/credits")
    if as_json:
        say_json(found)
    elif found:
        heading("Credits")
        rows = [
            (
                money(each["left_minor"], each["currency"]),
                money(each["amount_minor"], each["currency"]),
                each["kind"],
                (each["expires_at"] or "never")[:10],
                each["reason"],
            )
            for each in found
        ]
        say(table(rows, ("Left", "Of", "Kind", "Expires", "Reason")))
    else:
        note("There are no credits.")
