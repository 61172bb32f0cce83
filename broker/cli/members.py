"""members and what changes them, members:invitations and the answers to them: who is in a team."""

from __future__ import annotations

import click

from broker.cli.client import Client, Json, connect, segment
from broker.cli.options import json_option, needed_team_option
from broker.cli.output import moment, note, say, say_json, table
from broker.cli.progress import Progress

ROLES = ("owner", "admin", "member", "viewer", "billing")
_role = click.option("-r", "--role", type=click.Choice(ROLES), required=True, help="What they are to be in it.")


@click.command()
@needed_team_option
@click.option("-r", "--role", type=click.Choice(ROLES), help="Only those in this role.")
@json_option
def list_(team: str, role: str | None, as_json: bool) -> None:
    """List who is in a team."""
    with connect() as client:
        found = client.get_all(f"/teams/{segment(team)}/members")
    shown = [item for item in found if role in (None, item["role"])]
    if as_json:
        say_json(shown)
        return
    rows = [
        (item["email"], item["role"], "on" if item["two_factor_authentication"] else "", moment(item["created_at"]))
        for item in shown
    ]
    say(table(rows, ("Member", "Role", "Two-factor", "Since")))


@click.command()
@click.argument("email")
@needed_team_option
@_role
@json_option
def add(email: str, team: str, role: str, as_json: bool) -> None:
    """Take somebody who has an account here into a team (owners and admins).

    Who has none is invited: `broker members:invite`. Only owners make owners.
    """
    _put("PUT", f"Adding {email} to {team} as {role}", email, team, role, as_json)


@click.command("set")
@click.argument("email")
@needed_team_option
@_role
@json_option
def set_(email: str, team: str, role: str, as_json: bool) -> None:
    """Give somebody in a team another role (owners and admins)."""
    _put("PATCH", f"Making {email} {role} of {team}", email, team, role, as_json)


@click.command()
@click.argument("email")
@needed_team_option
@json_option
def remove(email: str, team: str, as_json: bool) -> None:
    """Remove somebody from a team, and from all its apps at once (owners and admins)."""
    with connect() as client, Progress(f"Removing {email} from {team}"):
        gone = _remove(client, team, email)
    if as_json:
        say_json(gone)


@click.command()
@needed_team_option
@json_option
def leave(team: str, as_json: bool) -> None:
    """Leave a team."""
    with connect() as client, Progress(f"Leaving {team}"):
        gone = _remove(client, team, client.get("/account")["email"])
    if as_json:
        say_json(gone)


@click.command()
@click.argument("email")
@needed_team_option
@_role
@json_option
def invite(email: str, team: str, role: str, as_json: bool) -> None:
    """Ask somebody into a team by mail (owners and admins).

    The link is good for a week. Inviting again voids the earlier one.
    """
    with connect() as client, Progress(f"Inviting {email} to {team} as {role}"):
        made: Json = client.put(f"/teams/{segment(team)}/invitations", {"email": email, "role": role})
    if as_json:
        say_json(made)


@click.command()
@click.option("-t", "--team", metavar="TEAM", envvar="BROKER_TEAM", show_envvar=True, help="Whom that team has asked.")
@json_option
def invitations(team: str | None, as_json: bool) -> None:
    """List the teams that have invited you; with --team, whom that team has invited."""
    with connect() as client:
        found = client.get_all(f"/teams/{segment(team)}/invitations" if team else "/account/team-invitations")
    if as_json:
        say_json(found)
    elif found:
        rows = [
            (
                item["email"] if team else item["team"]["name"],
                item["role"],
                item["invited_by"]["email"],
                moment(item["expires_at"]),
            )
            for item in found
        ]
        say(table(rows, ("Invited" if team else "Team", "Role", "By", "Good until")))
    else:
        note("Nobody is waited for." if team else "No team waits for your answer.")


@click.command()
@click.argument("team")
@json_option
def accept(team: str, as_json: bool) -> None:
    """Come into a team that has invited your address."""
    _answer("accept", f"Joining {team}", team, as_json)


@click.command()
@click.argument("team")
@json_option
def decline(team: str, as_json: bool) -> None:
    """Say no to a team that has invited your address."""
    _answer("decline", f"Declining {team}", team, as_json)


@click.command()
@click.argument("email")
@needed_team_option
@json_option
def revoke(email: str, team: str, as_json: bool) -> None:
    """Take an invitation back (owners and admins)."""
    path = f"/teams/{segment(team)}/invitations/{segment(email)}"
    with connect() as client, Progress(f"Revoking the invitation of {email}"):
        gone: Json = client.delete(path)
    if as_json:
        say_json(gone)


def _put(method: str, doing: str, email: str, team: str, role: str, as_json: bool) -> None:
    with connect() as client, Progress(doing):
        made = client.request(method, f"/teams/{segment(team)}/members", {"email": email, "role": role})
    if as_json:
        say_json(made)


def _remove(client: Client, team: str, email: str) -> Json:
    gone: Json = client.delete(f"/teams/{segment(team)}/members/{segment(email)}")
    return gone


def _answer(action: str, doing: str, team: str, as_json: bool) -> None:
    with connect() as client, Progress(doing):
        made = client.post(f"/account/team-invitations/actions/{action}", {"invitation": team})
    if as_json:
        say_json(made)
