"""addons:destroy (remove): asks first, then has the provider delete the resource."""

from __future__ import annotations

import click

from broker.cli.addons import resolve
from broker.cli.client import Client, Json, connect
from broker.cli.confirm import require_name
from broker.cli.errors import CliError
from broker.cli.options import (
    complete_addon,
    confirm_option,
    dry_run_option,
    json_option,
    optional_app_option,
    wait_option,
)
from broker.cli.output import note, say_json
from broker.cli.preview import preview, say_previews
from broker.cli.progress import Progress
from broker.cli.waiting import goes_on, newest_version, reason, wait_for_addon


@click.command()
@click.argument("addons", nargs=-1, required=True, metavar="ADDON…", shell_complete=complete_addon)
@optional_app_option
@confirm_option
@click.option("-f", "--force", is_flag=True, help="Even while it is attached to other apps.")
@dry_run_option
@wait_option
@json_option
def destroy(
    addons: tuple[str, ...], app: str | None, confirm: str | None, force: bool, dry_run: bool, wait: bool, as_json: bool
) -> int | None:
    """Destroy add-ons for ever, with their data."""
    with connect() as client:
        found = (_on_app(resolve(client, key, app), app) for key in addons)
        chosen = list({addon["id"]: addon for addon in found}.values())
        if dry_run:
            asked = [{"action": "destroy", "addon": addon["name"], "force": force} for addon in chosen]
            return say_previews([preview(client, body) for body in asked], as_json)
        for owner in dict.fromkeys(addon["app"]["name"] for addon in chosen):
            names = ", ".join(addon["name"] for addon in chosen if addon["app"]["name"] == owner)
            require_name(owner, confirm, f"This destroys {names} on {owner} for ever, with all data.")
        gone = [_destroy(client, addon, force, wait) for addon in chosen]
    if as_json:
        say_json(gone)
    return None


def _on_app(addon: Json, app: str | None) -> Json:
    """The add-on, unless it is billed to another app than the one named: then it is not the one that was meant."""
    owner = addon["app"]
    if app is not None and app not in (owner["name"], owner["id"]):
        raise CliError(
            f"{addon['name']} is on {owner['name']}, not on {app}.",
            f"`broker addons:detach` takes it off {app}; to destroy it, name --app {owner['name']}.",
        )
    return addon


def _destroy(client: Client, addon: Json, force: bool, wait: bool) -> Json:
    app = addon["app"]
    with Progress(f"Destroying {addon['name']} on {app['name']}") as progress:
        with goes_on(f"broker addons:info {addon['name']}"):
            after: Json = client.delete(f"/apps/{app['id']}/addons/{addon['id']}", {"force": force})
        if wait and after["state"] == "deprovisioning":
            after = wait_for_addon(client, after, progress.tell)
        if after["state"] == "deprovisioned":
            version = newest_version(client, app["id"])
            progress.done(f"done, {version}" if version else "done")
        elif after["state"] == "deprovisioning":
            progress.done("pending")
    if after["state"] == "deprovisioning":
        note(f"It is being destroyed in the background. Use `broker addons:wait {addon['name']}` to wait for it.")
    elif after["state"] != "deprovisioned":
        raise CliError(f"{addon['name']} could not be destroyed: {reason(client, after) or 'no reason given'}")
    return after
