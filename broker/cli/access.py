"""access, access:add, access:remove, apps:leave: with whom an app is shared."""

from __future__ import annotations

import click

from broker.cli.client import Client, Json, connect, segment
from broker.cli.options import app_argument, app_option, json_option, one_app, optional_app_option
from broker.cli.output import say, say_json, table
from broker.cli.progress import Progress


@click.command()
@app_option
@json_option
def list_(app: str, as_json: bool) -> None:
    """List who works on an app: its owner, and its collaborators."""
    with connect() as client:
        found = client.get_all(f"/apps/{segment(app)}/collaborators")
    if as_json:
        say_json(found)
    else:
        say(table([(item["user"]["email"], item["role"]) for item in found]))


@click.command()
@click.argument("email")
@app_option
@json_option
def add(email: str, app: str, as_json: bool) -> None:
    """Share your app with somebody who has an account here.

    Collaborators see the app, its config vars and its add-ons, and change them. What costs money, renaming and
    destroying the app, and sharing it, stay with its owner.
    """
    with connect() as client, Progress(f"Adding {email} to {app}"):
        made = client.post(f"/apps/{segment(app)}/collaborators", {"user": email})
    if as_json:
        say_json(made)


@click.command()
@click.argument("email")
@app_option
@json_option
def remove(email: str, app: str, as_json: bool) -> None:
    """Stop sharing your app with somebody.

    Add-ons that they attached to apps of their own stay attached there until you detach them: see `addons:info`.
    """
    with connect() as client, Progress(f"Removing {email} from {app}"):
        gone = _remove(client, app, email)
    if as_json:
        say_json(gone)


@click.command()
@app_argument
@optional_app_option
@json_option
def leave(name: str | None, app: str | None, as_json: bool) -> None:
    """Leave an app that somebody shares with you."""
    left = one_app(name, app)
    with connect() as client, Progress(f"Leaving {left}"):
        gone = _remove(client, left, client.get("/account")["email"])
    if as_json:
        say_json(gone)


def _remove(client: Client, app: str, email: str) -> Json:
    gone: Json = client.delete(f"/apps/{segment(app)}/collaborators/{segment(email)}")
    return gone
