"""run: a command of the user with the environment of an app."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import parse_qs, unquote, urlsplit

import click

from broker.cli.client import Client, connect, segment
from broker.cli.config import config_path
from broker.cli.errors import CliError
from broker.cli.options import app_option
from broker.cli.output import clean, note
from broker.cli.quoting import expand
from broker.cli.waiting import newest_version

_CANNOT_RUN = 126
_NO_COMMAND = 127


@click.command(context_settings={"allow_interspersed_args": False})
@app_option
@click.option("--one-off", is_flag=True, help="This is not the app itself: it does not count as started anew.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND…")
def run(app: str, one_off: bool, command: tuple[str, ...]) -> int:
    """Run a command with the config vars of an app.

    They are added to the environment of the command, and its exit status becomes that of broker.

    broker run --app intu-jokes -- python manage.py migrate

    Your shell replaces $NAME before broker sees it. Quote it, and broker replaces $NAME and ${NAME} by the app's
    config vars: broker run --app intu-jokes -- psql '$DATABASE_URL'

    When DATABASE_URL is a PostgreSQL address, PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE are set from it, so
    that plain `psql` works and no password stands in the list of processes: broker run --app intu-jokes -- psql

    Running a command tells the broker that the app has its newest config vars: after `addons:rotate`, old credentials are
    withdrawn when every app has. With --one-off it does not, for commands beside an app that runs on.
    """
    with connect() as client:
        version = None if one_off else _version(client, app)
        variables: dict[str, str] = client.get(config_path(app))
        if version:
            _acknowledge(client, app, version)
    words = [expand(word, variables) for word in command]
    return execute(words, {**os.environ, **postgres_variables(variables), **variables})


def _version(client: Client, app: str) -> str | None:
    """The newest release, read before the config vars: they are those of this one or of a later one."""
    try:
        return newest_version(client, app)
    except CliError:
        return None


def _acknowledge(client: Client, app: str, version: str) -> None:
    """Tell that the app runs with this release. A token that may only read can't, and runs the command all the same."""
    with suppress(CliError):
        client.post(f"/apps/{segment(app)}/releases/{version}/actions/acknowledge", {"how": "broker run"})


def postgres_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """What libpq reads from the environment, taken from DATABASE_URL; nothing if that is no PostgreSQL address."""
    try:
        url = urlsplit(variables.get("DATABASE_URL", ""))
        port = url.port
    except ValueError:
        return {}
    if url.scheme not in ("postgres", "postgresql") or not url.hostname:
        return {}
    found = {
        "PGHOST": url.hostname,
        "PGPORT": str(port or 5432),
        "PGUSER": unquote(url.username or ""),
        "PGPASSWORD": unquote(url.password or ""),
        "PGDATABASE": unquote(url.path.removeprefix("/")),
        "PGSSLMODE": parse_qs(url.query).get("sslmode", [""])[0],
    }
    return {name: value for name, value in found.items() if value}


def execute(words: list[str], environment: Mapping[str, str]) -> int:
    """Become the command; where a process cannot do that, run it and return its status.

    A command that cannot be run gives the statuses that shells use: 127 when there is none, else 126.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        if os.name == "posix":
            os.execvpe(words[0], words, environment)  # noqa: S606  becoming the user's command is the purpose
        return subprocess.call(words, env=dict(environment))
    except OSError as cause:
        note(f"Error: cannot run {clean(words[0])}: {cause.strerror}.")
        return _NO_COMMAND if isinstance(cause, FileNotFoundError) else _CANNOT_RUN
