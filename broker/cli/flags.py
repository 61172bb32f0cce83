"""flags, flags:set: what operators switch off for a while."""

from __future__ import annotations

from typing import Final

import click

from broker.cli.client import Json, connect, segment
from broker.cli.options import json_option
from broker.cli.output import clean, heading, moment, note, paint, say, say_json, table

NAMES: Final = ("sign-up", "installs", "collection", "notices")


@click.command()
@json_option
def list_(as_json: bool) -> None:
    """List the flags: what the installation does, and what it does not for a while (operators)."""
    with connect() as client:
        found = client.get_all("/flags")
    if as_json:
        say_json(found)
        return
    heading("Flags")
    say(table([_row(flag) for flag in found], ("Flag", "State", "Since", "By", "Why")))


def _row(flag: Json) -> tuple[str | None, ...]:
    on = flag["on"]
    state = paint("on" if on else "off", "green" if on else "yellow")
    return _name(flag), state, moment(flag["changed_at"]), flag["changed_by"], clean(flag["reason"] or "")


def _name(flag: Json) -> str:
    return f"{flag['name']} of {flag['service']}" if flag["service"] else str(flag["name"])


@click.command()
@click.argument("flag", type=click.Choice(NAMES))
@click.argument("state", type=click.Choice(["on", "off"]))
@click.option("--reason", required=True, help="Why; whoever is turned away is told, and it is kept for ever.")
@click.option("--service", help="For one service alone; `installs` can be.")
@json_option
def set_(flag: str, state: str, reason: str, service: str | None, as_json: bool) -> None:
    """Switch a flag on or off, at once and for every process (operators).

    sign-up: anybody makes an account. installs: add-ons are created. collection: invoices are collected and dunned; what
    falls due while it is off is done afterwards. notices: mails are sent; those with a link that somebody has just asked for go
    out in any case.
    """
    body = {"on": state == "on", "reason": reason, "service": service}
    with connect() as client:
        after = client.put(f"/flags/{segment(flag)}", body)
    if as_json:
        say_json(after)
    else:
        note(f"{_name(after)} is {'on' if after['on'] else 'off'}.")
