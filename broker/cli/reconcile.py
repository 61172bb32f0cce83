"""reconcile: what does not agree between the broker, the providers and the bills, in words and money."""

from __future__ import annotations

import click

from broker.cli.client import Client, Json, connect, segment
from broker.cli.errors import CliError
from broker.cli.options import complete_service, json_option
from broker.cli.output import clean, dollars, heading, paint, say, say_json
from broker.cli.progress import Progress
from broker.cli.waiting import goes_on, poll

_PENDING = ("pending", "running")


@click.command()
@click.option("--service", metavar="SERVICE", shell_complete=complete_service, help="This service alone.")
@click.option("--fix", is_flag=True, help="Mend what is safe to mend; the rest is explained.")
@json_option
def reconcile(service: str | None, fix: bool, as_json: bool) -> None:
    """Compare what the broker believes, what providers list, and what is billed (operators).

    Nothing that was not made here is ever deleted. The same comparison is made every hour, without --fix.
    """
    with connect() as client, Progress("Comparing with the providers") as progress:
        run = _ended(client, {"service": service, "fix": fix})
        if run["state"] == "failed":
            raise CliError("The comparison failed; the log of the worker says why.")
        report = run["report"]
        total = len(report["drifts"]) + report["not_shown"]
        progress.done(f"{total} drifts" if total != 1 else "1 drift")
    if as_json:
        say_json(run)
        return
    heading("Services")
    say("\n".join(_service(item) for item in report["services"]))
    if report["drifts"]:
        say()
        heading("Drift")
        say("\n\n".join(_drift(item, fix) for item in report["drifts"]))
    for item in report["money"]:
        say(f"\n{_money(item)}")


def _ended(client: Client, body: Json) -> Json:
    with goes_on("broker reconcile"):
        run: Json = client.post("/reconcile-runs", body)
        if run["state"] not in _PENDING:
            return run
        path = f"/reconcile-runs/{segment(run['id'])}"
        return poll(lambda: dict(client.get(path)), lambda found: found["state"] in _PENDING)


def _service(item: Json) -> str:
    if item["listed"] is None:
        return f"{item['service']}: {item['in_use']} in use; {clean(item['note'])}"
    return f"{item['service']}: {item['in_use']} in use, {item['listed']} at the provider"


def _drift(item: Json, fix: bool) -> str:
    kind = paint(item["kind"].replace("_", " "), "green" if item["fixed"] else "yellow")
    price = f", {dollars(item['price_cents'])} {clean(item['currency']).upper()}/month" if item["price_cents"] else ""
    remedy = ""
    if item["fixed"]:
        remedy = f"\n  Fixed: {item['fix']}."
    elif item["fix"]:
        remedy = "\n  Not fixed: it changed meanwhile." if fix else f"\n  With --fix: {item['fix']}."
    return f"{kind}: {clean(item['addon'] or item['resource_id'])}{price}\n  {clean(item['explanation'])}{remedy}"


def _money(item: Json) -> str:
    unpaid, overbilled = dollars(item["unpaid_cents"]), dollars(item["overbilled_cents"])
    currency = clean(item["currency"]).upper()
    return f"{unpaid} {currency} a month are there and not paid for, {overbilled} {currency} paid for and not there"
