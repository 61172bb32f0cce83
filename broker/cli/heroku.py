"""env: the variables that point the Heroku CLI at this broker, all of them: one missing would send the token elsewhere."""

from __future__ import annotations

from urllib.parse import urlsplit

import click

from broker.cli.credentials import current_login
from broker.cli.errors import CliError
from broker.cli.options import json_option
from broker.cli.output import say, say_json
from broker.faces.env_text import export_text

ACCEPTED_HOSTS = ("localhost", "127.0.0.1")
"""The hosts to which the Heroku CLI sends its token; with any other it would talk to heroku.com instead."""


@click.command()
@json_option
def env(as_json: bool) -> None:
    """Print the variables that point the Heroku CLI here.

    Use them with: eval "$(broker env)"

    The token is among them. A broker on another machine needs `broker cli-proxy`.
    """
    login = current_login()
    variables = heroku_environment(login.url, login.token)
    if as_json:
        say_json(variables)
    else:
        say(export_text(variables).rstrip("\n"))


def heroku_environment(url: str, token: str) -> dict[str, str]:
    """The variables for a broker at this origin.

    Raises: CliError for an origin that the Heroku CLI would not accept.
    """
    parts = urlsplit(url)
    if parts.hostname not in ACCEPTED_HOSTS:
        raise CliError(
            f"The Heroku CLI does not accept {parts.hostname} as a host: it would send your token to heroku.com.",
            "Run `broker cli-proxy`, which forwards from this machine, and use the variables that it prints.",
        )
    if parts.path.strip("/"):
        raise CliError(
            f"The Heroku CLI drops the path {parts.path} of the address, so that it would not reach the broker.",
            "Run `broker cli-proxy`, and use the variables that it prints.",
        )
    return {
        "HEROKU_HOST": url,
        "HEROKU_API_KEY": token,
        "HEROKU_PARTICLEBOARD_URL": url,
        "HEROKU_LOGIN_HOST": url,
        "HEROKU_DATA_HOST": str(parts.hostname),
        "HEROKU_ADDONS_HOST": f"{parts.scheme}://{parts.hostname}",
        "PGDIAGNOSE_URL": str(parts.hostname),  # or the address of a database would be sent to another host
        "HEROKU_POSTGRESQL_ADDON_NAME": "postgres",
        "HEROKU_REDIS_ADDON_NAME": "redis",
        "HEROKU_NETRC_WRITE": "true",
        "HEROKU_SKIP_NEW_VERSION_CHECK": "true",
        "HEROKU_DISABLE_AUTOUPDATE": "1",
        "DISABLE_TELEMETRY": "true",
    }
