"""clients, clients:create, :info, :update, :rotate, :destroy: OAuth clients, the programs of third parties."""

from __future__ import annotations

import sys
from typing import Any

import click

from broker.cli.client import Json, connect, segment
from broker.cli.errors import CliError
from broker.cli.options import json_option
from broker.cli.output import card, moment, note, say, say_json, table


@click.command()
@json_option
def list_(as_json: bool) -> None:
    """List the OAuth clients of the account."""
    with connect() as client:
        found = client.get_all("/oauth/clients")
    found.sort(key=lambda item: item["name"].casefold())
    if as_json:
        say_json([_without_secret(item) for item in found])
    elif found:
        say(table([(item["name"], item["id"], item["redirect_uri"]) for item in found], ("Name", "Id", "Redirect URI")))
    else:
        note("No OAuth clients.")


@click.command()
@click.argument("name")
@click.argument("redirect_uri", nargs=-1, required=True)
@click.option("--public", is_flag=True, help="A program on people's machines, which can keep no secret.")
@click.option("--own-scope", metavar="SCOPE,…", help="What it may do in your name by itself, without any user.")
@click.option("--without-pkce", is_flag=True, help="For an older program, which sends no code challenge.")
@json_option
def create(
    name: str, redirect_uri: tuple[str, ...], public: bool, own_scope: str | None, without_pkce: bool, as_json: bool
) -> None:
    """Register a program, and print its secret this once."""
    body: Json = {"name": name, "redirect_uris": list(redirect_uri), "public": public}
    if own_scope:
        body["own_scopes"] = own_scope.split(",")
    if without_pkce:
        body["requires_pkce"] = False
    with connect() as client:
        _tell_whole(client.post("/oauth/clients", body), as_json)


@click.command()
@click.argument("client_id", metavar="CLIENT")
@json_option
def info(client_id: str, as_json: bool) -> None:
    """Show one of them."""
    with connect() as client:
        found = _without_secret(client.get(_path(client_id)))
    if as_json:
        say_json(found)
    else:
        say(card(_fields(found)))


@click.command()
@click.argument("client_id", metavar="CLIENT")
@click.option("-n", "--name", help="What users see on the consent page.")
@click.option("--url", "redirect_uris", multiple=True, metavar="URI", help="Redirect URI; may be given several times.")
@click.option("--own-scope", metavar="SCOPE,…", help="What it may do in your name by itself; empty: nothing.")
@click.option("--pkce/--without-pkce", default=None, help="Whether it must send a code challenge.")
@json_option
def update(
    client_id: str,
    name: str | None,
    redirect_uris: tuple[str, ...],
    own_scope: str | None,
    pkce: bool | None,
    as_json: bool,
) -> None:
    """Change one of them."""
    wished: dict[str, Any] = {
        "name": name,
        "redirect_uris": list(redirect_uris) or None,
        "own_scopes": None if own_scope is None else [part for part in own_scope.split(",") if part],
        "requires_pkce": pkce,
    }
    body = {key: value for key, value in wished.items() if value is not None}
    if not body:
        raise click.UsageError("Nothing to change: give --name, --url, --own-scope or --pkce.")
    with connect() as client:
        changed = _without_secret(client.patch(_path(client_id), body))
    if as_json:
        say_json(changed)
    else:
        note(f"Updated {changed['name']}.")


@click.command()
@click.argument("client_id", metavar="CLIENT")
@json_option
def rotate(client_id: str, as_json: bool) -> None:
    """Give it a new secret, and print that this once; the old one is void at once."""
    with connect() as client:
        _tell_whole(client.post(f"{_path(client_id)}/actions/rotate-credentials"), as_json)


@click.command()
@click.argument("client_id", metavar="CLIENT")
@click.option("-c", "--confirm", metavar="NAME", help="Name of the client, instead of being asked.")
@json_option
def destroy(client_id: str, confirm: str | None, as_json: bool) -> None:
    """Destroy it: it loses everything that users have allowed it, at once."""
    with connect() as client:
        name = client.get(_path(client_id))["name"]
        if confirm is None and sys.stdin.isatty():
            confirm = click.prompt(f"Every user of {name} will be disconnected. To proceed, type {name}", err=True)
        if confirm != name:
            raise CliError(f"Not confirmed: give --confirm {name!r} to destroy it.")
        gone = _without_secret(client.delete(_path(client_id)))
    if as_json:
        say_json(gone)
    else:
        note(f"Destroyed {name}.")


def _path(client_id: str) -> str:
    return f"/oauth/clients/{segment(client_id)}"


def _tell_whole(item: Json, as_json: bool) -> None:
    if as_json:
        say_json(item)
    else:
        say(card({**_fields(item), "Secret": item["secret"] or "none: it is public"}))


def _fields(item: Json) -> Json:
    return {
        "Name": item["name"],
        "Id": item["id"],
        "Redirect URIs": ", ".join(item["redirect_uris"]),
        "Kind": "public, without secret" if item["public"] else "with secret",
        "PKCE": "required" if item["requires_pkce"] else "not required",
        "May by itself": ", ".join(item["own_scopes"]) or "nothing",
        "Updated": moment(item["updated_at"]),
    }


def _without_secret(item: Json) -> Json:
    """The client without its secret, of which the broker tells a part: only `create` and `rotate` print one."""
    return {**item, "secret": "***" if item.get("secret") else None}
