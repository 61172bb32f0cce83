"""tags, tags:set, tags:unset: by what costs are sorted, on an app or on the whole account."""

from __future__ import annotations

import click

from broker.cli.client import Json, connect, segment
from broker.cli.options import complete_app, for_team_option, json_option
from broker.cli.output import card, clean, note, say, say_json
from broker.cli.progress import Progress

# Without BROKER_APP: a variable of the shell must not turn tags of the account into those of an app.
_account = click.option("--account", is_flag=True, help="Of the account: for every app that it pays for.")


@click.command()
@click.argument("app", required=False, metavar="[APP]", shell_complete=complete_app)
@for_team_option
@json_option
def list_(app: str | None, as_json: bool) -> None:
    """Show the tags of an app, or of your account.

    Those of the account are those of every app that it pays for, unless the app has one of that name.
    """
    with connect() as client:
        found = client.get(_path(app))["tags"]
    _say(found, as_json)


@click.command("tags:set")
@click.argument("words", nargs=-1, required=True, metavar="[APP] NAME=VALUE…")
@_account
@for_team_option
@json_option
def set_(words: tuple[str, ...], account: bool, as_json: bool) -> None:
    """Set tags of an app, or of your account.

    `broker tags:set shop team=growth`, or `broker tags:set --account cost-centre=4711`
    """
    app, pairs = _split(words, account)
    changes = {name: value for name, equals, value in (pair.partition("=") for pair in pairs) if equals}
    if len(changes) != len(pairs):
        raise click.UsageError("Tags are written NAME=VALUE, each name once.")
    _change(app, changes, f"Setting {', '.join(changes)}", as_json)


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[APP] NAME…")
@_account
@for_team_option
@json_option
def unset(words: tuple[str, ...], account: bool, as_json: bool) -> None:
    """Remove tags of an app, or of your account.

    `broker tags:unset shop team`, or `broker tags:unset --account team`
    """
    app, names = _split(words, account)
    _change(app, dict.fromkeys(names), f"Removing {', '.join(names)}", as_json)


def _split(words: tuple[str, ...], account: bool) -> tuple[str | None, tuple[str, ...]]:
    app, rest = (None, words) if account else (words[0], words[1:])
    if not rest or (app is not None and "=" in app):
        raise click.UsageError("Of what? Name an app first, or use --account; then the tags.")
    return app, rest


def _path(app: str | None) -> str:
    return f"/apps/{segment(app)}/tags" if app else "/account/tags"


def _change(app: str | None, changes: Json, doing: str, as_json: bool) -> None:
    with connect() as client, Progress(f"{doing} of {app or 'the account'}"):
        found = client.patch(_path(app), {"tags": changes})["tags"]
    _say(found, as_json)


def _say(found: Json, as_json: bool) -> None:
    if as_json:
        say_json(found)
    elif found:
        say(card({clean(name): value for name, value in found.items()}))
    else:
        note("No tags. Set one with `broker tags:set APP NAME=VALUE`.")


def by_tag(line: Json, name: str) -> str:
    """What a line of costs is sorted under."""
    return str(line["tags"].get(name) or "(none)")
