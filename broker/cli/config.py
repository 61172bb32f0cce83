"""config, config:get, config:set, config:unset. The editor is in config_edit.py."""

from __future__ import annotations

import sys

import click

from broker.cli.client import Client, connect, segment
from broker.cli.errors import CliError, NotFound
from broker.cli.options import app_option, complete_config_name, json_option
from broker.cli.output import clean, heading, note, say, say_json, table, warn
from broker.cli.progress import Progress
from broker.cli.waiting import newest_version
from broker.faces.env_text import NAME, shell_line


def config_path(app: str) -> str:
    return f"/apps/{segment(app)}/config-vars"


@click.command()
@app_option
@click.option("-s", "--shell", is_flag=True, help="Print NAME=value lines that a shell can read: `set -a; . ./.env`.")
@json_option
def show(app: str, shell: bool, as_json: bool) -> None:
    """Show the config vars of an app."""
    with connect() as client:
        variables: dict[str, str] = client.get(config_path(app))
    if as_json:
        say_json(dict(sorted(variables.items())))
    elif shell:
        _say_shell(variables)
    elif variables:
        heading(f"{app} Config Vars")
        say("\n".join(f"{name}: {clean(value)}" for name, value in sorted(variables.items())))
    else:
        note(f"{app} has no config vars.")


def _say_shell(variables: dict[str, str]) -> None:
    """Lines for a shell; a var that would be no assignment there is left out, loudly."""
    for name in sorted(variables):
        try:
            say(shell_line(name, variables[name]))
        except ValueError as error:
            warn(f"left out: {error}")


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME…", shell_complete=complete_config_name)
@app_option
@click.option("-s", "--shell", is_flag=True, help="Print NAME=value lines that a shell can read.")
@json_option
def get(names: tuple[str, ...], app: str, shell: bool, as_json: bool) -> None:
    """Print the value of a config var, exactly as it is."""
    with connect() as client:
        variables: dict[str, str] = client.get(config_path(app))
    missing = [name for name in names if name not in variables]
    if missing:
        raise NotFound(f"{app} has no config var {', '.join(missing)}.", f"See them with `broker config --app {app}`.")
    found = {name: variables[name] for name in names}
    if as_json:
        say_json(found)
    elif shell:
        _say_shell(found)
    else:
        say("\n".join(found.values()))


@click.command()
@click.argument("assignments", nargs=-1, metavar="NAME=value…")
@app_option
@click.option(
    "--stdin", "from_stdin", metavar="NAME", help="Read the value of NAME from standard input: not seen in `ps`."
)
@json_option
def set_(assignments: tuple[str, ...], app: str, from_stdin: str | None, as_json: bool) -> None:
    """Set config vars, in one release."""
    if from_stdin:
        assignments = (*assignments, f"{from_stdin}={sys.stdin.read().removesuffix(chr(10))}")
    if not assignments:
        raise click.UsageError("Which config vars? They look like NAME=value.")
    changes = read_assignments(assignments)
    with connect() as client:
        after = change(client, app, changes, f"Setting {', '.join(changes)} on {app}")
    shown = {name: after.get(name, "") for name in changes}
    if as_json:
        say_json(shown)
    else:
        say(table([(f"{name}:", value) for name, value in shown.items()]))


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME…", shell_complete=complete_config_name)
@app_option
@json_option
def unset(names: tuple[str, ...], app: str, as_json: bool) -> None:
    """Remove config vars, in one release."""
    with connect() as client:
        before = client.get(config_path(app))
        absent = [name for name in names if name not in before]
        if absent:
            warn(f"{app} has no config var {', '.join(absent)}.")
        after = change(client, app, dict.fromkeys(names), f"Unsetting {', '.join(names)} on {app}")
    if as_json:
        say_json(after)


def read_assignments(assignments: tuple[str, ...]) -> dict[str, str | None]:
    """`NAME=value` words as a mapping.

    Raises: UsageError for a word that is none.
    """
    changes: dict[str, str | None] = {}
    for word in assignments:
        name, equals, value = word.partition("=")
        if not equals:
            raise click.UsageError(f"{word} is no assignment. It must look like NAME=value.")
        if not NAME.fullmatch(name):
            raise click.UsageError(f"{name!r} is no name of a config var: letters, digits and _, not first a digit.")
        changes[name] = value
    return changes


def change(client: Client, app: str, changes: dict[str, str | None], title: str) -> dict[str, str]:
    """Send changes (None removes), say which release they made, and return the whole config."""
    if not changes:
        raise CliError("There is nothing to change.")
    with Progress(title) as progress:
        after: dict[str, str] = client.patch(config_path(app), dict(changes))
        version = newest_version(client, app)
        progress.done(f"done, {version}" if version else "done")
    return after
