"""addons:create, addons:upgrade (downgrade, change), addons:unschedule, addons:rename."""

from __future__ import annotations

import click

from broker.cli.addon_schedules import say_trial, schedule
from broker.cli.addons import resolve
from broker.cli.client import Client, Json, connect, segment
from broker.cli.confirm import with_confirmation
from broker.cli.errors import CliError
from broker.cli.options import (
    addon_argument,
    app_option,
    complete_addon,
    complete_service,
    confirm_option,
    dry_run_option,
    json_option,
    optional_app_option,
    request_option,
    wait_option,
)
from broker.cli.output import clean, note, price_note, say, say_json
from broker.cli.preview import preview, say_previews
from broker.cli.progress import Progress
from broker.cli.quoting import split_pass_through
from broker.cli.waiting import goes_on, newest_version, reason, wait_for_addon, wait_for_plan


def _options(words: tuple[str, ...]) -> dict[str, str | bool]:
    try:
        return split_pass_through(words)
    except ValueError as error:
        raise click.UsageError(f"{error}, after ` -- `.") from error


@click.command()
@click.argument("service", metavar="SERVICE[:PLAN]", shell_complete=complete_service)
@click.argument("options", nargs=-1, metavar="[-- --KEY value…]")
@app_option
@click.option("--as", "attach_as", metavar="NAME", help="Name of the attachment; config vars begin with it.")
@click.option("--name", metavar="NAME", help="Name of the add-on; invented when not given.")
@click.option("--accept-trial-end", is_flag=True, help="Agree to pay when its trial is over, if it has one.")
@confirm_option
@request_option
@dry_run_option
@wait_option
@json_option
def create(
    service: str, options: tuple[str, ...], app: str, attach_as: str | None, name: str | None,
    accept_trial_end: bool, confirm: str | None, request: bool, dry_run: bool, wait: bool, as_json: bool,
) -> int | None:  # fmt: skip
    """Add a service to an app.

    Options for the add-on itself go after ` -- `: broker addons:create postgres:basic --app X -- --version 16 --flag
    """
    body: Json = {"plan": {"name": service}, "config": _options(options)}
    if dry_run:
        asked = {"action": "create", "app": app, "attachment": attach_as, "name": name, "confirm": confirm, **body}
        with connect() as client:
            return say_previews([preview(client, asked)], as_json)
    body["attachment"] = {"name": attach_as} if attach_as else {}
    asked_for = {"name": name, "request": request, "accept_trial_end": accept_trial_end}
    body |= {key: value for key, value in asked_for.items() if value}
    with connect() as client:
        made = with_confirmation(app, confirm, lambda word: _create(client, app, service, _confirmed(body, word), wait))
        if as_json:
            say_json(made)
        else:
            _say_created(made)
            say_trial(client, made)
    return None


def _confirmed(body: Json, word: str | None) -> Json:
    return {**body, "confirm": word} if word else body


def _create(client: Client, app: str, service: str, body: Json, wait: bool) -> Json:
    """Ask for the add-on, wait if wanted, and say how it went.

    Raises: CliError when it could not be created.
    """
    with Progress(f"Adding {service} on {app}") as progress:
        with goes_on(f"broker addons --app {app}"):
            made: Json = client.post(f"/apps/{segment(app)}/addons", body)
        if wait and made["state"] == "provisioning":
            made = wait_for_addon(client, made, progress.tell)
        if made["state"] == "provisioned":
            progress.done(_result(client, app, made))
        elif made["state"] == "provisioning":
            progress.done("pending")
    if made["state"] == "deprovisioned":
        why = made.get("provision_message") or reason(client, made) or "no reason given"
        raise CliError(f"{service} could not be added: {why}")
    return made


def _result(client: Client, app: str, addon: Json) -> str:
    """`done, v8 (free)`."""
    version = newest_version(client, app)
    amount = addon.get("billed_price") or addon["plan"].get("price")
    return f"done{f', {version}' if version else ''} ({price_note(amount)})"


def _say_created(made: Json) -> None:
    if made.get("provision_message"):
        say(clean(made["provision_message"]))
    if made["state"] == "provisioning":
        say(f"{made['name']} is being created in the background; the app gets its config vars when it is ready.")
        say(f"Use `broker addons:wait {made['name']}` to wait for it.")
    else:
        names = ", ".join(made.get("config_vars") or [])
        say(f"Created {made['name']}" + (f" as {clean(names)}" if names else ""))
    say(f"Use `broker addons:docs {made['addon_service']['name']}` to view documentation.")


@click.command()
@addon_argument
@click.argument("plan", required=False, metavar="[PLAN]", shell_complete=complete_service)
@optional_app_option
@click.option("--at-period-end", is_flag=True, help="When the month is over; `addons:unschedule` takes it back.")
@request_option
@dry_run_option
@wait_option
@json_option
def upgrade(
    addon: str, plan: str | None, app: str | None, at_period_end: bool, request: bool, dry_run: bool, wait: bool,
    as_json: bool,
) -> int | None:  # fmt: skip
    """Change the plan of an add-on, up or down.

    `addons:upgrade ADDON PLAN`, or `addons:upgrade SERVICE:PLAN` when the app has one of that service.
    """
    if plan is None:
        service, colon, _ = addon.partition(":")
        if not colon or "::" in addon:
            raise click.UsageError("Which plan? Name it after the add-on; `broker addons:plans SERVICE` lists them.")
        addon, plan = service, addon
    with connect() as client:
        found = resolve(client, addon, app)
        wanted = plan if ":" in plan else f"{found['addon_service']['name']}:{plan}"
        if dry_run:
            asked = {"action": "change_plan", "addon": found["name"], "plan": wanted}
            return say_previews([preview(client, asked)], as_json)
        if at_period_end:
            schedule(client, found, wanted, as_json)
            return None
        after = _change_plan(client, found, wanted, wait, request=request)
    if as_json:
        say_json(after)
    elif after.get("provision_message") and after["provision_message"] != found.get("provision_message"):
        say(clean(after["provision_message"]))
    return None


def _change_plan(client: Client, found: Json, wanted: str, wait: bool, *, request: bool) -> Json:
    app, body = found["app"]["name"], {"plan": {"name": wanted}} | ({"request": True} if request else {})
    with Progress(f"Changing {found['name']} on {app} from {found['plan']['name']} to {wanted}") as progress:
        with goes_on(f"broker addons:operations {found['name']}"):
            after: Json = client.patch(f"/apps/{segment(app)}/addons/{segment(found['name'])}", body)
        if wait and after["plan"]["name"] != wanted:
            after = wait_for_plan(client, found, progress.tell)
        settled = after["plan"]["name"] == wanted
        progress.done(_result(client, app, after) if settled else "pending")
    if not settled:
        note(f"The change goes on. Look at it with `broker addons:operations {found['name']}`.")
    return after


@click.command()
@addon_argument
@optional_app_option
@json_option
def unschedule(addon: str, app: str | None, as_json: bool) -> None:
    """Take back the plan change that is scheduled for an add-on."""
    with connect() as client:
        found = resolve(client, addon, app)
        with Progress(f"Taking back the plan change of {found['name']}") as progress:
            gone = client.delete(f"/addons/{found['id']}/scheduled-plan-change")
            progress.done(f"done, it stays on {found['plan']['name']}")
    if as_json:
        say_json(gone)


@click.command()
@click.argument("old", shell_complete=complete_addon)
@click.argument("new")
@optional_app_option
@json_option
def rename(old: str, new: str, app: str | None, as_json: bool) -> None:
    """Give an add-on another name.

    Its attachments, and so the config vars, keep theirs.
    """
    with connect() as client:
        found = resolve(client, old, app)
        with Progress(f"Renaming {found['name']} to {new}"):
            renamed = client.patch(f"/apps/{found['app']['id']}/addons/{found['id']}", {"name": new})
    if as_json:
        say_json(renamed)
    else:
        say(renamed["name"])
