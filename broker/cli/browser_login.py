"""Logging in with a browser: a page is opened there, and here the token is waited for."""

from __future__ import annotations

import socket
import time
from typing import Final

from broker.cli import browser
from broker.cli.client import Client, Json
from broker.cli.credentials import Login
from broker.cli.errors import CliError, Refused
from broker.cli.output import note
from broker.cli.progress import Progress

_PATIENCE_S: Final = 600
_NOT_YET: Final = 503
"""How the broker says that nobody has decided, after it has waited for most of a minute."""
_PAUSE_S: Final = 1


def log_in_with_browser(base: str) -> Login:
    """Let the user say in a browser who it is.

    Raises: CliError when it was refused there, or nobody has decided in time.
    """
    with Client(base) as client:
        begun: Json = client.request("POST", "/auth", {"description": f"broker login from {socket.gethostname()}"})
    note(f"Your code is {begun['code']}. The page that opens must show the same one.")
    browser.show(base + begun["browser_url"], "the login")
    with Progress("Waiting for the browser") as progress:
        came = _wait(base, begun)
        progress.done("done")
    if came["error"]:
        raise CliError(came["error"], "Begin anew with `broker login --browser`.")
    with Client(base, Login(base, came["access_token"], "", None)) as client:
        email = client.get("/account")["email"]
    return Login(base, came["access_token"], email, came["authorization"])


def _wait(base: str, begun: Json) -> Json:
    deadline = time.monotonic() + _PATIENCE_S
    with Client(base, Login(base, begun["token"], "", None)) as client:
        while time.monotonic() < deadline:
            try:
                came: Json = client.get(begun["cli_url"])
                return came
            except Refused as refused:
                if refused.status != _NOT_YET:
                    raise
            time.sleep(_PAUSE_S)
    raise CliError("Nobody has decided in the browser.", "Begin anew with `broker login --browser`.")
