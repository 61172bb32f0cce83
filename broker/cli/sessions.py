"""sessions, sessions:destroy: browsers that are signed in to the pages of the broker."""

from __future__ import annotations

import click

from broker.cli.client import connect, segment
from broker.cli.options import json_option
from broker.cli.output import moment, note, say, say_json, table


@click.command()
@json_option
def list_(as_json: bool) -> None:
    """List the browsers that are signed in."""
    with connect() as client:
        found = client.get_all("/oauth/sessions")
    if as_json:
        say_json(found)
    elif found:
        rows = [(item["description"], item["id"], moment(item["created_at"])) for item in found]
        say(table(rows, ("Description", "Id", "Since")))
    else:
        note("No browser is signed in.")


@click.command()
@click.argument("session")
@json_option
def destroy(session: str, as_json: bool) -> None:
    """Sign a browser out."""
    with connect() as client:
        gone = client.delete(f"/oauth/sessions/{segment(session)}")
    if as_json:
        say_json(gone)
    else:
        note(f"Signed out {gone['description']}.")
