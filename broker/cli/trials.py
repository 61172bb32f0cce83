"""trials, trials:accept, trials:refuse: what is on trial, and what follows."""

from __future__ import annotations

from datetime import timedelta

import click

from broker.cli.addons import resolve
from broker.cli.client import Json, connect
from broker.cli.options import addon_argument, for_team_option, json_option, optional_app_option
from broker.cli.output import clean, moment, note, say, say_json, table, time_until
from broker.cli.progress import Progress


@click.command()
@for_team_option
@json_option
def list_(as_json: bool) -> None:
    """List the trials of your account, one per service."""
    with connect() as client:
        found = client.get_all("/account/trials")
    if as_json:
        say_json(found)
    elif found:
        rows = [
            (item["addon_service"], (item["addon"] or {}).get("name", ""), item["plan"] or "", *_when(item))
            for item in found
        ]
        say(table(rows, ("Service", "Add-on", "Plan", "Until", "Then")))
    else:
        note("Your account has had no trial. `broker addons:plans SERVICE` shows which plans have one.")


def _when(item: Json) -> tuple[str, str]:
    if item["ends_at"] is None:
        return "not begun", then(item)
    until = moment(item["ends_at"]) or ""
    return until, then(item)


def then(item: Json) -> str:
    """What follows a trial, in words."""
    if item["outcome"]:
        return str(clean(item["outcome"]))
    if item["addon"] is None:
        return "what is left is for the next add-on" if time_until(item["ends_at"]) > timedelta(0) else "over"
    return "paid" if item["accepted_at"] else "suspended, unless you accept"


@click.command()
@addon_argument
@optional_app_option
@json_option
def accept(addon: str, app: str | None, as_json: bool) -> None:
    """Agree to pay for an add-on when its trial is over; if it is, from now on."""
    _act(addon, app, "accept-trial-end", "Agreeing to pay for {} after its trial", as_json)


@click.command()
@addon_argument
@optional_app_option
@json_option
def refuse(addon: str, app: str | None, as_json: bool) -> None:
    """Take that back: the add-on is suspended when its trial is over, and costs nothing."""
    _act(addon, app, "refuse-trial-end", "Leaving {} to be suspended after its trial", as_json)


def _act(addon: str, app: str | None, action: str, doing: str, as_json: bool) -> None:
    with connect() as client:
        found = resolve(client, addon, app)
        with Progress(doing.format(found["name"])) as progress:
            made = client.post(f"/addons/{found['id']}/actions/{action}", {})
            progress.done(f"done, {then(made)}")
    if as_json:
        say_json(made)
