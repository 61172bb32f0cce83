"""apps:transfer, addons:transfer, transfers and :accept, :decline: giving apps and add-ons to somebody else."""

from __future__ import annotations

import click

from broker.cli.addons import resolve
from broker.cli.amounts import money
from broker.cli.client import Client, Json, connect, segment
from broker.cli.errors import CliError, NotFound
from broker.cli.options import (
    addon_argument,
    app_option,
    complete_app,
    for_team_option,
    json_option,
    optional_app_option,
)
from broker.cli.output import clean, moment, note, say, say_json, table
from broker.cli.progress import Progress

_PATHS = {"app": "/account/app-transfers", "addon": "/account/addon-transfers"}


@click.command()
@click.argument("recipient", metavar="EMAIL|TEAM")
@app_option
@json_option
def app(recipient: str, app: str, as_json: bool) -> None:
    """Offer an app, with its add-ons and what they cost, to somebody who has an account here.

    Nothing changes until they accept. From then on they pay, and you see nothing of it any more; collaborators stay, its
    webhooks end. A team in which you work has it at once, if you name the team; and an app of a team that you run is yours
    at once with `me`.
    """
    if "@" not in recipient:
        _give(app, recipient, as_json)
        return
    with connect() as client, Progress(f"Offering {app} to {recipient}") as progress:
        made = client.post(_PATHS["app"], {"app": app, "recipient": recipient})
        progress.done("pending")
    if as_json:
        say_json(made)
    else:
        note(f"They accept it with `broker transfers:accept {clean(app)}`.")


def _give(app: str, team: str, as_json: bool) -> None:
    with connect() as client, Progress(f"Transferring {app} to {team}"):
        given = client.patch(f"/teams/apps/{segment(app)}", {"owner": team})
    if as_json:
        say_json(given)


@click.command()
@addon_argument
@optional_app_option
@click.option(
    "--to", metavar="APP", shell_complete=complete_app, help="Another app of yours that it is billed to, at once."
)
@click.option("--to-user", metavar="EMAIL", help="Somebody who is to have it: they accept it for an app of theirs.")
@json_option
def addon(addon: str, app: str | None, to: str | None, to_user: str | None, as_json: bool) -> None:
    """Bill an add-on to another app from now on, or offer it to somebody.

    Its data stay where they are, and it stays attached where it is: detach it from what should not have it any more.
    """
    if (to is None) == (to_user is None):
        raise click.UsageError("To what? Name an app of yours with --to, or somebody with --to-user.")
    with connect() as client:
        found = resolve(client, addon, app)
        path = f"/addons/{found['id']}/actions/transfer"
        if to is not None:
            with Progress(f"Billing {found['name']} to {to}"):
                made = client.post(path, {"app": to})
        else:
            with Progress(f"Offering {found['name']} to {to_user}") as progress:
                made = client.post(path, {"recipient": to_user})
                progress.done("pending")
    if as_json:
        say_json(made)
    elif to_user is not None:
        note(f"They accept it with `broker transfers:accept {found['name']} --to APP`.")


@click.command()
@for_team_option
@json_option
def list_(as_json: bool) -> None:
    """List what you offered to others, and what others offered to you."""
    with connect() as client:
        found = _all(client)
    if as_json:
        say_json(found)
    elif found:
        rows = [
            (
                item["name"],
                item["kind"],
                item["owner"]["email"],
                item["recipient"]["email"],
                item["state"],
                per_month(item),
                moment(item["created_at"]),
            )
            for item in found
        ]
        say(table(rows, ("What", "Kind", "From", "To", "State", "Costs", "Offered")))
    else:
        note("Nothing was offered. Offer an app with `broker apps:transfer EMAIL --app APP`.")


@click.command()
@click.argument("name", metavar="NAME")
@click.option(
    "--to", metavar="APP", shell_complete=complete_app, help="For an add-on: the app that it is to be billed to."
)
@for_team_option
@json_option
def accept(name: str, to: str | None, as_json: bool) -> None:
    """Take an app or an add-on that was offered to you. From now on you pay for it."""
    with connect() as client:
        item = _pending(client, name)
        if item["kind"] == "addon" and to is None:
            raise click.UsageError("To which of your apps is it to be billed? Name it with --to.")
        with Progress(f"Accepting {item['name']} from {item['owner']['email']}"):
            body = {"state": "accepted"} | ({"app": to} if to else {})
            made = client.patch(f"{_PATHS[item['kind']]}/{segment(item['id'])}", body)
    if as_json:
        say_json(made)
    else:
        note("Whoever had it knows its credentials: `broker addons:rotate` gives an add-on new ones.")


@click.command()
@click.argument("name", metavar="NAME")
@for_team_option
@json_option
def decline(name: str, as_json: bool) -> None:
    """Decline what was offered to you, or take back what you offered."""
    with connect() as client:
        item = _pending(client, name)
        with Progress(f"Declining {item['name']}"):
            made = client.patch(f"{_PATHS[item['kind']]}/{segment(item['id'])}", {"state": "declined"})
    if as_json:
        say_json(made)


def per_month(item: Json) -> str:
    """What is offered costs, as long as it is: `50.00 USD/month + usage`."""
    if item["state"] != "pending":
        return ""
    sums: dict[str, int] = {}
    for plan in item.get("plans", ()):
        sums[plan["currency"]] = sums.get(plan["currency"], 0) + plan["price_cents"]
    fixed = [f"{money(sums[currency], currency)}/month" for currency in sorted(sums) if sums[currency]]
    usage = ["usage"] if any(plan["metered"] for plan in item.get("plans", ())) else []
    return " + ".join(fixed + usage) or "nothing"


def _all(client: Client) -> list[Json]:
    found = [
        {"kind": kind, "name": item[kind]["name"], **item}
        for kind, path in _PATHS.items()
        for item in client.get_all(path)
    ]
    return sorted(found, key=lambda item: str(item["created_at"]), reverse=True)


def _pending(client: Client, name: str) -> Json:
    """The one pending offer of this name or id.

    Raises: NotFound; CliError when there are several.
    """
    fits = [item for item in _all(client) if item["state"] == "pending" and name in (item["name"], item["id"])]
    if not fits:
        raise NotFound(f"Nothing called {clean(name)!r} is offered.", "`broker transfers` lists what is.")
    if len(fits) > 1:
        raise CliError(f"Several things called {clean(name)!r} are offered.", "Give the id: `broker transfers --json`.")
    return fits[0]
