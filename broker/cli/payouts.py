"""provider:statement, provider:payouts, services:share, payouts:*: what partners earn and are paid."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import click

from broker.cli.amounts import money
from broker.cli.client import Json, connect, segment
from broker.cli.invoices import save
from broker.cli.options import json_option
from broker.cli.output import clean, hand_on, heading, note, say, say_json, table
from broker.cli.provider_listings import own

_DAY: Final = click.DateTime(["%Y-%m-%d"])
_COLUMNS: Final = ("Day", "Paid", "Tax", "Shared", "Platform", "Yours", "Paid out", "Balance")
_STATES: Final = click.Choice(["draft", "approved", "paid", "failed"])


@click.command()
@click.argument("slug")
@click.option("--since", type=_DAY, metavar="YYYY-MM-DD", help="First day (UTC).  [default: 30 days before the last]")
@click.option("--until", type=_DAY, metavar="YYYY-MM-DD", help="Last day (UTC).  [default: today]")
@json_option
def statement(slug: str, since: datetime | None, until: datetime | None, as_json: bool) -> None:
    """Show what each day brought to the partner of a service, and how it stands (owners and admins).

    Today's line is live. A share counts when the customer's money is there.
    """
    days = {name: f"{day:%Y-%m-%d}" for name, day in (("since", since), ("until", until)) if day}
    with connect() as client:
        found = client.get_all(f"{own(slug)}/statements" + (f"?{urlencode(days)}" if days else ""))
        stand = client.get_all(f"{own(slug)}/balances")
        coming = client.get_all(f"{own(slug)}/accruals")
    if as_json:
        say_json({"statements": found, "balances": stand, "accruals": coming})
        return
    if not found:
        note("Nothing came in during these days.")
    for currency in sorted({day["currency"] for day in found}):
        heading(f"{slug} Statement in {clean(currency).upper()}")
        say(table([_day_row(day) for day in found if day["currency"] == currency], _COLUMNS))
    for each in (*map(_stands, stand), *map(_comes, coming)):
        say(each)


def _comes(each: Json) -> str:
    share = money(each["share_minor"], each["currency"])
    if not each["month"]:
        return f"Billed and not paid yet: {share} of it will be yours."
    forecast = money(each["forecast_minor"], each["currency"])
    return (
        f"Being used in {each['month']}: {share} by now is yours once it is paid, {forecast} by the end of the month."
    )


def _day_row(day: Json) -> tuple[object, ...]:
    amounts = {
        "paid": day["gross_minor"] - day["refunded_minor"],
        "tax": day["tax_minor"],
        "shared": day["base_minor"],
        "platform": day["commission_minor"],
        "yours": day["earned_minor"] - day["clawed_back_minor"],
        "paid out": day["paid_out_minor"],
        "balance": day["balance_minor"],
    }
    return (day["day"], *(money(minor, day["currency"]).partition(" ")[0] for minor in amounts.values()))


def _stands(each: Json) -> str:
    def amount(name: str) -> str:
        return money(each[f"{name}_minor"], each["currency"])

    parts = [f"Balance {amount('balance')}"]
    for name, words in (
        ("held", "held for now"),
        ("reserved", "reserved"),
        ("on_its_way", "besides on its way"),
    ):
        parts += [f"{amount(name)} {words}"] if each[f"{name}_minor"] else []
    if each["payable_minor"]:
        return f"{', '.join(parts)}. The next payout: {amount('payable')}."
    return (
        f"{', '.join(parts)}. No payout yet: {amount('available')} is available, and the least is {amount('minimum')}."
    )


@click.command()
@click.argument("slug")
@json_option
def provider_payouts(slug: str, as_json: bool) -> None:
    """List the payouts of a service, the newest first (owners and admins)."""
    with connect() as client:
        found = client.get_all(f"{own(slug)}/payouts")
    _show(found, f"{slug} Payouts", as_json)


def _show(found: list[Json], title: str, as_json: bool) -> None:
    if as_json:
        say_json(found)
    elif found:
        heading(title)
        rows = [
            (
                each["id"],
                each["day"],
                each["service"],
                money(each["amount_minor"], each["currency"]),
                each["state"],
                clean(each["reference"] or each["reason"]),
            )
            for each in found
        ]
        say(table(rows, ("Payout", "Drafted", "Service", "Amount", "State", "Note")))
    else:
        note("There are no payouts.")


@click.command()
@click.argument("slug")
@click.argument("bps", required=False, type=click.IntRange(0, 10_000))
@click.option("--from", "since", type=_DAY, metavar="YYYY-MM-DD", help="From when on (UTC).  [default: now]")
@json_option
def share(slug: str, bps: int | None, since: datetime | None, as_json: bool) -> None:
    """Agree on the partner's share of a service, in hundredths of a percent: 7250 for 72.5 % (operators).

    Without BPS, show what was agreed. What was used before stays shared as it was agreed then.
    """
    with connect() as client:
        if bps is None:
            found: Any = client.get_all(f"{own(slug)}/shares")
        else:
            body: Json = {"share_bp": bps} | ({"starts_at": f"{since:%Y-%m-%d}T00:00:00Z"} if since else {})
            found = client.post(f"{own(slug)}/shares", body)
    if as_json:
        say_json(found)
    elif bps is not None:
        note(f"The partner of {slug} gets {_percent(found['share_bp'])} from {found['starts_at']} on.")
    elif found:
        say(table([(each["starts_at"], _percent(each["share_bp"])) for each in found], ("From", "Partner's share")))
    else:
        note(f"Nothing was agreed for {slug}: its partner gets the usual share.")


def _percent(share_bp: int) -> str:
    return f"{share_bp // 100}.{share_bp % 100:02} %"


@click.command()
@click.option("--state", type=_STATES, help="Only those.")
@json_option
def list_(state: str | None, as_json: bool) -> None:
    """List the payouts of all services, the newest first (operators)."""
    with connect() as client:
        found = client.get_all("/billing/payouts" + (f"?state={state}" if state else ""))
    _show(found, "Payouts", as_json)


@click.command()
@json_option
def run(as_json: bool) -> None:
    """Draft what can be paid out now, once a day for each service and currency (operators).

    It may be interrupted and repeated.
    """
    with connect() as client:
        made: Json = client.post("/billing/payouts", {})
    if as_json:
        say_json(made)
        return
    if made["payouts"]:
        _show(made["payouts"], "Drafted", as_json=False)
    else:
        note("There is nothing to be paid out by now.")
    for each in made["left"]:
        say(f"{each['service']}: {_stands(each)}")
    for each in made["unowned"]:
        amount = money(each["payable_minor"], each["currency"])
        say(f"{each['service']}: {amount}, and no owner who could get it: see `broker provider:members:set`.")
    if made["payouts"]:
        note("Next: `broker payouts:approve`, then `broker payouts:export`.")


@click.command()
@click.argument("payouts", nargs=-1)
@json_option
def approve(payouts: tuple[str, ...], as_json: bool) -> None:
    """Let drafts be paid: those that are named, or all (operators)."""
    with connect() as client:
        made: Any = client.post("/billing/payouts/actions/approve", {"payouts": list(payouts)})
    _show(made, "Approved", as_json)


@click.command()
@click.option("--state", type=_STATES, default="approved", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write it there instead of printing it.")  # fmt: skip
def export(state: str, output: Path | None) -> None:
    """Print payouts as CSV, for whoever transfers them (operators)."""
    with connect() as client:
        content = b"".join(client.download(f"/billing/payouts/export?state={state}"))
    if output is not None:
        save(output, content)
    else:
        hand_on(content)


@click.command()
@click.argument("payout")
@click.option("--reference", default="", help="Under which the bank knows the transfer.")
@json_option
def mark_paid(payout: str, reference: str, as_json: bool) -> None:
    """Say that an approved payout was transferred (operators)."""
    with connect() as client:
        done: Json = client.post(f"/billing/payouts/{segment(payout)}/actions/mark-paid", {"reference": reference})
    _moved(done, as_json)


@click.command()
@click.argument("payout")
@click.option("--reason", required=True, help="Why; the partner sees it.")
@json_option
def fail(payout: str, reason: str, as_json: bool) -> None:
    """Take a payout back, also one that came back from the bank: its amount is in the balance again (operators)."""
    with connect() as client:
        done: Json = client.post(f"/billing/payouts/{segment(payout)}/actions/fail", {"reason": reason})
    _moved(done, as_json)


def _moved(done: Json, as_json: bool) -> None:
    if as_json:
        say_json(done)
    else:
        note(f"The payout of {money(done['amount_minor'], done['currency'])} to {done['service']} is {done['state']}.")
