"""config:edit: the config vars in the user's editor, as the lines that `config -s` prints."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from broker.cli.client import connect
from broker.cli.config import change, config_path
from broker.cli.errors import CliError
from broker.cli.options import app_option, complete_config_name, json_option
from broker.cli.output import clean, note, paint, say_json
from broker.faces.env_text import BadLine, parse_env, shell_text


@click.command()
@click.argument("name", required=False, shell_complete=complete_config_name)
@app_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask before the changes are sent.")
@json_option
def edit(name: str | None, app: str, yes: bool, as_json: bool) -> None:
    """Edit the config vars, or the value of one, in $VISUAL or $EDITOR."""
    with connect() as client:
        before: dict[str, str] = client.get(config_path(app))
        after = _edit_one(before, name) if name else _edit_all(before)
        changes = differences(before, after)
        if not changes:
            note("Nothing was changed.")
        elif _agreed(before, changes, yes):
            if client.get(config_path(app)) != before:
                raise CliError(
                    "The config vars were changed by somebody else meanwhile.", "Nothing was sent; edit again."
                )
            after = change(client, app, changes, f"Changing {', '.join(changes)} on {app}")
        else:
            raise CliError("Nothing was sent.")
    if as_json:
        say_json(after)


def differences(before: dict[str, str], after: dict[str, str]) -> dict[str, str | None]:
    """What must be sent to get from one to the other; None removes."""
    changed: dict[str, str | None] = {name: after[name] for name in after if before.get(name) != after[name]}
    return {**changed, **{name: None for name in before if name not in after}}


def _edit_one(before: dict[str, str], name: str) -> dict[str, str]:
    text = _in_editor(before.get(name, "") + "\n", name)
    return {**before, name: text.removesuffix("\n")}


def _edit_all(before: dict[str, str]) -> dict[str, str]:
    text = shell_text(before)
    while True:
        text = _in_editor(text, "config")
        try:
            return parse_env(text)
        except BadLine as error:
            if not sys.stdin.isatty() or not click.confirm(f"{clean(error)}. Edit again?", default=True, err=True):
                raise CliError(f"Nothing was sent: {error}.") from error


def _in_editor(text: str, title: str) -> str:
    """The text as the editor leaves it. The file lies in a private directory and is removed afterwards.

    Raises: CliError when the editor cannot be run or says that it failed.
    """
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory(prefix="broker-config-") as directory:
        path = Path(directory) / f"{title}.env"
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8", newline="\n")
        try:
            status = subprocess.call([*editor, str(path)])
        except OSError as cause:
            raise CliError(f"Cannot run the editor {editor[0]}: {cause.strerror}.", "Set EDITOR.") from cause
        if status:
            raise CliError(f"The editor ended with status {status}; nothing was sent.")
        return path.read_text(encoding="utf-8")


def _agreed(before: dict[str, str], changes: dict[str, str | None], yes: bool) -> bool:
    for name, value in changes.items():
        if name in before:
            note(paint(f"- {name}: {clean(before[name])}", "red", err=True))
        if value is not None:
            note(paint(f"+ {name}: {clean(value)}", "green", err=True))
    return yes or not sys.stdin.isatty() or click.confirm("Send these changes?", default=True, err=True)
