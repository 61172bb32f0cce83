"""teams, teams:create, teams:rename, teams:destroy: accounts that several people own."""

from __future__ import annotations

import click

from broker.cli.client import Json, connect, segment
from broker.cli.confirm import require_name
from broker.cli.options import json_option
from broker.cli.output import note, say, say_json, table
from broker.cli.progress import Progress


@click.command()
@json_option
def list_(as_json: bool) -> None:
    """List the teams that you are in, and what you are there.

    Owners do everything; admins run people, apps and money; members work on all apps; viewers look; billing looks and runs
    the money.
    """
    with connect() as client:
        found = client.get_all("/teams")
    if as_json:
        say_json(found)
    elif found:
        say(table([(team["name"], team["role"], team["members"]) for team in found], ("Team", "Role", "People")))
    else:
        note("You are in no team. Make one with `broker teams:create NAME`.")


@click.command()
@click.argument("name")
@json_option
def create(name: str, as_json: bool) -> None:
    """Make a team, whose owner you are.

    It owns apps and pays for them as an account does: `broker payment-methods:add --team NAME`.
    """
    with connect() as client, Progress(f"Creating {name}"):
        made: Json = client.post("/teams", {"name": name})
    if as_json:
        say_json(made)
    else:
        say(made["name"])


@click.command()
@click.argument("old")
@click.argument("new")
@json_option
def rename(old: str, new: str, as_json: bool) -> None:
    """Call a team otherwise (owners and admins)."""
    with connect() as client, Progress(f"Renaming {old} to {new}"):
        renamed: Json = client.patch(f"/teams/{segment(old)}", {"name": new})
    if as_json:
        say_json(renamed)
    else:
        say(renamed["name"])


@click.command()
@click.argument("name")
@click.option("-c", "--confirm", metavar="NAME", help="Name of the team, instead of being asked.")
@json_option
def destroy(name: str, confirm: str | None, as_json: bool) -> None:
    """End a team that owns no apps and owes no money (owners).

    Its invoices and its history stay, for who keeps the books here.
    """
    with connect() as client:
        found = client.get(f"/teams/{segment(name)}")
        require_name(found["name"], confirm, f"This ends {found['name']}, for all who are in it.")
        with Progress(f"Ending {found['name']}"):
            gone: Json = client.delete(f"/teams/{found['id']}")
    if as_json:
        say_json(gone)
