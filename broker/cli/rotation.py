"""addons:rotate, addons:credentials, addons:refresh: credentials that change while apps go on."""

from __future__ import annotations

import click

from broker.cli.addons import resolve
from broker.cli.client import Client, Json, connect, segment
from broker.cli.errors import CliError
from broker.cli.options import (
    addon_argument,
    complete_addon,
    complete_service,
    json_option,
    optional_app_option,
    wait_option,
)
from broker.cli.output import card, clean, heading, moment, note, say, say_json, table
from broker.cli.progress import Progress
from broker.cli.waiting import goes_on, poll

_LOOK = "broker addons:credentials"
_OVER = ("finished", "failed")


@click.command()
@click.argument("addon", required=False, shell_complete=complete_addon)
@optional_app_option
@click.option("--service", metavar="SERVICE", shell_complete=complete_service, help="All add-ons of one service.")
@click.option("--all", "everything", is_flag=True, help="All your add-ons.")
@click.option("--everyone", is_flag=True, help="Those of all users, with --service or --all (operators).")
@click.option("--revoke-now", is_flag=True, help="Withdraw old credentials at once: apps that use them are cut off.")
@wait_option
@json_option
def rotate(
    addon: str | None, app: str | None, service: str | None, everything: bool, everyone: bool, revoke_now: bool,
    wait: bool, as_json: bool,
) -> None:  # fmt: skip
    """Give an add-on new credentials, without a pause for the apps that use it.

    Every attached app gets a release with the new ones. The old ones go on working until each app has been started with
    its new release (by `broker run`, say), or until the overlap is over; then the provider withdraws them.

    After a leak at a provider: broker addons:rotate --service redis --revoke-now
    """
    if (addon is not None) + (service is not None) + everything != 1:
        raise click.UsageError("What is to be rotated? Name an add-on, or use --service SERVICE, or --all.")
    if everyone and addon is not None:
        raise click.UsageError("--everyone goes with --service or --all.")
    body: Json = {"revoke_now": revoke_now}
    with connect() as client:
        if addon is None:
            more: Json = {"addon_service": service} if service else {}
            _rotate_many(client, body | more | {"everyone": everyone}, wait, as_json)
        else:
            _rotate_one(client, resolve(client, addon, app), body, wait, as_json)


def _rotate_one(client: Client, found: Json, body: Json, wait: bool, as_json: bool) -> None:
    name = found["name"]
    with Progress(f"Rotating the credentials of {name}") as progress:
        with goes_on(f"{_LOOK} {name}"):
            rotation: Json = client.post(f"/addons/{segment(found['id'])}/actions/rotate", body)
            if wait:
                progress.tell(lambda: "until the old ones are withdrawn")
                rotation = _wait_for(client, found["id"], rotation["id"])
        if rotation["state"] != "failed":
            progress.done("pending" if rotation["state"] == "issuing" else f"done, generation {rotation['generation']}")
    if rotation["state"] == "failed":
        raise CliError(
            f"{name} got no new credentials; the old ones stay.", f"See why with `broker addons:operations {name}`."
        )
    if as_json:
        say_json(rotation)
    elif rotation["state"] in ("overlap", "revoking"):
        _say_overlap(name, rotation)


def _wait_for(client: Client, addon_id: str, rotation_id: str) -> Json:
    def fetch() -> Json:
        found = client.get_all(f"/addons/{segment(addon_id)}/rotations")
        return next(one for one in found if one["id"] == rotation_id)

    return poll(fetch, lambda one: one["state"] not in _OVER)


def _say_overlap(name: str, rotation: Json) -> None:
    missing = [f"{app['name']} (v{app['release']})" for app in rotation["apps"] if not app["acknowledged_at"]]
    if rotation["state"] == "revoking" or not missing:
        note("The old credentials are being withdrawn.")
        return
    note(f"The old credentials work until {moment(rotation['overlap_until'])},")
    note(f"or until these apps run with their new releases: {clean(', '.join(missing))}.")
    note(f"Start them with `broker run`, or tell the broker otherwise; see `{_LOOK} {name}`.")


def _rotate_many(client: Client, body: Json, wait: bool, as_json: bool) -> None:
    with Progress("Rotating credentials") as progress:
        started: list[Json] = client.post("/actions/rotate-credentials", body)
        refused = [one for one in started if one["rotation"] is None]
        progress.done(f"begun for {len(started) - len(refused)} of {len(started)}")
    if wait and not body["everyone"]:
        _wait_for_all(client, [one for one in started if one["rotation"]])
    if as_json:
        say_json(started)
    elif started:
        say(table([("Add-on", "Service", "Rotation"), *(_started(one) for one in started)]))
    if refused:
        raise CliError(f"{len(refused)} of {len(started)} add-ons keep their credentials; the reasons are above.")


def _wait_for_all(client: Client, started: list[Json]) -> None:
    with Progress("Waiting until the old credentials are withdrawn"), goes_on(f"{_LOOK} ADDON"):
        for one in started:
            _wait_for(client, one["addon"]["id"], one["rotation"])


def _started(one: Json) -> tuple[str, str, str]:
    return (one["addon"]["name"], one["addon_service"], one["refusal"] or "begun")


@click.command()
@addon_argument
@optional_app_option
@click.option("--revoke-old", is_flag=True, help="Withdraw old credentials now, whoever still uses them.")
@json_option
def credentials(addon: str, app: str | None, revoke_old: bool, as_json: bool) -> None:
    """Show the generations of an add-on's credentials, how old they are, and which apps have which; no values."""
    with connect() as client:
        found = resolve(client, addon, app)
        path = f"/addons/{segment(found['id'])}"
        if revoke_old:
            with Progress(f"Withdrawing the old credentials of {found['name']}") as progress:
                client.post(f"{path}/rotations/actions/revoke")
                progress.done("begun")
        known: Json = client.get(f"{path}/credentials")
        rotations = client.get_all(f"{path}/rotations")
    if as_json:
        say_json({**known, "rotations": rotations})
        return
    heading(f"{found['name']} Credentials")
    fields = {
        "Generation": known["generation"],
        "Since": moment(known["rotated_at"]),
        "Old ones work until": moment(known["old_until"]),
    }
    say(card(fields))
    for named in known["named"]:
        say()
        say(_named(named))
    for rotation in rotations:
        say()
        say(_shown(rotation))


def _named(credential: Json) -> str:
    fields = {
        "  Permission": credential["permission"].replace("_", " "),
        "  State": credential["state"],
        "  Apps": credential["apps"],
        "  Reason": credential["reason"],
        "  Made": moment(credential["created_at"]),
    }
    return f"Credential {credential['name']}\n{card(fields)}"


def _shown(rotation: Json) -> str:
    title = f"Generation {rotation['generation']}" if rotation["generation"] else "No new credentials"
    fields = {
        "  State": rotation["state"],
        "  Asked for by": "the provider" if rotation["initiated_by"] == "provider" else rotation["actor"],
        "  Issued": moment(rotation["issued_at"]),
        "  Apps": [_taken(app) for app in rotation["apps"]],
        "  Provider said": rotation["last_answer"],
        "  Next attempt": moment(rotation["next_attempt_at"]) if rotation["state"] == "revoking" else None,
        "  Old ones gone": moment(rotation["finished_at"]) if rotation["state"] == "finished" else None,
    }
    return f"{title}\n{card(fields)}"


def _taken(app: Json) -> str:
    known = f"taken {moment(app['acknowledged_at'])} ({app['how']})" if app["acknowledged_at"] else "not taken yet"
    return f"{app['name']} v{app['release']}: {'not known to be taken in time' if app['how'] == 'deadline' else known}"


@click.command()
@addon_argument
@optional_app_option
@json_option
def refresh(addon: str, app: str | None, as_json: bool) -> None:
    """Ask the provider for the config vars of an add-on again.

    Where they differ from what the apps have, the apps get a release with what is right.
    """
    with connect() as client:
        found = resolve(client, addon, app)
        with Progress(f"Refreshing {found['name']}"), goes_on(f"broker addons:operations {found['name']}"):
            after = client.post(f"/addons/{segment(found['id'])}/actions/refresh")
    if as_json:
        say_json(after)
