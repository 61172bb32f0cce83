"""apps, apps:create, apps:info, apps:rename, apps:destroy."""

from __future__ import annotations

import click

from broker.cli.addon_listing import monthly_cost
from broker.cli.client import Json, connect, segment
from broker.cli.confirm import require_name
from broker.cli.options import (
    app_argument,
    confirm_option,
    json_option,
    one_app,
    optional_app_option,
    optional_team_option,
)
from broker.cli.output import card, clean, heading, moment, note, say, say_json
from broker.cli.progress import Progress


@click.command()
@click.option("-A", "--all", "everything", is_flag=True, help="Also apps of your teams.")
@optional_team_option
@json_option
def list_(everything: bool, team: str | None, as_json: bool) -> None:
    """List your apps, or those of a team."""
    path = f"/teams/{segment(team)}/apps" if team else "/users/~/apps"
    with connect() as client:
        found = client.get_all("/apps" if everything else path)
        email = client.get("/account")["email"]
    found.sort(key=lambda app: app["name"])
    if as_json:
        say_json(found)
        return
    if not found:
        note("You have no apps. Make one with `broker apps:create NAME`.")
    own = [app for app in found if app["owner"]["email"] == email]
    _section(f"{email} Apps", [app["name"] for app in own])
    for name in sorted({app["team"]["name"] for app in found if app.get("team")}):
        _section(f"{name} Apps", [app["name"] for app in found if (app.get("team") or {}).get("name") == name])
    shared = [app for app in found if app["owner"]["email"] != email and not app.get("team")]
    _section("Collaborated Apps", [f"{app['name']}  ({app['owner']['email']})" for app in shared])


def _section(title: str, lines: list[str]) -> None:
    if lines:
        heading(title)
        say("\n".join(clean(line) for line in lines))


@click.command()
@click.argument("name", required=False, metavar="[APP]")
@click.option("-a", "--app", metavar="APP", help="Its name, as an option.")
@click.option("--region", metavar="REGION", help="Where it is to run.")
@optional_team_option
@json_option
def create(name: str | None, app: str | None, region: str | None, team: str | None, as_json: bool) -> None:
    """Make an app, of your own or of a team; without a name, one is invented."""
    wanted = name or app
    body: Json = {key: value for key, value in (("name", wanted), ("region", region), ("team", team)) if value}
    with connect() as client, Progress(f"Creating {wanted or 'app'}") as progress:
        made = client.post("/apps", body)
        progress.done(f"done, {made['name']}")
    if as_json:
        say_json(made)
    else:
        say(made["name"])


@click.command()
@app_argument
@optional_app_option
@json_option
def info(name: str | None, app: str | None, as_json: bool) -> None:
    """Show one app, with its add-ons."""
    path = f"/apps/{segment(one_app(name, app))}"
    with connect() as client:
        found = client.get(path)
        addons = client.get_all(f"{path}/addons")
    if as_json:
        say_json({"app": found, "addons": addons})
        return
    heading(found["name"])
    fields = {
        "Owner": found["owner"]["email"],
        "Region": (found.get("region") or {}).get("name"),
        "Add-ons": [addon["plan"]["name"] for addon in addons],
        "Est. monthly cost": monthly_cost(addons, found["name"]) if addons else None,
        "Web URL": found.get("web_url"),
        "Created": moment(found.get("created_at")),
        "Released": moment(found.get("released_at")),
        "Maintenance": "on" if found.get("maintenance") else None,
    }
    say(card(fields))


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="[OLD] NEW")
@optional_app_option
@json_option
def rename(names: tuple[str, ...], app: str | None, as_json: bool) -> None:
    """Give an app another name.

    `apps:rename OLD NEW`, or `apps:rename NEW --app OLD`.
    """
    if len(names) > 2 or (len(names) == 1 and not app):
        raise click.UsageError("Give the old name and the new one, or --app OLD and the new one.")
    old, new = (names[0], names[1]) if len(names) == 2 else (str(app), names[0])
    with connect() as client, Progress(f"Renaming {old} to {new}"):
        renamed = client.patch(f"/apps/{segment(old)}", {"name": new})
    if as_json:
        say_json(renamed)
    else:
        say(renamed["name"])


@click.command()
@app_argument
@optional_app_option
@confirm_option
@json_option
def destroy(name: str | None, app: str | None, confirm: str | None, as_json: bool) -> None:
    """Destroy an app and every add-on it pays for."""
    with connect() as client:
        found = client.get(f"/apps/{segment(one_app(name, app))}")
        owned = client.get_all(f"/apps/{found['id']}/addons")
        own = [addon["name"] for addon in owned if addon["app"]["id"] == found["id"]]
        losses = f", with the data of {', '.join(own)}" if own else ""
        require_name(found["name"], confirm, f"This destroys {found['name']} for ever{losses}.")
        with Progress(f"Destroying {found['name']}" + (f" (including {len(own)} add-ons)" if own else "")):
            gone = client.delete(f"/apps/{found['id']}")
    if as_json:
        say_json(gone)
