"""provider:members, provider:entitlements and what changes them: the people around a service."""

from __future__ import annotations

from typing import Any

import click

from broker.cli.client import Json, connect, segment
from broker.cli.options import json_option
from broker.cli.output import clean, heading, moment, note, say, say_json, table
from broker.cli.provider_listings import own

_plan = click.option("--plan", metavar="PLAN", help="One plan; otherwise the service, while it is alpha.")


@click.command()
@click.argument("slug")
@json_option
def members(slug: str, as_json: bool) -> None:
    """List who works on a service."""
    _show(f"{own(slug)}/members", f"{slug} Members", ("email", "role"), as_json)


@click.command()
@click.argument("slug")
@click.argument("email")
@click.option("--role", type=click.Choice(["owner", "admin", "developer"]), default="developer", show_default=True)
@json_option
def set_member(slug: str, email: str, role: str, as_json: bool) -> None:
    """Let a user work on a service, or change a member's role (owners).

    Developers read manifests without secrets and install every plan; admins push, see and rotate secrets, and let users in;
    owners do everything.
    """
    with connect() as client:
        made: Json = client.post(f"{own(slug)}/members", {"email": email, "role": role})
    _done(made, f"{made['email']} is now {made['role']} of {slug}.", as_json)


@click.command()
@click.argument("slug")
@click.argument("email")
@json_option
def remove_member(slug: str, email: str, as_json: bool) -> None:
    """Let a member work on a service no longer (owners)."""
    with connect() as client:
        left = client.delete(f"{own(slug)}/members/{segment(email)}")
    _done(left, f"{email} is no member of {slug} any more.", as_json)


@click.command()
@click.argument("slug")
@json_option
def entitlements(slug: str, as_json: bool) -> None:
    """List the users who are let in: to a service while it is alpha, or to plans by invitation."""
    _show(f"{own(slug)}/entitlements", f"{slug} Entitlements", ("email", "plan"), as_json)


@click.command()
@click.argument("slug")
@click.argument("email")
@_plan
@json_option
def entitle(slug: str, email: str, plan: str | None, as_json: bool) -> None:
    """Let a user in: to a service while it is alpha, or to a plan by invitation."""
    with connect() as client:
        made: Json = client.post(f"{own(slug)}/entitlements", {"email": email, "plan": plan})
    _done(made, f"{made['email']} is let in to {slug}{f':{plan}' if plan else ''}.", as_json)


@click.command()
@click.argument("slug")
@click.argument("email")
@_plan
@json_option
def revoke(slug: str, email: str, plan: str | None, as_json: bool) -> None:
    """Let a user in no longer; add-ons that are there stay."""
    query = f"?plan={segment(plan)}" if plan else ""
    with connect() as client:
        left = client.delete(f"{own(slug)}/entitlements/{segment(email)}{query}")
    _done(left, f"{email} is let in to {slug}{f':{plan}' if plan else ''} no longer.", as_json)


def _show(path: str, title: str, keys: tuple[str, str], as_json: bool) -> None:
    with connect() as client:
        found = client.get_all(path)
    if as_json:
        say_json(found)
    elif found:
        heading(title)
        rows = [(one[keys[0]], one[keys[1]] or "(the service)", moment(one["created_at"])) for one in found]
        say(table(rows, (keys[0].title(), keys[1].title(), "Since")))
    else:
        note("There is nobody.")


def _done(answer: Any, sentence: str, as_json: bool) -> None:
    if as_json:
        say_json(answer)
    else:
        say(clean(sentence))
