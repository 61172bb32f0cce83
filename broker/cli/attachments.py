"""addons:attach, addons:detach: which app sees an add-on, and under which name."""

from __future__ import annotations

import secrets

import click

from broker.cli.client import Client, Json, connect, segment
from broker.cli.confirm import with_confirmation
from broker.cli.errors import RefusedMissing
from broker.cli.options import (
    addon_argument,
    app_option,
    complete_attachment,
    confirm_option,
    dry_run_option,
    json_option,
)
from broker.cli.output import clean, say, say_json
from broker.cli.preview import preview, say_previews
from broker.cli.progress import Progress
from broker.cli.waiting import newest_version


@click.command()
@addon_argument
@app_option
@click.option("--as", "attach_as", metavar="NAME", help="Name of the attachment; config vars begin with it.")
@click.option("--credential", metavar="NAME", help="Attach with this credential of the add-on.")
@click.option("--own-credential", is_flag=True, help="Make a credential for this attachment, which goes with it.")
@click.option("--read-only", is_flag=True, help="Such that only reads, with --own-credential.")
@confirm_option
@dry_run_option
@json_option
def attach(
    addon: str, app: str, attach_as: str | None, credential: str | None, own_credential: bool, read_only: bool,
    confirm: str | None, dry_run: bool, as_json: bool,
) -> int | None:  # fmt: skip
    """Attach an add-on to an app, also to a second one.

    The app gets its config vars; NAME of --as comes first in theirs.
    """
    from broker.cli.addons import resolve
    from broker.cli.own_credentials import make

    if (own_credential and credential) or (read_only and not own_credential):
        raise click.UsageError("--own-credential goes without --credential, and --read-only goes with it.")
    if dry_run and own_credential:
        raise click.UsageError("--own-credential makes a credential first: it can't be tried with --dry-run.")
    with connect() as client:
        found = resolve(client, addon, None if "::" in addon else app)
        if own_credential:
            credential = f"{app[:40].lower()}-{secrets.token_hex(3)}"
            make(client, found, credential, read_only=read_only, while_attached=True)
        body: Json = {"addon": {"name": found["name"]}, "app": {"name": app}}
        if attach_as:
            body["name"] = attach_as
        if credential:
            body["namespace"] = f"credential:{credential}"
        if dry_run:
            asked = {
                "action": "attach",
                "attachment": attach_as,
                "confirm": confirm,
                "namespace": body.get("namespace"),
            }
            return say_previews([preview(client, {**asked, "addon": found["name"], "app": app})], as_json)
        made = with_confirmation(app, confirm, lambda word: _attach(client, body, word))
    if as_json:
        say_json(made)
    else:
        say(f"Attached {found['name']} as {clean(made['name'])} on {app}.")
    return None


def _attach(client: Client, body: Json, word: str | None) -> Json:
    app, title = body["app"]["name"], body.get("name")
    with Progress(f"Attaching {body['addon']['name']}{f' as {title}' if title else ''} to {app}") as progress:
        made: Json = client.post("/addon-attachments", {**body, "confirm": word} if word else body)
        version = newest_version(client, app)
        progress.done(f"done, {version}" if version else "done")
    return made


@click.command()
@click.argument("attachment", shell_complete=complete_attachment)
@app_option
@dry_run_option
@json_option
def detach(attachment: str, app: str, dry_run: bool, as_json: bool) -> int | None:
    """Take an attachment off an app; the add-on stays.

    The config vars that the attachment gave go with it.
    """
    with connect() as client:
        found = _attachment(client, app, attachment)
        if dry_run:
            return say_previews([preview(client, {"action": "detach", "attachment": found["id"]})], as_json)
        with Progress(f"Detaching {found['name']} ({found['addon']['name']}) from {app}") as progress:
            gone = client.delete(f"/addon-attachments/{found['id']}")
            version = newest_version(client, app)
            progress.done(f"done, {version}" if version else "done")
    if as_json:
        say_json(gone)
    return None


def _attachment(client: Client, app: str, key: str) -> Json:
    """The attachment of this name or id; also on an app of somebody else, if the add-on is one of ours."""
    try:
        found: Json = client.get(f"/apps/{segment(app)}/addon-attachments/{segment(key)}")
    except RefusedMissing:
        away = [
            item for item in client.get_all("/addon-attachments") if app in (item["app"]["name"], item["app"]["id"])
        ]
        named = [item for item in away if key in (item["id"], item["name"])]
        if not named:
            raise
        found = named[0]
    return found
