"""apps:payer, payers and :accept, :decline, :end: who pays for an app in its owner's place."""

from __future__ import annotations

import click

from broker.cli.client import Client, Json, connect, segment
from broker.cli.errors import RefusedMissing
from broker.cli.options import app_argument, complete_app, for_team_option, json_option
from broker.cli.output import clean, moment, note, say, say_json, table
from broker.cli.progress import Progress
from broker.cli.transfers import per_month


@click.command()
@app_argument
@click.argument("email", required=False)
@json_option
def ask(name: str | None, email: str | None, as_json: bool) -> None:
    """Show who pays for an app, or ask somebody to.

    They have to agree. They then see what the app costs, and nothing else of it; what may be added is limited by their
    budgets. Either of you ends it with `broker payers:end APP`.
    """
    if name is None:
        raise click.UsageError("Which app? `broker apps:payer APP EMAIL`.")
    path = f"/apps/{segment(name)}/payer"
    with connect() as client:
        if email is not None:
            with Progress(f"Asking {email} to pay for {name}") as progress:
                found = client.put(path, {"payer": email})
                progress.done("pending")
        else:
            found = _payer(client, path)
    if as_json:
        say_json(found)
    elif email is not None:
        note(f"They agree with `broker payers:accept {clean(name)}`.")
    elif found is None:
        say(f"{clean(name)} is paid for by its owner.")
    else:
        asked = " was asked to pay" if found["state"] == "pending" else f" pays since {moment(found['accepted_at'])}"
        say(f"{found['payer']['email']}{asked}")


def _payer(client: Client, path: str) -> Json | None:
    try:
        found: Json = client.get(path)
        return found
    except RefusedMissing as missing:
        if "its owner" not in missing.message:
            raise
        return None


@click.command()
@for_team_option
@json_option
def list_(as_json: bool) -> None:
    """List whom you asked to pay, and what you were asked to pay for."""
    with connect() as client:
        found = client.get_all("/account/payers")
    if as_json:
        say_json(found)
    elif found:
        rows = [
            (
                item["app"]["name"],
                item["owner"]["email"],
                item["payer"]["email"],
                item["state"],
                per_month(item),
                moment(item["accepted_at"] or item["created_at"]),
            )
            for item in found
        ]
        say(table(rows, ("App", "Owner", "Payer", "State", "Costs", "Since")))
    else:
        note("Everybody pays for their own apps. Ask somebody with `broker apps:payer APP EMAIL`.")


@click.command()
@click.argument("app", shell_complete=complete_app)
@for_team_option
@json_option
def accept(app: str, as_json: bool) -> None:
    """Agree to pay for an app, from now on.

    What it costs, `broker costs --app APP` shows.
    """
    _act(app, "accept", f"Paying for {app} from now on", as_json)


@click.command()
@click.argument("app", shell_complete=complete_app)
@for_team_option
@json_option
def decline(app: str, as_json: bool) -> None:
    """Decline to pay for an app."""
    _act(app, "decline", f"Declining to pay for {app}", as_json)


@click.command()
@click.argument("app", shell_complete=complete_app)
@for_team_option
@json_option
def end(app: str, as_json: bool) -> None:
    """End it that somebody pays in the owner's place.

    Both of them can. From now on the owner pays; what was not answered yet is taken back.
    """
    _act(app, "end", f"Ending that somebody else pays for {app}", as_json)


def _act(app: str, action: str, doing: str, as_json: bool) -> None:
    with connect() as client, Progress(doing):
        made = client.post(f"/account/payers/{segment(app)}/actions/{action}", {})
    if as_json:
        say_json(made)
