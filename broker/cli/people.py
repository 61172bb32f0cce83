"""accounts:invite: letting somebody make an account."""

from __future__ import annotations

import click

from broker.cli.client import connect
from broker.cli.options import json_option
from broker.cli.output import clean, say, say_json


@click.command()
@click.argument("email")
@json_option
def invite(email: str, as_json: bool) -> None:
    """Send somebody a link with which to make an account, within a week (operators)."""
    with connect() as client:
        made = client.post("/invitations", {"email": email})
    if as_json:
        say_json(made)
    else:
        say(f"Invited {clean(made['email'])}. Where no mail is sent, `broker mails` has the link.")
