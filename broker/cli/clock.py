"""clock, clock:advance: where things are tried out, a month can pass in a minute."""

from __future__ import annotations

import time
from typing import Final

import click

from broker.cli.client import Json, connect
from broker.cli.options import json_option
from broker.cli.output import card, say, say_json, span
from broker.cli.progress import Progress

_LOOK_S: Final = 0.3


@click.command()
@json_option
def show(as_json: bool) -> None:
    """Show what the broker's clock says (operators, where BROKER_TEST_CLOCK is set)."""
    with connect() as client:
        _say(client.get("/clock"), as_json)


@click.command()
@click.argument("by")
@click.option("--no-wait", is_flag=True, help="Do not wait until it is there.")
@json_option
def advance(by: str, no_wait: bool, as_json: bool) -> None:
    """Set the broker's clock forward: by 12h, 10d, 2weeks or 1month (operators).

    Step by step: whatever falls due on the way happens in its order: usage is billed, months are closed, invoices are
    collected, trials end. Tokens, sessions and signatures go by the machine's clock still. It can't be set back.
    """
    with connect() as client:
        found: Json = client.post("/clock/advances", {"by": by})
        if not no_wait:
            with Progress(f"Advancing to {found['aim_at']}") as progress:
                progress.tell(lambda: str(found["now"]))
                while found["aim_at"] is not None:
                    time.sleep(_LOOK_S)
                    found = client.get("/clock")
                progress.done(str(found["now"]))
    _say(found, as_json)


def _say(found: Json, as_json: bool) -> None:
    if as_json:
        say_json(found)
    else:
        ahead = span(found["ahead_s"]) if found["ahead_s"] else "not at all"
        say(card({"Now": found["now"], "Ahead": ahead, "Going to": found["aim_at"]}))
