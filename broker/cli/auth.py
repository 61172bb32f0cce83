"""login, logout, whoami, auth:token. A password is asked for or read from standard input, never from the arguments."""

from __future__ import annotations

import os
import socket
import sys

import click

from broker.cli.browser_login import log_in_with_browser
from broker.cli.client import Client, Json, connect, segment
from broker.cli.credentials import (
    DEFAULT_URL,
    Login,
    current_login,
    forget_login,
    is_loopback,
    known_url,
    normal_url,
    store_login,
    stored_login,
)
from broker.cli.errors import CliError, NotLoggedIn, Refused
from broker.cli.options import json_option
from broker.cli.output import clean, note, say, say_json, warn

_LIFETIME_S = 30 * 24 * 3600


@click.command()
@click.option(
    "--url", metavar="URL", help=f"Address of the broker. [default: BROKER_URL, the last login, {DEFAULT_URL}]"
)
@click.option("--email", metavar="EMAIL", help="E-mail address of the account; asked for when not given.")
@click.option("-i", "--interactive", is_flag=True, hidden=True, help="Ask here, as is usual.")
@click.option("-b", "--browser", "in_browser", is_flag=True, help="Sign in with a browser, also by passkey.")
@json_option
def login(url: str | None, email: str | None, interactive: bool, in_browser: bool, as_json: bool) -> None:
    """Log in, and keep the token for later commands.

    Asks for e-mail and password, and for a code if the account has a second factor. In a script, give --email and write
    the password to standard input. With --browser, no password is typed here.
    """
    if in_browser and (email or interactive):
        raise click.UsageError("--browser needs neither --email nor --interactive: you say in the browser who you are.")
    base = normal_url(url) if url else known_url() or DEFAULT_URL
    if base.startswith("http:") and not is_loopback(base):
        warn(f"{base} is not encrypted: anybody on the way can read the password.")
    kept = log_in_with_browser(base) if in_browser else _log_in_here(base, email or _ask_email())
    path = store_login(kept)
    if os.environ.get("BROKER_TOKEN"):
        warn("BROKER_TOKEN is set and goes before this login.")
    if as_json:
        say_json({"url": base, "email": kept.email, "credentials_file": str(path)})
    else:
        say(f"Logged in to {base} as {kept.email}.")


def _log_in_here(base: str, email: str) -> Login:
    with Client(base) as client:
        answer = _authorize(client, email, _ask_password())
    return Login(base, answer["access_token"]["token"], answer["user"]["email"], answer["id"])


def _ask_email() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Email", err=True))
    return _line("e-mail address")


def _ask_password() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, err=True))
    return _line("password")


def _line(what: str) -> str:
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise click.UsageError(f"Standard input held no {what}.")
    return line


def _authorize(client: Client, email: str, password: str) -> Json:
    """A new authorization for e-mail and password, with a two-factor code when the account has one."""
    body = {
        "description": f"broker login from {socket.gethostname()}",
        "expires_in": _LIFETIME_S,
        "scope": ["global"],
    }
    code: str | None = None
    while True:
        headers = {"heroku-two-factor-code": code} if code else None
        try:
            answer: Json = client.request(
                "POST", "/oauth/authorizations", body, headers=headers, basic=(email, password)
            )
            return answer
        except Refused as refused:
            if refused.error_id == "two_factor" and code is None:
                code = (
                    str(click.prompt("Two-factor code", err=True)) if sys.stdin.isatty() else _line("two-factor code")
                )
                continue
            if refused.status == 401:
                raise NotLoggedIn(
                    refused.message, "Check e-mail and password, and the address of the broker."
                ) from None
            raise


@click.command()
@json_option
def logout(as_json: bool) -> None:
    """Revoke the token of this login and forget it."""
    kept = stored_login()
    if kept is None:
        if os.environ.get("BROKER_TOKEN"):
            raise CliError("The token is in BROKER_TOKEN.", "Unset it; `broker authorizations:revoke` makes it void.")
        note("Not logged in.")
    else:
        with Client(kept.url, kept) as client:
            _revoke(client, kept)
        forget_login()
        if os.environ.get("BROKER_TOKEN"):
            warn("BROKER_TOKEN is still set.")
    if as_json:
        say_json({"logged_out": kept is not None})
    elif kept:
        say(f"Logged out of {kept.url}.")


def _revoke(client: Client, kept: Login) -> None:
    """Make the token void. One that is void already, or a broker that is gone, must not keep anybody logged in."""
    try:
        if kept.authorization:
            client.delete(f"/oauth/authorizations/{segment(kept.authorization)}")
    except CliError as error:
        if not isinstance(error, Refused) or error.status not in (401, 404):
            warn(f"The token could not be revoked: {error.message}")


@click.command()
@json_option
def whoami(as_json: bool) -> None:
    """Show the account that commands act for."""
    with connect() as client:
        account = client.get("/account")
    if as_json:
        say_json({**account, "broker_url": client.url})
    else:
        say(clean(account["email"]))


@click.command("auth:token")
@json_option
def token(as_json: bool) -> None:
    """Print the token of this login, for programs that need it."""
    login = current_login()
    if as_json:
        say_json({"url": login.url, "token": login.token})
    else:
        say(login.token)
