"""addons, addons:info, addons:open, addons:wait, addons:operations: looking at add-ons without changing them.

Also the resolving of what people call an add-on, which the changing commands share.
"""

from __future__ import annotations

from datetime import timedelta

import click

from broker.cli.addon_listing import attached_as, listing, monthly_cost, shown_state, with_foreign
from broker.cli.addon_schedules import terms_fields
from broker.cli.browser import show
from broker.cli.client import Client, Json, connect, segment
from broker.cli.errors import CliError, NotFound, RefusedMissing
from broker.cli.options import addon_argument, complete_addon, json_option, optional_app_option
from broker.cli.output import (
    card,
    heading,
    max_price,
    moment,
    note,
    paint_state,
    price,
    say,
    say_json,
    table,
    time_until,
    warn,
)
from broker.cli.progress import Progress
from broker.cli.waiting import PENDING, reason, wait_for_addon
from broker.cli.waiting import operations as operations_of


def resolve(client: Client, key: str, app: str | None) -> Json:
    """The one add-on that a name, id, service, plan, attachment or config var stands for.

    Raises: NotFound, or CliError when it stands for several.
    """
    found = client.post("/actions/addons/resolve", {"addon": key, "app": app})
    if not found:
        raise NotFound(f"There is no add-on {key!r}.", "See them with `broker addons --all`.")
    if len(found) > 1:
        names = ", ".join(addon["name"] for addon in found)
        raise CliError(f"{key!r} stands for several add-ons: {names}.", "Name the one you mean.")
    one: Json = found[0]
    return one


@click.command()
@optional_app_option
@click.option("-A", "--all", "everything", is_flag=True, help="Those of all your apps.")
@json_option
def list_(app: str | None, everything: bool, as_json: bool) -> None:
    """List the add-ons of an app, or of all apps."""
    with connect() as client:
        one = None if everything else app
        found = client.get_all(f"/apps/{segment(one)}/addons" if one else "/addons")
        attachments = client.get_all("/addon-attachments")
    if as_json:
        say_json([{**addon, "attachments": attached_as(addon, attachments)} for addon in found])
        return
    shown = with_foreign(found, attachments, one)
    if not shown:
        where = f"{one} has no add-ons." if one else "You have no add-ons."
        note(f"{where} See what there is with `broker addons:services`.")
        return
    heading(f"{one} Configured Add-ons" if one else "Add-ons of all apps")
    say(listing(shown, attachments, one))
    note(f"Est. monthly cost: {monthly_cost(found, one)}")
    for name, message in _ends(found).items():
        warn(f"{name}: {message}")


def _ends(addons: list[Json]) -> dict[str, str]:
    """What is announced about the services of these add-ons that end."""
    services = {addon["addon_service"]["name"]: addon["addon_service"].get("sunset") for addon in addons}
    return {name: end["message"] for name, end in services.items() if end}


@click.command()
@addon_argument
@optional_app_option
@json_option
def info(addon: str, app: str | None, as_json: bool) -> None:
    """Show one add-on: plan, price, state, where it is attached."""
    with connect() as client:
        found = resolve(client, addon, app)
        attachments = client.get_all(f"/addons/{found['id']}/addon-attachments")
        why = None if found["state"] == "provisioned" else reason(client, found)
        terms = {} if as_json else terms_fields(client, found)
    if as_json:
        say_json({**found, "attachments": attachments})
        return
    amount = found.get("billed_price") or found["plan"].get("price")
    heading(found["name"])
    fields = {
        "Plan": found["plan"]["name"],
        "Price": price(amount),
        "Max price": max_price(amount),
        "Attachments": sorted(f"{item['app']['name']}::{item['name']}" for item in attachments),
        "Config vars": found.get("config_vars"),
        "Owning app": found["app"]["name"],
        "Installed at": moment(found["created_at"]),
        **terms,
        "State": shown_state(found),
        "Reason": why or found.get("reason") or _unpaid(found),
        "Message": found.get("provision_message") or None,
        "Service ends": _end(found["addon_service"].get("sunset")),
        "Dashboard": f"broker addons:open {found['name']}" if found.get("web_url") else None,
    }
    say(card(fields))


def _unpaid(found: Json) -> str | None:
    return "Its bill is not paid: broker billing:status" if found.get("suspended_for") == "unpaid" else None


def _end(sunset: Json | None) -> str | None:
    """The announced end of the service, with the days that are left."""
    if not sunset:
        return None
    left = time_until(sunset["at"])
    when = (
        "which is over" if left <= timedelta(0) else f"in {left.days} days" if left.days > 1 else "which is very soon"
    )
    before = "" if left <= timedelta(0) else " before"
    successor = f"; move to {sunset['successor']}{before}" if sunset["successor"] else ""
    return f"{sunset['at'][:10]}, {when}{successor}"


@click.command("addons:open")
@addon_argument
@optional_app_option
@click.option(
    "--path", metavar="PATH", help="Where in the dashboard, such as /invoices, if the service has such links."
)
@click.option("--show-url", is_flag=True, help="Print the address, open nothing.")
@json_option
def open_(addon: str, app: str | None, path: str | None, show_url: bool, as_json: bool) -> None:
    """Open the dashboard of an add-on, signed in."""
    with connect() as client:
        found = _openable(client, addon, app)
        url = found.get("web_url") if path is None else _link(client, found, path)
    if not url:
        raise CliError(f"{addon} has no dashboard.")
    if as_json:
        say_json({"web_url": url})
    else:
        show(url, addon, only_print=show_url)


def _openable(client: Client, key: str, app: str | None) -> Json:
    """An attachment of that name, or of the add-on of that name, else the add-on."""
    try:
        found = client.post("/actions/addon-attachments/resolve", {"addon_attachment": key, "app": app})
    except RefusedMissing:
        found = []
    plain = [item for item in found if not item.get("namespace")]
    return next(iter(plain or found), None) or resolve(client, key, app)


def _link(client: Client, found: Json, path: str) -> str:
    """An address that leads further in; `found` is an attachment or an add-on."""
    addon = found.get("addon") or found
    answer = client.post(f"/addons/{addon['id']}/actions/open", {"app": found["app"]["id"], "path": path})
    url: str = answer["url"]
    return url


@click.command()
@click.argument("addon", required=False, metavar="[ADDON]")
@optional_app_option
@json_option
def wait(addon: str | None, app: str | None, as_json: bool) -> None:
    """Wait until add-ons are created or destroyed.

    Without a name, for all pending ones (of the app, if one is given).
    """
    with connect() as client:
        if addon:
            chosen = [resolve(client, addon, app)]
        else:
            chosen = client.get_all(f"/apps/{segment(app)}/addons" if app else "/addons")
        pending = [item for item in chosen if item["state"] in PENDING]
        if not pending:
            note("Nothing is pending.")
        finished = [_awaited(client, item) for item in pending]
    if as_json:
        say_json(finished or chosen)


def _awaited(client: Client, addon: Json) -> Json:
    going = addon["state"] == "deprovisioning"
    with Progress(f"{'Destroying' if going else 'Creating'} {addon['name']}") as progress:
        after = wait_for_addon(client, addon, progress.tell)
        failed = after["state"] == ("provisioned" if going else "deprovisioned")
        progress.done("failed" if failed else "done")
    if failed:
        raise CliError(
            f"{addon['name']} could not be {'destroyed' if going else 'created'}: {reason(client, after) or 'no reason given'}"
        )
    return after


@click.command()
@click.argument("addon", required=False, metavar="[ADDON]", shell_complete=complete_addon)
@optional_app_option
@json_option
def operations(addon: str | None, app: str | None, as_json: bool) -> None:
    """Show what was done to an add-on, and what is pending.

    With the reason, the attempts made and the time of the next one. Without a name, whatever is pending, a line each.
    """
    with connect() as client:
        if addon is None:
            _show_pending([run for run in client.get_all("/operations") if app in (None, run["app"]["name"])], as_json)
            return
        found = resolve(client, addon, app)
        runs = operations_of(client, found)
    if as_json:
        say_json(runs)
        return
    if not runs:
        note(f"Nothing was done to {found['name']} yet.")
        return
    heading(f"{found['name']} Operations")
    say("\n\n".join(_operation(run) for run in runs))


def _show_pending(runs: list[Json], as_json: bool) -> None:
    if as_json:
        say_json(runs)
    elif runs:
        say(table([_line(run) for run in runs], ("Add-on", "Operation", "State", "Why", "Next attempt", "Deadline")))
    else:
        note("Nothing is pending.")


def _line(run: Json) -> tuple[object, ...]:
    kind, following = run["kind"].replace("_", " "), moment(run["next_attempt_at"])
    return run["addon"]["name"], kind, run["state"], run["reason"], following, moment(run["deadline_at"])


def _operation(run: Json) -> str:
    title = f"{run['kind'].replace('_', ' ')}: {paint_state(run['state'])}"
    open_ended = run["state"] not in ("succeeded", "failed")
    fields = {
        "  Began": moment(run["created_at"]),
        "  Finished": moment(run.get("finished_at")),
        "  Attempts": run.get("attempts"),
        "  Next attempt": moment(run.get("next_attempt_at")) if open_ended else None,
        "  Deadline": moment(run.get("deadline_at")) if open_ended else None,
        "  Reason": run.get("reason"),
        "  History": [_step(step) for step in run.get("history") or []],
    }
    return f"{title}\n{card(fields)}"


def _step(step: Json) -> str:
    status = f" ({step['status']})" if step.get("status") else ""
    remark = f": {step['note']}" if step.get("note") else ""
    return f"{step['at']} {step['step']} → {step['outcome']}{status}{remark}"
