"""accounts:locked, accounts:lock, accounts:unlock, teams:appoint-owner: keeping somebody out, and what follows from it."""

from __future__ import annotations

import click

from broker.cli.client import Json, connect, segment
from broker.cli.options import json_option
from broker.cli.output import clean, heading, moment, note, say, say_json, table


def _path(email: str) -> str:
    return f"/account-locks/{segment(email)}"


@click.command()
@json_option
def list_(as_json: bool) -> None:
    """List the accounts that are locked, since when, by whom and why (operators)."""
    with connect() as client:
        found = client.get_all("/account-locks")
    if as_json:
        say_json(found)
    elif found:
        heading("Locked accounts")
        say(table([_row(one) for one in found], ("Account", "Since", "By", "Why")))
    else:
        note("No account is locked.")


def _row(one: Json) -> tuple[object, ...]:
    return one["email"], moment(one["locked_at"]), one["locked_by"], clean(one["reason"] or "")


@click.command()
@click.argument("email")
@click.option("--reason", required=True, help="Why; operators see it, and it is kept for ever.")
@click.option(
    "--revoke-tokens", is_flag=True, help="Make its tokens void for ever: for an account that somebody has taken."
)
@json_option
def lock(email: str, reason: str, revoke_tokens: bool, as_json: bool) -> None:
    """Let nobody in to a person's account from now on (operators).

    Its browsers are signed out, its tokens and what it has allowed to programs are refused, and its webhooks stop. Its apps and
    add-ons go on running and being billed.
    """
    with connect() as client:
        after = client.put(_path(email), {"reason": reason, "revoke_tokens": revoke_tokens})
    if as_json:
        say_json(after)
    else:
        note(f"{clean(after['email'])} is locked since {moment(after['locked_at'])}.")


@click.command()
@click.argument("email")
@click.option("--reason", help="What has changed; kept for ever.")
@json_option
def unlock(email: str, reason: str | None, as_json: bool) -> None:
    """Let its person in again (operators). Browsers sign in anew; tokens that were not revoked are good again."""
    with connect() as client:
        after = client.delete(_path(email), {"reason": reason} if reason else None)
    if as_json:
        say_json(after)
    else:
        note(f"{clean(after['email'])} is not locked.")


@click.command()
@click.argument("team")
@click.argument("email")
@json_option
def appoint_owner(team: str, email: str, as_json: bool) -> None:
    """Make somebody an owner of a team all of whose owners are locked out (operators)."""
    with connect() as client:
        made = client.post(f"/teams/{segment(team)}/actions/appoint-owner", {"email": email})
    if as_json:
        say_json(made)
    else:
        note(f"{clean(made['email'])} is an owner of {clean(team)} now.")
