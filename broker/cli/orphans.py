"""orphans, orphans:retry, orphans:resolve, addons:forget: the operators' way with what providers do not let go."""

from __future__ import annotations

from collections.abc import Callable

import click

from broker.cli.client import Client, Json, connect, segment
from broker.cli.errors import CliError
from broker.cli.options import json_option
from broker.cli.output import card, clean, dollars, heading, moment, note, paint, say, say_json
from broker.cli.progress import Progress

_COLOURS = {"open": "yellow", "deleted": "green", "resolved": "green"}


@click.command()
@click.option("--state", type=click.Choice(["open", "deleted", "resolved"]), help="Those of one state alone.")
@json_option
def list_(state: str | None, as_json: bool) -> None:
    """List what may be left at providers though nobody wants it (operators)."""
    with connect() as client:
        found = client.get_all(f"/orphans?state={state}" if state else "/orphans")
    if as_json:
        say_json(found)
    elif found:
        heading("Orphans")
        say("\n\n".join(_shown(orphan) for orphan in sorted(found, key=lambda one: one["state"] != "open")))
        _say_total([orphan for orphan in found if orphan["state"] == "open"])
    else:
        note("There are no orphans.")


def _shown(orphan: Json) -> str:
    title = f"{orphan['id']} {paint(orphan['state'], _COLOURS.get(orphan['state']))}"
    fields = {
        "  Add-on": f"{orphan['addon']} on {orphan['app']} ({orphan['plan']}, {_price(orphan)})",
        "  Resource": f"{orphan['addon_id']} at {orphan['provider']}",
        "  Reason": orphan["reason"],
        "  Since": moment(orphan["since"]),
        "  Attempts": orphan["attempts"],
        "  Last answer": orphan["last_answer"],
        "  Next attempt": _next(orphan),
    }
    return f"{title}\n{card(fields)}"


def _next(orphan: Json) -> str | None:
    if orphan["state"] != "open":
        return None
    if orphan["ownership"] != "created":
        return "never: it was imported, not made here; resolve it"
    return moment(orphan["next_attempt_at"])


def _price(orphan: Json) -> str:
    return f"{dollars(orphan['price_cents'])} {clean(orphan['currency']).upper()}/month"


def _say_total(orphans: list[Json]) -> None:
    totals: dict[str, int] = {}
    for orphan in orphans:
        totals[orphan["currency"]] = totals.get(orphan["currency"], 0) + orphan["price_cents"]
    money = ", ".join(f"{dollars(cents)} {currency.upper()}" for currency, cents in sorted(totals.items()))
    say(f"\n{len(orphans)} open, {money or '0'} a month at their last prices")


def one_orphan(client: Client, key: str) -> Json:
    """The orphan with this id, or of the add-on with this name or id.

    Raises: CliError when there is none or there are several.
    """
    found = [one for one in client.get_all("/orphans") if key in (one["id"], one["addon_id"], one["addon"])]
    chosen = [one for one in found if one["state"] == "open"] if len(found) > 1 else found
    if len(chosen) != 1:
        many = "; name one by its id" if found else ""
        raise CliError(f"{len(chosen)} orphans go by {key!r}{many}.", "See them with `broker orphans`.")
    return chosen[0]


def _decide(key: str, title: str, action: Callable[[Client, str], Json], as_json: bool) -> None:
    with connect() as client:
        orphan = one_orphan(client, key)
        with Progress(f"{title} the orphan of {orphan['addon']}") as progress:
            after = action(client, f"/orphans/{segment(orphan['id'])}/actions")
            progress.done(after["state"] if after["state"] != "open" else "will be tried at once")
    if as_json:
        say_json(after)


@click.command()
@click.argument("orphan")
@json_option
def retry(orphan: str, as_json: bool) -> None:
    """Try now to delete an orphan, named by its id or its add-on (operators)."""
    _decide(orphan, "Retrying", lambda client, path: dict(client.post(f"{path}/retry")), as_json)


@click.command()
@click.argument("orphan")
@click.option("--reason", required=True, help="Why it need not be deleted any more; kept for ever.")
@json_option
def resolve(orphan: str, reason: str, as_json: bool) -> None:
    """Close an orphan by decision: the broker tries no more (operators)."""
    body = {"reason": reason}
    _decide(orphan, "Resolving", lambda client, path: dict(client.post(f"{path}/resolve", body)), as_json)


@click.command()
@click.argument("addon")
@click.option("--reason", required=True, help="Why it can't be destroyed; the user sees it.")
@json_option
def forget(addon: str, reason: str, as_json: bool) -> None:
    """End an add-on without asking its provider (operators).

    For providers that are gone or do not answer. Config vars go and billing ends at once; what may be left at the provider goes
    to the orphan ledger, see `broker orphans`. To have the data deleted by the provider, use `addons:destroy`.
    """
    with connect() as client, Progress(f"Forgetting {addon}") as progress:
        after = client.post(f"/addons/{segment(addon)}/actions/forget", {"reason": reason})
        progress.done("done; what may be left there is in `broker orphans`")
    if as_json:
        say_json(after)
