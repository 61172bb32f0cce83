"""notices; mails, mails:show: what people were told by mail."""

from __future__ import annotations

import click

from broker.cli.client import connect, segment
from broker.cli.options import json_option
from broker.cli.output import card, clean, heading, moment, note, say, say_json, table


@click.command()
@click.option("-n", "--num", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@click.option("--full", is_flag=True, help="With the whole texts.")
@json_option
def notices(num: int, full: bool, as_json: bool) -> None:
    """List what you were told by mail, the newest first."""
    with connect() as client:
        found = client.get_all("/account/notices")[:num]
    if as_json:
        say_json(found)
    elif full and found:
        say(
            "\n\n".join(
                f"{moment(item['created_at'])}  {clean(item['subject'])}\n\n{_text(item['text'])}" for item in found
            )
        )
    elif found:
        say(table([(moment(item["created_at"]), clean(item["subject"])) for item in found], ("When", "What")))
    else:
        note("You were told nothing yet.")


@click.command()
@click.option("-n", "--num", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@click.option("--state", type=click.Choice(["waiting", "sent", "kept", "given_up"]), help="Those of one state alone.")
@json_option
def mails(num: int, state: str | None, as_json: bool) -> None:
    """List the mails of this installation, the newest first (operators).

    `kept` are those of an installation that sends none: read them with `broker mails:show ID`, and hand them on.
    """
    with connect() as client:
        found = client.get_all(f"/mails?state={state}" if state else "/mails")[:num]
    if as_json:
        say_json(found)
    elif found:
        rows = [
            (moment(item["created_at"]), clean(item["to"]), item["state"], clean(item["subject"]), item["id"])
            for item in found
        ]
        say(table(rows, ("When", "To", "State", "Subject", "Mail ID")))
    else:
        note("There are no mails.")


@click.command()
@click.argument("mail")
@json_option
def show(mail: str, as_json: bool) -> None:
    """Show a mail (operators). A link that only its receiver may follow is in it only where no mail is sent."""
    with connect() as client:
        found = client.get(f"/mails/{segment(mail)}")
    if as_json:
        say_json(found)
        return
    heading(clean(found["subject"]))
    facts = {
        "To": clean(found["to"]),
        "State": found["state"],
        "Attempts": found["attempts"],
        "Last error": found["last_error"] and clean(found["last_error"]),
        "Since": moment(found["created_at"]),
    }
    say(card(facts))
    say("")
    say(_text(found["text"]))


def _text(text: str | None) -> str:
    lines = (text or "Its text can no longer be shown: the link in it was for its receiver alone.").splitlines()
    return "\n".join(clean(line) for line in lines)
