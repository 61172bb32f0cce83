"""addons:credentials:show, :create, :destroy: the values of a login to an add-on, and logins of their own."""

from __future__ import annotations

import click

from broker.cli.addons import resolve
from broker.cli.client import Client, Json, connect, segment
from broker.cli.errors import CliError
from broker.cli.options import addon_argument, json_option, optional_app_option
from broker.cli.output import clean, moment, note, say, say_json
from broker.cli.progress import Progress
from broker.cli.waiting import goes_on, poll

name_option = click.option("-n", "--name", required=True, metavar="NAME", help="Name of the credential.")


@click.command()
@addon_argument
@optional_app_option
@click.option("-n", "--name", default="default", show_default=True, metavar="NAME", help="Name of the credential.")
@json_option
def show(addon: str, app: str | None, name: str, as_json: bool) -> None:
    """Show the values of a login to an add-on, also while it is suspended: to fetch the data. That it was read is recorded."""
    with connect() as client:
        found = resolve(client, addon, app)
        shown = client.get(f"/addons/{segment(found['id'])}/credentials/{segment(name)}")
    if as_json:
        say_json(shown)
        return
    for key, value in shown["config"].items():
        say(f"{clean(key)}={clean(value)}")
    if shown["suspended_at"]:
        until = f" Until {moment(shown['deletes_at'])} you can fetch your data with it." if shown["deletes_at"] else ""
        note(f"{clean(shown['addon'])} is suspended.{until}")


@click.command()
@addon_argument
@optional_app_option
@name_option
@click.option("--read-only", is_flag=True, help="It may read everything and change nothing.")
@json_option
def create(addon: str, app: str | None, name: str, read_only: bool, as_json: bool) -> None:
    """Make a login of its own to an add-on, for one app or one purpose.

    Attach with it: broker addons:attach ADDON --app APP --credential NAME
    """
    with connect() as client:
        found = resolve(client, addon, app)
        made = make(client, found, name, read_only=read_only)
    if as_json:
        say_json(made)
    else:
        say(f"Attach with it: broker addons:attach {found['name']} --app APP --credential {clean(name)}")


def make(client: Client, addon: Json, name: str, *, read_only: bool, while_attached: bool = False) -> Json:
    """Make a credential and stay until it can be used.

    Raises: CliError when it could not be made.
    """
    path = f"/addons/{segment(addon['id'])}/credentials"
    body: Json = {"name": name, "permission": "read_only" if read_only else "read_write"}
    with Progress(f"Making the credential {name} of {addon['name']}"):
        with goes_on(f"broker addons:credentials {addon['name']}"):
            made: Json = client.post(path, {**body, "while_attached": while_attached})
            if made["state"] == "creating":
                made = poll(lambda: _named(client, path, made), lambda one: one["state"] == "creating")
        if made["state"] != "active":
            raise CliError(f"The credential {name} could not be made: {made['reason'] or 'no reason given'}")
    return made


def _named(client: Client, path: str, made: Json) -> Json:
    known = client.get(path)["named"]
    return next((one for one in known if one["id"] == made["id"]), {**made, "state": "removing"})


@click.command()
@addon_argument
@optional_app_option
@name_option
@json_option
def destroy(addon: str, app: str | None, name: str, as_json: bool) -> None:
    """Remove a login of its own, which no attachment uses any more. The data stay."""
    with connect() as client:
        found = resolve(client, addon, app)
        with Progress(f"Removing the credential {name} of {found['name']}") as progress:
            gone = client.delete(f"/addons/{segment(found['id'])}/credentials/{segment(name)}")
            progress.done("begun")
    if as_json:
        say_json(gone)
