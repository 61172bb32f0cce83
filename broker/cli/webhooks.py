"""webhooks, webhooks:add, :info, :update, :start, :remove. What they were told is in `webhook_deliveries.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from broker.cli.client import Json, connect, segment
from broker.cli.errors import CliError
from broker.cli.options import app_option, json_option
from broker.cli.output import card, clean, heading, moment, note, say, say_json, table
from broker.cli.progress import Progress

_SIGNING_HEADER = "heroku-webhook-secret"
_LEVELS = click.Choice(["notify", "sync"])
_FILE = click.Path(allow_dash=True, dir_okay=False)
_include = click.option("-i", "--include", metavar="LIST", help="What to be told of, such as api:addon,api:release.")
_url = click.option("-u", "--url", help="Where to send it.")
_secret = click.option(
    "--secret-file", type=_FILE, help="File with the signing secret (- is standard input). Otherwise one is made."
)
_authorization = click.option(
    "--authorization-file", type=_FILE, help="File with what to send as Authorization (- is standard input)."
)
webhook_argument = click.argument("webhook", metavar="WEBHOOK")


def path_of(app: str, webhook: str | None = None) -> str:
    """Where the webhooks of an app are, or one of them."""
    return f"/apps/{segment(app)}/webhooks" + (f"/{segment(webhook)}" if webhook else "")


@click.command()
@app_option
@json_option
def list_(app: str, as_json: bool) -> None:
    """List who is told about changes of an app."""
    with connect() as client:
        found = client.get_all(path_of(app))
    if as_json:
        say_json(found)
    elif found:
        heading(f"{app} Webhooks")
        rows = [(one["id"], one["url"], ",".join(one["include"]), one["level"], _health(one)) for one in found]
        say(table(rows, ("Webhook ID", "URL", "Include", "Level", "")))
    else:
        note(f"{app} has no webhooks. Add one with `broker webhooks:add`.")


_STOPPED = {
    "access_lost": "whoever answers for it may not work on the app any more",
    "account_locked": "the account of whoever answers for it is locked",
}


def _why_stopped(webhook: Json) -> str | None:
    since, reason = moment(webhook.get("stopped_at")), str(webhook.get("stopped_for"))
    return f"since {since}: {_STOPPED.get(reason, clean(reason))}" if since else None


def _health(webhook: Json) -> str | None:
    if webhook.get("stopped_at"):
        return f"stopped {_why_stopped(webhook)}"
    since = moment(webhook.get("failing_since"))
    return f"failing since {since}" if since else None


@click.command()
@app_option
@_include
@click.option(
    "-l", "--level", type=_LEVELS, default="notify", show_default=True,
    help="notify: one attempt; sync: attempts for 72 hours, in order.",
)  # fmt: skip
@_url
@_secret
@_authorization
@json_option
def add(
    app: str, include: str | None, level: str, url: str | None, secret_file: str | None,
    authorization_file: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Have a URL told when something about an app changes.

    The signing secret is printed once; with it the receiver checks what arrives, see docs/howto/webhooks.md.
    """
    if not url or not include:
        raise click.UsageError("Tell what to whom? Give --include api:addon and --url https://...")
    body = _body(include, level, url, secret_file, authorization_file)
    with connect() as client, Progress(f"Adding webhook to {app}") as progress:
        made, headers = client.post_for_headers(path_of(app), body)
        progress.done("done")
    secret = headers.get(_SIGNING_HEADER)
    if as_json:
        say_json({**made, "secret": secret})
        return
    note(f"Webhook {made['id']}. Its signing secret, which is not shown again:")
    say(secret or "")


@click.command()
@webhook_argument
@app_option
@json_option
def info(webhook: str, app: str, as_json: bool) -> None:
    """Show a webhook."""
    with connect() as client:
        found = client.get(path_of(app, webhook))
    if as_json:
        say_json(found)
    else:
        _say(found)


def _say(webhook: Json) -> None:
    heading(webhook["id"])
    fields = {
        "URL": webhook["url"],
        "Include": webhook["include"],
        "Level": webhook["level"],
        "Failing since": moment(webhook.get("failing_since")),
        "Stopped": _why_stopped(webhook),
        "Added": moment(webhook["created_at"]),
    }
    say(card(fields))


@click.command()
@webhook_argument
@app_option
@_include
@click.option("-l", "--level", type=_LEVELS, help="notify: one attempt; sync: attempts for 72 hours, in order.")
@_url
@_secret
@_authorization
@json_option
def update(
    webhook: str, app: str, include: str | None, level: str | None, url: str | None, secret_file: str | None,
    authorization_file: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Change a webhook; what is not given stays."""
    body = _body(include, level, url, secret_file, authorization_file)
    if not body:
        raise click.UsageError("Nothing to change: give --include, --level, --url or a file.")
    with connect() as client, Progress(f"Updating webhook {webhook}") as progress:
        changed = client.patch(path_of(app, webhook), body)
        progress.done("done")
    if as_json:
        say_json(changed)


@click.command()
@webhook_argument
@app_option
@json_option
def start(webhook: str, app: str, as_json: bool) -> None:
    """Start a webhook that was stopped, because whoever added it has lost access; you answer for it from now on."""
    with connect() as client, Progress(f"Starting webhook {webhook}") as progress:
        started = client.post(path_of(app, webhook) + "/actions/start")
        progress.done("done")
    if as_json:
        say_json(started)


@click.command()
@webhook_argument
@app_option
@json_option
def remove(webhook: str, app: str, as_json: bool) -> None:
    """Remove a webhook; what it was not told yet is not told any more."""
    with connect() as client, Progress(f"Removing webhook {webhook} from {app}") as progress:
        removed = client.delete(path_of(app, webhook))
        progress.done("done")
    if as_json:
        say_json(removed)


def _body(
    include: str | None, level: str | None, url: str | None, secret_file: str | None, authorization_file: str | None
) -> Json:
    if [secret_file, authorization_file].count("-") > 1:
        raise click.UsageError("Standard input can hold the secret or the authorization, not both.")
    given = {
        "include": None if include is None else [part.strip() for part in include.split(",")],
        "level": level,
        "url": url,
        "secret": _read(secret_file),
        "authorization": _read(authorization_file),
    }
    return {name: value for name, value in given.items() if value is not None}


def _read(path: str | None) -> str | None:
    """What is in a file, without the line's end: secrets on a command line can be seen by everybody on the machine."""
    if path is None:
        return None
    try:
        if path == "-":
            return sys.stdin.read().strip()
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as cause:
        raise CliError(
            f"{path} can't be read as text.", "Give a file that holds the secret and nothing else."
        ) from cause
