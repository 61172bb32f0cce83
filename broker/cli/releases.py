"""releases, releases:info, releases:rollback."""

from __future__ import annotations

import click

from broker.cli.client import Client, Json, connect, segment
from broker.cli.errors import CliError, NotFound
from broker.cli.options import app_option, json_option
from broker.cli.output import card, clean, heading, moment, note, say, say_json, table
from broker.cli.progress import Progress
from broker.faces.env_text import NAME, shell_line


@click.command()
@app_option
@click.option("-n", "--num", type=click.IntRange(1, 1000), default=15, show_default=True, help="How many.")
@json_option
def list_(app: str, num: int, as_json: bool) -> None:
    """List the releases of an app, newest first."""
    with connect() as client:
        found = _newest(client, app, num)
    if as_json:
        say_json(found)
        return
    if not found:
        note(f"{app} has no releases.")
        return
    current = next((item for item in found if item.get("current")), found[0])
    heading(f"{app} Releases - Current: v{current['version']}")
    say(table([_row(item) for item in found], ("Version", "Description", "By", "When")))


def _row(item: Json) -> tuple[object, ...]:
    status = item.get("status", "succeeded")
    suffix = "" if status == "succeeded" else f" ({status})"
    return f"v{item['version']}", f"{item['description']}{suffix}", item["user"]["email"], moment(item["created_at"])


def _newest(client: Client, app: str, count: int) -> list[Json]:
    found: list[Json] = client.get(f"/apps/{segment(app)}/releases", {"range": f"version ..; max={count}, order=desc"})
    return found


@click.command()
@click.argument("release", required=False, metavar="[vN]")
@app_option
@click.option("-s", "--shell", is_flag=True, help="Print its config vars as NAME=value lines for a shell, alone.")
@json_option
def info(release: str | None, app: str, shell: bool, as_json: bool) -> None:
    """Show a release, the newest unless named, and its config vars."""
    with connect() as client:
        found = _find(client, app, release)
        variables = client.get(f"/apps/{segment(app)}/releases/{found['version']}/config-vars")
    if as_json:
        say_json({"release": found, "config": variables})
    elif shell:
        say("\n".join(shell_line(name, variables[name]) for name in sorted(variables) if NAME.fullmatch(name)))
    else:
        _say_release(found, variables)


def _say_release(found: Json, variables: dict[str, str]) -> None:
    heading(f"Release v{found['version']}")
    fields = {
        "Change": found["description"],
        "By": found["user"]["email"],
        "When": moment(found["created_at"]),
        "Status": found.get("status"),
        "Add-ons": found.get("addon_plan_names"),
    }
    say(card(fields))
    if variables:
        say()
        heading(f"v{found['version']} Config Vars")
        say("\n".join(f"{name}: {clean(value)}" for name, value in sorted(variables.items())))


def _find(client: Client, app: str, release: str | None) -> Json:
    if release is None:
        found = _newest(client, app, 1)
        if not found:
            raise NotFound(f"{app} has no releases.")
        return found[0]
    one: Json = client.get(f"/apps/{segment(app)}/releases/{segment(number_of(release))}")
    return one


def number_of(release: str) -> str:
    """`v12` or `12` as the broker wants it; an id stays what it is."""
    bare = release.removeprefix("v")
    return bare if bare.isdigit() else release


@click.command()
@click.argument("release", required=False, metavar="[vN]")
@app_option
@json_option
def rollback(release: str | None, app: str, as_json: bool) -> None:
    """Go back to the config of an earlier release.

    That makes a new release. Unless one is named, it is the last but one that is gone back to.
    """
    with connect() as client:
        found = _find(client, app, release) if release else _previous(client, app)
        with Progress(f"Rolling back {app} to v{found['version']}") as progress:
            made = client.post(f"/apps/{segment(app)}/releases", {"release": found["id"]})
            progress.done(f"done, v{made['version']}")
    note(f"To undo it: broker rollback v{made['version'] - 1} --app {app}")
    if as_json:
        say_json(made)


def _previous(client: Client, app: str) -> Json:
    """The second newest release among those that can be gone back to."""
    eligible = [item for item in _newest(client, app, 10) if item.get("eligible_for_rollback")]
    if len(eligible) < 2:
        raise CliError(f"{app} has no earlier release to go back to.")
    return eligible[1]
