"""authorizations, authorizations:create, :info, :revoke: tokens that the account has given out."""

from __future__ import annotations

import click

from broker.cli.client import Json, connect, segment
from broker.cli.options import json_option
from broker.cli.output import card, moment, note, say, say_json, span, table


@click.command()
@json_option
def list_(as_json: bool) -> None:
    """List the tokens that were given out."""
    with connect() as client:
        found = client.get_all("/oauth/authorizations")
    found.sort(key=lambda item: (item.get("description") or "").casefold())
    if as_json:
        say_json([_without_token(item) for item in found])
    elif found:
        rows = [(item.get("description"), item["id"], ", ".join(item.get("scope") or [])) for item in found]
        say(table(rows, ("Description", "Id", "Scope")))
    else:
        note("No authorizations.")


@click.command()
@click.option("-d", "--description", help="What the token is for.")
@click.option(
    "-s", "--scope", metavar="SCOPE,…", help="global, identity, read, write, read-protected, write-protected."
)
@click.option("-e", "--expires-in", type=click.IntRange(min=1), metavar="SECONDS", help="Life of the token.")
@click.option("-S", "--short", is_flag=True, help="Print the token alone.")
@json_option
def create(description: str | None, scope: str | None, expires_in: int | None, short: bool, as_json: bool) -> None:
    """Make a token, and print it this once."""
    body: Json = {"description": description} if description else {}
    if scope:
        body["scope"] = [part.strip() for part in scope.split(",") if part.strip()]
    if expires_in:
        body["expires_in"] = expires_in
    with connect() as client:
        made = client.post("/oauth/authorizations", body)
    if as_json:
        say_json(made)
    elif short:
        say(made["access_token"]["token"])
    else:
        say(card({**_fields(made), "Token": made["access_token"]["token"]}))


@click.command()
@click.argument("authorization")
@json_option
def info(authorization: str, as_json: bool) -> None:
    """Show one authorization."""
    with connect() as client:
        found = _without_token(client.get(f"/oauth/authorizations/{segment(authorization)}"))
    if as_json:
        say_json(found)
    else:
        say(card(_fields(found)))


@click.command()
@click.argument("authorization")
@json_option
def revoke(authorization: str, as_json: bool) -> None:
    """Make a token void."""
    with connect() as client:
        gone = _without_token(client.delete(f"/oauth/authorizations/{segment(authorization)}"))
    if as_json:
        say_json(gone)
    else:
        say(f"Revoked {gone.get('description') or gone['id']}.")


def _fields(item: Json) -> Json:
    client = item.get("client") or {}
    expires_in = (item.get("access_token") or {}).get("expires_in")
    return {
        "Client": client.get("name") or "<none>",
        "Redirect URI": client.get("redirect_uri"),
        "Id": item["id"],
        "Description": item.get("description"),
        "Scope": ", ".join(item.get("scope") or []),
        "Updated": moment(item.get("updated_at")),
        "Last used": moment(item.get("last_used_at")),
        "Expires in": span(expires_in) if expires_in else None,
    }


def _without_token(item: Json) -> Json:
    """The authorization without tokens in clear: only `create` and `auth:token` print one."""
    shown = dict(item)
    for key in ("access_token", "refresh_token"):
        if shown.get(key):
            shown[key] = {**shown[key], "token": "***"}
    return shown
